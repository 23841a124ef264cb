"""A person makes a shadow the champion; where one stands already, only after a contest on the lake's newest bars.

In: a lake, a registry, a model's id, a person's name and reason.  Out: the record, and the contest if there was one.
Never: a promotion on bars that either model was trained on.
"""

from __future__ import annotations

from dataclasses import dataclass

from kracken_tasks.domain.clock import parse_utc
from kracken_tasks.errors import BadData
from kracken_tasks.forecast.bundle import Bundle
from kracken_tasks.forecast.contest import Contest, compete
from kracken_tasks.forecast.inference import Forecaster
from kracken_tasks.forecast.registry import Registry, Transition
from kracken_tasks.lake import Lake

__all__ = ["Promotion", "promote"]


@dataclass(frozen=True, slots=True)
class Promotion:
    """``contest`` is None where no champion stood."""

    record: Transition
    contest: Contest | None


def promote(lake: Lake, registry: Registry, model_id: str, *, by: str, reason: str, cost_fraction: float) -> Promotion:
    """Promote a shadow in a person's name.

    Time:   the record's moment is the close of the series' newest candle.
    Units:  ``cost_fraction`` of the notional, paid for every change of position in the contest.
    Raises: Misconfigured if it is no shadow, has lost its contest, or name or reason is missing; BadData for a model that is not
            there, or if the lake holds no bar that neither model saw.
    """
    challenger = registry.load(model_id)
    key, snapshot = challenger.key, lake.snapshot()
    last = snapshot.last_ts(key)
    if last is None:
        raise BadData(f"the lake holds no candles of {key}; kracken ingest or kracken import first", series=str(key))
    champion = registry.champion(key)
    contest = None
    if champion is not None and champion.model_id != model_id:
        # What neither saw, and before it what their first windows look back on.
        unseen = max(parse_utc(bundle.meta.data_last_ts) for bundle in (challenger, champion))
        frame = snapshot.candles(key, unseen - _look_back(challenger, champion) * key.timeframe.delta)
        contest = compete(challenger, champion, frame, cost_fraction=cost_fraction)
    record = registry.promote(model_id, by=by, reason=reason, now=last + key.timeframe.delta, contest=contest)
    return Promotion(record, contest)


def _look_back(*bundles: Bundle) -> int:
    """Bars; twice what is needed, as there may be holes."""
    return 2 * max(Forecaster(bundle).needed_rows for bundle in bundles)
