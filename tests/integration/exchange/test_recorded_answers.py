"""Recorded answers of the real Kraken, when the shared data folder is there: every row is understood."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from kracken_tasks.domain.trading import OrderKind, OrderStatus
from kracken_tasks.exchange import kraken_wire as wire

RECORDINGS = Path(__file__).parents[4] / "shared" / "data" / "exchange-recordings"
real = pytest.mark.skipif(not RECORDINGS.is_dir(), reason=f"no recordings at {RECORDINGS}")


def recorded(method: str) -> list[dict[str, Any]]:
    cases = json.loads((RECORDINGS / "kraken.response.json").read_text())["cases"]
    return [case["httpResponse"]["result"] for case in cases if case["method"] == method]


@real
def test_every_recorded_order_is_read_with_its_kind_status_and_prices() -> None:
    rows = [pair for result in recorded("fetchOrder") for pair in result.items()]
    rows += [pair for result in recorded("fetchOpenOrders") for pair in result["open"].items()]
    rows += [pair for result in recorded("fetchClosedOrders") for pair in result["closed"].items()]
    orders = [wire.order_of(order_id, row, lambda pair: pair) for order_id, row in rows]
    assert len(orders) >= 7
    by_kind = {order.kind: order for order in orders}
    assert by_kind[OrderKind.STOP_LOSS_LIMIT].trigger_price == Decimal("55.00000")
    assert by_kind[OrderKind.STOP_LOSS_LIMIT].limit_price == Decimal("54.00000")
    assert by_kind[OrderKind.TAKE_PROFIT].trigger_price == Decimal("120.00000")
    assert by_kind[OrderKind.TRAILING_STOP].trigger_price == Decimal("0.75790000")
    [closed] = [order for order in orders if order.status is OrderStatus.CLOSED]
    assert (closed.filled, closed.average_price, closed.remaining) == (
        Decimal("0.10000000"),
        Decimal("71.05741"),
        Decimal(0),
    )
    assert {order.client_order_id for order in orders} == {None, "123"}


@real
def test_recorded_candles_and_trades_keep_what_ccxt_drops() -> None:
    [ohlc] = recorded("fetchOHLCV")
    frame = wire.candles_of(ohlc["XBTUSDT"])
    assert frame["vwap"].iloc[0] == 43511.3
    assert frame["trades"].tolist() == [162, 126, 127, 434, 137, 612]
    [trades] = recorded("fetchTrades")
    assert wire.trades_of(trades["XBTUSDT"])["trade_id"].tolist() == [6324366]


@real
def test_recorded_pairs_become_instruments() -> None:
    pairs = json.loads((RECORDINGS / "kraken.assetpairs.json").read_text())["result"]
    told = {
        key: wire.instrument_of("kraken", row["wsname"].replace("XBT", "BTC"), row, 10) for key, row in pairs.items()
    }
    assert told["ETHUSDT"].price_tick == Decimal("0.01")
    assert told["ETHUSDT"].min_amount == Decimal("0.01")
    assert all(one.taker_fee == Decimal("0.0026") and one.maker_fee == Decimal("0.0016") for one in told.values())


@real
def test_a_recorded_ticker_becomes_a_quote() -> None:
    [ticker] = recorded("fetchTicker")
    quote = wire.quote_of("BTC/USDT", ticker["XBTUSDT"], wire.moment_of(0))
    assert (quote.bid, quote.ask, quote.last) == (73380.6, 73380.7, 73380.6)
