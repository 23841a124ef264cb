"""An account watched through its private stream: exact words of REST, each change once, through expired tokens and broken sockets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from decimal import Decimal
from typing import Any

import pytest

from kracken_tasks.domain.market import Balance
from kracken_tasks.domain.trading import Fill, OrderKind, OrderRequest, OrderStatus, Side, VenueOrder
from kracken_tasks.errors import Misconfigured
from kracken_tasks.exchange import WebSocketManager
from kracken_tasks.exchange.streams import StreamTiming
from kracken_tasks.exchange.venue import CcxtVenue
from tests.support.sandbox import RunningSandbox, running_sandbox, sandbox_config

SYMBOL = "BTC/USD"
TIMING = StreamTiming(
    backup_polling_interval=0.1, quiet=0.5, silence=5.0, subscribe=1.0, patience=15.0, settle=0.1, stable=5.0,
    backoff_first=0.01, backoff_most=0.05, clock=5.0,
)  # fmt: skip
PATIENCE = 30.0


@pytest.fixture
def sandbox() -> Iterator[RunningSandbox]:
    with running_sandbox(config=sandbox_config()) as running:
        yield running


@pytest.fixture
def venue(sandbox: RunningSandbox) -> CcxtVenue:
    return CcxtVenue("kraken", {**sandbox.ccxt_options(), "rateLimit": 1}, clock_keeps_seconds=0)


@pytest.fixture
async def streams(sandbox: RunningSandbox) -> AsyncIterator[WebSocketManager]:
    options = {"kraken": {**sandbox.ccxt_options(), "rateLimit": 1}}
    async with WebSocketManager("kraken", options=options, timing=TIMING) as made:
        yield made


def bought(venue: CcxtVenue, number: int, *, far: bool = False) -> str:
    """The id of an order that fills at once, or rests far below the market."""
    bid = Decimal(str(venue.quotes([SYMBOL])[SYMBOL].bid)).quantize(Decimal(1))
    price = bid // 2 if far else bid + 500
    return venue.submit(
        OrderRequest(f"{number:032x}", SYMBOL, Side.BUY, OrderKind.LIMIT, Decimal("0.01"), Decimal(price))
    )


async def within(wait: Any) -> Any:
    async with asyncio.timeout(PATIENCE):
        return await wait


async def until(true: Callable[[], bool]) -> None:
    """Look every few milliseconds until something is so."""
    never = asyncio.Event()
    async with asyncio.timeout(PATIENCE):
        while not true():
            with suppress(TimeoutError):
                await asyncio.wait_for(never.wait(), 0.005)


async def rung(streams: WebSocketManager, times: int = 1) -> None:
    """The private stream has been heard so often."""
    await until(lambda: "kraken" in streams._watched and streams._watched["kraken"].rings >= times)


async def test_fills_are_told_once_exact_and_with_the_fee_that_was_booked(
    sandbox: RunningSandbox, venue: CcxtVenue, streams: WebSocketManager
) -> None:
    since = await asyncio.to_thread(venue.now)
    fills = streams.watch_my_trades(since=since)
    order_ids = [await asyncio.to_thread(bought, venue, 1)]
    heard: list[Fill] = [await within(anext(fills))]
    order_ids.append(await asyncio.to_thread(bought, venue, 2))
    while {fill.order_id for fill in heard} != set(order_ids):
        heard.append(await within(anext(fills)))
    booked = await asyncio.to_thread(venue.fills, since)
    assert sorted(heard, key=lambda fill: fill.trade_id) == sorted(booked, key=lambda fill: fill.trade_id)
    assert all(isinstance(fill.fee, Decimal) for fill in heard)


async def test_an_order_is_told_while_it_rests_and_again_when_it_is_gone(
    venue: CcxtVenue, streams: WebSocketManager
) -> None:
    orders = streams.watch_orders()
    resting = await asyncio.to_thread(bought, venue, 1, far=True)
    told: VenueOrder = await within(anext(orders))
    assert (told.order_id, told.status, told.symbol, told.amount) == (
        resting,
        OrderStatus.OPEN,
        SYMBOL,
        Decimal("0.01"),
    )
    following = asyncio.ensure_future(anext(orders))
    await rung(streams)
    await asyncio.to_thread(venue.cancel, resting)
    gone: VenueOrder = await within(following)
    assert (gone.order_id, gone.status, gone.limit_price) == (resting, OrderStatus.CANCELED, told.limit_price)
    filled = await asyncio.to_thread(bought, venue, 2)
    at_once: VenueOrder = await within(anext(orders))
    assert (at_once.order_id, at_once.filled) == (filled, Decimal("0.01"))


async def test_balances_are_told_when_they_change(venue: CcxtVenue, streams: WebSocketManager) -> None:
    balances = streams.watch_balance()
    before: dict[str, Balance] = await within(anext(balances))
    following = asyncio.ensure_future(anext(balances))
    await rung(streams)
    await asyncio.to_thread(bought, venue, 1)
    after: dict[str, Balance] = await within(following)
    had = before["BTC"].total if "BTC" in before else Decimal(0)
    assert after["BTC"].total == had + Decimal("0.01") or after["USD"].held > 0


async def test_a_broken_socket_and_expired_tokens_lose_no_fill(
    sandbox: RunningSandbox, venue: CcxtVenue, streams: WebSocketManager
) -> None:
    since = await asyncio.to_thread(venue.now)
    fills = streams.watch_my_trades(since=since)
    await asyncio.to_thread(bought, venue, 1)
    heard: list[Fill] = [await within(anext(fills))]
    following = asyncio.ensure_future(anext(fills))
    await rung(streams)
    await asyncio.to_thread(sandbox.control.call, "DELETE", "tokens")
    await asyncio.to_thread(sandbox.control.call, "DELETE", "sockets")
    before = streams._watched["kraken"].rings
    second = await asyncio.to_thread(bought, venue, 2)
    heard.append(await within(following))
    while heard[-1].order_id != second:
        heard.append(await within(anext(fills)))
    following = asyncio.ensure_future(anext(fills))
    await rung(streams, before + 1)
    assert streams._watched["kraken"].trouble == ""
    third = await asyncio.to_thread(bought, venue, 3)
    heard.append(await within(following))
    while heard[-1].order_id != third:
        heard.append(await within(anext(fills)))
    assert len({fill.trade_id for fill in heard}) == len(heard)


async def test_closing_ends_whoever_watches(venue: CcxtVenue, streams: WebSocketManager) -> None:
    async def watched() -> list[dict[str, Balance]]:
        return [told async for told in streams.watch_balance()]

    watching = asyncio.create_task(watched())
    await rung(streams)
    await streams.close()
    assert await within(watching)


async def test_an_account_without_a_key_cannot_be_watched(sandbox: RunningSandbox) -> None:
    public = {name: told for name, told in sandbox.ccxt_options().items() if name not in ("apiKey", "secret")}
    async with WebSocketManager("kraken", options={"kraken": public}, timing=TIMING) as streams:
        with pytest.raises(Misconfigured, match="no API key for kraken"):
            streams.watch_orders()
