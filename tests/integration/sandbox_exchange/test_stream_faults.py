"""Sockets that misbehave on command: every trap a stream's client must survive can be set."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import aiohttp
import ccxt
import ccxt.pro
import pytest

from kracken_tasks.sandbox.client_config import DEMO_KEYS
from kracken_tasks.sandbox.dialects.kraken.tokens import TOKEN_SECONDS, Tokens
from kracken_tasks.sandbox.faults import FaultRule, Faults, Moment
from tests.support.kraken_streams import StreamSocket, open_stream, token_of
from tests.support.sandbox import ControlError, RunningSandbox, running_sandbox, sandbox_config

SYMBOL = "BTC/USD"
SECOND = 1_000_000_000


@pytest.fixture(scope="module")
def server() -> Iterator[RunningSandbox]:
    with running_sandbox(config=sandbox_config()) as found:
        yield found


@pytest.fixture
def running(server: RunningSandbox) -> Iterator[RunningSandbox]:
    yield server
    server.control.clear_faults()


@pytest.fixture
async def socket(running: RunningSandbox) -> AsyncIterator[StreamSocket]:
    async with open_stream(running) as found:
        yield found


async def test_a_frame_can_take_the_socket_with_it(running: RunningSandbox, socket: StreamSocket) -> None:
    await socket.subscribe("trade", SYMBOL, snapshot=False)
    running.control.fault("ws/send/trade", drop=True, skip=2)
    running.control.advance(300)
    heard = [await socket.receive() for _ in range(2)]
    with pytest.raises((ConnectionError, aiohttp.ClientError)):
        await socket.receive()
    assert [frame["channel"] for frame in heard] == ["trade", "trade"]


async def test_all_who_hear_a_channel_can_be_cut_off(running: RunningSandbox, socket: StreamSocket) -> None:
    await socket.subscribe("book", SYMBOL)
    async with open_stream(running) as other:
        await other.subscribe("trade", SYMBOL)
        (hearing,) = [
            one for one in running.control.call("GET", "sockets")["sockets"]
            if {"channel": "book", "symbol": SYMBOL} in one["subscriptions"]
        ]  # fmt: skip
        assert running.control.call("DELETE", "sockets?channel=book") == {"cut": 1}
        assert await other.frames() is not None
        left = {one["id"] for one in running.control.call("GET", "sockets")["sockets"]}
        assert hearing["id"] not in left or not hearing["frames_sent"]
    with pytest.raises(ConnectionError):
        await socket.frames()


async def test_ccxt_is_told_of_a_cut_once_and_goes_on(running: RunningSandbox) -> None:
    client = ccxt.pro.kraken(running.ccxt_options())
    try:
        await asyncio.wait_for(client.watch_trades(SYMBOL, None, None, {"snapshot": True}), 10)
        waiting = asyncio.create_task(asyncio.wait_for(client.watch_trades(SYMBOL, None, None, {"snapshot": True}), 10))
        while not client.clients or not any(one.futures for one in client.clients.values()):
            await asyncio.sleep(0)
        running.control.call("DELETE", "sockets")
        with pytest.raises(ccxt.NetworkError):
            await waiting
        assert await asyncio.wait_for(client.watch_trades(SYMBOL, None, None, {"snapshot": True}), 10)
    finally:
        await client.close()


async def test_connections_can_be_refused_for_a_while(running: RunningSandbox) -> None:
    running.control.fault("ws*/connect", count=None, status=503, seconds=0.5)
    for path in ("ws", "ws-auth"):
        with pytest.raises(aiohttp.WSServerHandshakeError, match="503"):
            async with open_stream(running, path):
                pass
    async with asyncio.timeout(10):
        while True:
            try:
                async with open_stream(running) as socket:
                    assert await socket.frames() == []
                return
            except aiohttp.WSServerHandshakeError:
                continue


async def test_a_socket_can_be_open_and_silent(running: RunningSandbox, socket: StreamSocket) -> None:
    await socket.subscribe("trade", SYMBOL, snapshot=False)
    running.control.fault("ws/send/*", count=None, mute=True)
    running.control.advance(60)
    with pytest.raises(TimeoutError):
        await socket.receive(1.5)
    running.control.clear_faults()
    assert (await socket.receive(2.0))["channel"] == "heartbeat"


async def test_frames_can_be_late(running: RunningSandbox, socket: StreamSocket) -> None:
    running.control.fault("ws/send/pong", delay_ms=300)
    began = time.monotonic()
    await socket.frames()
    assert time.monotonic() - began >= 0.3


async def test_a_subscription_can_be_rejected(running: RunningSandbox, socket: StreamSocket) -> None:
    running.control.fault("ws/subscribe/book", error="Rate limit exceeded")
    refused = await socket.subscribe("book", SYMBOL)
    assert (refused["success"], refused["error"]) == (False, "Rate limit exceeded")
    assert (await socket.subscribe("book", SYMBOL))["success"]


async def test_a_rejected_subscription_leaves_ccxt_waiting_for_ever(running: RunningSandbox) -> None:
    running.control.fault("ws/subscribe/trade", error="Rate limit exceeded")
    client = ccxt.pro.kraken(running.ccxt_options())
    try:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(client.watch_trades(SYMBOL), 1.0)
    finally:
        await client.close()


@pytest.mark.parametrize(("channel", "wrong"), [("book", "checksum"), ("ohlc", "interval")])
async def test_a_frame_can_be_told_wrong(
    running: RunningSandbox, socket: StreamSocket, channel: str, wrong: str
) -> None:
    async with open_stream(running) as other:
        for one in (socket, other):
            await one.subscribe(channel, SYMBOL)
            await one.frames()
        running.control.fault(f"ws/send/{channel}", spoil=wrong)  # strikes once, on one of the two
        running.control.advance(20)
        pairs = list(zip(await socket.frames(), await other.frames(), strict=True))
    different = [(left["data"][0], right["data"][0]) for left, right in pairs if left != right]
    ((left_row, right_row),) = different
    assert {name for name in left_row if left_row[name] != right_row[name]} == {wrong}


async def test_a_trade_can_be_told_twice(running: RunningSandbox, socket: StreamSocket) -> None:
    await socket.subscribe("trade", SYMBOL, snapshot=False)
    running.control.fault("ws/send/trade", count=1, spoil="twice")
    running.control.advance(300)
    ids = [frame["data"][0]["trade_id"] for frame in await socket.frames()]
    assert ids[0] == ids[1]
    assert len(set(ids)) == len(ids) - 1


async def test_an_order_can_be_taken_while_its_answer_is_lost(running: RunningSandbox) -> None:
    token = await token_of(running, key=DEMO_KEYS[1])
    running.control.fault("ws-auth/add_order", when="after", drop=True)
    order = {"order_type": "limit", "side": "buy", "order_qty": 0.001, "limit_price": 9000, "symbol": SYMBOL}
    async with open_stream(running, "ws-auth") as socket:
        with pytest.raises(ConnectionError):
            await socket.ask("add_order", order | {"cl_ord_id": "lost", "token": token})
    assert "lost" in [row.get("cl_ord_id") for row in running.control.account()["open"].values()]


async def test_a_token_can_be_refused(running: RunningSandbox) -> None:
    token = await token_of(running, key=DEMO_KEYS[1])
    running.control.fault("ws-auth/token")
    async with open_stream(running, "ws-auth") as socket:
        assert (await socket.subscribe("balances", token=token))["error"] == "ESession:Invalid session"
        assert (await socket.subscribe("balances", token=token))["success"]


def test_a_restarted_exchange_knows_no_token_of_its_former_life() -> None:
    now = [0]
    tokens = Tokens(wall=lambda: now[0])
    tokens.give("one", "demo")
    assert (tokens.account("one"), tokens.account("two"), Tokens().account("one")) == ("demo", None, None)
    now[0] = TOKEN_SECONDS * SECOND - 1
    assert tokens.account("one") == "demo"
    now[0] += 1
    assert tokens.account("one") is None


def test_a_rule_for_so_many_seconds_ends_by_itself() -> None:
    now = [5 * SECOND]
    faults = Faults(wall=lambda: now[0])
    faults.add(FaultRule("ws/connect", count=None, seconds=2.0, status=503))
    assert faults.strike("ws/connect", Moment.BEFORE) is not None
    now[0] += 2 * SECOND - 1
    assert faults.strike("ws/connect", Moment.BEFORE) is not None
    now[0] += 1
    assert faults.strike("ws/connect", Moment.BEFORE) is None


def test_a_rule_for_every_request_leaves_streams_alone() -> None:
    faults = Faults()
    faults.add(FaultRule("*", count=1))
    assert faults.strike("ws/send/heartbeat", Moment.BEFORE) is None
    assert faults.strike("Time", Moment.BEFORE) is not None


@pytest.mark.parametrize("rule", [{"spoil": "everything"}, {"seconds": 0}, {"seconds": -1}])
def test_a_rule_that_makes_no_sense_is_refused(running: RunningSandbox, rule: dict[str, Any]) -> None:
    with pytest.raises(ControlError, match="400"):
        running.control.fault("ws/send/book", **rule)
