"""Doing it twice equals doing it once, in any order a retry may come."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from kracken_tasks.domain.trading import Action, Decision, Purpose, Side, TradingState
from kracken_tasks.ledger import AlertDraft, AlertKind, Booking, EquityEntry, IntentResult, Ledger, Plan
from tests.support.ledger import NOON, at, deposit, entry_key, fill, request_for, venue_order

KEY, LEAVE = entry_key("t1"), entry_key("t2", purpose=Purpose.EXIT)
STEPS = {"BTC/USD": Decimal("0.0001")}
ONE = Decimal(1)


def _alert(name: str) -> AlertDraft:
    return AlertDraft(AlertKind.INFO, name, {"text": name})


# One small life of a position, step by step, as the tick writes it.  (A balance check is left out: it observes the ledger as it stands.)
LIFE: list[Callable[[Ledger], object]] = [
    lambda book: book.book_cash([deposit("m1", "USD", "10000")]),
    lambda book: book.record_decision(
        "t1", Decision("BTC/USD", Action.BUY, 0.7, "s", NOON, 1, (), (), None, "r"), ts=NOON
    ),
    lambda book: book.record_intent(KEY, request_for(KEY), ts=NOON, plan=Plan(stop_price=Decimal("29000"))),
    lambda book: book.record_outcome(KEY.client_order_id, IntentResult.UNKNOWN, ts=NOON),
    lambda book: book.record_outcome(KEY.client_order_id, IntentResult.ACCEPTED, ts=at(1), order_id="O1"),
    lambda book: book.record_order(venue_order("S1", trigger="29000"), ts=at(1)),
    lambda book: book.book_fills(
        [
            Booking(fill("T1", "buy", "0.06", "30000", ts=at(1)), Purpose.ENTRY, KEY.client_order_id),
            Booking(fill("T2", "buy", "0.04", "30010", ts=at(1)), Purpose.ENTRY, KEY.client_order_id),
        ],
        lot_steps=STEPS,
        alerts=lambda entry: _alert(f"fill-{entry.trade_id}"),
    ),
    lambda book: book.mark_equity(EquityEntry(at(1), ONE, ONE, ONE, ONE, ONE, Decimal(0), tick_id="t1")),
    lambda book: book.record_tick("t1", slot=NOON, result="done", ts=at(1)),
    lambda book: book.set_plan("pos_20240115_001", Plan(stop_price=Decimal("29500")), ts=at(2)),
    lambda book: book.record_order(replace(venue_order("S1"), trigger_price=Decimal("29500")), ts=at(2)),
    lambda book: book.record_intent(LEAVE, request_for(LEAVE, side=Side.SELL), ts=at(3), reason="take_profit"),
    lambda book: book.record_outcome(LEAVE.client_order_id, IntentResult.ACCEPTED, ts=at(3), order_id="O2"),
    lambda book: book.record_order(venue_order("S1", "canceled", trigger="29500"), ts=at(3)),
    lambda book: book.book_fills(
        [Booking(fill("T3", "sell", "0.1", "31000", ts=at(3)), Purpose.EXIT, LEAVE.client_order_id)], lot_steps=STEPS
    ),
    lambda book: book.set_state(TradingState.REDUCE_ONLY, "day", ts=at(3)),
    lambda book: book.add_alert(_alert("state"), ts=at(3)),
    lambda book: book.record_delivery(book.alerts()[0].seq, "telegram", ts=at(4)),
]


def _new_ledger() -> Ledger:
    return Ledger.open("sqlite://", account="main", exchange="kraken")


def _live_once() -> str:
    with _new_ledger() as book:
        for step in LIFE:
            step(book)
        return book.dump()


ONCE = _live_once()


@settings(max_examples=12, deadline=None)
@given(restarts=st.lists(st.integers(1, len(LIFE)), max_size=4))
def test_a_life_lived_with_any_restarts_is_the_life_lived_once(restarts: list[int]) -> None:
    with _new_ledger() as book:
        for reached in [*sorted(restarts), len(LIFE)]:
            for step in LIFE[:reached]:  # a retry begins again from the start
                step(book)
        assert book.dump() == ONCE


@settings(max_examples=12, deadline=None)
@given(repeats=st.lists(st.integers(0, len(LIFE) - 1), min_size=1, max_size=8))
def test_any_step_told_again_at_the_end_changes_nothing(repeats: list[int]) -> None:
    with _new_ledger() as book:
        for step in LIFE:
            step(book)
        for number in repeats:
            LIFE[number](book)
        assert book.dump() == ONCE


def test_two_runs_of_one_history_give_byte_identical_dumps() -> None:
    assert _live_once() == ONCE
