"""``CcxtVenue``: one venue and one key, as the rest of Kracken sees it.

In: an exchange id, ccxt options (``apiKey``, ``secret``, ``urls``, ``rateLimit``, ...), a time-out in seconds.
Out: domain words; errors sorted by what the caller should do (see ``failures``).
Never: a retry, a default key, a guess about an order's fate.

Open one per key and process; calls on one key are serialised, so that nonces arrive in order.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from types import MappingProxyType
from typing import Any, Final

import pandas as pd

from kracken_tasks.domain.clock import monotonic_seconds
from kracken_tasks.domain.market import Balance, Fees, Instrument, OrderBook, Quote, Timeframe
from kracken_tasks.domain.trading import CashMovement, Fill, OrderKind, OrderRequest, Side, VenueOrder
from kracken_tasks.errors import Misconfigured, TradeRefused
from kracken_tasks.exchange.admission import why_not
from kracken_tasks.exchange.client import VenueClient
from kracken_tasks.exchange.dialect import Dialect
from kracken_tasks.exchange.kraken import KrakenDialect
from kracken_tasks.exchange.rates import Priority, RateBudget, calls_at
from kracken_tasks.exchange.unified import UnifiedDialect
from kracken_tasks.exchange.venue_clock import VenueClock

__all__ = ["CcxtVenue"]

# Venues spoken natively; every other one goes through ccxt's unified methods.
_DIALECTS: Final[Mapping[str, Callable[[VenueClient], Dialect]]] = {"kraken": KrakenDialect}
_LISTING_KEEPS_SECONDS: Final = 60.0
_BOOKED_ELSEWHERE: Final = "trade"  # ledger lines of fills, which ``fills`` tells in full


class CcxtVenue:
    """Market data and orders at one venue.  Satisfies ``MarketData`` and execution's ``Broker``."""

    def __init__(
        self,
        exchange: str,
        options: Mapping[str, Any] | None = None,
        *,
        timeout_seconds: float = 10.0,
        clock_keeps_seconds: float = 60.0,
        budget: RateBudget | None = None,
        tier: str | None = None,
        symbols: Iterable[str] = (),
    ) -> None:
        """``clock_keeps_seconds``: how long the venue's time, once asked, is carried on by this machine's steady clock; 0 asks every time.

        ``budget``: the rate budget shared with others; None: with the venues of the same key in this process.  ``tier``: Kraken's name of
        the account's verification (starter, intermediate, pro); None: starter, or the pace that ``rateLimit`` in the options sets.
        ``symbols``: those that are traded here; a venue that lists an account one symbol at a time (Binance) is asked for them.
        Raises: Misconfigured for an exchange ccxt does not know, or an unknown tier.  Makes no call.
        """
        client = self._client = VenueClient(exchange, options or {}, timeout_seconds, budget, tier)
        spoken = _DIALECTS.get(exchange)
        self._dialect: Dialect = UnifiedDialect(client, symbols) if spoken is None else spoken(client)
        self._asked_anew = (
            -_LISTING_KEEPS_SECONDS
        )  # when the listing was last asked again before a refusal (steady clock)
        self._exchange = exchange
        self._clock = VenueClock(self._dialect.now, clock_keeps_seconds)

    def __repr__(self) -> str:
        return f"CcxtVenue({self._exchange})"

    @property
    def exchange(self) -> str:
        return self._exchange

    @property
    def supports_conditional_close(self) -> bool:
        """Whether an order can carry the stop that the venue places when it fills."""
        return self._dialect.conditional_close

    @property
    def native_kinds(self) -> frozenset[OrderKind]:
        """The kinds of orders that rest and trigger at the venue itself; others have to be watched from here."""
        return self._dialect.native_kinds

    @property
    def has_stream_token(self) -> bool:
        """Whether the private stream is opened with a token that is asked for over REST (Kraken)."""
        return self._dialect.stream_token is not None

    def stream_token(self) -> str:
        """A fresh token for the private stream, good for minutes.  Raises: Misconfigured where the venue has none; RetryLater."""
        if self._dialect.stream_token is None:
            raise Misconfigured(f"{self._exchange} gives out no token for streams", venue=self._exchange)
        return self._dialect.stream_token()

    @property
    def has_key(self) -> bool:
        """Whether the private half can be used."""
        return self._client.has_key

    @property
    def is_local(self) -> bool:
        """Whether orders go to this machine, so that none can reach a real market."""
        return self._client.is_local

    def close(self) -> None:
        """Let go of the connections; a later call opens new ones."""
        self._client.close()

    # -- public ------------------------------------------------------------------------------------------------------

    def now(self) -> datetime:
        """The venue's clock, never ahead of it and at most a second and a call behind (Kraken tells whole seconds).  Raises: RetryLater."""
        return self._clock.now()

    def instruments(self, *, refresh: bool = False) -> Mapping[str, Instrument]:
        """What is listed, by symbol, halted pairs included; loaded once unless ``refresh``.

        Fees are those of an account without volume; ``fees`` tells the account's own.
        """
        return MappingProxyType(self._dialect.load_instruments(refresh=refresh))

    def quotes(self, symbols: Iterable[str]) -> dict[str, Quote]:
        """Best bid, ask and last trade of all symbols in one call.

        Time: stamped with the venue's clock as read just before, so that a quote is never younger than its stamp says.
        Raises: RetryLater; Misconfigured for a symbol the venue does not list.
        """
        asked = list(dict.fromkeys(symbols))
        return self._dialect.quotes(asked, self.now()) if asked else {}

    def order_book(self, symbol: str, depth: int = 10) -> OrderBook:
        """The best ``depth`` levels of both sides.  Raises: as ``quotes``."""
        return self._dialect.order_book(symbol, depth, self.now())

    def ohlc_reach(self, timeframe: Timeframe) -> int | None:
        """See ``MarketData``."""
        reaches = self._dialect.ohlc_reaches
        if timeframe not in reaches:
            offered = ", ".join(frame.value for frame in reaches)
            raise Misconfigured(
                f"{self._exchange} offers no {timeframe.value} candles; allowed: {offered}",
                venue=self._exchange,
                allowed=offered,
            )
        return reaches[timeframe]

    def ohlc(self, symbol: str, timeframe: Timeframe, since: datetime | None = None) -> pd.DataFrame:
        """See ``MarketData``.  Raises: RetryLater, Misconfigured, BadData."""
        self.ohlc_reach(timeframe)
        return self._dialect.ohlc(symbol, timeframe, since)

    def trades(self, symbol: str, cursor: str | None = None, since: datetime | None = None) -> tuple[pd.DataFrame, str]:
        """See ``MarketData``.  Raises: RetryLater, Misconfigured, BadData."""
        return self._dialect.trades(symbol, cursor, since)

    # -- private, reading --------------------------------------------------------------------------------------------

    def key_rights(self) -> frozenset[str] | None:
        """What the key may do, in the venue's own words; None where it does not tell.  Raises: RetryLater, Misconfigured, BadData."""
        return self._dialect.key_rights()

    def try_order(self, request: OrderRequest) -> None:
        """Have the venue check an order that is not placed.

        Raises: BadData with the venue's reason if it would be refused; Misconfigured for a key without the right, and for a venue
        that cannot check; RetryLater.
        """
        self._dialect.try_order(request)

    def balances(self) -> dict[str, Balance]:
        """Every asset the venue lists for the account; earn variants (``BTC.F``) stand beside the coin, they are not tradable."""
        return self._dialect.balances()

    def fees(self, symbols: Iterable[str]) -> dict[str, Fees]:
        """What this account pays, by its own volume.  Raises: Misconfigured without a key, or where the venue does not tell."""
        return self._dialect.fees(list(dict.fromkeys(symbols)))

    def open_orders(self) -> list[VenueOrder]:
        return self._dialect.open_orders()

    def closed_orders(self, start: datetime) -> list[VenueOrder]:
        """Orders opened or closed at or after ``start`` that rest no more: all pages, newest first.

        Venues without a dialect list by the opening alone.  Raises: BadData where nothing proves that a listing was told whole.
        """
        return self._dialect.closed_orders(start)

    def orders(self, order_ids: Iterable[str]) -> dict[str, VenueOrder]:
        """The orders with these venue ids; an id the venue does not know is absent."""
        return self._dialect.orders(_unique(order_ids))

    def fills(self, start: datetime, known: Container[str] = ()) -> list[Fill]:
        """Executions at or after ``start``: all pages, newest first; cost and fee as the venue's own ledger booked them.

        Those in ``known`` come as the history prints them, at no further call.  One that the venue has not booked yet is not told yet; a
        minute later it comes as the history prints it.
        """
        return self._dialect.fills(start, known)

    def orders_with_fills(
        self, order_ids: Iterable[str], known: Container[str] = ()
    ) -> tuple[dict[str, VenueOrder], list[Fill]]:
        """These orders and their executions, from one answer: the fills are those the orders' own trade ids name, less ``known``."""
        return self._dialect.orders_with_fills(_unique(order_ids), known)

    def cash_movements(self, start: datetime, each_page: Callable[[], None] | None = None) -> list[CashMovement]:
        """Deposits, withdrawals, rewards and whatever else moved a balance at or after ``start``, trades excepted; all pages.

        ``each_page`` is called after every page: of a long history the venue's budget lets one through every few seconds.
        """
        return [
            line
            for line in self._dialect.ledger_lines(start, each_page)
            if line.kind.partition("/")[0] != _BOOKED_ELSEWHERE
        ]

    def ledger_lines(self, start: datetime) -> list[CashMovement]:
        """Every line of the venue's ledger at or after ``start``, those of trades included; all pages, newest first."""
        return self._dialect.ledger_lines(start)

    # -- private, sending --------------------------------------------------------------------------------------------

    def submit(self, request: OrderRequest) -> str:
        """Send an order; returns the venue's id.

        Raises: TradeRefused (it surely does not exist), RetryLater (it surely did not arrive), StateUnknown (look it up by its client
        order id), Misconfigured (no key).  What the venue's own listing speaks against (status, minimums, steps) is refused here.
        """
        if self._client.has_key:
            # A listing that has to be asked for first is as urgent as the order.
            with calls_at(Priority.ENTER if request.side is Side.BUY else Priority.PROTECT):
                self._must_be_admitted(request)
        return self._dialect.submit(request)

    def _must_be_admitted(self, request: OrderRequest) -> None:
        listed = self._dialect.load_instruments(refresh=False).get(request.symbol)
        reason = None if listed is None else why_not(listed, request)
        if reason is not None and monotonic_seconds() - self._asked_anew >= _LISTING_KEEPS_SECONDS:
            # A long-lived process may look at an old listing: before a no, it is asked again.
            self._asked_anew = monotonic_seconds()
            listed = self._dialect.load_instruments(refresh=True).get(request.symbol)
            reason = None if listed is None else why_not(listed, request)
        if reason is not None:
            raise TradeRefused(
                f"{self._exchange} would not take the order: {reason}",
                venue=self._exchange, symbol=request.symbol, client_order_id=request.client_order_id, reason=reason,
                status=None if listed is None else str(listed.status),
            )  # fmt: skip

    def cancel(self, order_id: str) -> None:
        """Cancel; an order that is gone already is no error.  Kraken's CancelOrder takes no deadline (2026): it acts when it arrives.

        Raises: as ``submit``; StateUnknown for an order the venue does not know (Kraken does not tell one from an order long gone).
        """
        self._dialect.cancel(order_id)

    def cancel_all_after(self, seconds: int) -> datetime | None:
        """Have the venue cancel every order of the account, stops too, in ``seconds``; 0 calls it off.  Returns when, None: it is off.

        Raises: RetryLater, StateUnknown (nobody knows whether it is set), Misconfigured where the venue has none.
        """
        return self._dialect.cancel_all_after(seconds)

    def amend(
        self,
        order_id: str,
        *,
        amount: Decimal | None = None,
        trigger_price: Decimal | None = None,
        limit_price: Decimal | None = None,
        deadline: datetime | None = None,
    ) -> None:
        """Change a resting order in place: it keeps its id.  ``amount`` is the whole amount, what is filled included.

        ``deadline``: past it, by its own clock, the venue must leave the order as it is; Kraken takes 0.5 s to 60 s ahead.
        Raises as ``submit``; TradeRefused where the venue cannot amend, the order no longer rests, or the deadline has passed.
        """
        self._dialect.amend(order_id, amount, trigger_price, limit_price, deadline)


def _unique(ids: Iterable[str]) -> Sequence[str]:
    return list(dict.fromkeys(ids))
