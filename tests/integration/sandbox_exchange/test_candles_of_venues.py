"""Candles and trades of the other venues, through ccxt: their limits, their unfinished last one, and that both tell one story."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import ccxt
import pytest

from kracken_tasks.domain.clock import to_ms, utc
from tests.support.sandbox import RunningSandbox, running_sandbox, sandbox_config

VENUES = {"binance": "BTC/USDT", "coinbase": "BTC/USD", "bitstamp": "BTC/USD"}
MOST = {"binance": 1000, "coinbase": 300, "bitstamp": 1000}
NOW = utc(2025, 1, 6, 12, 30, 30)
MINUTE = 60_000
EVERY = pytest.mark.parametrize("venue", VENUES)


@pytest.fixture(scope="module")
def standing() -> Iterator[RunningSandbox]:
    """The default market, standing still in the middle of a minute."""
    with running_sandbox(config=sandbox_config(clock_start=NOW)) as running:
        yield running


def client_of(sandbox: RunningSandbox, venue: str) -> Any:
    return getattr(ccxt, venue)(sandbox.options_of(venue))


@EVERY
def test_the_last_candle_is_the_running_one(standing: RunningSandbox, venue: str) -> None:
    rows = client_of(standing, venue).fetch_ohlcv(VENUES[venue], "1h", to_ms(NOW) - 5 * 60 * MINUTE)
    assert rows[-1][0] == to_ms(utc(2025, 1, 6, 12))
    assert [row[0] for row in rows] == [to_ms(utc(2025, 1, 6, hour)) for hour in range(8, 13)]


@EVERY
def test_no_more_candles_come_than_the_venue_gives_at_once(standing: RunningSandbox, venue: str) -> None:
    client = client_of(standing, venue)
    since = to_ms(NOW) // MINUTE * MINUTE - 3_000 * MINUTE
    rows = client.fetch_ohlcv(VENUES[venue], "1m", since, 5_000 if venue == "binance" else None)
    assert rows[0][0] == since
    assert MOST[venue] * 0.9 < len(rows) <= MOST[venue]  # coinbase leaves out minutes without trades
    again = client.fetch_ohlcv(VENUES[venue], "1m", rows[-1][0], 10)
    assert again[0] == rows[-1]


@EVERY
@pytest.mark.parametrize("timeframe", ["5m", "1h"])
def test_candles_are_the_trades_they_are_made_of(standing: RunningSandbox, venue: str, timeframe: str) -> None:
    client = client_of(standing, venue)
    width = client.parse_timeframe(timeframe) * 1000
    opening = to_ms(utc(2025, 1, 6, 12))
    span = (opening, min(opening + width, to_ms(NOW)))
    if venue == "coinbase":
        trades = client.fetch_trades(VENUES[venue], span[0], 1000, {"until": span[1]})
    elif venue == "binance":
        trades = client.fetch_trades(VENUES[venue], span[0], 1000)
    else:
        trades = client.fetch_trades(VENUES[venue], None, None, {"time": "day"})
        trades.sort(key=lambda trade: int(trade["id"]))
    inside = [trade for trade in trades if span[0] <= trade["timestamp"] < span[1]]
    prices = [trade["price"] for trade in inside]
    candle = next(row for row in client.fetch_ohlcv(VENUES[venue], timeframe, opening, 1) if row[0] == opening)
    assert candle[1:5] == [prices[0], max(prices), min(prices), prices[-1]]
    assert candle[5] == pytest.approx(sum(trade["amount"] for trade in inside), rel=1e-9)


def test_binance_weeks_open_on_monday_and_months_on_their_first(standing: RunningSandbox) -> None:
    client = client_of(standing, "binance")
    weeks = client.fetch_ohlcv("BTC/USDT", "1w", None, 3)
    assert [row[0] for row in weeks] == [to_ms(utc(2024, 12, 23)), to_ms(utc(2024, 12, 30)), to_ms(utc(2025, 1, 6))]
    days = client.fetch_ohlcv("BTC/USDT", "1d", to_ms(utc(2024, 12, 23)), 7)
    highs, lows = [row[2] for row in days], [row[3] for row in days]
    assert weeks[0][1:5] == [days[0][1], max(highs), min(lows), days[-1][4]]
    assert weeks[0][5] == pytest.approx(sum(row[5] for row in days))
    months = client.fetch_ohlcv("BTC/USDT", "1M", None, 2)
    assert [row[0] for row in months] == [to_ms(utc(2024, 12, 1)), to_ms(utc(2025, 1, 1))]


def test_binance_pages_its_trades_by_id_without_a_gap(standing: RunningSandbox) -> None:
    client = client_of(standing, "binance")
    first = client.fetch_trades("BTC/USDT", to_ms(NOW) - 30 * MINUTE, 50)
    ids = [int(trade["id"]) for trade in first]
    second = client.fetch_trades("BTC/USDT", None, 50, {"fromId": ids[-1] + 1})
    ids += [int(trade["id"]) for trade in second]
    assert ids == list(range(ids[0], ids[0] + 100))


def test_binance_shows_an_interval_without_trades_flat(standing: RunningSandbox) -> None:
    client = client_of(standing, "binance")
    rows = client.fetch_ohlcv("ADA/USDT", "1m", to_ms(NOW) - 600 * MINUTE, 600)
    assert [row[0] for row in rows] == list(range(rows[0][0], rows[0][0] + len(rows) * MINUTE, MINUTE))
    quiet = [place for place, row in enumerate(rows) if row[5] == 0 and place]
    assert quiet
    assert all(rows[place][1:5] == [rows[place - 1][4]] * 4 for place in quiet)


def test_coinbase_leaves_out_an_interval_without_trades(standing: RunningSandbox) -> None:
    rows = client_of(standing, "coinbase").fetch_ohlcv("ADA/USD", "1m", to_ms(NOW) - 250 * MINUTE)
    assert all(row[5] > 0 for row in rows)
    assert len(rows) < 250


def test_coinbase_refuses_more_candles_than_it_gives(standing: RunningSandbox) -> None:
    client = client_of(standing, "coinbase")
    client.load_markets()
    end = to_ms(NOW) // 1000
    with pytest.raises(ccxt.ExchangeError, match="number of candles requested should be less than 350"):
        client.v3PublicGetBrokerageMarketProductsProductIdCandles(
            {"product_id": "BTC-USD", "granularity": "ONE_MINUTE", "start": str(end - 360 * 60), "end": str(end)}
        )


@EVERY
def test_the_ticker_is_the_book_and_the_last_trade(standing: RunningSandbox, venue: str) -> None:
    client = client_of(standing, venue)
    ticker, book = client.fetch_ticker(VENUES[venue]), client.fetch_order_book(VENUES[venue])
    assert (ticker["bid"], ticker["ask"]) == (book["bids"][0][0], book["asks"][0][0])
    trades = client.fetch_trades(VENUES[venue], None, None if venue == "bitstamp" else 100)
    assert ticker["last"] == max(trades, key=lambda trade: int(trade["id"]))["price"]
