"""Replay: what a tick thought, computed again from the snapshot it saw, and compared.

In: a recorded decision, today's strategy and limits, the lake as of the decision's commit.  Out: ``Replayed`` with named differences.
Never: a newer candle than the decision saw, a tolerance: floats are the same to the last digit or they differ.

Computed again: the bar, every signal, the strategy's proposal, and whether the bar was fresh.  Not computed again: size and the guards
of an entry, whose quotes and account figures the ledger does not hold.  A forecast is an input, taken from its recorded signal; where that
signal was silent the forecast is not known, and its silence is taken as it stands.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

import pandas as pd

from kracken_tasks.domain.clock import iso
from kracken_tasks.domain.market import SeriesKey
from kracken_tasks.domain.trading import Action, Decision, Opinion
from kracken_tasks.execution.entries import frame_rows
from kracken_tasks.ledger.codec import encode
from kracken_tasks.ledger.entries import DecisionEntry
from kracken_tasks.risk.guards import freshness
from kracken_tasks.risk.limits import RiskLimits
from kracken_tasks.signals.lstm import NAME as LSTM
from kracken_tasks.signals.lstm import ForecastValue
from kracken_tasks.signals.panel import ask_modules
from kracken_tasks.strategies.proposal import Strategy

__all__ = ["Difference", "Replayed", "SeenCandles", "replay"]


class SeenCandles(Protocol):
    """The part of a lake snapshot that a replay reads."""

    def candles(
        self, key: SeriesKey, start: datetime | None = None, end: datetime | None = None, last: int | None = None
    ) -> pd.DataFrame: ...


@dataclass(frozen=True, slots=True)
class Difference:
    """``what`` differs: bar, strategy, signal NAME, action, confidence or reason; as it ``was`` recorded and ``is`` now, in text."""

    what: str
    was: str
    is_now: str


@dataclass(frozen=True, slots=True)
class Replayed:
    """One decision, computed again.  ``differences`` by cause: an earlier one may explain those after it."""

    symbol: str
    differences: tuple[Difference, ...]

    @property
    def identical(self) -> bool:
        return not self.differences


def replay(entry: DecisionEntry, strategy: Strategy, view: SeenCandles, key: SeriesKey, limits: RiskLimits) -> Replayed:
    """Compute a decision's signals and proposal again and compare them with what was recorded.

    ``view``: the lake as of the decision's ``commit_seq``.  Time: market time is the entry's own ``ts``.
    """
    was, now = entry.decision, entry.ts
    frame = view.candles(key, last=frame_rows(strategy))
    asked = ask_modules(frame, strategy.modules, forecast=_forecast(was), now=now, bar_seconds=key.timeframe.seconds)
    silent = {item.module: item for item in was.opinions if item.module == LSTM and not item.has_opinion}
    opinions = tuple(silent.get(item.module, item) for item in asked)
    proposal = strategy.propose(entry.symbol, frame, opinions)
    fresh = freshness(proposal.bar_ts, key.timeframe.seconds, now, limits)
    action, reason = (proposal.action, proposal.reason) if fresh.passed else (Action.HOLD, fresh.reason)
    pairs: list[tuple[str, Any, Any]] = [
        ("bar", _moment(was.bar_ts), _moment(proposal.bar_ts)),
        ("strategy", was.strategy, proposal.strategy),
        *_signals(was, tuple(proposal.opinions or opinions)),
        ("action", was.action, action),
        ("confidence", was.confidence, proposal.confidence),
    ]
    if was.blocked_by is None or was.receipt is None:
        pairs.append(("reason", was.reason, reason))  # an entry's guard has put its own in the place of the proposal's
    compared = ((what, encode(before), encode(after)) for what, before, after in pairs)
    return Replayed(
        entry.symbol, tuple(Difference(what, before, after) for what, before, after in compared if before != after)
    )


def _signals(was: Decision, now: tuple[Opinion, ...]) -> list[tuple[str, Any, Any]]:
    before, after = {item.module: item for item in was.opinions}, {item.module: item for item in now}
    return [(f"signal {name}", before.get(name), after.get(name)) for name in dict.fromkeys([*before, *after])]


def _forecast(was: Decision) -> ForecastValue | None:
    """The forecast behind the recorded signal; None where that signal had none to speak of."""
    told = next((item for item in was.opinions if item.module == LSTM and item.has_opinion), None)
    if told is None or was.bar_ts is None:
        return None
    return ForecastValue(told.values["forecast"], True, told.reason.partition(" expects ")[0], was.bar_ts, "champion")


def _moment(at: datetime | None) -> str:
    return "none" if at is None else iso(at)
