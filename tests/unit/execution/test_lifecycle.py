"""An order takes only the steps that are written down; what cannot follow is booked, told and kept from trading on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from kracken_tasks.domain.trading import Action, OrderStatus, Purpose, VenueOrder
from kracken_tasks.errors import TradeRefused
from kracken_tasks.execution.lifecycle import (
    TRANSITIONS,
    Cause,
    IllegalTransition,
    News,
    OrderLife,
    OrderState,
    life_of_intent,
    news_of_order,
)
from kracken_tasks.execution.sending import submit_intent
from kracken_tasks.ledger import AlertKind, IntentResult
from tests.support.bench import Bench
from tests.support.ledger import venue_order
from tests.support.lying_venue import LyingVenue
from tests.support.market_data import BTC

ONE = Decimal(1)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path)
    yield made
    made.ledger.close()


def told(bench: Bench) -> list[str]:
    return [alert.payload["detail"] for alert in bench.ledger.alerts() if alert.kind is AlertKind.ERROR]


def test_every_state_is_reached_and_every_step_has_its_reason() -> None:
    assert {row.target for row in TRANSITIONS.values()} | {OrderState.INTENDED} == set(OrderState)
    assert {cause for _, cause in TRANSITIONS} == set(Cause)
    assert all(row.why for row in TRANSITIONS.values())
    assert not [row for row in TRANSITIONS.values() if row.target is OrderState.INTENDED]


def test_nothing_but_the_venue_listing_it_late_brings_an_ended_order_back() -> None:
    back = [row for row in TRANSITIONS.values() if row.source.over and not row.target.over]
    assert {row.source for row in back} == {OrderState.NEVER_ARRIVED}
    assert all(row.told for row in back)


@pytest.mark.parametrize("state", [OrderState.REFUSED, OrderState.WITHDRAWN])
@pytest.mark.parametrize("cause", [Cause.ACCEPTED, Cause.PART_FILL, Cause.LAST_FILL, Cause.CANCEL, Cause.UNSEEN])
def test_refused_and_withdrawn_orders_do_not_exist(state: OrderState, cause: Cause) -> None:
    with pytest.raises(IllegalTransition, match=f"is {state} and cannot take {cause}"):
        OrderLife("o", state, ONE).after(News(cause))


def test_fill_after_cancel_is_counted_and_changes_no_end() -> None:
    canceled = OrderLife("o", OrderState.CANCELED, ONE, Decimal("0.2"))
    assert canceled.after(News(Cause.PART_FILL, filled=Decimal("0.5"))) == replace(canceled, filled=Decimal("0.5"))
    assert canceled.after(News(Cause.LAST_FILL, filled=ONE)).state is OrderState.FILLED


def test_cancel_after_the_last_fill_changes_nothing() -> None:
    filled = OrderLife("o", OrderState.FILLED, ONE, ONE)
    assert filled.after(News(Cause.CANCEL, filled=ONE, amount=ONE)) == filled


def test_older_page_takes_nothing_back() -> None:
    part = OrderLife("o", OrderState.PARTLY_FILLED, ONE, Decimal("0.6"))
    assert part.after(News(Cause.ACCEPTED, filled=Decimal(0))) == part
    assert part.after(News(Cause.PART_FILL, filled=Decimal("0.3"))) == part


def test_more_filled_than_the_order_is_for_is_impossible() -> None:
    with pytest.raises(IllegalTransition, match=r"1\.1 filled of 1"):
        OrderLife("o", OrderState.RESTING, ONE).after(News(Cause.LAST_FILL, filled=Decimal("1.1")))


def test_amended_amount_is_the_new_measure_of_whole() -> None:
    part = OrderLife("o", OrderState.PARTLY_FILLED, ONE, Decimal("0.4"))
    assert part.after(News(Cause.LAST_FILL, filled=Decimal("0.4"), amount=Decimal("0.4"))).state is OrderState.FILLED


def test_another_order_under_the_same_intent_is_impossible() -> None:
    with pytest.raises(IllegalTransition, match="order B answers for it, which was A"):
        OrderLife("o", OrderState.RESTING, ONE, order_id="A").after(News(Cause.ACCEPTED, "B"))


@pytest.mark.parametrize(
    ("status", "filled", "cause"),
    [
        ("open", "0", Cause.ACCEPTED),
        ("open", "0.05", Cause.PART_FILL),
        ("closed", "0.1", Cause.LAST_FILL),
        ("closed", "0.05", Cause.EXPIRY),
        ("canceled", "0.05", Cause.CANCEL),
        ("canceled", "0.1", Cause.LAST_FILL),
        ("expired", "0", Cause.EXPIRY),
        ("rejected", "0", Cause.REFUSAL),
    ],
)
def test_the_venues_words_are_read_as_causes(status: str, filled: str, cause: Cause) -> None:
    assert news_of_order(venue_order("O1", status, filled=filled)).cause is cause


def test_life_of_an_entry_is_read_from_the_ledger_at_every_stage(bench: Bench) -> None:
    bench.venue.submit_faults = ["lost_before"]
    bench.tick({BTC: Action.BUY})
    (intent,) = bench.ledger.intents()
    assert life_of_intent(bench.ledger, intent.client_order_id).state is OrderState.UNKNOWN
    bench.tick({BTC: Action.BUY}, seconds=60)
    assert life_of_intent(bench.ledger, intent.client_order_id).state is OrderState.NEVER_ARRIVED
    second = bench.ledger.intents()[1]
    life = life_of_intent(bench.ledger, second.client_order_id)
    assert (life.state, life.filled) == (OrderState.FILLED, second.request.amount)


def test_order_with_an_outcome_is_not_sent_again(bench: Bench) -> None:
    report = bench.tick({BTC: Action.BUY})
    (sent,) = report.sent
    with pytest.raises(IllegalTransition, match="is filled and is not sent again"):
        submit_intent(bench.desk(), sent.key, sent.request)
    assert bench.venue.calls.count("submit") == 1


def test_order_listed_later_than_the_listing_lag_is_booked_protected_and_told_once(bench: Bench) -> None:
    bench.venue.submit_faults = ["lost_after"]
    bench.venue.listing_lag = bench.venue.fill_lag = timedelta(minutes=5)
    bench.tick({BTC: Action.BUY})
    assert [item.result for item in bench.tick(seconds=60).resolved] == [IntentResult.NEVER_ARRIVED]
    report = bench.tick(seconds=600)
    assert report.unprotected == ()
    assert [fill.purpose for fill in bench.ledger.fills()] == [Purpose.ENTRY]
    assert len([text for text in told(bench) if "went from never_arrived to filled" in text]) == 1
    bench.tick()
    assert len(told(bench)) == 1
    bench.require_protected()


def test_refused_order_that_fills_all_the_same_is_booked_told_and_protected(bench: Bench) -> None:
    def refuse_and_take(honest: object, request: object) -> str:
        bench.venue.submit(request)  # type: ignore[arg-type]  # the venue takes it
        raise TradeRefused("EOrder:Insufficient funds")

    report = bench.tick({BTC: Action.BUY}, broker=LyingVenue(bench.venue, submit=refuse_and_take))
    assert [sent.result for sent in report.sent] == [IntentResult.REFUSED]
    assert bench.ledger.positions()[BTC].amount > 0
    assert any("is refused and cannot take last_fill" in text for text in told(bench))
    bench.tick()
    bench.require_protected()


def test_order_that_cannot_be_and_rests_keeps_its_symbol_out_until_it_is_gone(bench: Bench) -> None:
    report = bench.tick({BTC: Action.BUY})
    (sent,) = report.sent
    twin = VenueOrder(
        "TWIN", sent.key.client_order_id, None, BTC, sent.request.side, sent.request.kind, OrderStatus.OPEN,
        Decimal("0.01"), Decimal(0), None, sent.request.limit_price, None, bench.market.now(),
    )  # fmt: skip
    doubled = LyingVenue(bench.venue, open_orders=lambda honest: [*honest(), twin])
    report = bench.tick({BTC: Action.BUY}, broker=doubled)
    assert "order TWIN answers for it" in report.unknown[BTC]
    assert any("order TWIN answers for it" in text for text in told(bench))
