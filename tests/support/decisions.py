"""Plain facts for decisions, all of them in order, for tests to spoil one at a time."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

from kracken_tasks.domain.clock import utc
from kracken_tasks.domain.market import Instrument, Quote
from kracken_tasks.domain.trading import Opinion, Position, TradingState
from kracken_tasks.risk import EntryContext, RiskLimits, SizingInput

NOW = utc(2024, 3, 1, 12, 0, 20)
PAIR = Instrument(
    exchange="kraken", symbol="BTC/USD", price_tick=Decimal("0.1"), lot_step=Decimal("0.00000001"), min_amount=Decimal("0.0001"),
    min_cost=Decimal("5"), maker_fee=Decimal("0.0025"), taker_fee=Decimal("0.004"),
)  # fmt: skip


def quote(bid: float = 49_995.0, ask: float = 50_005.0) -> Quote:
    return Quote("BTC/USD", bid, ask, (bid + ask) / 2.0, NOW)


def sizing(**changes: Any) -> SizingInput:
    facts = SizingInput(
        instrument=PAIR, equity=10_000.0, cash=10_000.0, price=50_000.0, stop_pct=0.03, confidence=0.75, volatility=0.04
    )
    return replace(facts, **changes)


def context(**changes: Any) -> EntryContext:
    """An entry that every guard lets pass."""
    facts = EntryContext(
        symbol="BTC/USD", now=NOW, limits=RiskLimits(), state=TradingState.NORMAL, state_reason="", unknown_intent="",
        bar_ts=utc(2024, 3, 1, 11), bar_seconds=3600, row_findings=(), venue_status="online", quote=quote(), reference_price=50_000.0,
        reference_source="last close", kill_switch="", not_armed="", cluster=(), cluster_exposure=0.0,
        confidence=0.7, last_entry_at=None, last_exit_at=None, position_open=False, open_positions=0, equity=10_000.0, cash=10_000.0,
        exposure=0.0, drawdown=0.0, daily_loss=0.0, losing_streak=0, lots=1_000_000, order_notional=500.0, order_cost=503.0,
        orders_last_minute=0, turnover_today=0.0,
    )  # fmt: skip
    return replace(facts, **changes)


def position(**changes: Any) -> Position:
    held = Position(
        position_id="pos_20240301_001", symbol="BTC/USD", amount=Decimal("0.01"), entry_price=Decimal("50000"), cost=Decimal("502"),
        opened_at=NOW - timedelta(hours=1), stop_price=Decimal("48500"), take_profit_price=Decimal("53000"), confidence=0.7,
    )  # fmt: skip
    return replace(held, **changes)


def opinion(module: str, direction: float | None, confidence: float = 1.0) -> Opinion:
    return Opinion(module, direction, confidence if direction is not None else 0.0, "as the test says")
