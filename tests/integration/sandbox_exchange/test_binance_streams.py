"""Binance's public streams, through ccxt.pro and bare: what they tell is what REST tells."""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import aiohttp
import ccxt
import ccxt.pro
import pytest

from kracken_tasks.domain.clock import to_ms, utc
from tests.support.ccxt_checks import Hurried
from tests.support.sandbox import RunningSandbox, running_sandbox, sandbox_config

SYMBOL = "BTC/USDT"
NOW = utc(2025, 1, 6, 12, 30, 30)
PATIENCE = 20.0


@pytest.fixture
def standing() -> Iterator[RunningSandbox]:
    with running_sandbox(config=sandbox_config(clock_start=NOW)) as running:
        yield running


@pytest.fixture
async def client(standing: RunningSandbox) -> AsyncIterator[ccxt.pro.binance]:
    made = ccxt.pro.binance(standing.options_of("binance"))
    await made.load_markets()
    yield made
    await made.close()


@pytest.fixture
def rest(standing: RunningSandbox) -> ccxt.binance:
    return ccxt.binance(standing.options_of("binance"))


async def heard_by(sandbox: RunningSandbox, stream: str) -> None:
    """Until a socket of this sandbox hears the stream."""
    async with asyncio.timeout(PATIENCE):
        while True:
            sockets = (await asyncio.to_thread(sandbox.control.call, "GET", "sockets"))["sockets"]
            if any(stream in socket["hears"] for socket in sockets):
                return


async def told(sandbox: RunningSandbox, stream: str, watch: Callable[[], Any], seconds: float) -> Any:
    """What a waiting ccxt call returns once the market has gone on."""
    waiting = asyncio.create_task(watch())
    await heard_by(sandbox, stream)
    await asyncio.to_thread(sandbox.control.advance, seconds)
    return await asyncio.wait_for(waiting, PATIENCE)


async def test_trades_of_the_stream_are_those_of_rest(standing: RunningSandbox, rest: ccxt.binance) -> None:
    async with listening(standing, "btcusdt@trade") as events:
        await asyncio.to_thread(standing.control.advance, 300)
        known = rest.fetch_trades(SYMBOL, to_ms(NOW) + 1, 1000)
        assert len(known) > 10
        found = await until(events, lambda event: str(event["t"]) == known[-1]["id"])
    assert [(str(e["t"]), float(e["p"]), float(e["q"]), e["T"]) for e in found] == [
        (trade["id"], trade["price"], trade["amount"], trade["timestamp"]) for trade in known
    ]


async def test_ccxt_watches_trades(standing: RunningSandbox, client: ccxt.pro.binance, rest: ccxt.binance) -> None:
    found = await told(standing, "btcusdt@trade", lambda: client.watch_trades(SYMBOL), 300)
    known = {trade["id"]: trade for trade in rest.fetch_trades(SYMBOL, to_ms(NOW) + 1, 1000)}
    assert found
    assert [(trade["price"], trade["side"]) for trade in found] == [
        (known[trade["id"]]["price"], known[trade["id"]]["side"]) for trade in found
    ]


async def test_a_ticker_tells_the_day_as_rest_does(
    standing: RunningSandbox, client: ccxt.pro.binance, rest: ccxt.binance
) -> None:
    ticker = await told(standing, "btcusdt@ticker", lambda: client.watch_ticker(SYMBOL, {"name": "ticker"}), 60)
    known = rest.fetch_ticker(SYMBOL)
    for name in ("last", "high", "low", "open", "baseVolume", "bid", "ask", "timestamp"):
        assert ticker[name] == known[name], name


async def test_best_prices_follow_the_book(
    standing: RunningSandbox, client: ccxt.pro.binance, rest: ccxt.binance
) -> None:
    found = await told(standing, "btcusdt@bookTicker", lambda: client.watch_bids_asks([SYMBOL]), 30)
    book = rest.fetch_order_book(SYMBOL)
    assert (found[SYMBOL]["bid"], found[SYMBOL]["ask"]) == (book["bids"][0][0], book["asks"][0][0])


async def test_a_candle_closes_in_the_stream_as_rest_has_it(standing: RunningSandbox, rest: ccxt.binance) -> None:
    async with listening(standing, "btcusdt@kline_1m") as events:
        await asyncio.to_thread(standing.control.advance, 120)
        closed = [event["k"] for event in await until(events, lambda event: not event["k"]["x"]) if event["k"]["x"]]
    rows = rest.fetch_ohlcv(SYMBOL, "1m", to_ms(utc(2025, 1, 6, 12, 30)), 2)
    assert [[k["t"], *(float(k[name]) for name in ("o", "h", "l", "c", "v"))] for k in closed] == rows


async def test_a_book_kept_by_the_stream_is_rests_book(
    standing: RunningSandbox, client: ccxt.pro.binance, rest: ccxt.binance
) -> None:
    book = await told(standing, "btcusdt@depth@100ms", lambda: client.watch_order_book(SYMBOL), 0.001)
    await asyncio.to_thread(standing.control.advance, 60)
    known = rest.fetch_order_book(SYMBOL, 1000)
    while book["nonce"] != known["nonce"]:
        book = await asyncio.wait_for(client.watch_order_book(SYMBOL), PATIENCE)
    assert [row[:2] for row in book["bids"]] == known["bids"]
    assert [row[:2] for row in book["asks"]] == known["asks"]


async def test_what_is_not_listed_is_acknowledged_and_never_heard_of(standing: RunningSandbox) -> None:
    async with listening(standing, "nopeusdt@trade", "btcusdt@dream") as events:
        await events.send_json({"method": "LIST_SUBSCRIPTIONS", "id": 2})
        assert await events.receive_json(timeout=PATIENCE) == {"result": [], "id": 2}
        await events.send_json({"method": "DREAM", "id": 3})
        assert (await events.receive_json(timeout=PATIENCE))["error"]["code"] == 2


async def test_nothing_is_told_after_it_was_unsubscribed(standing: RunningSandbox) -> None:
    async with listening(standing, "btcusdt@trade", "ethusdt@bookTicker") as events:
        await events.send_json({"method": "UNSUBSCRIBE", "params": ["btcusdt@trade"], "id": 2})
        assert await events.receive_json(timeout=PATIENCE) == {"result": None, "id": 2}
        await asyncio.to_thread(standing.control.advance, 600)
        assert (await events.receive_json(timeout=PATIENCE))["s"] == "ETHUSDT"


async def test_a_socket_that_is_cut_ends_the_stream(standing: RunningSandbox) -> None:
    async with listening(standing, "btcusdt@trade") as events:
        await asyncio.to_thread(standing.control.call, "DELETE", "sockets?channel=trade")
        assert (await events.receive(timeout=PATIENCE)).type in (aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.ERROR)


async def test_an_event_can_be_swallowed(standing: RunningSandbox) -> None:
    async with listening(standing, "btcusdt@bookTicker", "ethusdt@trade") as events:
        await asyncio.to_thread(lambda: standing.control.fault("ws/send/bookTicker", venue="binance", mute=True))
        await asyncio.to_thread(standing.control.advance, 300)
        assert (await events.receive_json(timeout=PATIENCE))["s"] == "ETHUSDT"


class HurriedBinance(Hurried, ccxt.pro.binance):
    pass


BOTH = [SYMBOL, "ETH/USDT"]
NO_TIME = {"timestamp": True, "datetime": True}  # its snapshots of a book, and its best prices, carry no time
CHECKS: list[tuple[str, Any, dict[str, bool]]] = [
    ("watch_ticker", SYMBOL, {}),
    ("watch_tickers", SYMBOL, {}),
    ("watch_bids_asks", SYMBOL, NO_TIME),
    ("watch_trades", SYMBOL, {}),
    ("watch_trades_for_symbols", BOTH, {}),
    ("watch_order_book", SYMBOL, NO_TIME),
    ("watch_order_book_for_symbols", BOTH, NO_TIME),
    ("watch_ohlcv", SYMBOL, {}),
]


@pytest.mark.parametrize(("name", "argument", "skips"), CHECKS, ids=[name for name, *_ in CHECKS])
async def test_ccxt_finds_the_structure_of_streams_sound(
    standing: RunningSandbox, name: str, argument: Any, skips: dict[str, bool]
) -> None:
    check = getattr(importlib.import_module(f"ccxt.pro.test.Exchange.test_{name}"), f"test_{name}")
    client = HurriedBinance(standing.options_of("binance"))
    await client.load_markets()

    async def keep_trading() -> None:
        while True:
            await asyncio.to_thread(standing.control.advance, 5)

    market = asyncio.create_task(keep_trading())
    try:
        await asyncio.wait_for(check(client, skips, argument), 60)
    finally:
        market.cancel()
        await client.close()


class listening:
    """A bare socket that has subscribed."""

    def __init__(self, sandbox: RunningSandbox, *streams: str) -> None:
        self._url = sandbox.options_of("binance")["urls"]["api"]["ws"]["spot"] + "/0"
        self._streams = list(streams)

    async def __aenter__(self) -> aiohttp.ClientWebSocketResponse:
        self._http = aiohttp.ClientSession()
        self._socket = await self._http.ws_connect(self._url)
        await self._socket.send_json({"method": "SUBSCRIBE", "params": self._streams, "id": 1})
        assert await self._socket.receive_json(timeout=PATIENCE) == {"result": None, "id": 1}
        return self._socket

    async def __aexit__(self, *_: object) -> None:
        await self._socket.close()
        await self._http.close()


async def until(events: aiohttp.ClientWebSocketResponse, last: Callable[[Any], bool]) -> list[Any]:
    """Events up to and with the first that is the last."""
    found = []
    while not found or not last(found[-1]):
        found.append(await events.receive_json(timeout=PATIENCE))
    return found
