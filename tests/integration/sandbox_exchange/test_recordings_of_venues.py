"""Answers of Binance and Coinbase keep the keys and number formats of recorded traffic.

The recordings turned bare numbers into text, so types are not compared, only keys and what the text looks like.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
from pathlib import Path
from typing import Any

import aiohttp
import ccxt
import pytest

from tests.support.sandbox import RunningSandbox

_SHARED = Path(os.environ.get("KRACKEN_SHARED_DATA", Path(__file__).parents[3].parent / "shared" / "data"))
RECORDINGS = _SHARED / "exchange-recordings"
PAGED = {"cursor"}  # ccxt puts the page's cursor into the rows it hands out

pytestmark = pytest.mark.skipif(not RECORDINGS.is_dir(), reason=f"no recorded exchange traffic at {RECORDINGS}")


def recorded(venue: str, method: str, kind: str = "response") -> Any:
    cases = json.loads((RECORDINGS / f"{venue}.json").read_text())[kind]
    case = next(case for case in cases if case["method"] == method)
    return case["httpResponse"] if kind == "response" else case["messages"]


def shape(value: Any) -> str:
    """Letters become a, digits 9, runs of either one."""
    return re.sub(r"[a-z]+", "a", re.sub(r"\d+", "9", str(value)))


@pytest.fixture
def coinbase(sandbox: RunningSandbox) -> ccxt.coinbase:
    client = ccxt.coinbase(sandbox.options_of("coinbase"))
    client.load_markets()
    client.create_order("BTC/USD", "market", "sell", 0.2)
    return client


def test_an_order_that_binance_took_looks_as_recorded(sandbox: RunningSandbox) -> None:
    client = ccxt.binance(sandbox.options_of("binance"))
    ours = client.create_order("BTC/USDT", "limit", "buy", 0.5, 80)["info"]
    theirs = recorded("binance", "createOrder")
    assert set(ours) == set(theirs) - {"icebergQty"}  # the recorded order was an iceberg
    for name in set(ours) - {"clientOrderId", "symbol"}:
        assert shape(ours[name]) == shape(theirs[name]), name


@pytest.mark.parametrize(("method", "stream"), [("watchBidsAsks", "bookTicker"), ("watchTicker", "miniTicker")])
async def test_events_of_binance_look_as_recorded(sandbox: RunningSandbox, method: str, stream: str) -> None:
    url = sandbox.options_of("binance")["urls"]["api"]["ws"]["spot"] + "/0"
    async with aiohttp.ClientSession() as http, http.ws_connect(url) as socket:
        await socket.send_json({"method": "SUBSCRIBE", "params": [f"btcusdt@{stream}"], "id": 1})
        acknowledged = await socket.receive_json(timeout=20)
        await asyncio.to_thread(sandbox.control.advance, 90)
        ours = await socket.receive_json(timeout=20)
    first, theirs, *_ = recorded("binance", method, "ws")
    assert acknowledged == first
    assert {name: shape(value) for name, value in ours.items()} == {
        name: shape(value) for name, value in theirs.items()
    }


def test_a_ticker_of_coinbase_looks_as_recorded(coinbase: ccxt.coinbase) -> None:
    ours = coinbase.v3PublicGetBrokerageMarketProductsProductIdTicker({"product_id": "BTC-USD", "limit": 1})
    theirs = recorded("coinbase", "fetchTicker")
    assert set(ours) == set(theirs)
    assert set(ours["trades"][0]) == set(theirs["trades"][0])
    assert shape(ours["trades"][0]["time"]) == shape(theirs["trades"][0]["time"])


@pytest.mark.parametrize(
    ("method", "rows", "whole_numbers"),
    [
        ("fetchMyTrades", "fills", {"size", "price"}),
        ("fetchClosedOrders", "orders", {"filled_size", "average_filled_price"}),
    ],
)
def test_orders_and_fills_of_coinbase_look_as_recorded(
    coinbase: ccxt.coinbase, method: str, rows: str, whole_numbers: set[str]
) -> None:
    answer = (
        coinbase.v3PrivateGetBrokerageOrdersHistoricalFills()
        if rows == "fills"
        else coinbase.v3PrivateGetBrokerageOrdersHistoricalBatch()
    )
    theirs = recorded("coinbase", method)
    assert set(answer) == set(theirs)
    mine, known = answer[rows][0], theirs[rows][0]
    assert set(mine) == set(known) - PAGED
    ids = {"entry_id", "trade_id", "order_id", "user_id", "client_order_id", "product_id"}
    for name in set(mine) - ids - whole_numbers - {"order_configuration", "trade_time", "last_fill_time"}:
        assert shape(mine[name]) == shape(known[name]), name


def test_wallets_of_coinbase_have_what_is_read_of_the_recorded_ones(coinbase: ccxt.coinbase) -> None:
    ours, theirs = coinbase.v2PrivateGetAccounts()["data"][0], recorded("coinbase", "fetchBalance")["data"][0]
    assert set(ours) < set(theirs)
    assert set(ours["balance"]) == set(theirs["balance"])
