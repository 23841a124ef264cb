"""Replay: what a tick decided, computed again from the snapshot and the facts it saw, and compared.

In: a recorded decision, today's strategy, limits and stop rules, the lake as of the decision's commit.  Out: ``Replayed`` with named
differences.  Never: a newer candle than the decision saw, a tolerance: floats are the same to the last digit or they differ.

Computed again by the tick's own function: the bar, every signal, the strategy's proposal, each cut of the size and each guard.  Taken
as recorded: the quote, the instrument's rules, the account's figures, other venues' words; and the forecast, from its recorded signal:
where that signal was silent the forecast is not known, and its silence is taken as it stands.  Decisions of ledgers from before facts
were kept are computed up to their proposal (``Replayed.partly``).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from datetime import datetime
from typing import Any, Protocol

import pandas as pd

from kracken_tasks.domain.clock import iso
from kracken_tasks.domain.market import SeriesKey
from kracken_tasks.domain.trading import Action, Decision, Opinion, SizeReceipt
from kracken_tasks.errors import BadData, KrackenError
from kracken_tasks.execution.judging import Facts, frame_rows, proposed, sized
from kracken_tasks.execution.team import with_account_guards
from kracken_tasks.ledger.codec import decode, encode
from kracken_tasks.ledger.entries import DecisionEntry
from kracken_tasks.risk.limits import RiskLimits
from kracken_tasks.risk.stops import StopRules
from kracken_tasks.signals.lstm import NAME as LSTM
from kracken_tasks.signals.lstm import ForecastValue
from kracken_tasks.signals.panel import ask_modules
from kracken_tasks.signals.registry import SIGNALS
from kracken_tasks.strategies.proposal import Strategy

__all__ = ["Difference", "Replayed", "SeenCandles", "recorded_facts", "replay"]


class SeenCandles(Protocol):
    """The part of a lake snapshot that a replay reads."""

    def candles(
        self, key: SeriesKey, start: datetime | None = None, end: datetime | None = None, last: int | None = None
    ) -> pd.DataFrame: ...


@dataclass(frozen=True, slots=True)
class Difference:
    """``what`` differs: setting NAME, bar, strategy, signal NAME, action, confidence, size cut NAME, size, guard NAME or reason; as it
    ``was`` recorded and ``is_now``, in text."""

    what: str
    was: str
    is_now: str


@dataclass(frozen=True, slots=True)
class Replayed:
    """One decision, computed again.

    ``differences`` by cause: an earlier one may explain those after it; a setting that changed is among them only where something
    else differs, too.  ``partly`` says what could not be computed again; empty: everything was.  ``decision`` as it comes out now.
    """

    symbol: str
    differences: tuple[Difference, ...]
    decision: Decision
    partly: str = ""

    @property
    def identical(self) -> bool:
        return not self.differences


def replay(
    entry: DecisionEntry,
    strategy: Strategy,
    view: SeenCandles,
    key: SeriesKey,
    limits: RiskLimits,
    rules: StopRules | None = None,
) -> Replayed:
    """Compute a decision again and compare it with what was recorded.

    ``view``: the lake as of the decision's ``commit_seq``; ``rules`` None: the stop rules it was made with.  Time: market time is the
    entry's own ``ts``.  Raises: BadData where the recorded facts cannot be read by this version.
    """
    was, now = entry.decision, entry.ts
    frame = view.candles(key, last=frame_rows(strategy))
    asked = ask_modules(frame, strategy.modules, forecast=_forecast(was), now=now, bar_seconds=key.timeframe.seconds)
    told = {item.module: item for item in was.opinions if _as_recorded(item)}
    opinions = tuple(told.get(item.module, item) for item in asked)
    facts = recorded_facts(entry)
    again = proposed(
        key,
        strategy,
        frame,
        opinions,
        limits,
        commit_seq=was.commit_seq,
        now=now,
        row_findings=_held_against(was, facts),
    )
    settings: list[tuple[str, Any, Any]] = []
    if facts is not None:
        settings = [*_settings(facts.limits, limits), *_settings(facts.rules, rules or facts.rules)]
        if again.decision.action is Action.BUY:
            held = _held(facts, view, key, frame_rows(strategy))
            again = sized(again, key, frame, held, replace(facts, limits=limits, rules=rules or facts.rules), now=now)
            again = with_account_guards(again, was)
    pairs = _compared(was, again.decision, full=facts is not None or was.receipt is None)
    differences = _differing(pairs)
    if differences:
        differences = (*_differing(settings), *differences)
    partly = "" if facts is not None or was.receipt is None else "its size and guards: their facts were not kept yet"
    return Replayed(entry.symbol, differences, again.decision, partly)


def recorded_facts(entry: DecisionEntry) -> Facts | None:
    """What a decision was sized by; None where no order could follow, or in entries from before facts were kept.

    Raises: BadData where this version cannot read them.
    """
    if not entry.facts:
        return None
    try:
        return decode(Facts, entry.facts)
    except (KrackenError, ValueError, TypeError, KeyError) as error:
        raise BadData(
            f"the facts of {entry.symbol} in tick {entry.tick_id} cannot be read by this version: {error}",
            tick_id=entry.tick_id, symbol=entry.symbol,
        ) from None  # fmt: skip


def _held_against(was: Decision, facts: Facts | None) -> tuple[str, ...]:
    """What row rules and quarantine held against the candles; where no facts were kept, in the words of the guard that refused."""
    if facts is not None:
        return facts.row_findings
    return tuple(answer.reason for answer in was.guards if answer.guard == "rows_clean" and not answer.passed)


def _held(facts: Facts, view: SeenCandles, key: SeriesKey, rows: int) -> dict[str, pd.DataFrame | None]:
    """Candles of what was held besides; a holding whose candles the tick did not read has none here either."""
    return {
        holding.symbol: None if holding.series is None else view.candles(holding.series, last=rows)
        for holding in facts.holdings
        if holding.symbol != key.symbol
    }


def _compared(was: Decision, now: Decision, *, full: bool) -> list[tuple[str, Any, Any]]:
    pairs: list[tuple[str, Any, Any]] = [
        ("bar", _moment(was.bar_ts), _moment(now.bar_ts)),
        ("strategy", was.strategy, now.strategy),
        *_named("signal", {item.module: item for item in was.opinions}, {item.module: item for item in now.opinions}),
        ("action", was.action, now.action),
        ("confidence", was.confidence, now.confidence),
    ]
    if not full:  # an entry's guard has put its own reason in the place of the proposal's
        return pairs if was.blocked_by is not None else [*pairs, ("reason", was.reason, now.reason)]
    before, after = was.receipt, now.receipt
    return [
        *pairs,
        *_named("size cut", _cuts(before), _cuts(after)),
        ("size", None if before is None else before.amount, None if after is None else after.amount),
        *_named("guard", {item.guard: item for item in was.guards}, {item.guard: item for item in now.guards}),
        ("reason", was.reason, now.reason),
    ]


def _cuts(receipt: SizeReceipt | None) -> dict[str, Any]:
    return {} if receipt is None else {cut.rule: cut for cut in receipt.cuts}


def _named(kind: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> list[tuple[str, Any, Any]]:
    return [(f"{kind} {name}", before.get(name), after.get(name)) for name in dict.fromkeys([*before, *after])]


def _settings(before: Any, after: Any) -> list[tuple[str, Any, Any]]:
    return [(f"setting {one.name}", getattr(before, one.name), getattr(after, one.name)) for one in fields(before)]


def _differing(pairs: Iterable[tuple[str, Any, Any]]) -> tuple[Difference, ...]:
    told = ((what, encode(before), encode(after)) for what, before, after in pairs)
    return tuple(Difference(what, before, after) for what, before, after in told if before != after)


def _as_recorded(opinion: Opinion) -> bool:
    """What cannot be asked again: a forecast that was not there, and what was in the news then."""
    module = SIGNALS.get(opinion.module)
    return module is not None and (module.needs_reading or (module.needs_forecast and not opinion.has_opinion))


def _forecast(was: Decision) -> ForecastValue | None:
    """The forecast behind the recorded signal; None where that signal had none to speak of."""
    told = next((item for item in was.opinions if item.module == LSTM and item.has_opinion), None)
    if told is None or was.bar_ts is None:
        return None
    return ForecastValue(told.values["forecast"], True, told.reason.partition(" expects ")[0], was.bar_ts, "champion")


def _moment(at: datetime | None) -> str:
    return "none" if at is None else iso(at)
