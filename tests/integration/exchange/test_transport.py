"""Every request of every venue passes one place: it is paid for, its answer is an answer, and a refusal for pace is remembered."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from kracken_tasks.domain.market import Timeframe
from kracken_tasks.domain.trading import OrderKind, OrderRequest, Side
from kracken_tasks.errors import RetryLater, StateUnknown
from kracken_tasks.exchange.rates import Priority, RateBudget, calls_at
from kracken_tasks.exchange.rates.store import MemoryCounters
from kracken_tasks.exchange.venue import CcxtVenue
from kracken_tasks.sandbox.client_config import VENUE_OPTIONS
from tests.support import sandbox as support
from tests.support.rates import HeldClock
from tests.support.sandbox import RunningSandbox, running_sandbox

HTML = "<html><body>502 Bad Gateway</body></html>"
SYMBOLS = {"kraken": "BTC/USD", "binance": "BTC/USDT", "coinbase": "BTC/USD", "bitstamp": "BTC/USD"}


@pytest.fixture(scope="module")
def server() -> Iterator[RunningSandbox]:
    with running_sandbox(config=support.sandbox_config(opening_balances={"USD": "50000", "USDT": "50000"})) as running:
        yield running


@pytest.fixture
def sandbox(server: RunningSandbox) -> Iterator[RunningSandbox]:
    yield server
    server.control.clear_faults()


def opened(sandbox: RunningSandbox, exchange: str, budget: RateBudget | None = None, **options: Any) -> CcxtVenue:
    told = {**VENUE_OPTIONS[exchange](sandbox.base_url), **options}
    venue = CcxtVenue(exchange, told, clock_keeps_seconds=0, budget=budget)
    venue.instruments()
    return venue


@pytest.mark.parametrize("exchange", SYMBOLS)
@pytest.mark.parametrize("body", [HTML, "", '{"half": ', "   "])
def test_what_is_no_answer_is_no_answer_at_any_venue(sandbox: RunningSandbox, exchange: str, body: str) -> None:
    venue = opened(sandbox, exchange)
    for ask in (
        venue.balances,
        venue.open_orders,
        lambda: venue.quotes([SYMBOLS[exchange]]),
        lambda: venue.order_book(SYMBOLS[exchange]),
        lambda: venue.ohlc(SYMBOLS[exchange], Timeframe.H1),
        lambda: venue.trades(SYMBOLS[exchange]),
    ):
        sandbox.control.fault("*", status=200, body=body)
        with pytest.raises(RetryLater):
            ask()
        sandbox.control.clear_faults()


@pytest.mark.parametrize("exchange", SYMBOLS)
@pytest.mark.parametrize("body", [HTML, "", '{"half": '])
def test_an_order_that_got_no_answer_is_unknown_at_any_venue(sandbox: RunningSandbox, exchange: str, body: str) -> None:
    venue = opened(sandbox, exchange)
    order = OrderRequest(
        "ef" * 16, SYMBOLS[exchange], Side.BUY, OrderKind.LIMIT, Decimal("0.01"), Decimal("20000"), time_in_force="IOC"
    )
    sandbox.control.fault("*", status=200, body=body, when="after")
    with pytest.raises(StateUnknown):
        venue.submit(order)


def test_retry_after_is_obeyed_by_everybody_who_shares_the_budget(sandbox: RunningSandbox) -> None:
    clock = HeldClock()
    store = MemoryCounters(clock.now)
    told, silent = (
        opened(sandbox, "binance", RateBudget(store, pause=clock.wait), rateLimit=50, apiKey=None, secret=None)
        for _ in range(2)
    )
    sandbox.control.fault("*", status=429, body='{"code": -1003, "msg": "Too many requests."}')
    with pytest.raises(RetryLater):
        told.order_book("BTC/USDT")
    sandbox.control.clear_faults()
    before = clock.at
    silent.order_book("BTC/USDT")
    assert clock.at > before


def test_every_call_of_every_venue_is_counted(sandbox: RunningSandbox) -> None:
    for exchange, symbol in SYMBOLS.items():
        clock = HeldClock()
        budget = RateBudget(MemoryCounters(clock.now), pause=clock.wait)
        venue = opened(sandbox, exchange, budget)
        before = budget.store.levels()
        venue.quotes([symbol])
        venue.balances()
        after = budget.store.levels()
        assert sum(level.count for level in after.values()) > sum(level.count for level in before.values()), exchange


def test_threads_of_one_venue_share_its_listing_and_its_lane(sandbox: RunningSandbox) -> None:
    venue = CcxtVenue("kraken", VENUE_OPTIONS["kraken"](sandbox.base_url), clock_keeps_seconds=0)
    failures: list[Exception] = []

    def look() -> None:
        try:
            for _ in range(5):
                venue.quotes(["BTC/USD"])
                venue.balances()
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=look) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert failures == []


def test_a_turn_that_does_not_come_is_told_before_anything_is_sent(sandbox: RunningSandbox) -> None:
    clock = HeldClock()
    budget = RateBudget(MemoryCounters(clock.now), pause=clock.wait, patience=dict.fromkeys(Priority, 0.0))
    venue = opened(sandbox, "binance", budget, rateLimit=60_000)
    order = OrderRequest("ee" * 16, "BTC/USDT", Side.BUY, OrderKind.LIMIT, Decimal("0.01"), Decimal("20000"))

    def ten_orders() -> None:
        for _ in range(10):
            venue.submit(order)
            venue.cancel("1")

    with pytest.raises(RetryLater, match="would have to wait"):
        ten_orders()
    with calls_at(Priority.EXPORT), pytest.raises(RetryLater, match="would have to wait"):
        venue.order_book("BTC/USDT")
