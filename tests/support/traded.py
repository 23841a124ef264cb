"""A trade in the ledger from decision to last fill, for what looks back on trades."""

from __future__ import annotations

from kracken_tasks.domain.trading import Action, Decision, Opinion, Purpose
from kracken_tasks.ledger import Booking, IntentResult, Ledger
from tests.support.ledger import at, entry_key, fill, request_for

__all__ = ["trade"]


def trade(ledger: Ledger, number: int, exit_price: str, opinions: tuple[Opinion, ...]) -> None:
    """One coin bought at 100 on these opinions and sold at ``exit_price``, a few minutes later; ten minutes a trade."""
    start, key = 10.0 * number, entry_key(f"tick-{number}")
    decision = Decision("BTC/USD", Action.BUY, 0.8, "ensemble", at(start), 7, opinions, (), None, "as the test says")
    ledger.record_decision(key.tick_id, decision, ts=at(start))
    ledger.record_intent(key, request_for(key), ts=at(start))
    ledger.record_outcome(key.client_order_id, IntentResult.ACCEPTED, ts=at(start), order_id=f"O-b{number}")
    bought = fill(f"b{number}", "buy", "1", "100", ts=at(start + 1))
    ledger.book_fills([Booking(bought, Purpose.ENTRY, key.client_order_id)])
    sold = fill(f"s{number}", "sell", "1", exit_price, ts=at(start + 2))
    ledger.book_fills([Booking(sold, Purpose.EXIT)])
