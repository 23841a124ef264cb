"""What a feed remembers so that a trade comes once, a candle comes closed, and a hole is seen.

In: what came, in the order it came.  Out: what is new of it, and whether something is missing before it.  Never: a clock, a call.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final

from kracken_tasks.domain.market import Timeframe
from kracken_tasks.exchange.streams.words import Candle, PublicTrade

__all__ = ["CandleTrack", "TradeTrack", "in_order"]

# A page over REST has a thousand; what is repeated after a reconnect lies in the newest few of them.
_REMEMBERED: Final = 50_000


class TradeTrack:
    """Which trades of a feed were seen.  ``consecutive``: ids count up one by one, so that a jump is a loss."""

    def __init__(self, seen: Sequence[PublicTrade] = (), *, consecutive: bool = False) -> None:
        self._consecutive = consecutive
        self._known: OrderedDict[object, None] = OrderedDict()
        self.last: PublicTrade | None = None
        self.note(seen)
        # What was seen before this feed began goes back further than it is told here: a snapshot may reach behind it.
        self._floor = min((trade.ts for trade in seen), default=None)

    def fresh(self, trades: Iterable[PublicTrade]) -> list[PublicTrade]:
        """Those not seen before, each once, oldest first as they came."""
        told: dict[object, PublicTrade] = {}
        for trade in trades:
            if trade.identity not in self._known and (self._floor is None or trade.ts >= self._floor):
                told.setdefault(trade.identity, trade)
        return list(told.values())

    def joins(self, trades: Sequence[PublicTrade], *, unbroken: bool) -> bool:
        """Whether nothing can be missing between what was seen and these.

        ``unbroken``: they came on the connection that brought what was seen.
        """
        if self.last is None or not trades:
            return True
        if any(trade.identity in self._known for trade in trades) and not self._jumps(trades):
            return True
        if not self._consecutive or self.last.trade_id is None:
            return unbroken
        return not self._jumps(trades)

    def follows(self, page: Sequence[PublicTrade]) -> bool:
        """Whether a page that was asked for from the newest trade seen begins there, so that nothing lies between.

        A venue may give its newest trades only, however far back it was asked.
        """
        fresh = self.fresh(page)
        if self.last is None or not fresh:
            return True
        if any(trade.identity in self._known or trade.ts <= self.last.ts for trade in page):
            return True
        first = min(fresh, key=in_order).trade_id
        return self._consecutive and None not in (first, self.last.trade_id) and not self._jumps(fresh)

    def _jumps(self, trades: Sequence[PublicTrade]) -> bool:
        """Whether an id is missing between the newest seen and these, or among them."""
        if not self._consecutive or self.last is None or self.last.trade_id is None:
            return False
        ids = sorted(trade.trade_id for trade in self.fresh(trades) if trade.trade_id is not None)
        return any(after != before + 1 for before, after in zip([self.last.trade_id, *ids], ids, strict=False))

    def note(self, trades: Iterable[PublicTrade]) -> None:
        """These have been handed on."""
        for trade in trades:
            self._known[trade.identity] = None
            if self.last is None or in_order(trade) > in_order(self.last):
                self.last = trade
        while len(self._known) > _REMEMBERED:
            self._known.popitem(last=False)


def in_order(trade: PublicTrade) -> tuple[datetime, int]:
    """The order in which trades happened."""
    return (trade.ts, -1 if trade.trade_id is None else trade.trade_id)


class CandleTrack:
    """Candles of one timeframe on their way to being closed.

    ``until``: the end of the last candle handed on; None before the first.
    """

    def __init__(self, timeframe: Timeframe, until: datetime | None = None) -> None:
        self.timeframe = timeframe
        self.until = until
        self._rows: dict[datetime, Candle] = {}
        self._begun: datetime | None = None  # the oldest that was not handed on when a connection broke

    def forget(self) -> None:
        """The connection broke: a candle that was running may change unseen.  Where the feed goes on from is kept."""
        self._begun = self.first()
        self._rows.clear()

    def misfit(self, candles: Iterable[Candle]) -> str:
        """Why these cannot be candles of this timeframe; empty when they can."""
        for candle in candles:
            if self.timeframe.floor(candle.ts) != candle.ts:
                return f"a candle that opens at {candle.ts.isoformat()} is none of {self.timeframe.value}"
        return ""

    def note(self, candles: Iterable[Candle]) -> None:
        """The newest word about these candles; what was handed on is not opened again."""
        for candle in candles:
            if self.until is None or candle.ts >= self.until:
                self._rows[candle.ts] = candle

    def first(self) -> datetime | None:
        """Open time of the oldest candle that is not handed on."""
        return min(self._rows, default=None) if self._begun is None else self._begun

    def closes_at(self) -> datetime | None:
        """When that candle closes."""
        return min(self._rows) + self.timeframe.delta if self._rows else None

    def agrees(self, candle: Candle) -> bool:
        """Whether the stream said the same of this candle: prices and volume."""
        told = self._rows.get(candle.ts)
        return told is not None and told[:6] == candle[:6]

    def skip_to(self, moment: datetime) -> None:
        """Everything before a moment has been handed on, or given up."""
        self.until, self._begun = moment, None
        self._rows = {ts: row for ts, row in self._rows.items() if ts >= moment}
