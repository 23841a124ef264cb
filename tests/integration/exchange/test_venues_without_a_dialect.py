"""Binance, Coinbase and Bitstamp as the pipeline sees them: candles come in, orders go out, through ccxt's unified methods."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal

import pytest

from kracken_tasks.candles.fetch import fetch
from kracken_tasks.candles.windows import plan
from kracken_tasks.domain.clock import utc
from kracken_tasks.domain.market import SeriesKey, Timeframe
from kracken_tasks.domain.trading import OrderKind, OrderRequest, OrderStatus, Side
from kracken_tasks.errors import TradeRefused
from kracken_tasks.exchange.venue import CcxtVenue
from tests.support.sandbox import RunningSandbox, running_sandbox, sandbox_config

NOW = utc(2025, 1, 6, 12, 20, 30)
SYMBOLS = {"binance": "BTC/USDT", "coinbase": "BTC/USD", "bitstamp": "BTC/USD"}
EVERY = pytest.mark.parametrize("name", SYMBOLS)
CLIENT_ID = "0123456789abcdef0123456789abcdef"


@pytest.fixture(scope="module")
def standing() -> Iterator[RunningSandbox]:
    with running_sandbox(config=sandbox_config(clock_start=NOW)) as running:
        yield running


@pytest.fixture
def trading() -> Iterator[RunningSandbox]:
    with running_sandbox(config=sandbox_config(clock_start=NOW)) as running:
        yield running


def venue_of(sandbox: RunningSandbox, name: str) -> CcxtVenue:
    return CcxtVenue(name, {**sandbox.options_of(name), "rateLimit": 1}, clock_keeps_seconds=0)


@EVERY
def test_the_venues_now_is_the_sandboxs(standing: RunningSandbox, name: str) -> None:
    assert abs(venue_of(standing, name).now() - NOW) < timedelta(seconds=30)  # bitstamp's is its last trade's


@EVERY
@pytest.mark.parametrize(("timeframe", "days"), [(Timeframe.H1, 60), (Timeframe.M5, 5)])
def test_candles_come_in_whole_over_many_pages(
    standing: RunningSandbox, name: str, timeframe: Timeframe, days: int
) -> None:
    venue = venue_of(standing, name)
    key, start = SeriesKey(name, SYMBOLS[name], timeframe), utc(2025, 1, 6) - timedelta(days=days)
    asked = plan(key, asked_from=start, now=NOW, missing=[(start, NOW)], reach=venue.ohlc_reach(timeframe))
    told = fetch(venue, asked, NOW)
    closed = (NOW - start) // timeframe.delta
    assert told.gaps == ()
    assert told.frame["ts"].is_unique
    assert told.frame["ts"].is_monotonic_increasing
    assert told.frame["ts"].iloc[0] == start
    assert told.frame["ts"].iloc[-1] == start + (closed - 1) * timeframe.delta  # the running one stays out
    assert len(told.frame) == closed
    assert (told.frame["low"] <= told.frame["close"]).all()


@EVERY
def test_what_is_listed_has_steps_minimums_and_fees(standing: RunningSandbox, name: str) -> None:
    venue = venue_of(standing, name)
    item = venue.instruments()[SYMBOLS[name]]
    assert item.price_tick == Decimal("0.01")
    assert item.lot_step == Decimal("0.00001" if name == "binance" else "0.00000001")
    assert item.min_cost == {"binance": 5, "coinbase": 1, "bitstamp": 10}[name]
    assert item.status == "online"
    fees = venue.fees([SYMBOLS[name]])[SYMBOLS[name]]
    assert fees.taker == {"binance": Decimal("0.001"), "coinbase": Decimal("0.006"), "bitstamp": Decimal("0.004")}[name]


@EVERY
def test_quotes_and_books_agree(standing: RunningSandbox, name: str) -> None:
    venue = venue_of(standing, name)
    quote, book = venue.quotes([SYMBOLS[name]])[SYMBOLS[name]], venue.order_book(SYMBOLS[name], 5)
    assert (quote.bid, quote.ask) == (book.bids[0][0], book.asks[0][0])
    assert quote.bid < quote.ask


@EVERY
def test_an_order_goes_out_is_found_by_its_own_id_and_is_cancelled(trading: RunningSandbox, name: str) -> None:
    venue = venue_of(trading, name)
    price = Decimal(str(venue.quotes([SYMBOLS[name]])[SYMBOLS[name]].bid)).quantize(Decimal(1)) - 5_000
    request = OrderRequest(
        client_order_id=CLIENT_ID, symbol=SYMBOLS[name], side=Side.BUY, kind=OrderKind.LIMIT, amount=Decimal("0.01"),
        limit_price=price,
    )  # fmt: skip
    order_id = venue.submit(request)
    (resting,) = venue.open_orders()
    assert (resting.order_id, resting.client_order_id, resting.status) == (order_id, CLIENT_ID, OrderStatus.OPEN)
    assert (resting.amount, resting.limit_price) == (Decimal("0.01"), price)
    held = venue.balances()["USDT" if name == "binance" else "USD"].held
    assert price * Decimal("0.01") <= held <= price * Decimal("0.0101")
    venue.cancel(order_id)
    assert venue.open_orders() == []


@EVERY
def test_a_marketable_order_fills_and_its_fills_are_told(trading: RunningSandbox, name: str) -> None:
    venue = venue_of(trading, name)
    ask = Decimal(str(venue.quotes([SYMBOLS[name]])[SYMBOLS[name]].ask)).quantize(Decimal(1)) + 100
    request = OrderRequest(
        client_order_id=CLIENT_ID, symbol=SYMBOLS[name], side=Side.BUY, kind=OrderKind.LIMIT, amount=Decimal("0.01"),
        limit_price=ask,
    )  # fmt: skip
    order_id = venue.submit(request)
    fills = venue.fills(NOW - timedelta(minutes=1))
    assert {fill.order_id for fill in fills} == {order_id}
    assert sum(fill.amount for fill in fills) == Decimal("0.01")
    assert venue.balances()["BTC"].total == Decimal("0.01") - (
        sum((fill.fee for fill in fills), Decimal(0)) if name == "binance" else 0
    )


@EVERY
def test_more_than_there_is_is_refused_not_unknown(trading: RunningSandbox, name: str) -> None:
    request = OrderRequest(
        client_order_id=CLIENT_ID, symbol=SYMBOLS[name], side=Side.BUY, kind=OrderKind.LIMIT, amount=Decimal(5),
        limit_price=Decimal(60_000),
    )  # fmt: skip
    with pytest.raises(TradeRefused):
        venue_of(trading, name).submit(request)
