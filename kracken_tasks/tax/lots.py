"""Lots: what was bought, when and for how much, and which of it a disposal takes.

In: acquisitions and disposals in time order.  Out: matches (one per disposal and lot) and what is left.
Never: more given out than is held, an amount or a cent lost in splitting: the last piece takes what is left.

A method is only a sort key over lots; a pool keeps its lots in that order.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal, localcontext
from enum import StrEnum
from typing import Protocol

from kracken_tasks.domain.money import MONEY
from kracken_tasks.errors import BadData, Misconfigured
from kracken_tasks.tax.trade import shortest

__all__ = [
    "METHODS",
    "Acquisition",
    "Disposal",
    "DisposalKind",
    "Fifo",
    "Lot",
    "LotBook",
    "Match",
    "Method",
    "Scope",
    "method_named",
    "scope_named",
]

_ZERO = Decimal(0)
_UNIVERSAL = ""


class Scope(StrEnum):
    """Whose lots a disposal may take."""

    PER_WALLET = "per_wallet"  # lots never leave their exchange (US from 2025-01-01: Rev. Proc. 2024-28)
    UNIVERSAL = "universal"  # one pool


class DisposalKind(StrEnum):
    """Why coins left: traded, or spent on a fee."""

    TRADE = "trade"
    FEE = "fee"


@dataclass(frozen=True, slots=True)
class Acquisition:
    """Coins that came: ``basis`` is what the whole ``amount`` cost, fees included, in the reporting currency.

    ``basis_known`` False: nobody can tell what they cost, and ``basis`` is zero; no gain is told of them.
    """

    timestamp: datetime
    wallet: str
    asset: str
    amount: Decimal
    basis: Decimal
    acquired_id: str
    basis_known: bool = True


@dataclass(frozen=True, slots=True)
class Disposal:
    """Coins that left for ``proceeds`` (after costs), in the reporting currency."""

    timestamp: datetime
    wallet: str
    asset: str
    amount: Decimal
    proceeds: Decimal
    kind: DisposalKind
    disposal_id: str


@dataclass(slots=True)
class Lot:
    """An acquisition and what is left of it.  ``row`` is its place in the order of the trades: it breaks ties."""

    source: Acquisition
    row: int
    amount: Decimal
    basis: Decimal

    @property
    def acquired_at(self) -> datetime:
        return self.source.timestamp

    def take(self, wanted: Decimal) -> tuple[Decimal, Decimal]:
        """Remove up to ``wanted``; return the amount and its share of the basis."""
        if wanted >= self.amount:
            taken, share = self.amount, self.basis
        else:
            taken, share = wanted, self.basis * wanted / self.amount
        self.amount -= taken
        self.basis -= share
        return taken, share


@dataclass(frozen=True, slots=True)
class Match:
    """One piece of a disposal and the lot it came from.  Unrounded."""

    disposal: Disposal
    lot: Acquisition
    amount: Decimal
    proceeds: Decimal
    basis: Decimal

    @property
    def gain(self) -> Decimal:
        with localcontext(MONEY):
            return self.proceeds - self.basis


LotKey = tuple[datetime, int]


class Method(Protocol):
    """Which lot goes first: the one with the smallest key.  The key of a lot never changes."""

    name: str

    def key(self, lot: Lot) -> LotKey: ...


class Fifo:
    """Earliest acquisition first, then the order of the rows.  (US default: Treas. Reg. 1.1012-1(j).)"""

    name = "fifo"

    def key(self, lot: Lot) -> LotKey:
        return lot.acquired_at, lot.row


METHODS: dict[str, Method] = {"fifo": Fifo()}


def method_named(name: str) -> Method:
    """The method of that name.

    Raises: Misconfigured naming what is allowed.
    """
    if name not in METHODS:
        allowed = ", ".join(sorted(METHODS))
        raise Misconfigured(
            f"tax method {name!r} is not available; allowed: {allowed}", key="method", value=name, allowed=allowed
        )
    return METHODS[name]


def scope_named(name: str) -> Scope:
    """The scope of that name; ``per-wallet`` is ``per_wallet``.

    Raises: Misconfigured naming what is allowed.
    """
    try:
        return Scope(name.replace("-", "_"))
    except ValueError:
        allowed = ", ".join(scope.value for scope in Scope)
        raise Misconfigured(
            f"tax scope {name!r} is not known; allowed: {allowed}", key="scope", value=name, allowed=allowed
        ) from None


class _Pool:
    """Lots of one asset in the method's order.  A lot that belongs at the end, as under FIFO, costs the same however many there are."""

    def __init__(self, key: Callable[[Lot], LotKey]) -> None:
        self._key = key
        self.lots: deque[Lot] = deque()
        self.held = _ZERO

    def add(self, lot: Lot) -> None:
        self.held += lot.amount
        if not self.lots or self._key(self.lots[-1]) <= self._key(lot):
            self.lots.append(lot)
        else:
            self.lots.insert(bisect_right(self.lots, self._key(lot), key=self._key), lot)

    def take(self, amount: Decimal) -> Iterator[tuple[Lot, Decimal, Decimal]]:
        self.held -= amount
        while amount > 0:
            lot = self.lots[0]
            taken, basis = lot.take(amount)
            amount -= taken
            if not lot.amount:
                self.lots.popleft()
            yield lot, taken, basis


class LotBook:
    """All pools.  Feed it in time order."""

    def __init__(self, method: Method, scope: Scope) -> None:
        self._method = method
        self._scope = scope
        self._pools: dict[tuple[str, str], _Pool] = {}
        self._rows = 0

    def acquire(self, coins: Acquisition) -> None:
        """Open a lot.  Nothing is opened for nothing."""
        if not coins.amount:
            return
        with localcontext(MONEY):
            self._rows += 1
            self._pool(coins.wallet, coins.asset).add(Lot(coins, self._rows, coins.amount, coins.basis))

    def dispose(self, coins: Disposal) -> list[Match]:
        """Take the coins from their lots; proceeds are shared out by amount.

        Raises: BadData naming trade, asset and the missing amount if less is held; the book is unchanged then.
        """
        with localcontext(MONEY):
            pool = self._pool(coins.wallet, coins.asset)
            if pool.held < coins.amount:
                raise self._short(coins, pool.held)
            return self._matches(coins, pool)

    def _matches(self, coins: Disposal, pool: _Pool) -> list[Match]:
        amount_left, proceeds_left = coins.amount, coins.proceeds
        matches: list[Match] = []
        for lot, taken, basis in pool.take(coins.amount):
            share = proceeds_left if taken == amount_left else coins.proceeds * taken / coins.amount
            amount_left -= taken
            proceeds_left -= share
            matches.append(Match(coins, lot.source, taken, share, basis))
        return matches

    def open_lots(self) -> list[Lot]:
        """What is left, by acquisition."""
        left = [lot for pool in self._pools.values() for lot in pool.lots]
        return sorted(left, key=lambda lot: (lot.acquired_at, lot.row))

    def _pool(self, wallet: str, asset: str) -> _Pool:
        where = _UNIVERSAL if self._scope is Scope.UNIVERSAL else wallet
        pool = self._pools.get((where, asset))
        if pool is None:
            pool = self._pools[where, asset] = _Pool(self._method.key)
        return pool

    def _short(self, coins: Disposal, held: Decimal) -> BadData:
        missing, where = coins.amount - held, "" if self._scope is Scope.UNIVERSAL else f" on {coins.wallet}"
        what = "spends as a fee" if coins.kind is DisposalKind.FEE else "gives out"
        return BadData(
            f"trade {coins.disposal_id} {what} {shortest(coins.amount)} {coins.asset}{where} but only {shortest(held)} is held: "
            f"{shortest(missing)} {coins.asset} missing; add the trades (or deposits' purchases) that brought them",
            trade_id=coins.disposal_id, asset=coins.asset, wallet=coins.wallet, held=shortest(held), missing=shortest(missing),
        )  # fmt: skip
