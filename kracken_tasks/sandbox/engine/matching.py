"""What a taker gets: walking the market's book, level by level, minus what was already taken from it.

In: a book and a wish.  Out: the levels that would be taken.  Never: a change to an account; ``take`` only notes what is gone.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Self

from kracken_tasks.sandbox.market.protocol import Market

__all__ = ["Matcher", "TakenLiquidity", "Wish"]

_DEPTH = 25
_FULL_DEPTH = 1000

Levels = list[tuple[int, int]]


@dataclass(slots=True)
class TakenLiquidity:
    """What traders took from one pair's book within its current epoch: (side of the book, price) -> lots."""

    epoch: int
    lots: dict[tuple[str, int], int] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        return {"epoch": self.epoch, "lots": [[side, price, lots] for (side, price), lots in self.lots.items()]}

    @classmethod
    def from_json(cls, body: dict[str, Any]) -> Self:
        return cls(body["epoch"], {(side, price): lots for side, price, lots in body["lots"]})


@dataclass(frozen=True, slots=True)
class Wish:
    """How much a taker wants: at most ``lots``, at most ``cost`` (ticks x lots), no worse than ``limit``; 0 means no bound.

    ``step`` is the pair's smallest volume: what a sum buys is cut down to it.
    """

    side: int
    lots: int = 0
    cost: int = 0
    limit: int = 0
    step: int = 1


class Matcher:
    """Matches takers against the market's book; within a book epoch, liquidity taken stays taken."""

    def __init__(self, market: Market, taken: dict[str, TakenLiquidity]) -> None:
        self._market = market
        self._taken = taken

    def book(self, symbol: str, at_ns: int, depth: int) -> tuple[Levels, Levels]:
        """Bids and asks as (price, lots), best first, without what was taken."""
        taken = self._taken.get(symbol)
        emptied = len(taken.lots) if taken is not None else 0
        book = self._market.book(symbol, at_ns, depth + emptied)
        gone = taken.lots if taken is not None and taken.epoch == book.epoch else {}
        sides: list[Levels] = []
        for name, levels in (("bid", book.bids), ("ask", book.asks)):
            left = [(price, lots - gone.get((name, price), 0)) for price, lots in levels] if gone else list(levels)
            sides.append([level for level in left if level[1] > 0][:depth])
        return sides[0], sides[1]

    def preview(self, symbol: str, wish: Wish, at_ns: int) -> Levels:
        """The levels the wish would take now, best first."""
        for depth in (_DEPTH, _FULL_DEPTH):
            bids, asks = self.book(symbol, at_ns, depth)
            levels = asks if wish.side > 0 else bids
            got, satisfied = _walk(levels, wish)
            if satisfied or len(levels) < depth:
                break
        return got

    def take(self, symbol: str, side: int, levels: Levels, at_ns: int) -> None:
        """Note that these levels are gone until the book is refreshed."""
        epoch = self._market.book(symbol, at_ns, 1).epoch
        taken = self._taken.get(symbol)
        if taken is None or taken.epoch != epoch:
            taken = self._taken[symbol] = TakenLiquidity(epoch)
        name = "ask" if side > 0 else "bid"
        for price, lots in levels:
            taken.lots[name, price] = taken.lots.get((name, price), 0) + lots


def _walk(levels: Levels, wish: Wish) -> tuple[Levels, bool]:
    got: Levels = []
    lots_left, cost_left = wish.lots, wish.cost
    for price, lots in levels:
        if wish.limit and (price > wish.limit if wish.side > 0 else price < wish.limit):
            return got, True
        take = min(lots, lots_left) if wish.lots else lots
        if wish.cost:
            take = min(take, cost_left // price // wish.step * wish.step)
        if take > 0:
            got.append((price, take))
            lots_left -= take
            cost_left -= take * price
        if (wish.lots and lots_left == 0) or (wish.cost and take < lots):
            return got, True
    return got, False
