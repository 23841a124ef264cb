"""A recorded hour played again: quotes and trades of the lake drive a paper account, and the same orders get the same fills.

In: quote and trade tapes as the lake hands them out, orders with their times.  Out: a market whose clock the caller moves, a paper broker
on it, the fills.  Never: a quote or a trade before its time, randomness, the network.

A fill depends on the tapes and the orders alone, and not on how often somebody looks: time moves from event to event, so that a stop is
set off by the quote that reached it.  Depth is what the tape tells: the best level and its volume, once; where a venue does not tell
volumes, takers pay basis points as the fill rules say.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

import numpy as np

from kracken_tasks.domain.clock import from_us, to_us
from kracken_tasks.domain.market import Instrument, Quote
from kracken_tasks.domain.trading import Fill, OrderRequest
from kracken_tasks.errors import BadData, RetryLater, TradeRefused
from kracken_tasks.execution.paper import PaperBroker
from kracken_tasks.execution.paper_matching import FillRules, PaperBook
from kracken_tasks.execution.paper_tape import PaperTrade, trades_between

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

__all__ = ["RecordedMarket", "Replayed", "TimedOrder", "replay_orders"]

_BOOK = ("bid", "ask", "bid_volume", "ask_volume", "last")


@dataclass(frozen=True, slots=True)
class TimedOrder:
    """An order and when it is sent (market time)."""

    at: datetime
    request: OrderRequest


@dataclass(frozen=True, slots=True)
class Replayed:
    """What a replay gave: fills in the order they happened; by client order id the order's id, or why it was refused."""

    fills: tuple[Fill, ...]
    orders: Mapping[str, str]
    refused: Mapping[str, str]

    def of(self, client_order_id: str) -> tuple[Fill, ...]:
        """The fills of one order; those of a stop that it brought are not its own."""
        order_id = self.orders.get(client_order_id)
        return tuple(fill for fill in self.fills if fill.order_id == order_id)


class RecordedMarket:
    """A market of the past under a clock of its own, which only goes forward.

    ``quotes``: QUOTE_COLUMNS per symbol, [N]; ``trades``: TRADE_COLUMNS per symbol, [M]; both by the venue's stamps, which is when they
    held there.  Raises: BadData for a symbol without a single usable quote.
    """

    def __init__(
        self,
        instruments: Mapping[str, Instrument],
        *,
        quotes: Mapping[str, pd.DataFrame],
        trades: Mapping[str, pd.DataFrame] | None = None,
        start: datetime,
    ) -> None:
        self._at, self._listed = start, dict(instruments)
        self._tapes = {symbol: _QuoteTape(symbol, frame) for symbol, frame in quotes.items()}
        self._trades = dict(trades or {})

    def now(self) -> datetime:
        return self._at

    def instruments(self) -> Mapping[str, Instrument]:
        return self._listed

    def quotes(self, symbols: Iterable[str]) -> dict[str, Quote]:
        """The newest quote of each symbol that is not after now.  Raises: RetryLater before the first one."""
        return {symbol: self._tape(symbol).at(self._at) for symbol in symbols}

    def book(self, symbol: str) -> PaperBook | None:
        """The best level of both sides; None where the tape tells no volumes."""
        listed = self._listed.get(symbol)
        return None if listed is None else self._tape(symbol).book(self._at, listed)

    def trades(self, symbol: str, after: datetime, until: datetime) -> list[PaperTrade]:
        frame = self._trades.get(symbol)
        return [] if frame is None else trades_between(frame, after, min(until, self._at))

    def pass_time(self, span: timedelta) -> None:
        self._at += span

    def go_to(self, moment: datetime) -> None:
        """Raises: BadData for a moment before now: what has been filled would have to be taken back."""
        if moment < self._at:
            raise BadData(f"a replay goes forward: {moment} is before {self._at}", moment=moment, now=self._at)
        self._at = moment

    def events(self, until: datetime) -> list[datetime]:
        """When something happens after now, up to ``until``: every quote's and every trade's stamp, once, rising."""
        stamps = [tape.stamps for tape in self._tapes.values()] + [_micros(frame) for frame in self._trades.values()]
        first, last = to_us(self._at), to_us(until)
        found = [one[(one > first) & (one <= last)] for one in stamps]
        return [from_us(int(one)) for one in np.unique(np.concatenate(found))] if found else []

    def account(self, deposit: Mapping[str, Decimal], rules: FillRules | None = None) -> PaperBroker:
        """A paper account on this market, in memory; resting limits are filled by the trades where there is a tape of them."""
        return PaperBroker(
            exchange="replay",
            clock=self.now,
            instruments=self.instruments,
            quotes=self.quotes,
            deposit=deposit,
            rules=rules,
            book=self.book,
            trades=self.trades if self._trades else None,
            work_every=timedelta(0),
            wait=self.pass_time,
        )

    def _tape(self, symbol: str) -> _QuoteTape:
        if symbol not in self._tapes:
            raise BadData(f"no quotes of {symbol} were recorded", symbol=symbol, allowed=sorted(self._tapes))
        return self._tapes[symbol]


class _QuoteTape:
    """One symbol's quotes as arrays; unusable ones (no price, crossed) are left out."""

    def __init__(self, symbol: str, frame: pd.DataFrame) -> None:
        bid, ask = frame["bid"].to_numpy(dtype=float), frame["ask"].to_numpy(dtype=float)
        usable = np.isfinite(bid) & np.isfinite(ask) & (bid > 0) & (ask >= bid)
        kept = frame[usable].sort_values(["ts"], kind="stable")
        if not len(kept):
            raise BadData(f"not one usable quote of {symbol} was recorded", symbol=symbol)
        self._symbol, self.stamps = symbol, _micros(kept)
        self._rows = kept[list(_BOOK)].to_numpy(dtype=float)
        # The last trade is told now and then: the newest told holds, and before it the middle of the quote.
        last = kept["last"].ffill().to_numpy(dtype=float)
        self._last = np.where(np.isfinite(last), last, (self._rows[:, 0] + self._rows[:, 1]) / 2.0)

    def _place(self, at: datetime) -> int:
        place = int(np.searchsorted(self.stamps, to_us(at), side="right")) - 1
        if place < 0:
            raise RetryLater(f"{self._symbol} has no quote before {at}", symbol=self._symbol)
        return place

    def at(self, moment: datetime) -> Quote:
        place = self._place(moment)
        bid, ask = self._rows[place, :2]
        return Quote(self._symbol, float(bid), float(ask), float(self._last[place]), from_us(int(self.stamps[place])))

    def book(self, moment: datetime, listed: Instrument) -> PaperBook | None:
        place = self._place(moment)
        bid, ask, bid_volume, ask_volume, _ = (Decimal(repr(float(cell))) for cell in self._rows[place])
        if not (bid_volume.is_finite() and ask_volume.is_finite()):
            return None
        return PaperBook(((bid, bid_volume),), ((ask, ask_volume),))


def _micros(frame: pd.DataFrame) -> NDArray[np.int64]:
    return frame["ts"].to_numpy(dtype="datetime64[us]").astype(np.int64)


def replay_orders(
    market: RecordedMarket, broker: PaperBroker, orders: Iterable[TimedOrder], *, until: datetime
) -> Replayed:
    """Send the orders at their times and let the market go on to ``until``, event by event.

    Orders sent at one moment go out in the order given.  Raises: BadData for an order before the market's now or after ``until``.
    """
    sent: dict[str, str] = {}
    refused: dict[str, str] = {}
    for timed in sorted(orders, key=lambda one: one.at):
        if timed.at > until:
            raise BadData(f"an order at {timed.at} is after the end of the replay, {until}", at=timed.at)
        _go_on(market, broker, max(timed.at, market.now()))  # one still on its way keeps the next one waiting
        try:
            sent[timed.request.client_order_id] = broker.submit(timed.request)
        except TradeRefused as refusal:
            refused[timed.request.client_order_id] = str(refusal)
    _go_on(market, broker, until)
    fills = sorted(broker.fills(datetime.min.replace(tzinfo=until.tzinfo)), key=lambda fill: (fill.ts, fill.trade_id))
    return Replayed(tuple(fills), sent, refused)


def _go_on(market: RecordedMarket, broker: PaperBroker, until: datetime) -> None:
    """From event to event while something rests; in one step while nothing does."""
    for moment in market.events(until) if broker.open_orders() else ():
        market.go_to(moment)
        if not broker.open_orders():
            break
    market.go_to(max(until, market.now()))
    broker.open_orders()
