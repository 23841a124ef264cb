"""A tick against the sandbox through the real ccxt, here or in a process of its own that is struck at a named step.

    python -m tests.support.sandbox_tick BASE_URL FOLDER KEY SAYS STEP [SIGNAL]

In: the sandbox's address, the ledger's folder, the tick's key, BUY or SELL, the step to be struck at ("" for none) and what by: SIGKILL, or
SIGSTOP to freeze there until SIGCONT.  Out: the ledger's file, and how the tick ended on standard output.
Never: a clean-up after the kill.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd

from kracken_tasks.domain.clock import FixedClock
from kracken_tasks.domain.market import SeriesKey, Timeframe
from kracken_tasks.domain.trading import Action
from kracken_tasks.exchange.venue import CcxtVenue
from kracken_tasks.execution.report import TickReport
from kracken_tasks.execution.tick import run_tick
from kracken_tasks.execution.tick_deps import TickDeps, TickSlot
from kracken_tasks.ledger import Ledger
from kracken_tasks.risk.limits import RiskLimits
from kracken_tasks.sandbox.client_config import DEMO_KEY, kraken_options
from tests.support.bench import WALL, TellingStrategy
from tests.support.ledger import sqlite_url
from tests.support.stopping import Stopper, StoppingBroker, StoppingLedger

BTC = "BTC/USD"


class VenueCandles:
    """The venue's own closed candles as a ``CandleView``."""

    seq = 1

    def __init__(self, venue: CcxtVenue) -> None:
        self._venue = venue

    def candles(
        self, key: SeriesKey, start: datetime | None = None, end: datetime | None = None, last: int | None = None
    ) -> pd.DataFrame:
        frame = self._venue.ohlc(key.symbol, key.timeframe)
        return frame[frame["ts"] <= key.timeframe.last_closed(self._venue.now())].tail(last or 200)

    def in_quarantine(self, key: SeriesKey) -> bool:
        return False


class StruckAt(Stopper):
    """Sends its own process a signal at the first step of a name."""

    def __init__(self, name: str, by: signal.Signals) -> None:
        super().__init__()
        self._name, self._by = name, by

    def step(self, name: str) -> None:
        super().step(name)
        if name == self._name:
            self._name = ""  # a frozen process that goes on is not struck again
            os.kill(os.getpid(), self._by)


def connect(base_url: str) -> CcxtVenue:
    return CcxtVenue(
        "kraken", {**kraken_options(base_url, DEMO_KEY), "rateLimit": 1}, timeout_seconds=20, clock_keeps_seconds=0
    )


def tick(venue: CcxtVenue, broker: Any, ledger: Ledger, key: str, says: str, minutes: float = 0) -> TickReport:
    """Run the tick called ``key``; the wall clock stands ``minutes`` after its start, market time is the sandbox's."""
    return tick_of(venue, ledger, key, {BTC: Action(says)}, minutes, broker=broker)


def tick_of(
    venue: CcxtVenue, ledger: Ledger, key: str, says: Mapping[str, Action], minutes: float = 0, **changes: Any
) -> TickReport:
    """The same for as many symbols as ``says`` names; ``changes`` go into the tick's ``TickDeps``."""
    deps = TickDeps(
        broker=venue,
        ledger=ledger,
        wall=FixedClock(WALL + timedelta(minutes=minutes)),
        holder=f"tick {key}",
        snapshot=lambda: VenueCandles(venue),
        series={symbol: SeriesKey("kraken", symbol, Timeframe.H1) for symbol in says},
        strategies=dict.fromkeys(says, TellingStrategy(dict(says))),
        row_findings=lambda frame, series, now: (),
        limits=RiskLimits(cooldown_minutes=0),
    )
    return run_tick(replace(deps, **changes), TickSlot("sandbox", venue.now(), key))


def main(base_url: str, folder: str, key: str, says: str, step: str, by: str = "SIGKILL") -> None:
    venue, stopper = connect(base_url), StruckAt(step, signal.Signals[by])
    ledger = StoppingLedger.with_stopper(sqlite_url(Path(folder)), stopper)
    sys.stdout.write(f"{tick(venue, StoppingBroker(venue, stopper), ledger, key, says).result}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
