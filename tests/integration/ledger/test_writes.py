"""Every fact once, on both databases."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from kracken_tasks.domain.market import Balance
from kracken_tasks.domain.money import plain
from kracken_tasks.domain.trading import Action, Decision, OrderStatus, Purpose, Side, TradingState
from kracken_tasks.errors import StateUnknown
from kracken_tasks.ledger import (
    AlertDraft,
    AlertKind,
    Booking,
    EquityEntry,
    FillEntry,
    IntentResult,
    LeaseHeld,
    LeaseLost,
    Ledger,
    Plan,
)
from tests.support.ledger import NOON, at, deposit, entry_key, fill, request_for, venue_order

TTL = timedelta(seconds=60)
STEPS = {"BTC/USD": Decimal("0.0001")}


def _decision(reason: str = "agreed") -> Decision:
    return Decision("BTC/USD", Action.BUY, 0.7, "ensemble", NOON, 3, (), (), None, reason)


def test_a_decision_taken_again_under_the_same_tick_is_the_first_one(ledger: Ledger) -> None:
    first = ledger.record_decision("t1", _decision(), ts=NOON)
    again = ledger.record_decision("t1", _decision("prices moved"), ts=at(1))
    assert (first.new, again.new) == (True, False)
    assert again.entry == first.entry
    assert [entry.decision.reason for entry in ledger.decisions()] == ["agreed"]


def test_an_intent_written_twice_is_one_open_intent(ledger: Ledger) -> None:
    key = entry_key()
    plan = Plan(stop_price=Decimal("29000"), max_holding=timedelta(hours=8), tags=("ml_signal",))
    first = ledger.record_intent(key, request_for(key), ts=NOON, plan=plan, reason="agreed")
    again = ledger.record_intent(key, request_for(key, price="30500"), ts=at(1))
    assert (first.new, again.new) == (True, False)
    assert ledger.open_intents() == (first.entry,)
    assert ledger.intent(key.client_order_id) == first.entry
    assert first.entry.key == key


def test_a_request_that_does_not_carry_its_intent_s_id_is_refused(ledger: Ledger) -> None:
    request = replace(request_for(entry_key()), client_order_id="0" * 32)
    with pytest.raises(ValueError, match="does not carry"):
        ledger.record_intent(entry_key(), request, ts=NOON)


def test_an_outcome_closes_the_intent_and_a_second_one_must_agree(ledger: Ledger) -> None:
    key = entry_key()
    ledger.record_intent(key, request_for(key), ts=NOON)
    cid = key.client_order_id
    assert ledger.record_outcome(cid, IntentResult.UNKNOWN, ts=NOON, reason="time-out").new
    assert len(ledger.open_intents()) == 1
    assert ledger.record_outcome(cid, IntentResult.ACCEPTED, ts=at(1), order_id="O1").new
    assert ledger.open_intents() == ()
    assert not ledger.record_outcome(cid, IntentResult.ACCEPTED, ts=at(2), order_id="O1").new
    assert not ledger.record_outcome(cid, IntentResult.UNKNOWN, ts=at(2)).new
    with pytest.raises(StateUnknown, match="ended as accepted"):
        ledger.record_outcome(cid, IntentResult.NEVER_ARRIVED, ts=at(3))
    intent = ledger.intent_of_order("O1")
    assert intent is not None
    assert intent.client_order_id == cid


def test_an_outcome_of_nothing_is_refused(ledger: Ledger) -> None:
    with pytest.raises(StateUnknown, match="does not know"):
        ledger.record_outcome("f" * 32, IntentResult.REFUSED, ts=NOON)


def test_an_order_seen_again_unchanged_writes_nothing(ledger: Ledger) -> None:
    order = venue_order("O1", trigger="29000")
    assert ledger.record_order(order, ts=NOON).new
    assert not ledger.record_order(replace(order, trigger_price=Decimal("29000.0")), ts=at(1)).new
    assert ledger.record_order(replace(order, trigger_price=Decimal("29500")), ts=at(2)).new
    assert ledger.record_order(order, ts=at(3)).new, "amended back is news"
    assert not ledger.record_order(replace(order, amount=Decimal(9)), ts=at(1)).new, "an old look is not"
    assert ledger.open_orders()["O1"].trigger_price == Decimal("29000")
    assert len(ledger.order_history("O1")) == 3


def test_an_order_that_ended_stays_ended_unless_more_of_it_was_filled(ledger: Ledger) -> None:
    ledger.record_order(venue_order("O1", "canceled", filled="0.02"), ts=NOON)
    assert not ledger.record_order(venue_order("O1", "open"), ts=at(1)).new
    assert ledger.record_order(venue_order("O1", "canceled", filled="0.05"), ts=at(2)).new
    assert ledger.orders()["O1"].filled == Decimal("0.05")
    assert ledger.orders()["O1"].status is OrderStatus.CANCELED
    assert ledger.open_orders() == {}


def test_a_fill_a_position_its_plan_and_its_alert_arrive_together(ledger: Ledger) -> None:
    key = entry_key()
    plan = Plan(stop_price=Decimal("29000"), strategy="ensemble", confidence=0.7)
    ledger.record_intent(key, request_for(key), ts=NOON, plan=plan, reason="agreed")

    def draft(entry: FillEntry) -> AlertDraft:
        held = ledger.positions()["BTC/USD"].amount
        return AlertDraft(AlertKind.TRADE_OPENED, f"fill-{entry.trade_id}", {"amount": str(held)})

    booking = Booking(fill("T1", "buy", "0.1", "30000", order_id="O1"), Purpose.ENTRY, key.client_order_id)
    (entry,) = ledger.book_fills([booking], lot_steps=STEPS, alerts=draft)
    assert (entry.opens, entry.reason, entry.position_id) == (True, "agreed", "pos_20240115_001")
    position = ledger.positions()["BTC/USD"]
    assert (position.stop_price, position.strategy) == (Decimal("29000"), "ensemble")
    assert [alert.payload for alert in ledger.alerts()] == [{"amount": "0.1"}]
    assert ledger.book_fills([booking], lot_steps=STEPS, alerts=draft) == ()
    assert len(ledger.alerts()) == 1


def test_a_conditional_close_s_fill_is_not_given_the_reason_of_the_entry(ledger: Ledger) -> None:
    key = entry_key()
    ledger.record_intent(key, request_for(key), ts=NOON, reason="agreed")
    ledger.book_fills([Booking(fill("T1", "buy", "0.1", "30000"), Purpose.ENTRY, key.client_order_id)])
    ledger.book_fills([Booking(fill("T2", "sell", "0.1", "29000", ts=at(5)), Purpose.STOP, key.client_order_id)])
    (trip,) = ledger.round_trips()
    assert (trip.exit_purpose, trip.exit_reason) == (Purpose.STOP, "stop")
    assert trip.net == Decimal("-100")
    assert ledger.consecutive_losses() == 1
    assert ledger.realised_since(at(1)) == {"USD": Decimal("-100")}
    assert ledger.realised_since(at(6)) == {}


def test_a_fill_told_with_another_amount_stops_the_booking(ledger: Ledger) -> None:
    ledger.book_fills([Booking(fill("T1", "buy", "0.1", "30000", order_id="O1"), Purpose.ENTRY)])
    told = fill("T1", "buy", "0.2", "30000", order_id="O1")
    fresh = fill("T0", "buy", "0.1", "30000", ts=at(-1))
    with pytest.raises(StateUnknown, match="another amount"):
        ledger.book_fills([Booking(fresh, Purpose.ENTRY), Booking(told, Purpose.ENTRY)])
    assert [entry.trade_id for entry in ledger.fills()] == ["T1"], "nothing of the refused batch stays"
    assert ledger.positions()["BTC/USD"].amount == Decimal("0.1")


def test_a_fee_told_differently_by_another_endpoint_is_no_contradiction(ledger: Ledger) -> None:
    ledger.book_fills([Booking(fill("T1", "buy", "0.1", "30000", fee="0.0004", fee_currency="BTC"), Purpose.ENTRY)])
    assert ledger.book_fills([Booking(fill("T1", "buy", "0.1", "30000", fee="12"), Purpose.ENTRY)]) == ()


def test_cash_is_booked_once_and_a_changed_line_is_noticed(ledger: Ledger) -> None:
    lines = [deposit("m1", "USD", "1000"), deposit("m2", "BTC", "1", fee="0.1")]
    assert len(ledger.book_cash(lines)) == 2
    assert ledger.book_cash(lines) == ()
    assert ledger.cash() == {"USD": Decimal("1000"), "BTC": Decimal("0.9")}
    with pytest.raises(StateUnknown, match="changed"):
        ledger.book_cash([deposit("m1", "USD", "999")])


def test_a_balance_that_does_not_fit_names_asset_and_amount_and_is_itself_an_entry(ledger: Ledger) -> None:
    ledger.book_cash([deposit("m1", "USD", "1000")])
    venue = {"USD": Balance("USD", Decimal("999.99995")), "ETH": Balance("ETH", Decimal("1"))}
    tolerance = {"USD": Decimal("0.0001")}
    (line,) = ledger.check_balances(venue, tolerance=tolerance)
    assert (line.asset, line.difference) == ("ETH", Decimal("1"))
    assert not ledger.record_balances(venue, ts=NOON, tolerance=tolerance).entry.agrees
    assert ledger.record_balances({"USD": Balance("USD", Decimal("1000"))}, ts=NOON).entry.agrees
    assert [entry.agrees for entry in ledger.balances()] == [False, True]


def test_the_trading_state_is_the_newest_and_only_changes_are_written(ledger: Ledger) -> None:
    assert ledger.state().state is TradingState.NORMAL
    assert ledger.set_state(TradingState.HALTED, "drawdown 16 %", ts=NOON).new
    assert not ledger.set_state(TradingState.HALTED, "drawdown 16 %", ts=at(1)).new
    assert ledger.set_state(TradingState.NORMAL, "released", ts=at(2)).new
    assert not ledger.set_state(TradingState.HALTED, "drawdown 16 %", ts=NOON).new, "told again late"
    assert ledger.state().state is TradingState.NORMAL
    assert len(ledger.states()) == 2


def test_account_halted_again_within_the_second_of_its_release_stays_halted(ledger: Ledger) -> None:
    for _ in range(3):
        assert ledger.set_state(TradingState.HALTED, "flattened by Ann", ts=NOON).new
        assert ledger.state().state is TradingState.HALTED
        assert ledger.set_state(TradingState.NORMAL, "released by Ann", ts=NOON).new
        assert ledger.state().state is TradingState.NORMAL
    moments = [entry.ts for entry in ledger.states()]
    assert moments == sorted(moments)
    assert ledger.set_state(TradingState.HALTED, "flattened by Ann", ts=at(1)).new


def test_a_plan_can_be_raised_and_the_same_plan_is_written_once(ledger: Ledger) -> None:
    ledger.book_fills([Booking(fill("T1", "buy", "0.1", "30000"), Purpose.ENTRY)])
    position_id = ledger.positions()["BTC/USD"].position_id
    plans = [Plan(stop_price=Decimal(price)) for price in ("29000", "29500")]
    assert ledger.set_plan(position_id, plans[0], ts=at(1)).new
    assert ledger.set_plan(position_id, plans[1], ts=at(2)).new
    assert not ledger.set_plan(position_id, plans[1], ts=at(3)).new
    assert not ledger.set_plan(position_id, plans[0], ts=at(1)).new, "told again late"
    assert ledger.plan(position_id) == plans[1]
    with pytest.raises(StateUnknown, match="not open"):
        ledger.set_plan("pos_20200101_001", plans[0], ts=at(4))


def test_marks_and_ticks_are_kept_once(ledger: Ledger) -> None:
    mark = EquityEntry(
        NOON, Decimal(1000), Decimal(900), Decimal(10), Decimal(100), Decimal(110), Decimal("0.0909"), tick_id="t1"
    )
    assert ledger.mark_equity(mark).new
    assert not ledger.mark_equity(mark).new
    assert ledger.last_equity() == ledger.equity()[0]
    assert ledger.record_tick("t1", slot=NOON, result="done", ts=at(1), detail={"orders": "1"}).new
    assert not ledger.record_tick("t1", slot=NOON, result="failed", ts=at(2)).new
    tick = ledger.tick("t1")
    assert tick is not None
    assert (tick.result, tick.slot, tick.detail) == ("done", NOON, {"orders": "1"})


def test_an_alert_waits_until_its_channel_has_it(ledger: Ledger) -> None:
    drafts = [AlertDraft(AlertKind.INFO, f"k{number}", {"text": str(number)}) for number in range(3)]
    for draft in [*drafts, *drafts]:
        ledger.add_alert(draft, ts=NOON)
    first, second, third = ledger.pending_alerts("telegram", 10)
    assert ledger.pending_alerts("telegram", 2) == (first, second)
    assert ledger.record_delivery(first.seq, "telegram", ts=at(1)).new
    assert not ledger.record_delivery(first.seq, "telegram", ts=at(2)).new
    assert ledger.pending_alerts("telegram", 10) == (second, third)
    assert len(ledger.pending_alerts("log", 10)) == 3
    assert first.visible_id == f"A{first.seq:06d}"


def test_a_transaction_that_fails_leaves_nothing_and_the_folds_forget_it(ledger: Ledger) -> None:
    ledger.book_cash([deposit("m1", "USD", "1000")])

    def booking_without_power() -> None:
        with ledger.transaction():
            ledger.book_fills([Booking(fill("T1", "buy", "0.1", "3000"), Purpose.ENTRY)])
            assert ledger.positions(), "inside, the writes are visible"
            raise RuntimeError("power cut")

    with pytest.raises(RuntimeError, match="power"):
        booking_without_power()
    assert ledger.positions() == {}
    assert ledger.fills() == ()
    assert ledger.cash() == {"USD": Decimal("1000")}
    ledger.book_fills([Booking(fill("T1", "buy", "0.1", "3000"), Purpose.ENTRY)])
    assert [entry.seq for entry in ledger.entries()] == [1, 2], "numbers have no holes"


def test_an_inner_failure_that_was_swallowed_dooms_the_whole(ledger: Ledger) -> None:
    def inner() -> None:
        with ledger.transaction():
            raise RuntimeError("half done")

    def outer() -> None:
        with ledger.transaction():
            ledger.add_alert(AlertDraft(AlertKind.INFO, "k"), ts=NOON)
            with suppress(RuntimeError):
                inner()

    with pytest.raises(StateUnknown, match="passed over"):
        outer()
    assert ledger.alerts() == ()


def test_two_books_in_one_database_share_the_number_and_nothing_else(ledger: Ledger, url: str) -> None:
    with Ledger.open(url, account="main", exchange="binance") as other:
        ledger.book_cash([deposit("m1", "USD", "1")])
        other.book_cash([deposit("m1", "USD", "2")])
        ledger.book_cash([deposit("m2", "USD", "3")])
        assert ledger.cash() == {"USD": Decimal(4)}
        assert other.cash() == {"USD": Decimal(2)}
        assert [entry.seq for entry in ledger.entries()] == [1, 3]


def test_a_ledger_opened_elsewhere_sees_each_commit_and_folds_to_the_same(ledger: Ledger, url: str) -> None:
    with Ledger.open(url, account="main", exchange="kraken") as other:
        ledger.book_fills([Booking(fill("T1", "buy", "0.1", "30000"), Purpose.ENTRY)])
        assert other.positions() == ledger.positions()
        other.book_fills([Booking(fill("T2", "sell", "0.1", "31000", ts=at(1)), Purpose.EXIT)])
        assert ledger.round_trips() == other.round_trips() != ()
        assert ledger.dump() == other.dump()


def test_amounts_keep_every_digit_on_the_database(ledger: Ledger) -> None:
    amounts = ["0.000000000000000001", "123456789012345678901.123456789012345678", "-0.10"]
    ledger.book_cash([deposit(f"m{number}", f"A{number}", amount) for number, amount in enumerate(amounts)])
    assert [plain(entry.amount) for entry in ledger.cash_entries()] == amounts


def test_a_float_has_no_way_into_the_ledger(ledger: Ledger) -> None:
    wrong = replace(deposit("m1", "USD", "1"), amount=0.1)  # type: ignore[arg-type]
    with pytest.raises(Exception, match="no finite Decimal"):
        ledger.book_cash([wrong])
    assert ledger.entries() == ()


def test_the_chain_leads_from_an_exit_fill_to_the_decision_that_began_it(ledger: Ledger) -> None:
    entry, leave = entry_key("t1"), entry_key("t2", purpose=Purpose.EXIT)
    ledger.record_decision("t1", _decision(), ts=NOON)
    ledger.record_intent(entry, request_for(entry), ts=NOON, plan=Plan(stop_price=Decimal(1)))
    ledger.record_outcome(entry.client_order_id, IntentResult.ACCEPTED, ts=NOON, order_id="O1")
    ledger.record_order(venue_order("O1", client_order_id=entry.client_order_id), ts=NOON)
    ledger.book_fills([Booking(fill("T1", "buy", "0.1", "30000", order_id="O1"), Purpose.ENTRY, entry.client_order_id)])
    ledger.record_tick("t1", slot=NOON, result="done", ts=NOON)
    ledger.record_intent(
        leave, request_for(leave, side=Side.SELL), ts=at(9), reason="take_profit", position_id="pos_20240115_001"
    )
    ledger.record_outcome(leave.client_order_id, IntentResult.ACCEPTED, ts=at(9), order_id="O2")
    ledger.book_fills(
        [Booking(fill("T2", "sell", "0.1", "32000", order_id="O2", ts=at(9)), Purpose.EXIT, leave.client_order_id)],
        alerts=lambda fill: AlertDraft(AlertKind.TRADE_CLOSED, fill.trade_id, {"position_id": str(fill.position_id)}),
    )
    ledger.book_cash([replace(deposit("m1", "USD", "3200", kind="trade"), reference_id="T2")])
    (alert,) = ledger.alerts()
    for asked in ("T2", "T1", "O2", "O1", "pos_20240115_001", entry.client_order_id, alert.visible_id):
        chain = ledger.chain(asked)
        assert chain is not None, asked
        assert [item.decision.reason for item in chain.decisions] == ["agreed"], asked
        assert [item.trade_id for item in chain.fills] == ["T1", "T2"], asked
        assert len(chain.intents) == len(chain.outcomes) == 2, asked
        assert [trip.exit_reason for trip in chain.trips] == ["take_profit"], asked
        assert chain.position_ids == ("pos_20240115_001",)
        assert set(chain.order_ids) == {"O1", "O2"}
        assert len(chain.plans) == len(chain.cash) == len(chain.orders) == 1
    tick = ledger.chain("t1")
    assert tick is not None
    assert [item.tick_id for item in tick.ticks] == ["t1"]
    assert ledger.chain("nothing of ours") is None


def test_a_lease_is_given_once_renewed_and_given_back(ledger: Ledger) -> None:
    leases = ledger.leases
    mine = leases.acquire("ticks", "run-a", TTL, NOON)
    assert not isinstance(mine, LeaseHeld)
    assert leases.acquire("ticks", "run-b", TTL, at(0.5)) == LeaseHeld("ticks", "run-a", NOON + TTL)
    assert isinstance(leases.acquire("ticks", "run-a", TTL, at(0.5)), LeaseHeld), "not even to its holder"
    longer = leases.renew(mine, TTL, at(0.5))
    assert leases.still_held(longer, at(1.2))
    assert leases.still_held(mine, at(1.2)), "the token is what counts"
    leases.release(longer)
    assert not leases.still_held(longer, at(1.2))
    assert leases.current("ticks", at(1.2)) is None
    with pytest.raises(LeaseLost):
        leases.renew(longer, TTL, at(1.2))
    theirs = leases.acquire("ticks", "run-b", TTL, at(1.3))
    assert not isinstance(theirs, LeaseHeld)
    assert theirs.token > mine.token


def test_a_zombie_with_a_stale_lease_writes_no_intent(ledger: Ledger) -> None:
    zombie = ledger.leases.acquire("ticks", "run-a", TTL, NOON)
    assert not isinstance(zombie, LeaseHeld)
    living = ledger.leases.acquire("ticks", "run-b", TTL, NOON + TTL)
    assert not isinstance(living, LeaseHeld)
    key = entry_key()
    with pytest.raises(LeaseLost) as caught:
        ledger.record_intent(key, request_for(key), ts=NOON, lease=zombie)
    assert caught.value.fields["token"] == zombie.token
    assert ledger.intents() == ()
    ledger.leases.release(zombie)
    assert ledger.leases.still_held(living, at(1.5)), "a stale release frees nothing"
    assert ledger.record_intent(key, request_for(key), ts=NOON, lease=living).entry.lease_token == living.token


def test_an_emergency_takes_the_lease_over_and_the_old_holder_is_fenced(ledger: Ledger) -> None:
    old = ledger.leases.acquire("ticks", "run-a", TTL, NOON)
    assert not isinstance(old, LeaseHeld)
    taken = ledger.leases.take_over("ticks", "flatten", TTL, NOON)
    assert taken.token > old.token
    assert not ledger.leases.still_held(old, NOON)
    ledger.leases.release(taken)
    key = entry_key()
    with pytest.raises(LeaseLost):
        ledger.record_intent(key, request_for(key), ts=NOON, lease=taken)


def test_the_dump_shows_entries_and_not_the_lease(ledger: Ledger) -> None:
    ledger.leases.acquire("ticks", "run-a", TTL, NOON)
    ledger.book_cash([deposit("m1", "USD", "1")])
    assert ledger.dump().count("\n") == 1
    assert "run-a" not in ledger.dump()
