"""What a tick works with, and which tick it is.

In: adapters and plain values from whoever starts a tick.  Out: ``TickDeps`` and ``TickSlot``.  Never: construction of adapters.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Protocol

import pandas as pd

from kracken_tasks.domain.clock import Clock, iso
from kracken_tasks.domain.market import SeriesKey
from kracken_tasks.domain.refs import Finding
from kracken_tasks.execution.broker import Broker
from kracken_tasks.execution.desk import ExecutionConfig, no_pause
from kracken_tasks.execution.entries import Elsewhere, ForecastSource
from kracken_tasks.ledger import Ledger
from kracken_tasks.risk.limits import RiskLimits
from kracken_tasks.risk.stops import StopRules
from kracken_tasks.signals.sentiment import SentimentReading
from kracken_tasks.strategies.proposal import Strategy
from kracken_tasks.strategies.seated import Seat

__all__ = ["CandleView", "TickDeps", "TickSlot"]


class CandleView(Protocol):
    """The part of a lake snapshot that a tick reads."""

    @property
    def seq(self) -> int: ...

    def candles(
        self, key: SeriesKey, start: datetime | None = None, end: datetime | None = None, last: int | None = None
    ) -> pd.DataFrame: ...

    def in_quarantine(self, key: SeriesKey) -> bool: ...


def _no_forecast(key: SeriesKey, frame: pd.DataFrame, now: datetime) -> None:
    return None


def _no_sentiment(symbol: str, now: datetime) -> None:
    return None


def _no_rows(key: SeriesKey) -> int:
    return 0


def _no_feed(symbol: str, now: datetime) -> None:
    return None


def _nobody_else(symbols: Sequence[str]) -> Mapping[str, Elsewhere]:
    return {}


def _nobody_holds_it() -> str:
    return ""


def _needs_no_arming(now: datetime) -> str:
    return ""


def _no_cap(now: datetime) -> None:
    return None


def _as_it_is(now: datetime) -> Callable[[Strategy], Strategy]:
    return lambda strategy: strategy


def _no_wait(keys: Sequence[SeriesKey], bar_ts: datetime) -> None:
    return None


@dataclass(frozen=True, slots=True)
class TickDeps:
    """What a tick works with.

    ``series``/``strategies`` by symbol; ``seats``: agents with a share of the capital each (empty: one strategy a symbol on all of it;
    else ``strategies`` tells only how many candles are read); ``forecast_rows``: candles the forecast of a series looks at;
    ``sentiment``: what was last read of a symbol, without asking any source; ``retuner`` is asked once a tick, under the lease, and
    gives each strategy the weights that closed trades have taught; ``row_findings`` the contract's cheap rules; ``wait_for_bar`` waits,
    within a bound of its own, until the lake covers the bar that opened at the given time; ``feed`` says how old the recorded stream of
    a symbol is at a moment, in seconds and in words, or None where none is recorded; ``elsewhere`` a second source's prices, or why
    there are none (it never raises); ``kill_switch`` who holds it and why, read anew for every decision, empty where nobody does;
    ``not_armed`` why real money may not be spent at a moment, empty where it may; ``first_orders`` the most one order may be worth
    then, and why, None: no such cap; ``journal`` of a direct flatten, adopted before anything else; ``rates``: stated worth of other
    money in ``currency``; ``pause`` lets so many seconds pass: a doubt that time ends is waited out where a position lies naked for it.
    """

    broker: Broker
    ledger: Ledger
    wall: Clock
    holder: str
    snapshot: Callable[[], CandleView]
    series: Mapping[str, SeriesKey]
    strategies: Mapping[str, Strategy]
    row_findings: Callable[[pd.DataFrame, SeriesKey, datetime], Sequence[Finding]]
    limits: RiskLimits = field(default_factory=RiskLimits)
    stops: StopRules = field(default_factory=StopRules)
    config: ExecutionConfig = field(default_factory=ExecutionConfig)
    forecast: ForecastSource = _no_forecast
    forecast_rows: Callable[[SeriesKey], int] = _no_rows
    seats: tuple[Seat, ...] = ()
    sentiment: Callable[[str, datetime], SentimentReading | None] = _no_sentiment
    retuner: Callable[[datetime], Callable[[Strategy], Strategy]] = _as_it_is
    wait_for_bar: Callable[[Sequence[SeriesKey], datetime], None] = _no_wait
    feed: Callable[[str, datetime], tuple[float, str] | None] = _no_feed
    elsewhere: Callable[[Sequence[str]], Mapping[str, Elsewhere]] = _nobody_else
    kill_switch: Callable[[], str] = _nobody_holds_it
    not_armed: Callable[[datetime], str] = _needs_no_arming
    first_orders: Callable[[datetime], tuple[float, str] | None] = _no_cap
    pause: Callable[[float], None] = no_pause
    journal: Path | None = None
    currency: str = "USD"
    rates: Mapping[str, Decimal] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class TickSlot:
    """Which tick this is.  ``at``: market time it stands for; ad-hoc ticks put the caller's key in place of the deployment's slot."""

    deployment: str
    at: datetime
    key: str = ""

    @property
    def tick_id(self) -> str:
        return f"{self.deployment}@{self.key or iso(self.at)}"
