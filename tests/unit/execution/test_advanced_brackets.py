"""Brackets: one entry a key, under its stop from the first fill on, taken back once nobody wants it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from kracken_tasks.domain.trading import OrderKind, TradingState
from kracken_tasks.errors import TradeRefused
from kracken_tasks.ledger import IntentResult
from tests.support.advanced import AdvancedBench
from tests.support.market_data import BTC

D = Decimal


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[AdvancedBench]:
    made = AdvancedBench(tmp_path)
    yield made
    made.ledger.close()


def test_a_bracket_buys_and_its_stop_rests_from_the_first_moment(bench: AdvancedBench) -> None:
    bracket = bench.bought("0.1")
    assert bracket.result is IntentResult.ACCEPTED
    assert (bracket.filled, bracket.remaining) == (D("0.1"), D(0))
    exits = bracket.exits
    assert (exits.amount, exits.resting, exits.stop_price, exits.target) == (D("0.1"), D("0.1"), D("49000"), D("52000"))
    assert exits.covered
    assert exits.kind is OrderKind.STOP_LOSS
    bench.require_kept()


def test_a_bracket_asked_for_twice_is_one_bracket(bench: AdvancedBench) -> None:
    first = bench.bought()
    again = bench.opened().bracket(BTC, 0.1, key="first", stop_price=49000.0, take_profit_price=52000)
    assert again.order_id == first.order_id
    assert len(bench.venue.submitted) == 1
    bench.require_kept()


def test_a_bracket_under_a_key_that_means_another_one_is_refused(bench: AdvancedBench) -> None:
    bench.bought("0.1")
    with pytest.raises(TradeRefused, match="other terms"):
        bench.bought("0.2")
    assert len(bench.venue.submitted) == 1


def test_a_second_bracket_of_a_held_symbol_is_refused(bench: AdvancedBench) -> None:
    bench.bought()
    with pytest.raises(TradeRefused, match="held already"):
        bench.bought(key="second")


@pytest.mark.parametrize(
    "terms",
    [
        {"stop_price": "51000"},
        {"take_profit_price": "49500"},
        {"stop_limit_price": "49500"},
        {"entry_price": "48000"},
        {"stop_price": "nonsense"},
        {"trail_percent": 0},
        {"trail_percent": 60},
    ],
)
def test_a_bracket_without_sense_sends_nothing(bench: AdvancedBench, terms: dict[str, Any]) -> None:
    with pytest.raises(TradeRefused):
        bench.bought(**terms)
    assert bench.venue.submitted == []
    assert bench.ledger.intents() == ()


@pytest.mark.parametrize("amount", ["0", "-1", "0.000000001", "0.00001", "1000"])
def test_an_amount_that_cannot_be_bought_is_refused_with_its_reason(bench: AdvancedBench, amount: str) -> None:
    try:
        reason = bench.bought(amount).reason
    except TradeRefused as refused:
        reason = str(refused)
    assert reason
    assert bench.held == 0


def test_what_a_bracket_was_refused_may_be_asked_for_again(bench: AdvancedBench) -> None:
    bench.venue.submit_faults = ["refused"]
    refused = bench.bought()
    assert refused.result is IntentResult.REFUSED
    assert refused.exits.amount == 0
    assert bench.bought().result is IntentResult.ACCEPTED
    bench.require_kept()


def test_a_lost_answer_is_not_asked_for_again_until_it_is_known(bench: AdvancedBench) -> None:
    bench.venue.submit_faults = ["lost_after"]
    bench.venue.listing_lag = bench.venue.fill_lag = timedelta(seconds=4)
    assert bench.bought(wait=1).result is IntentResult.UNKNOWN
    assert bench.bought(wait=4).result is IntentResult.UNKNOWN
    found = bench.bought()
    assert found.result is IntentResult.ACCEPTED
    assert len(bench.venue.submitted) == 1
    bench.orders.watch()
    bench.require_kept()


def test_a_halted_account_opens_no_bracket(bench: AdvancedBench) -> None:
    bench.ledger.set_state(TradingState.HALTED, "enough", ts=bench.market.now())
    bracket = bench.bought()
    assert bracket.result is IntentResult.WITHDRAWN
    assert "halted" in bracket.reason
    assert bench.venue.submitted == []


def test_a_resting_entry_grows_its_stop_with_every_fill(bench: AdvancedBench) -> None:
    bench.bought("0.1", entry_price="49900")
    assert [order.kind for order in bench.entries_open()] == [OrderKind.LIMIT]
    bench.moved(49890)
    bench.orders.watch()
    assert bench.held == D("0.1")
    bench.require_kept()


def test_without_conditional_close_the_stop_is_placed_in_the_same_call(tmp_path: Path) -> None:
    bench = AdvancedBench(tmp_path, conditional_close=False)
    bracket = bench.bought()
    assert bracket.exits.covered
    assert bracket.exits.stop_price == 49000
    bench.require_kept()
    bench.ledger.close()


def test_the_rest_of_an_entry_is_taken_back_once_its_position_is_gone(tmp_path: Path) -> None:
    bench = AdvancedBench(tmp_path, by_trades=True)
    bracket = bench.bought("0.1", entry_price="49900")
    bench.traded("49890", "0.04")
    assert bench.orders.watch().exits[0].resting == D("0.04")
    bench.moved(48900.0)  # through the stop
    assert bench.orders.watch().withdrawn == (bracket.order_id,)
    assert bench.held == 0
    assert bench.entries_open() == ()
    bench.require_kept()
    bench.ledger.close()


def test_a_halt_takes_resting_entries_back(bench: AdvancedBench) -> None:
    bracket = bench.bought("0.1", entry_price="49900")
    bench.ledger.set_state(TradingState.REDUCE_ONLY, "a person's wish", ts=bench.market.now())
    assert bench.orders.watch().withdrawn == (bracket.order_id,)
    assert bench.entries_open() == ()


def test_an_entry_can_be_canceled_and_what_filled_keeps_its_stop(tmp_path: Path) -> None:
    bench = AdvancedBench(tmp_path, by_trades=True)
    bench.bought("0.1", entry_price="49900")
    bench.traded("49890", "0.04")
    bracket = bench.orders.cancel_entry(BTC, "first")
    assert (bracket.filled, bracket.remaining) == (D("0.04"), D(0))
    assert bracket.exits.covered
    bench.require_kept()
    bench.ledger.close()


def test_an_entry_that_fills_bit_by_bit_is_under_its_stop_to_the_last_digit(tmp_path: Path) -> None:
    bench = AdvancedBench(tmp_path, by_trades=True)
    bench.bought("0.1", entry_price="49900")
    for amount in ("0.01", "0.023", "0.00700001"):
        bench.traded("49890", amount)
        (exits,) = bench.orders.watch().exits
        assert exits.covered
        bench.require_kept()
    exits = bench.orders.oco(BTC, stop_price=49100, take_profit_price=53000)
    assert {order.trigger_price for order in exits.orders} == {D("49100")}
    bench.traded("49890", "5")
    bench.pass_time(10)
    bench.orders.watch()
    assert bench.held == D("0.1")
    bench.require_kept()
    bench.ledger.close()


def test_cancelling_an_entry_nobody_made_is_refused(bench: AdvancedBench) -> None:
    with pytest.raises(TradeRefused, match="no bracket"):
        bench.orders.cancel_entry(BTC, "unheard of")


def test_a_first_fill_too_small_to_protect_is_no_trouble_and_grows_into_a_position(tmp_path: Path) -> None:
    bench = AdvancedBench(tmp_path, by_trades=True)
    bench.bought("0.1", entry_price="49900")
    bench.traded("49890", "0.00005")
    watch = bench.orders.watch()
    assert watch.problems == {}
    assert bench.resting() == ()
    with pytest.raises(TradeRefused, match="too small"):
        bench.orders.stop_loss(BTC, 49500)
    bench.traded("49890", "5")
    bench.pass_time(10)
    bench.orders.watch()
    assert bench.held == D("0.1")
    bench.require_kept()
    bench.ledger.close()
