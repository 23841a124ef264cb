"""``CCXTAdapter``: venues for asyncio, one call at one venue; the same code under it as under every flow and tick.

In: a venue's name and unified symbols.  Out: domain words; candles as OHLCV frames.  Never: a second mapping of symbols, errors or
money beside ``CcxtVenue``; an order that the profile does not grant.

Calls run ``CcxtVenue`` in threads, a few for each venue.  ccxt has asyncio classes too, but every rule that makes a venue safe here (one
nonce and one lane a key, the shared rate budget, the error table, exact numbers) would stand twice, and a venue lets through a few calls
a second anyway: there is nothing that a thread would hold up.  A call that is cancelled ends in its thread, its answer unread.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from types import TracebackType
from typing import Final, Self, TypeVar

import pandas as pd

from kracken_tasks.domain.market import Balance, Fees, Instrument, OrderBook, Quote, Timeframe
from kracken_tasks.domain.trading import Fill, OrderKind, OrderRequest, Side, VenueOrder
from kracken_tasks.errors import BadData, Misconfigured, TradeRefused
from kracken_tasks.exchange.access import Account, Market, OrderDesk, VenueAccess
from kracken_tasks.exchange.candle_pages import candle_frame
from kracken_tasks.exchange.granted import Brought, brought, configured
from kracken_tasks.exchange.rates import RateBudget
from kracken_tasks.exchange.symbols import unified_symbol
from kracken_tasks.exchange.trade_pages import trade_page

__all__ = ["CCXTAdapter"]

T = TypeVar("T")
Number = Decimal | float | int | str
_THREADS: Final = 4  # a venue; a signed call holds the lane of its key anyway
_DESK_THREADS: Final = 2


class CCXTAdapter:
    """Any exchange that ccxt has, by its ccxt id.

    Without arguments: the venues of ``config/exchanges.yaml`` as the profile grants them (in the sandbox profile the local exchange's), or
    Kraken's public half where nothing is configured.  ``exchanges``: names, or names with options (``api_key``, ``secret``, ``symbols``,
    ``tier``, ..., or ccxt's own).  Use it as an async context manager, or ``await close()`` at the end.
    """

    def __init__(
        self,
        exchanges: Brought | None = None,
        *,
        config_path: Path | str | None = None,
        budget: RateBudget | None = None,
        access: Mapping[str, VenueAccess] | None = None,
    ) -> None:
        """``access``: venues somebody has granted already.  Raises: Misconfigured naming venue or file, key and what is allowed."""
        if access is None:
            path = None if config_path is None else Path(config_path)
            access = configured(path) if exchanges is None else brought(exchanges, budget)
        self._access = dict(access)
        self._pools = {name: ThreadPoolExecutor(_THREADS, f"venue-{name}") for name in self._access}
        # Orders have threads of their own: all the others may be waiting for their turn with long exports.
        self._desks = {name: ThreadPoolExecutor(_DESK_THREADS, f"desk-{name}") for name in self._access}
        self._closed = False

    # -- which venues ------------------------------------------------------------------------------------------------

    @property
    def exchanges(self) -> tuple[str, ...]:
        """Venues that may be named in a call."""
        return tuple(self._access)

    @property
    def enabled(self) -> tuple[str, ...]:
        """Venues that count as "all"."""
        return tuple(name for name, one in self._access.items() if one.enabled)

    def symbols(self, exchange: str) -> tuple[str, ...]:
        """Symbols the settings name for this venue; empty: none are named."""
        return self._at(exchange).symbols

    def may_trade(self, exchange: str) -> str | None:
        """None if orders may be sent to this venue, else the reason why not."""
        granted = self._at(exchange)
        return None if granted.orders is not None else granted.why_no_orders

    def market(self, exchange: str) -> Market:
        """The venue's public half for code that does not wait with ``await``: the same questions, asked in the caller's thread."""
        return self._at(exchange).market

    # -- market data -------------------------------------------------------------------------------------------------

    async def fetch_markets(self, exchange: str) -> Mapping[str, Instrument]:
        """What is listed, by symbol: steps, minimums, fees, status."""
        return await self._run(exchange, self._at(exchange).market.instruments)

    async def fetch_time(self, exchange: str) -> datetime:
        return await self._run(exchange, self._at(exchange).market.now)

    async def fetch_ticker(self, exchange: str, symbol: str) -> Quote:
        """Best bid, ask and last trade.  Raises: Misconfigured for a symbol the venue does not list; RetryLater."""
        wanted = unified_symbol(symbol)
        return (await self.fetch_tickers(exchange, [wanted]))[wanted]

    async def fetch_tickers(self, exchange: str, symbols: Iterable[str] | None = None) -> dict[str, Quote]:
        """Quotes of several symbols in one call; None: those the settings name for the venue."""
        granted = self._at(exchange)
        wanted = [unified_symbol(symbol) for symbol in (granted.symbols if symbols is None else symbols)]
        if not wanted:
            raise Misconfigured(f"name the symbols to quote on {exchange}", key="symbols", venue=exchange)
        return await self._run(exchange, lambda: granted.market.quotes(wanted))

    async def fetch_order_book(self, exchange: str, symbol: str, limit: int = 10) -> OrderBook:
        """The best ``limit`` levels of both sides."""
        market, wanted = self._at(exchange).market, unified_symbol(symbol)
        return await self._run(exchange, lambda: market.order_book(wanted, limit))

    async def fetch_ohlcv(
        self,
        exchange: str,
        symbol: str,
        timeframe: Timeframe | str = Timeframe.H1,
        since: datetime | None = None,
        limit: int | None = None,
        *,
        running: bool = False,
    ) -> pd.DataFrame:
        """Candles: float64 open, high, low, close, volume under a UTC DatetimeIndex ``timestamp`` of open times, oldest first.

        ``since`` (open time, inclusive) None: the newest page.  ``limit``: at most so many, the oldest from ``since`` on, else the newest.
        ``running`` True: the candle that is not closed yet too.  Raises: Misconfigured if the venue cannot reach back to ``since``;
        BadData if it begins much later than asked all the same.
        """
        market, wanted, width = self._at(exchange).market, unified_symbol(symbol), _width(timeframe)
        return await self._run(exchange, lambda: candle_frame(market, wanted, width, since, limit, running=running))

    async def fetch_trades(self, exchange: str, symbol: str, since: datetime | None = None) -> pd.DataFrame:
        """One page of public trades (``TRADE_COLUMNS``), oldest first: from ``since`` on, or the newest.

        Raises: BadData from a venue that does not reach back to ``since`` and gives its newest instead.
        """
        market, wanted = self._at(exchange).market, unified_symbol(symbol)
        return await self._run(exchange, lambda: trade_page(market, wanted, since))

    # -- the account -------------------------------------------------------------------------------------------------

    async def fetch_balance(self, exchange: str) -> dict[str, Balance]:
        """Totals and holds by asset.  Raises: Misconfigured without a key."""
        return await self._run(exchange, self._account(exchange).balances)

    async def fetch_fees(self, exchange: str, symbols: Iterable[str]) -> dict[str, Fees]:
        """What the account pays, by its own volume; where no account is told of, the first tier that the venue lists."""
        granted, wanted = self._at(exchange), [unified_symbol(symbol) for symbol in symbols]

        def fees() -> dict[str, Fees]:
            if granted.own_fees is not None:
                return granted.own_fees.fees(wanted)
            listed = granted.market.instruments()
            return {symbol: Fees(listed[symbol].maker_fee, listed[symbol].taker_fee) for symbol in wanted}

        return await self._run(exchange, fees)

    async def fetch_order(self, exchange: str, order_id: str) -> VenueOrder | None:
        """None for an id the venue does not know."""
        account = self._account(exchange)
        return (await self._run(exchange, lambda: account.orders([order_id]))).get(order_id)

    async def fetch_open_orders(self, exchange: str) -> list[VenueOrder]:
        return await self._run(exchange, self._account(exchange).open_orders)

    async def fetch_closed_orders(self, exchange: str, since: datetime) -> list[VenueOrder]:
        account = self._account(exchange)
        return await self._run(exchange, lambda: account.closed_orders(since))

    async def fetch_my_trades(self, exchange: str, since: datetime) -> list[Fill]:
        account = self._account(exchange)
        return await self._run(exchange, lambda: account.fills(since))

    async def create_order(
        self,
        exchange: str,
        symbol: str,
        side: Side | str,
        amount: Number,
        *,
        kind: OrderKind | str = OrderKind.LIMIT,
        price: Number | None = None,
        trigger_price: Number | None = None,
        time_in_force: str = "GTC",
        client_order_id: str | None = None,
    ) -> VenueOrder:
        """Send an order and return it as the venue tells it (or as it was sent, while the venue does not list it yet).

        amount in base, prices in quote; both must fit the venue's steps, nothing is rounded.  ``client_order_id``: 32 hex digits by which
        to find it again; None: a new one.  Raises: TradeRefused where the profile grants no orders, or the venue says no; StateUnknown if
        nobody can tell (its ``client_order_id`` field says what to look for); RetryLater, surely nothing was sent.
        """
        desk = self._desk(exchange)
        request = OrderRequest(
            client_order_id or uuid.uuid4().hex, unified_symbol(symbol), Side(str(side).lower()), OrderKind(str(kind).lower()),
            _decimal(amount), None if price is None else _decimal(price),
            None if trigger_price is None else _decimal(trigger_price), time_in_force,
        )  # fmt: skip
        return await self._run(exchange, lambda: _sent(desk, request), self._desks)

    async def cancel_order(self, exchange: str, order_id: str) -> None:
        """Cancel; an order that is gone already is no error.

        Raises: as ``create_order``; StateUnknown for one that the venue does not know.
        """
        desk = self._desk(exchange)
        await self._run(exchange, lambda: desk.cancel(order_id), self._desks)

    # -- end ---------------------------------------------------------------------------------------------------------

    async def close(self) -> None:
        """Let go of threads and connections; running calls are waited for."""
        if self._closed:
            return
        self._closed = True
        await asyncio.to_thread(self._let_go)

    def _let_go(self) -> None:
        for name, granted in self._access.items():
            for pool in (self._desks[name], self._pools[name]):
                pool.shutdown(wait=True, cancel_futures=True)
            granted.market.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    # -- inside ------------------------------------------------------------------------------------------------------

    def _at(self, exchange: str) -> VenueAccess:
        granted = self._access.get(exchange)
        if granted is None:
            allowed = ", ".join(self._access)
            raise Misconfigured(
                f"exchange {exchange!r} is not among those opened; allowed: {allowed}",
                key="exchange", value=exchange, allowed=allowed,
            )  # fmt: skip
        return granted

    def _account(self, exchange: str) -> Account:
        account = self._at(exchange).account
        if account is None:
            raise Misconfigured(f"no API key for {exchange}: its account cannot be read", key="api_key", venue=exchange)
        return account

    def _desk(self, exchange: str) -> OrderDesk:
        granted = self._at(exchange)
        if granted.orders is None:
            raise TradeRefused(f"no order is sent: {granted.why_no_orders}", venue=exchange, rule="profile")
        return granted.orders

    async def _run(
        self, exchange: str, call: Callable[[], T], pools: Mapping[str, ThreadPoolExecutor] | None = None
    ) -> T:
        if self._closed:
            raise Misconfigured("this adapter is closed; open another", key="closed", venue=exchange)
        context = copy_context()  # the priority of ``calls_at`` goes with the call
        return await asyncio.get_running_loop().run_in_executor((pools or self._pools)[exchange], context.run, call)


def _sent(desk: OrderDesk, request: OrderRequest) -> VenueOrder:
    order_id = desk.submit(request)
    listed: Sequence[VenueOrder] = list(desk.orders([order_id]).values())
    if listed:
        return listed[0]
    from kracken_tasks.domain.trading import OrderStatus

    return VenueOrder(
        order_id, request.client_order_id, None, request.symbol, request.side, request.kind, OrderStatus.OPEN, request.amount,
        Decimal(0), None, request.limit_price, request.trigger_price, desk.now(),
    )  # fmt: skip


def _width(timeframe: Timeframe | str) -> Timeframe:
    try:
        return Timeframe(timeframe)
    except ValueError:
        allowed = ", ".join(frame.value for frame in Timeframe)
        raise Misconfigured(f"no timeframe {timeframe!r}; allowed: {allowed}", key="timeframe") from None


def _decimal(number: Number) -> Decimal:
    try:
        value = number if isinstance(number, Decimal) else Decimal(str(number))
    except ArithmeticError:
        raise BadData(f"{number!r} is no number", value=str(number)) from None
    if not value.is_finite() or value <= 0:
        raise BadData(f"{number!r}: an amount or price is above zero", value=str(number))
    return value
