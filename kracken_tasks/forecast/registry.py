"""Which model may speak: candidate, shadow, champion, retired, by append-only records.

In: judged bundles, and decisions of named people.  Out: the champion of a series, the history of every model.  Never: a record changed
or removed, a promotion by a program, a half-written file.

On disk: ``models/<id>.npz`` (content-addressed) and ``transitions/<number>.json``, numbered without holes.  A record is written under a
temporary name and linked to its number; of two writers one gets it, the other reads again and decides again.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path

from kracken_tasks.domain.clock import iso
from kracken_tasks.domain.market import SeriesKey
from kracken_tasks.errors import BadData, Misconfigured, RetryLater
from kracken_tasks.files import create_file
from kracken_tasks.forecast.bundle import Bundle
from kracken_tasks.forecast.contest import Contest
from kracken_tasks.forecast.evaluation import Judgement

__all__ = ["RETRAINING", "ModelState", "Registry", "Transition"]

RETRAINING = "retraining"  # who registers; never a name that promotes
_ATTEMPTS = 20


class ModelState(StrEnum):
    CANDIDATE = "candidate"
    SHADOW = "shadow"
    CHAMPION = "champion"
    RETIRED = "retired"


@dataclass(frozen=True, slots=True)
class Transition:
    """One model's step.  ``replaces``: the champion that steps down in the same record.  ``at``: market time, ISO 8601."""

    number: int
    model_id: str
    series: str
    from_state: str | None
    to_state: str
    by: str
    at: str
    reasons: tuple[str, ...]
    too_good: bool = False
    replaces: str | None = None


class Registry:
    """A folder of models and the record of what became of them.  Folders are made when something is first written."""

    def __init__(self, path: Path | str) -> None:
        self._models = Path(path) / "models"
        self._records = Path(path) / "transitions"

    def register(self, bundle: Bundle, judgement: Judgement, *, now: datetime, by: str = RETRAINING) -> Transition:
        """Store a trained model in the state its judgement allows, candidate or shadow.  Registering it again changes nothing."""
        if judgement.state not in (ModelState.CANDIDATE, ModelState.SHADOW):
            raise Misconfigured(f"training cannot end in {judgement.state!r}", allowed="candidate, shadow")
        model_id, series = bundle.model_id, str(bundle.key)
        create_file(self._models / f"{model_id}.npz", bundle.content)

        def decide(past: Sequence[Transition]) -> Transition:
            known = next((record for record in past if record.model_id == model_id), None)
            return known or Transition(
                number=len(past) + 1,
                model_id=model_id,
                series=series,
                from_state=None,
                to_state=judgement.state,
                by=by,
                at=iso(now),
                reasons=judgement.reasons,
                too_good=judgement.too_good,
            )

        return self._append(decide)

    def clear(self, model_id: str, *, by: str, reason: str, now: datetime) -> Transition:
        """A named person vouches for a candidate that looked too good to be true: it becomes a shadow."""

        def decide(past: Sequence[Transition]) -> Transition:
            first = next((record for record in past if record.model_id == model_id), None)
            if first is None or not first.too_good or _state(past, model_id) is not ModelState.CANDIDATE:
                raise Misconfigured(f"{model_id} is no candidate that is too good to be true", model_id=model_id)
            return _step(past, first, ModelState.SHADOW, by, reason, now)

        return self._decided(decide, by, reason)

    def promote(
        self, model_id: str, *, by: str, reason: str, now: datetime, contest: Contest | None = None
    ) -> Transition:
        """Make a shadow the champion of its series, in a person's name.

        ``contest``: needed where a champion stands; the challenger must have won it against that very champion.
        Raises: Misconfigured, saying what is missing.
        """

        def decide(past: Sequence[Transition]) -> Transition:
            record = next((record for record in past if record.model_id == model_id), None)
            state = _state(past, model_id)
            if record is None or state is not ModelState.SHADOW:
                raise Misconfigured(
                    f"only a shadow can become champion; {model_id} is {state or 'unknown'}", model_id=model_id
                )
            standing = _champion(past, record.series)
            _check_contest(contest, model_id, standing)
            return _step(past, record, ModelState.CHAMPION, by, reason, now, replaces=standing)

        return self._decided(decide, by, reason)

    def retire(self, model_id: str, *, by: str, reason: str, now: datetime) -> Transition:
        """Take a model out of service, in a person's name; a series without champion has no forecast."""

        def decide(past: Sequence[Transition]) -> Transition:
            record = next((record for record in past if record.model_id == model_id), None)
            if record is None or _state(past, model_id) is ModelState.RETIRED:
                raise Misconfigured(f"{model_id} is not in service", model_id=model_id)
            return _step(past, record, ModelState.RETIRED, by, reason, now)

        return self._decided(decide, by, reason)

    def champion(self, key: SeriesKey) -> Bundle | None:
        """The one model of the series that may have an opinion."""
        model_id = _champion(self.transitions(), str(key))
        return None if model_id is None else self.load(model_id)

    def shadow(self, key: SeriesKey) -> Bundle | None:
        """The newest shadow of the series."""
        past = self.transitions()
        for record in reversed(past):
            if record.series == str(key) and _state(past, record.model_id) is ModelState.SHADOW:
                return self.load(record.model_id)
        return None

    def state_of(self, model_id: str) -> ModelState | None:
        return _state(self.transitions(), model_id)

    def models(self, key: SeriesKey | None = None) -> dict[str, ModelState]:
        """Every model, in order of registration, with its state now."""
        past = self.transitions()
        states: dict[str, ModelState] = {}
        for record in past:
            if key is None or record.series == str(key):
                states[record.model_id] = ModelState(record.to_state)
                if record.replaces is not None:
                    states[record.replaces] = ModelState.RETIRED
        return states

    def load(self, model_id: str) -> Bundle:
        """Read a model and check its bytes against its name.

        Raises: BadData if it is missing or altered.
        """
        path = self._models / f"{model_id}.npz"
        try:
            content = path.read_bytes()
        except FileNotFoundError as error:
            raise BadData(
                f"model {model_id} is not in {path.parent}", rule="model_exists", model_id=model_id
            ) from error
        return Bundle.from_bytes(content, expected_id=model_id)

    def transitions(self) -> tuple[Transition, ...]:
        """All records, oldest first.

        Raises: BadData if a number is missing or a record cannot be read.
        """
        if not self._records.is_dir():
            return ()
        paths = sorted(path for path in self._records.glob("*.json") if path.stem.isdigit())
        records = tuple(_read(path) for path in paths)
        if [record.number for record in records] != list(range(1, len(records) + 1)):
            raise BadData(f"the records in {self._records} are not numbered without holes", rule="numbered")
        return records

    def _decided(self, decide: Callable[[Sequence[Transition]], Transition], by: str, reason: str) -> Transition:
        if not by.strip() or by.strip().lower() == RETRAINING:
            raise Misconfigured("this step needs the name of a person", key="by", value=by)
        if not reason.strip():
            raise Misconfigured("this step needs a reason", key="reason")
        return self._append(decide)

    def _append(self, decide: Callable[[Sequence[Transition]], Transition]) -> Transition:
        """Write what ``decide`` answers to the records so far; answering one of them writes nothing."""
        for _ in range(_ATTEMPTS):
            past = self.transitions()
            record = decide(past)
            if record.number <= len(past):
                return record
            text = json.dumps(asdict(record), sort_keys=True, indent=1)
            if create_file(self._records / f"{record.number:08d}.json", text.encode()):
                return record
        raise RetryLater("other writers kept taking the next record", attempts=_ATTEMPTS)


def _state(past: Sequence[Transition], model_id: str) -> ModelState | None:
    state: ModelState | None = None
    for record in past:
        if record.model_id == model_id:
            state = ModelState(record.to_state)
        elif record.replaces == model_id:
            state = ModelState.RETIRED
    return state


def _champion(past: Sequence[Transition], series: str) -> str | None:
    standing: str | None = None
    for record in past:
        if record.series != series:
            continue
        if record.to_state == ModelState.CHAMPION:
            standing = record.model_id
        elif record.model_id == standing:
            standing = None
    return standing


def _step(
    past: Sequence[Transition],
    known: Transition,
    to_state: ModelState,
    by: str,
    reason: str,
    now: datetime,
    replaces: str | None = None,
) -> Transition:
    before = _state(past, known.model_id)
    return Transition(
        len(past) + 1,
        known.model_id,
        known.series,
        before,
        to_state,
        by.strip(),
        iso(now),
        (reason,),
        replaces=replaces,
    )


def _check_contest(contest: Contest | None, challenger: str, standing: str | None) -> None:
    if standing is None:
        return
    if contest is None or (contest.challenger_id, contest.champion_id) != (challenger, standing):
        raise Misconfigured(f"{standing} is champion: a contest against it is needed", key="contest", champion=standing)
    if not contest.won:
        raise Misconfigured(f"the contest was not won: {'; '.join(contest.reasons)}", key="contest", champion=standing)


def _read(path: Path) -> Transition:
    try:
        values = json.loads(path.read_text())
        return Transition(**{**values, "reasons": tuple(values["reasons"])})
    except (ValueError, KeyError, TypeError) as error:
        raise BadData(f"{path.name} is no transition record: {error}", rule="record", file=str(path)) from error
