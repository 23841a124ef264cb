"""Kraken's counters line by line: what each endpoint adds, by tier, and by how long an order has rested."""

from __future__ import annotations

from datetime import timedelta

import pytest

from kracken_tasks.domain.clock import utc
from kracken_tasks.exchange.rates.ages import OrderAges
from kracken_tasks.exchange.rates.counters import Priority
from kracken_tasks.exchange.rates.kraken import TIERS, KrakenRates, amend_cost, cancel_cost, edit_cost
from kracken_tasks.exchange.rates.weights import WeightedRates
from tests.support.rates import HeldClock, starter

T0 = utc(2026, 1, 10)


@pytest.mark.parametrize(
    ("path", "cost"),
    [
        ("BalanceEx", 1), ("OpenOrders", 1), ("QueryOrders", 1), ("TradeVolume", 1), ("GetWebSocketsToken", 1), ("CancelAll", 1),
        ("Ledgers", 2), ("TradesHistory", 2), ("ClosedOrders", 2), ("QueryLedgers", 2), ("QueryTrades", 2),
    ],
)  # fmt: skip
def test_questions_of_a_key_count_one_and_histories_two(path: str, cost: float) -> None:
    [charge] = starter().charges(path, True, {}, 3.0)
    assert (charge.counter, charge.cost) == ("key", cost)


@pytest.mark.parametrize("path", ["AddOrder", "AmendOrder", "CancelOrder"])
def test_orders_do_not_count_among_questions(path: str) -> None:
    counted = [charge.counter for charge in starter().charges(path, True, {"pair": "P", "txid": "O"}, 0.0)]
    assert counted
    assert all("engine" in counter for counter in counted)


@pytest.mark.parametrize(
    ("tier", "rest", "rest_decay", "engine", "engine_decay"),
    [("starter", 15, 0.33, 60, 1.0), ("intermediate", 20, 0.5, 125, 2.34), ("pro", 20, 1.0, 180, 3.75)],
)
def test_each_tier_has_the_published_maxima_and_decays(
    tier: str, rest: float, rest_decay: float, engine: float, engine_decay: float
) -> None:
    rates = KrakenRates("key", "address", TIERS[tier], 1000.0)
    [asked] = rates.charges("BalanceEx", True, {}, 0.0)
    [sent] = rates.charges("AddOrder", True, {"pair": "P"}, 0.0)
    assert (asked.limit.maximum, asked.limit.decay) == (rest, rest_decay)
    assert (sent.limit.maximum, sent.limit.decay) == (engine, engine_decay)
    assert (
        asked.limit.ceiling(Priority.EXPORT) < asked.limit.ceiling(Priority.READ) < asked.limit.ceiling(Priority.ENTER)
    )
    assert sent.limit.ceiling(Priority.ENTER) <= sent.limit.ceiling(Priority.PROTECT) - 8 - 4 - 1


@pytest.mark.parametrize(
    ("age", "amend", "edit", "cancel"),
    [
        (0, 4, 7, 8), (4.9, 4, 7, 8), (5, 3, 6, 6), (10, 2, 5, 5), (15, 1, 3, 4), (45, 1, 2, 2), (90, 1, 1, 1), (299, 1, 1, 1),
        (300, 1, 1, 0),
    ],
)  # fmt: skip
def test_young_orders_are_dear_to_change(age: float, amend: float, edit: float, cancel: float) -> None:
    assert (amend_cost(age), edit_cost(age), cancel_cost(age)) == (amend, edit, cancel)


def test_a_batch_counts_every_order_in_it() -> None:
    [charge] = starter().charges("AddOrderBatch", True, {"pair": "P", "orders": [{}, {}, {}]}, 0.0)
    assert charge.cost == 3
    rates = starter()
    rates.ages.saw("A", "P")
    rates.ages.saw("B", "Q")
    charges = rates.charges("CancelOrderBatch", True, {"orders": ["A", "B"]}, 0.0)
    assert {charge.counter: charge.cost for charge in charges} == {"key engine P": 8, "key engine Q": 8}


def test_a_cancel_is_counted_and_never_waits() -> None:
    rates = starter()
    rates.ages.saw("O1", "XXBTZUSD")
    [cancel] = rates.charges("CancelOrder", True, {"txid": "O1"}, 0.0)
    [amend] = rates.charges("AmendOrder", True, {"txid": "O1"}, 0.0)
    assert (cancel.waits, cancel.cost, amend.waits, amend.cost) == (False, 8, True, 4)
    assert cancel.counter == amend.counter == "key engine XXBTZUSD"


def test_an_order_nobody_has_seen_counts_as_just_born_on_a_counter_of_its_own() -> None:
    [charge] = starter().charges("AmendOrder", True, {"txid": "OSTRANGE"}, 0.0)
    assert (charge.counter, charge.cost) == ("key engine unknown", 4)


def test_an_orders_age_is_the_venues_where_it_was_told_and_never_guessed_older() -> None:
    clock = HeldClock()
    ages = OrderAges(clock.now)
    ages.saw("listed", "P", T0 - timedelta(minutes=10))
    ages.saw("sent", "P")
    told = ages.of("listed")
    assert told is not None
    assert told.age == 0  # the venue's clock is not known yet
    ages.tell_time(T0)
    clock.wait(7)
    ages_now = {name: resting.age for name in ("listed", "sent") if (resting := ages.of(name))}
    assert ages_now == {"listed": 607, "sent": 7}
    assert ages.of("never seen") is None


def test_memory_of_orders_is_bounded() -> None:
    ages = OrderAges(HeldClock().now)
    for number in range(3_000):
        ages.saw(f"O{number}", "P")
    assert ages.of("O0") is None
    assert ages.of("O2999") is not None


@pytest.mark.parametrize(
    ("path", "private", "word", "counter"),
    [
        ("BalanceEx", True, "EAPI:Rate limit exceeded", "key"),
        ("AddOrder", True, "EAPI:Rate limit exceeded", "key"),
        ("AddOrder", True, "EOrder:Rate limit exceeded", "key engine P"),
        ("AddOrder", True, "EOrder:Domain rate limit exceeded", "key engine P"),
        ("Ticker", False, "EGeneral:Too many requests", "address"),
    ],
)
def test_a_refusal_tells_which_counter_is_full(path: str, private: bool, word: str, counter: str) -> None:
    assert [charge.counter for charge in starter().used_up(path, private, {"pair": "P"}, [word])] == [counter]


def test_a_lockout_shuts_longer_than_a_full_counter() -> None:
    assert starter().shut_seconds(["EGeneral:Temporary lockout"]) > starter().shut_seconds(["EAPI:Rate limit exceeded"])


def test_a_server_that_counts_faster_is_counted_faster() -> None:
    [charge] = KrakenRates("key", "address", None, 5.0).charges("BalanceEx", True, {}, 0.0)
    assert charge.limit.decay == pytest.approx(0.33 * 200)


def test_other_venues_count_ccxts_weights_per_address() -> None:
    rates = WeightedRates("binance", 50.0)
    [charge] = rates.charges("depth", False, {}, 25.0)
    assert (charge.counter, charge.cost, charge.limit.decay) == ("binance", 25.0, 20.0)
    assert rates.charges("ping", False, {}, 0.0) == ()
    assert rates.used_up("depth", False, {}, ["429"])[0].counter == "binance"
