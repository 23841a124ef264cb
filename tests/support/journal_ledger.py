"""A ledger with two days of trading in it: a win, a loss, an open position, a deposit and a withdrawal, marked after each.

In: an open ledger.  Out: the same ledger with facts at round numbers.  Never: a mark that is not the sum of what is held.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal

from kracken_tasks.domain.clock import utc
from kracken_tasks.domain.trading import (
    Action,
    Decision,
    GuardOutcome,
    OrderKind,
    OrderRequest,
    Purpose,
    Side,
)
from kracken_tasks.ledger import Booking, EquityEntry, Ledger, Plan
from tests.support.ledger import deposit, entry_key, fill

DAY_ONE, DAY_TWO, DAY_THREE = utc(2024, 1, 15), utc(2024, 1, 16), utc(2024, 1, 17)
END = utc(2024, 1, 17, 12)
_STEP = {"BTC/USD": Decimal("0.00000001"), "ETH/USD": Decimal("0.00000001")}
_PLAN = Plan(Decimal("29000"), Decimal("33000"), confidence=0.75, strategy="ensemble", tags=("momentum",))


class Bookkeeper:
    """Books fills and marks equity at given prices, with units as a fund has them."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self.units = Decimal(0)
        self.peak = Decimal(1)

    def pay(self, movement_id: str, amount: str, at: datetime, *, kind: str = "deposit") -> None:
        self.ledger.book_cash([deposit(movement_id, "USD", amount, ts=at, kind=kind)])

    def buy(self, trade_id: str, symbol: str, amount: str, price: str, fee: str, at: datetime) -> None:
        key = entry_key(f"tick-{trade_id}", symbol)
        request = OrderRequest(
            key.client_order_id, symbol, Side.BUY, OrderKind.LIMIT, Decimal(amount), limit_price=Decimal(price)
        )
        self.ledger.record_intent(key, request, ts=at, plan=_PLAN, reason="rsi and macd agree")
        bought = fill(trade_id, "buy", amount, price, symbol=symbol, fee=fee, ts=at)
        self.ledger.book_fills([Booking(bought, Purpose.ENTRY, key.client_order_id)], lot_steps=_STEP)

    def sell(
        self,
        trade_id: str,
        symbol: str,
        amount: str,
        price: str,
        fee: str,
        at: datetime,
        *,
        purpose: Purpose = Purpose.STOP,
    ) -> None:
        sold = fill(trade_id, "sell", amount, price, symbol=symbol, fee=fee, ts=at)
        self.ledger.book_fills([Booking(sold, purpose, reason=purpose.value)], lot_steps=_STEP)

    def mark(self, at: datetime, flow: str = "0", **prices: str) -> None:
        """``flow``: money moved since the last mark."""
        amounts = self.ledger.cash()
        cash = amounts.get("USD", Decimal(0))
        equity = cash + sum(
            (amounts.get(asset, Decimal(0)) * Decimal(price) for asset, price in prices.items()), Decimal(0)
        )
        if not self.units:
            self.units, unit = equity, Decimal(1)
        else:
            unit = ((equity - Decimal(flow)) / self.units).quantize(Decimal("1e-12"))
            self.units = (equity / unit).quantize(Decimal("1e-12"))
        self.peak = max(self.peak, unit)
        mark = EquityEntry(
            at, equity, cash, self.units, unit, self.peak, 1 - unit / self.peak, tick_id=f"mark-{at:%d%H%M}"
        )
        self.ledger.mark_equity(mark)


def stopped_decision(symbol: str, at: datetime, guard: str, reason: str, *, action: Action = Action.BUY) -> Decision:
    outcomes = (GuardOutcome("quote_age", True, "fresh"), GuardOutcome(guard, False, reason))
    return Decision(symbol, action, 0.7, "ensemble", at, 1, (), outcomes, None, f"blocked by {guard}: {reason}")


def two_days_of_trading(ledger: Ledger) -> Ledger:
    """Net profit 95.8 - 54.1 = 41.7; 2000 paid in, 500 paid out; 1 ETH still held, bought at 2000 and worth 2150."""
    books = Bookkeeper(ledger)
    hour = timedelta(hours=1)
    books.pay("L0", "10000", DAY_ONE)
    books.mark(DAY_ONE + hour)
    books.buy("T1", "BTC/USD", "0.1", "30000", "2.1", DAY_ONE + 2 * hour)
    books.mark(DAY_ONE + 3 * hour, BTC="30500")
    books.sell("T2", "BTC/USD", "0.1", "31000", "2.1", DAY_ONE + 4 * hour, purpose=Purpose.TAKE_PROFIT)
    books.mark(DAY_ONE + 5 * hour)
    books.pay("L1", "2000", DAY_ONE + 6 * hour)
    books.mark(DAY_ONE + 7 * hour, flow="2000")
    books.buy("T3", "BTC/USD", "0.1", "31000", "2.1", DAY_TWO + 2 * hour)
    books.sell("T4", "BTC/USD", "0.04", "30500", "0.9", DAY_TWO + 3 * hour)
    books.sell("T5", "BTC/USD", "0.06", "30500", "1.1", DAY_TWO + 4 * hour)
    books.mark(DAY_TWO + 5 * hour)
    books.pay("L2", "-500", DAY_TWO + 6 * hour, kind="withdrawal")
    books.mark(DAY_TWO + 7 * hour, flow="-500")
    books.buy("T6", "ETH/USD", "1", "2000", "3.2", DAY_THREE + 2 * hour)
    books.mark(DAY_THREE + 3 * hour, ETH="2150")
    for minute in range(3):
        moment = DAY_THREE + 4 * hour + timedelta(minutes=minute)
        ledger.record_decision(
            f"late-{minute}", stopped_decision("BTC/USD", moment, "daily_turnover", "over the limit"), ts=moment
        )
    held = stopped_decision("BTC/USD", DAY_THREE, "spread", "wide", action=Action.HOLD)
    ledger.record_decision("late-hold", held, ts=DAY_THREE + 5 * hour)
    return ledger
