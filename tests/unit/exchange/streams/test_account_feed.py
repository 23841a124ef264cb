"""Watching an account: the bell says that something happened, the account says what, and each thing is told once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Container, Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from kracken_tasks.domain.clock import utc
from kracken_tasks.domain.market import Balance
from kracken_tasks.domain.trading import Fill, OrderKind, OrderStatus, Side, VenueOrder
from kracken_tasks.errors import KrackenError, Misconfigured, RetryLater
from kracken_tasks.exchange.streams.account_feed import AccountFeed
from kracken_tasks.exchange.streams.source import StreamTrouble
from tests.support.streams import FAST

NOON = utc(2024, 3, 1, 12)
PATIENCE = 20.0
ORDER = VenueOrder(
    "O1", "a" * 32, None, "BTC/USD", Side.BUY, OrderKind.LIMIT, OrderStatus.OPEN, Decimal(1), Decimal(0), None,
    Decimal(90), None, NOON,
)  # fmt: skip
FILL = Fill("T1", "O1", "BTC/USD", Side.BUY, Decimal(1), Decimal(90), Decimal(90), Decimal("0.2"), "USD", NOON, "maker")


class Account:
    """An account whose books a test writes; ``down`` questions go unanswered."""

    def __init__(self) -> None:
        self.moment = NOON
        self.resting: dict[str, VenueOrder] = {}
        self.ended: dict[str, tuple[VenueOrder, datetime]] = {}
        self.booked: list[Fill] = []
        self.lists_ended = True
        self.down = 0

    def _asked(self) -> None:
        if self.down:
            self.down -= 1
            raise RetryLater("the venue is away")

    def place(self, order: VenueOrder) -> None:
        self.resting[order.order_id] = order

    def end(self, order_id: str, **changed: Any) -> VenueOrder:
        order = replace(self.resting.pop(order_id), **changed)
        self.ended[order_id] = (order, self.moment)
        return order

    def now(self) -> datetime:
        self._asked()
        return self.moment

    def balances(self) -> dict[str, Balance]:
        return {"BTC": Balance("BTC", sum((fill.amount for fill in self.booked), Decimal(0)), Decimal(0))}

    def open_orders(self) -> list[VenueOrder]:
        self._asked()
        return list(self.resting.values())

    def closed_orders(self, start: datetime) -> list[VenueOrder]:
        if not self.lists_ended:
            raise Misconfigured("no such listing")
        return [order for order, at in self.ended.values() if at >= start]

    def orders(self, order_ids: Iterable[str]) -> dict[str, VenueOrder]:
        known = self.resting | {name: order for name, (order, _) in self.ended.items()}
        return {name: known[name] for name in order_ids if name in known}

    def fills(self, start: datetime, known: Container[str] = ()) -> list[Fill]:
        self._asked()
        return [fill for fill in self.booked if fill.ts >= start]


class Bell:
    """Rung by hand."""

    def __init__(self) -> None:
        self.rings: asyncio.Queue[KrackenError | None] = asyncio.Queue()
        self.drops = 0

    async def ring(self) -> None:
        error = await self.rings.get()
        if error is not None:
            raise error

    async def drop(self) -> None:
        self.drops += 1


class Watch:
    """Somebody who watches, and what was heard."""

    def __init__(self, told: AsyncIterator[Any]) -> None:
        self.heard: list[Any] = []
        self._news = asyncio.Event()
        self.task = asyncio.create_task(self._listen(told))

    async def _listen(self, told: AsyncIterator[Any]) -> None:
        async for one in told:
            self.heard.append(one)
            self._news.set()

    async def until(self, count: int) -> list[Any]:
        async with asyncio.timeout(PATIENCE):
            while len(self.heard) < count:
                self._news.clear()
                news = asyncio.create_task(self._news.wait())
                await asyncio.wait({news, self.task}, return_when=asyncio.FIRST_COMPLETED)
                news.cancel()
                if self.task.done():
                    self.task.result()
        return self.heard


@pytest.fixture
def account() -> Account:
    return Account()


@pytest.fixture
def bell() -> Bell:
    return Bell()


@pytest.fixture
async def feed(account: Account, bell: Bell) -> AsyncIterator[AccountFeed]:
    made = AccountFeed("kraken", account, bell, FAST)
    yield made
    await made.close()


async def test_orders_that_rest_are_told_first_and_those_that_ended_before_are_no_news(
    account: Account, bell: Bell, feed: AccountFeed
) -> None:
    account.place(replace(ORDER, order_id="O0"))
    account.end("O0", status=OrderStatus.CANCELED)
    account.place(ORDER)
    watch = Watch(feed.orders())
    assert await watch.until(1) == [ORDER]
    account.moment += timedelta(minutes=1)
    gone = account.end("O1", status=OrderStatus.CLOSED, filled=Decimal(1))
    bell.rings.put_nowait(None)
    assert await watch.until(2) == [ORDER, gone]


async def test_an_order_that_opens_and_fills_between_two_looks_is_told_and_not_again_an_hour_later(
    account: Account, bell: Bell, feed: AccountFeed
) -> None:
    watch = Watch(feed.orders())
    account.place(replace(ORDER, order_id="O0"))
    await watch.until(1)
    account.place(ORDER)
    done = account.end("O1", status=OrderStatus.CLOSED, filled=Decimal(1))
    for minutes in (0, 1, 3, 60):
        account.moment += timedelta(minutes=minutes)
        bell.rings.put_nowait(None)
        partly = replace(account.resting["O0"], filled=Decimal(minutes + 1) / 100)
        account.place(partly)
        await watch.until(3 + (0, 1, 3, 60).index(minutes))
    assert [order.order_id for order in watch.heard].count("O1") == 1
    assert done in watch.heard


async def test_an_order_that_goes_at_a_venue_that_lists_no_ended_ones_is_asked_for(
    account: Account, bell: Bell, feed: AccountFeed
) -> None:
    account.lists_ended = False
    account.place(ORDER)
    watch = Watch(feed.orders())
    await watch.until(1)
    gone = account.end("O1", status=OrderStatus.CANCELED)
    bell.rings.put_nowait(None)
    assert (await watch.until(2))[1] == gone


async def test_a_fill_that_is_booked_a_minute_late_is_told_although_newer_ones_were(
    account: Account, bell: Bell, feed: AccountFeed
) -> None:
    watch = Watch(feed.fills(NOON))
    account.moment = NOON + timedelta(minutes=2)
    newer, late = replace(FILL, trade_id="T2", ts=NOON + timedelta(minutes=1)), FILL
    account.booked = [newer]
    bell.rings.put_nowait(None)
    assert await watch.until(1) == [newer]
    account.booked = [newer, late]
    bell.rings.put_nowait(None)
    assert await watch.until(2) == [newer, late]


async def test_fills_of_an_hour_in_which_neither_stream_nor_rest_answered_are_all_told(
    account: Account, bell: Bell, feed: AccountFeed
) -> None:
    watch = Watch(feed.fills())
    account.booked = [FILL]
    bell.rings.put_nowait(None)
    await watch.until(1)
    account.down = 20
    account.booked += [replace(FILL, trade_id=f"T{at}", ts=NOON + timedelta(minutes=at)) for at in range(2, 60)]
    account.moment = NOON + timedelta(hours=1)
    bell.rings.put_nowait(StreamTrouble("the socket broke"))
    assert await watch.until(59) == account.booked
    assert bell.drops >= 1


async def test_a_bell_that_is_out_of_order_is_taken_to_ring(account: Account, bell: Bell, feed: AccountFeed) -> None:
    watch = Watch(feed.balances())
    await watch.until(1)
    account.booked = [FILL]
    bell.rings.put_nowait(StreamTrouble("refused"))
    assert (await watch.until(2))[1]["BTC"].total == 1
    assert feed.trouble == "refused"
    bell.rings.put_nowait(None)
    account.booked = [FILL, replace(FILL, trade_id="T2")]
    await watch.until(3)
    assert feed.trouble == ""


async def test_a_key_that_may_not_watch_ends_the_watching_with_its_sentence(
    account: Account, bell: Bell, feed: AccountFeed
) -> None:
    watch = Watch(feed.balances())
    await watch.until(1)
    bell.rings.put_nowait(Misconfigured("kraken does not accept the key"))
    with pytest.raises(Misconfigured, match="does not accept the key"):
        await watch.until(2)


async def test_two_who_watch_share_one_bell_and_hear_the_same(account: Account, bell: Bell, feed: AccountFeed) -> None:
    first, second = Watch(feed.balances()), Watch(feed.fills(NOON))
    await first.until(1)
    account.booked = [FILL]
    bell.rings.put_nowait(None)
    await first.until(2)
    assert await second.until(1) == [FILL]
