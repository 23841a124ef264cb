"""``UnifiedExchangeManager``: one question to one venue, or to all that are enabled at once.

In: as ``CCXTAdapter``.  Out: a value for one venue; for several a mapping of venue to value or error.  Never: one bad venue failing the
others, a venue's silence holding up the rest for longer than asked.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Generic, Self, TypeVar, overload

import pandas as pd

from kracken_tasks.domain.market import Balance, Instrument, OrderBook, Quote, Timeframe
from kracken_tasks.domain.trading import VenueOrder
from kracken_tasks.errors import BadData, KrackenError, RetryLater
from kracken_tasks.exchange.adapter import CCXTAdapter
from kracken_tasks.exchange.granted import Brought
from kracken_tasks.exchange.rates import RateBudget

__all__ = ["UnifiedExchangeManager", "VenueResults"]

T = TypeVar("T")


class VenueResults(Mapping[str, "T | KrackenError"], Generic[T]):
    """What each venue said: its value, or the error that kept it from saying it."""

    def __init__(self, told: Mapping[str, T | KrackenError]) -> None:
        self._told = dict(told)

    def __getitem__(self, exchange: str) -> T | KrackenError:
        return self._told[exchange]

    def __iter__(self) -> Iterator[str]:
        return iter(self._told)

    def __len__(self) -> int:
        return len(self._told)

    def __repr__(self) -> str:
        return f"VenueResults({self._told!r})"

    @property
    def good(self) -> dict[str, T]:
        """Values of the venues that answered."""
        return {name: told for name, told in self._told.items() if not isinstance(told, KrackenError)}

    @property
    def errors(self) -> dict[str, KrackenError]:
        return {name: told for name, told in self._told.items() if isinstance(told, KrackenError)}


class UnifiedExchangeManager:
    """Several venues as one.  Every method takes ``exchange``: a name gives that venue's value or raises; None asks all enabled venues.

    ``adapter`` reaches one venue with everything else that an adapter can do, orders among it: an order goes to a venue, never to all.
    """

    def __init__(
        self,
        exchanges: Brought | None = None,
        *,
        config_path: Path | str | None = None,
        budget: RateBudget | None = None,
        adapter: CCXTAdapter | None = None,
        within_seconds: float = 60.0,
    ) -> None:
        """Arguments as ``CCXTAdapter``; ``within_seconds``: how long one venue may keep a question to all waiting.

        Raises: Misconfigured naming venue or file, key and what is allowed.
        """
        self.adapter = adapter or CCXTAdapter(exchanges, config_path=config_path, budget=budget)
        self._within = within_seconds

    @property
    def exchanges(self) -> tuple[str, ...]:
        """The venues that are asked where none is named."""
        return self.adapter.enabled

    # -- market data -------------------------------------------------------------------------------------------------

    @overload
    async def fetch_ticker(self, symbol: str, exchange: str) -> Quote: ...
    @overload
    async def fetch_ticker(self, symbol: str, exchange: None = None) -> VenueResults[Quote]: ...
    async def fetch_ticker(self, symbol: str, exchange: str | None = None) -> Quote | VenueResults[Quote]:
        """Best bid, ask and last trade of a symbol."""
        return await self._ask(exchange, lambda name: self.adapter.fetch_ticker(name, symbol))

    @overload
    async def fetch_tickers(self, symbols: Iterable[str] | None, exchange: str) -> dict[str, Quote]: ...
    @overload
    async def fetch_tickers(
        self, symbols: Iterable[str] | None = None, exchange: None = None
    ) -> VenueResults[dict[str, Quote]]: ...
    async def fetch_tickers(
        self, symbols: Iterable[str] | None = None, exchange: str | None = None
    ) -> dict[str, Quote] | VenueResults[dict[str, Quote]]:
        """Quotes by symbol; None: the symbols that the settings name for each venue."""
        wanted = None if symbols is None else list(symbols)
        return await self._ask(exchange, lambda name: self.adapter.fetch_tickers(name, wanted))

    @overload
    async def fetch_order_book(self, symbol: str, exchange: str, limit: int = 10) -> OrderBook: ...
    @overload
    async def fetch_order_book(
        self, symbol: str, exchange: None = None, limit: int = 10
    ) -> VenueResults[OrderBook]: ...
    async def fetch_order_book(
        self, symbol: str, exchange: str | None = None, limit: int = 10
    ) -> OrderBook | VenueResults[OrderBook]:
        """The best ``limit`` levels of both sides."""
        return await self._ask(exchange, lambda name: self.adapter.fetch_order_book(name, symbol, limit))

    async def fetch_ohlcv(
        self,
        symbol: str,
        timeframe: Timeframe | str = Timeframe.H1,
        since: datetime | None = None,
        limit: int | None = None,
        exchange: str | None = None,
    ) -> Any:
        """Closed candles as OHLCV frames (see ``CCXTAdapter.fetch_ohlcv``): a frame, or ``VenueResults`` of frames."""

        def candles(name: str) -> Awaitable[pd.DataFrame]:
            return self.adapter.fetch_ohlcv(name, symbol, timeframe, since, limit)

        return await self._ask(exchange, candles)

    async def fetch_trades(self, symbol: str, since: datetime | None = None, exchange: str | None = None) -> Any:
        """A page of public trades: a frame, or ``VenueResults`` of frames."""
        return await self._ask(exchange, lambda name: self.adapter.fetch_trades(name, symbol, since))

    async def fetch_markets(self, exchange: str | None = None) -> Any:
        """What is listed: instruments by symbol, or ``VenueResults`` of them."""

        def listed(name: str) -> Awaitable[Mapping[str, Instrument]]:
            return self.adapter.fetch_markets(name)

        return await self._ask(exchange, listed)

    # -- accounts ----------------------------------------------------------------------------------------------------

    @overload
    async def fetch_balance(self, exchange: str) -> dict[str, Balance]: ...
    @overload
    async def fetch_balance(self, exchange: None = None) -> VenueResults[dict[str, Balance]]: ...
    async def fetch_balance(self, exchange: str | None = None) -> dict[str, Balance] | VenueResults[dict[str, Balance]]:
        """Totals and holds by asset."""
        return await self._ask(exchange, self.adapter.fetch_balance)

    @overload
    async def fetch_open_orders(self, exchange: str) -> list[VenueOrder]: ...
    @overload
    async def fetch_open_orders(self, exchange: None = None) -> VenueResults[list[VenueOrder]]: ...
    async def fetch_open_orders(self, exchange: str | None = None) -> list[VenueOrder] | VenueResults[list[VenueOrder]]:
        return await self._ask(exchange, self.adapter.fetch_open_orders)

    async def create_order(self, exchange: str, symbol: str, side: str, amount: Any, **rest: Any) -> VenueOrder:
        """See ``CCXTAdapter.create_order``: an order goes to the venue that is named."""
        return await self.adapter.create_order(exchange, symbol, side, amount, **rest)

    async def cancel_order(self, exchange: str, order_id: str) -> None:
        await self.adapter.cancel_order(exchange, order_id)

    # -- end ---------------------------------------------------------------------------------------------------------

    async def close(self) -> None:
        """Let go of threads and connections."""
        await self.adapter.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    # -- inside ------------------------------------------------------------------------------------------------------

    async def _ask(self, exchange: str | None, call: Callable[[str], Awaitable[T]]) -> T | VenueResults[T]:
        if exchange is not None:
            return await call(exchange)
        names = self.exchanges
        told = await asyncio.gather(*(self._one(name, call) for name in names))
        return VenueResults(dict(zip(names, told, strict=True)))

    async def _one(self, name: str, call: Callable[[str], Awaitable[T]]) -> T | KrackenError:
        try:
            return await asyncio.wait_for(call(name), self._within)
        except KrackenError as error:
            return error
        except TimeoutError:
            return RetryLater(f"{name} kept silent for {self._within:g} s", venue=name, within_seconds=self._within)
        except Exception as error:  # whatever one venue's answer breaks here, the others have answered
            return BadData(
                f"{name} answered in a way that broke its reading: {type(error).__name__} {error}", venue=name
            )
