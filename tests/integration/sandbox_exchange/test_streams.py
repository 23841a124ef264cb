"""The sockets themselves: what is asked is answered in Kraken's words, what happens is told in order."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kracken_tasks.sandbox.clock import ClockMode
from tests.support.kraken_streams import Frame, open_stream
from tests.support.sandbox import RunningSandbox, running_sandbox, sandbox_config

SYMBOL = "BTC/USD"
_SHARED = Path(os.environ.get("KRACKEN_SHARED_DATA", Path(__file__).parents[3].parent / "shared" / "data"))
RECORDED = _SHARED / "exchange-recordings" / "kraken.ws.json"


@pytest.fixture(scope="module")
def running() -> Iterator[RunningSandbox]:
    with running_sandbox(config=sandbox_config()) as found:
        yield found


REFUSED = [
    ({"channel": "ticker", "symbol": ["XBT/USD"]}, "Currency pair not supported XBT/USD"),
    ({"channel": "ticker", "symbol": ["BTC/USD"], "event_trigger": "never"}, "Event trigger not supported"),
    ({"channel": "tickers", "symbol": ["BTC/USD"]}, "Unsupported event"),
    ({"channel": "trade"}, "Symbol(s) not found"),
    ({"channel": "trade", "symbol": "BTC/USD"}, "Symbol(s) not found"),
    ({"channel": "book", "symbol": ["BTC/USD"], "depth": 11}, "Subscription depth not supported"),
    ({"channel": "book", "symbol": ["BTC/USD"], "depth": "10"}, "Subscription depth must be an integer"),
    ({"channel": "ohlc", "symbol": ["BTC/USD"], "interval": 7}, "Subscription ohlc interval not supported"),
    (
        {"channel": "executions", "token": "x"},
        "Private data and trading are unavailable on this endpoint. Try ws-auth.kraken.com",
    ),
]


@pytest.mark.parametrize(("params", "words"), REFUSED, ids=[words for _, words in REFUSED])
async def test_a_subscription_that_makes_no_sense_is_refused(
    running: RunningSandbox, params: dict[str, Any], words: str
) -> None:
    async with open_stream(running) as stream:
        answer = await stream.ask("subscribe", params)
        assert (answer["method"], answer["success"], answer["error"]) == ("subscribe", False, words)
        assert answer["time_in"] <= answer["time_out"]
        assert await stream.frames() == []


async def test_one_bad_symbol_does_not_spoil_the_others(running: RunningSandbox) -> None:
    async with open_stream(running) as stream:
        await stream.send("subscribe", {"channel": "ticker", "symbol": ["ETH/USD", "FOO/USD", "BTC/USD"]})
        answers = [frame for frame in await stream.frames() if "method" in frame]
    told = [(one.get("symbol") or one["result"]["symbol"], one["success"], one["req_id"]) for one in answers]
    assert told == [("ETH/USD", True, 1), ("FOO/USD", False, 1), ("BTC/USD", True, 1)]


@pytest.mark.parametrize(
    ("first", "second", "words"),
    [
        ({"channel": "trade"}, {"channel": "trade"}, "Already subscribed"),
        (
            {"channel": "ohlc"},
            {"channel": "ohlc", "interval": 5},
            "Already subscribed to one ohlc interval on this symbol",
        ),
    ],
)
async def test_the_same_twice_is_refused(
    running: RunningSandbox, first: dict[str, Any], second: dict[str, Any], words: str
) -> None:
    async with open_stream(running) as stream:
        assert (await stream.ask("subscribe", {**first, "symbol": [SYMBOL]}))["success"]
        again = await stream.ask("subscribe", {**second, "symbol": [SYMBOL]})
        assert (again["success"], again["error"]) == (False, words)


async def test_what_is_unsubscribed_falls_silent(running: RunningSandbox) -> None:
    async with open_stream(running) as stream:
        await stream.subscribe("trade", SYMBOL, snapshot=False)
        running.control.advance(60)
        assert await stream.frames()
        left = await stream.ask("unsubscribe", {"channel": "trade", "symbol": [SYMBOL]})
        assert (left["success"], left["result"]) == (True, {"channel": "trade", "symbol": SYMBOL})
        running.control.advance(60)
        assert await stream.frames() == []
        gone = await stream.ask("unsubscribe", {"channel": "trade", "symbol": [SYMBOL]})
        assert (gone["success"], gone["error"]) == (False, "Subscription Not Found")


@pytest.mark.parametrize("text", ["{", "[]", "7", '{"params": 3}', '{"event": "ping"}'])
async def test_a_message_that_is_none_is_called_malformed(running: RunningSandbox, text: str) -> None:
    async with open_stream(running) as stream:
        await stream.ws.send_str(text)
        answer = await stream.receive()
        assert (answer["success"], answer["error"]) == (False, "Malformed request")
        assert await stream.frames() == []


async def test_an_order_on_the_public_socket_is_sent_away(running: RunningSandbox) -> None:
    async with open_stream(running) as stream:
        assert "Try ws-auth.kraken.com" in (await stream.ask("add_order", {"token": "x"}))["error"]
        assert (await stream.ask("dance", {}))["error"] == "Unsupported event"


async def test_an_hour_at_once_is_told_in_order_and_whole(running: RunningSandbox) -> None:
    async with open_stream(running) as stream:
        await stream.subscribe("trade", SYMBOL, "ETH/USD", snapshot=False)
        await stream.subscribe("ohlc", SYMBOL, snapshot=False)
        await stream.subscribe("ticker", SYMBOL, snapshot=False)
        await stream.subscribe("book", SYMBOL, snapshot=False)
        await stream.frames()
        running.control.advance(3600)
        frames = await stream.frames()
    stamps = [frame["data"][0]["timestamp"] for frame in frames if frame["channel"] != "ohlc"]
    assert stamps == sorted(stamps)
    for symbol in (SYMBOL, "ETH/USD"):
        rows = [row for frame in frames if frame["channel"] == "trade" for row in frame["data"]]
        ids = [row["trade_id"] for row in rows if row["symbol"] == symbol]
        assert len(ids) > 100
        assert ids == list(range(ids[0], ids[0] + len(ids)))
    counts = {channel: sum(frame["channel"] == channel for frame in frames) for channel in ("ohlc", "ticker")}
    assert counts["ohlc"] == counts["ticker"] > 100


async def test_silence_is_filled_with_heartbeats_once_something_is_subscribed(running: RunningSandbox) -> None:
    async with open_stream(running) as stream:
        with pytest.raises(TimeoutError):
            await stream.receive(1.3)
    async with open_stream(running) as stream:
        await stream.subscribe("trade", SYMBOL, snapshot=False)
        assert [await stream.receive(2.0) for _ in range(2)] == [{"channel": "heartbeat"}] * 2


async def test_a_market_that_follows_the_wall_speaks_by_itself() -> None:
    with running_sandbox(config=sandbox_config(clock_mode=ClockMode.WALL)) as running:
        async with open_stream(running) as stream:
            await stream.subscribe("book", SYMBOL)
            found = await stream.until(lambda frame: frame.get("type") == "update")
            assert found[-1]["channel"] == "book"


async def test_a_halted_pair_and_a_maintenance_are_announced(running: RunningSandbox) -> None:
    async with open_stream(running) as stream:
        await stream.subscribe("instrument")
        (snapshot,) = await stream.frames()
        listed = {pair["symbol"]: pair for pair in snapshot["data"]["pairs"]}
        assert listed[SYMBOL]["status"] == "online"
        assert (listed[SYMBOL]["price_increment"], listed[SYMBOL]["qty_min"]) == (0.1, 0.0001)
        running.control.halt(SYMBOL)
        running.control.settings(system_status="maintenance")
        frames = await stream.frames()
        running.control.settings(system_status="online", pair_status={})
    told = {frame["channel"]: frame["data"] for frame in frames}
    assert told["status"][0]["system"] == "maintenance"
    assert [(pair["symbol"], pair["status"]) for pair in told["instrument"]["pairs"]] == [(SYMBOL, "cancel_only")]


def shape(value: Any) -> Any:
    """Keys and sorts of values; whole and broken numbers are one sort, and of a list only its first row counts."""
    if isinstance(value, dict):
        return {name: shape(item) for name, item in value.items()}
    if isinstance(value, list):
        return [shape(value[0])] if value else []
    return "number" if isinstance(value, (int, float)) and not isinstance(value, bool) else type(value).__name__


def spot_cases() -> list[dict[str, Any]]:
    cases: list[dict[str, Any]] = json.loads(RECORDED.read_text())["cases"]
    return [case for case in cases if "DOGE" not in str(case["sentMessages"])]  # the default market does not list it


@pytest.mark.skipif(not RECORDED.is_file(), reason=f"no recorded exchange traffic at {RECORDED}")
async def test_frames_look_as_recorded(running: RunningSandbox) -> None:
    compared = set()
    for case in spot_cases():
        (request,) = case["sentMessages"]
        async with open_stream(running) as stream:
            answer = await stream.ask(request["method"], request["params"])
            running.control.advance(30)
            frames = [stream.greeting, answer, *await stream.frames(), await stream.receive(2.0)]
        ours = {(frame.get("channel") or frame["method"], frame.get("type")): frame for frame in reversed(frames)}
        for recorded in case["messages"]:
            name = (recorded.get("channel") or recorded["method"], recorded.get("type"))
            left, right = shape(ours[name]), shape(recorded)
            if name[0] == "book":  # an update may leave a side empty
                left["data"][0].update({side: [{"price": "number", "qty": "number"}] for side in ("bids", "asks")})
                right["data"][0].update({side: [{"price": "number", "qty": "number"}] for side in ("bids", "asks")})
            if name[0] == "status":  # two fields are younger than some recordings
                right["data"][0] |= {"upcoming_maintenance": [], "emergency": []}
            assert left == right, name
            compared.add(name)
    assert {channel for channel, _ in compared} == {"status", "subscribe", "ticker", "heartbeat", "ohlc", "book"}


@pytest.mark.skipif(not RECORDED.is_file(), reason=f"no recorded exchange traffic at {RECORDED}")
async def test_acknowledgements_say_what_was_recorded_in_its_order(running: RunningSandbox) -> None:
    for case in spot_cases():
        (request,) = case["sentMessages"]
        theirs = next(frame for frame in case["messages"] if frame.get("method") == "subscribe")
        async with open_stream(running) as stream:
            ours = await stream.ask(request["method"], request["params"])
        assert list(ours) == list(theirs)
        assert ours["result"] == theirs["result"]
        assert list(ours["result"]) == list(theirs["result"])


def masked(message: Frame) -> bytes:
    """A client's text frame, by hand."""
    body = json.dumps(message).encode()
    assert 125 < len(body) < 65_536
    return b"\x81\xfe" + len(body).to_bytes(2, "big") + bytes(4) + body


async def test_a_client_that_takes_nothing_is_cut_off() -> None:
    with running_sandbox(config=sandbox_config()) as running:
        assert running.server is not None
        running.server.streams.slow_seconds = 0.3
        host, _, port = running.base_url.removeprefix("http://").partition(":")
        plug = socket.socket()
        plug.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        plug.connect((host, int(port)))
        reader, writer = await asyncio.open_connection(sock=plug, limit=1024)  # takes no more than it is asked to
        writer.write(
            b"GET /kraken/ws/v2 HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n\r\n"
        )
        params = {"channel": "book", "symbol": [SYMBOL], "depth": 1000, "snapshot": False}
        writer.write(masked({"method": "subscribe", "params": params, "req_id": 1, "padding": "x" * 60}))
        await reader.readuntil(b"BTC/USD")

        def heard() -> int:
            return sum(len(one["subscriptions"]) for one in running.control.call("GET", "sockets")["sockets"])

        assert await asyncio.to_thread(heard) == 1
        await asyncio.to_thread(running.control.advance, 3600)
        async with asyncio.timeout(60):
            while await asyncio.to_thread(heard):
                pass
        writer.close()


async def test_nobody_is_sent_more_than_a_day_at_once(running: RunningSandbox) -> None:
    async with open_stream(running) as stream:
        await stream.subscribe("instrument", snapshot=False)
        running.control.advance(86_401)
        with pytest.raises(ConnectionError):
            await stream.frames()


async def test_a_server_that_goes_says_so() -> None:
    with contextlib.ExitStack() as stack:
        running = stack.enter_context(running_sandbox(config=sandbox_config()))
        async with open_stream(running) as stream:
            await stream.subscribe("trade", SYMBOL, snapshot=False)
            stopping = asyncio.create_task(asyncio.to_thread(stack.close))
            with pytest.raises(ConnectionError, match="CLOSE"):
                await stream.until(lambda frame: False)
            await asyncio.wait_for(stopping, 10)
