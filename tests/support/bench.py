"""A bench for ticks: a scripted venue, a real ledger, candles made from the market's price, strategies that do as they are told.

In: a folder, what each symbol's strategy shall propose.  Out: ticks run one after the other, and the checks every test ends with.
Never: the lake, the network, real time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd

from kracken_tasks.domain.clock import FixedClock, utc
from kracken_tasks.domain.market import SeriesKey, Timeframe
from kracken_tasks.domain.refs import Finding
from kracken_tasks.domain.trading import Action, Opinion
from kracken_tasks.execution.desk import Desk, ExecutionConfig, lease_name
from kracken_tasks.execution.report import TickReport
from kracken_tasks.execution.tick import run_tick
from kracken_tasks.execution.tick_deps import TickDeps, TickSlot
from kracken_tasks.ledger import IntentResult, Ledger
from kracken_tasks.risk.limits import RiskLimits
from kracken_tasks.risk.stops import StopRules
from kracken_tasks.strategies.proposal import Proposal
from tests.support.ledger import sqlite_url
from tests.support.market_data import BTC, ETH, HandMovedMarket
from tests.support.venue import ScriptedVenue

WALL = utc(2026, 1, 1)


@dataclass
class TellingStrategy:
    """Proposes what ``says`` holds for the symbol, HOLD otherwise."""

    says: dict[str, Action] = field(default_factory=dict)
    confidence: float = 0.9
    breaks: set[str] = field(default_factory=set)
    name: str = "telling"
    lookback: int = 30
    modules: tuple[str, ...] = ()

    def propose(self, symbol: str, frame: pd.DataFrame, opinions: Sequence[Opinion]) -> Proposal:
        if symbol in self.breaks:
            raise ZeroDivisionError("a bug in a strategy")
        bar = frame["ts"].iloc[-1].to_pydatetime() if len(frame) else None
        action = self.says.get(symbol, Action.HOLD)
        return Proposal(symbol, self.name, action, self.confidence, f"told to {action}", bar)


class MadeCandles:
    """Closed candles up to the market's now, gently alternating around its price; obeys ``CandleView``."""

    seq = 7

    def __init__(self, market: HandMovedMarket) -> None:
        self.market = market
        self.bars_late = 0
        self.quarantined: set[str] = set()

    def candles(
        self, key: SeriesKey, start: datetime | None = None, end: datetime | None = None, last: int | None = None
    ) -> pd.DataFrame:
        rows = last or 200
        newest = key.timeframe.last_closed(self.market.now()) - self.bars_late * key.timeframe.delta
        times = pd.date_range(end=newest, periods=rows, freq=key.timeframe.delta).as_unit("ms")
        price = self.market.prices[key.symbol]
        phase = 1 if key.symbol == BTC else 2
        closes = [price * (1.0 + 0.001 * ((index // phase) % 2)) for index in range(rows - 1)] + [price]
        frame = pd.DataFrame({"ts": times, "open": closes, "close": closes})
        frame["high"], frame["low"] = frame["close"] * 1.001, frame["close"] * 0.999
        return frame.assign(volume=1.0, vwap=frame["close"], trades=1, source="ohlc")

    def in_quarantine(self, key: SeriesKey) -> bool:
        return key.symbol in self.quarantined


class Bench:
    """Everything a tick needs; ``tick`` runs the next one."""

    def __init__(self, folder: Path, *, symbols: Sequence[str] = (BTC, ETH), **options: Any) -> None:
        self.folder, self.symbols = folder, symbols
        self.market = HandMovedMarket()
        self.venue = ScriptedVenue(self.market, **options)
        self.wall = FixedClock(WALL)
        self.strategy = TellingStrategy()
        self.candles = MadeCandles(self.market)
        self.ledger = Ledger.open(sqlite_url(folder), account="main", exchange="kraken")
        self.limits = RiskLimits(cooldown_minutes=0)
        self.stops = StopRules()
        self.findings: dict[str, str] = {}
        self.ticks = 0

    def deps(self, **changes: Any) -> TickDeps:
        keys = {symbol: SeriesKey("kraken", symbol, Timeframe.H1) for symbol in self.symbols}
        deps = TickDeps(
            broker=self.venue,
            ledger=self.ledger,
            wall=self.wall,
            holder="bench",
            snapshot=lambda: self.candles,
            series=keys,
            strategies=dict.fromkeys(self.symbols, self.strategy),
            row_findings=self._findings,
            limits=self.limits,
            stops=self.stops,
        )
        return replace(deps, **changes)

    def _findings(self, frame: pd.DataFrame, key: SeriesKey, now: datetime) -> tuple[Finding, ...]:
        rule = self.findings.get(key.symbol)
        return () if rule is None else (Finding(rule, "reject_rows", key, 1, None, "a bad row"),)

    def tick(self, says: Mapping[str, Action] | None = None, *, seconds: float = 3600, **changes: Any) -> TickReport:
        """Let time pass, then run the next tick."""
        self.pass_time(seconds)
        self.ticks += 1
        return self.again(says, **changes)

    def again(self, says: Mapping[str, Action] | None = None, **changes: Any) -> TickReport:
        """Run the current tick, perhaps once more."""
        self.strategy.says = dict(says or {})
        return run_tick(self.deps(**changes), self.slot())

    def run_other(self, slot: TickSlot) -> TickReport:
        """Another process's tick, now."""
        return run_tick(self.deps(holder="another"), slot)

    def desk(self) -> Desk:
        """The desk of a run of its own, under a lease of its own."""
        name = lease_name(self.ledger)
        lease = self.ledger.leases.take_over(name, "bench", ExecutionConfig().lease_ttl, self.wall.now())
        return Desk(self.venue, self.ledger, self.wall, lease, f"desk@{self.ticks}", ExecutionConfig())

    def slot(self) -> TickSlot:
        return TickSlot("bench", self.market.now(), key=str(self.ticks))

    def pass_time(self, seconds: float) -> None:
        self.market.pass_time(seconds)
        self.wall.advance(timedelta(seconds=seconds))

    # -- what every test ends with -------------------------------------------------------------------------------------------

    def require_truth(self) -> None:
        """Ledger = venue, one order per intent, each fill once, nothing naked, nothing in doubt."""
        self.require_books_agree()
        assert self.ledger.open_intents() == ()
        self.require_protected()

    def require_books_agree(self) -> None:
        venue = self.venue.inner
        assert self.ledger.check_balances(venue.balances()) == ()
        told = [fill.trade_id for fill in venue.fills(utc(2000, 1, 1))]
        booked = [entry.trade_id for entry in self.ledger.fills()]
        assert sorted(told) == sorted(booked)
        ids = [request.client_order_id for request in self.venue.submitted]
        assert len(ids) == len(set(ids)), "an intent was sent twice"

        self._require_outcomes_true()

    def _require_outcomes_true(self) -> None:
        """An intent whose order exists says so and names it; one that says otherwise has none."""
        inner = self.venue.inner
        orders = [*inner.open_orders(), *inner.closed_orders(utc(2000, 1, 1))]
        arrived = {order.client_order_id: order.order_id for order in orders if order.client_order_id}
        for outcome in self.ledger.outcomes():
            if outcome.result.final:
                told = outcome.order_id if outcome.result is IntentResult.ACCEPTED else None
                assert told == arrived.get(outcome.client_order_id), outcome

    def require_nothing_naked_on_the_venue(self) -> None:
        """Whatever the ledger knows: coins the account holds lie under stops."""
        inner = self.venue.inner
        for asset, balance in inner.balances().items():
            if asset != "USD":
                resting = sum(order.remaining for order in inner.open_orders() if order.symbol == f"{asset}/USD")
                assert resting == balance.total, f"{balance.total} {asset} held, {resting} under stops"

    def require_protected(self) -> None:
        orders = self.venue.inner.open_orders()
        held = {symbol: position.amount for symbol, position in self.ledger.positions().items()}
        resting: dict[str, Decimal] = {}
        for order in orders:
            if order.trigger_price is not None:
                resting[order.symbol] = resting.get(order.symbol, Decimal(0)) + order.remaining
        assert resting == held, f"stops {resting} for positions {held}"
