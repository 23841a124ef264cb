"""The book in double entry: what every entry takes from one account it gives to others, asset by asset.

In: FillEntry and CashEntry.  Out: postings that sum to zero per asset, and balances per account.  Never: I/O, a balancing figure.

    venue             what the exchange holds for us: the account that its own statement is compared with
    trading           the other side of fills: what was given for what was got
    fees              what the exchange kept, in whatever coin
    external:KIND     the other side of the venue's ledger lines: deposit, withdrawal, opening, staking, ...

An asset that does not sum to zero over all accounts was rounded or lost on the way; it is never put right by a figure of its own.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal, localcontext
from typing import Final

from kracken_tasks.domain.market import split_symbol
from kracken_tasks.domain.money import MONEY
from kracken_tasks.domain.trading import Side
from kracken_tasks.ledger.cash import TRADE_LINE
from kracken_tasks.ledger.entries import CashEntry, Entry, FillEntry

__all__ = ["EXTERNAL", "FEES", "TRADING", "VENUE", "AccountFold", "Posting", "accounts_from", "postings"]

VENUE: Final = "venue"
TRADING: Final = "trading"
FEES: Final = "fees"
EXTERNAL: Final = "external"

_ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class Posting:
    """One leg of an entry: ``amount`` of ``asset`` arrives in ``account``, or leaves it if negative."""

    account: str
    asset: str
    amount: Decimal


def postings(entry: Entry) -> tuple[Posting, ...]:
    """The legs of an entry; () for one that moves nothing, the venue's own line of a trade among them (the fill moves it)."""
    match entry:
        case FillEntry():
            return _fill(entry)
        case CashEntry() if entry.kind.partition("/")[0] != TRADE_LINE:
            return _movement(entry)
        case _:
            return ()


def _fill(fill: FillEntry) -> tuple[Posting, ...]:
    base, quote = split_symbol(fill.symbol)
    sign = 1 if fill.side is Side.BUY else -1
    return (
        *_pair(VENUE, TRADING, base, sign * fill.amount),
        *_pair(VENUE, TRADING, quote, -sign * fill.cost),
        *_pair(FEES, VENUE, fill.fee_currency, fill.fee),
    )


def _movement(line: CashEntry) -> tuple[Posting, ...]:
    origin = f"{EXTERNAL}:{line.kind.partition('/')[0]}"
    return (*_pair(VENUE, origin, line.asset, line.amount), *_pair(FEES, VENUE, line.asset, line.fee))


def _pair(to: str, source: str, asset: str, amount: Decimal) -> tuple[Posting, ...]:
    return (Posting(to, asset, amount), Posting(source, asset, amount.copy_negate())) if amount else ()


class AccountFold:
    """Balance per account and asset."""

    def __init__(self) -> None:
        self.balances: dict[tuple[str, str], Decimal] = {}

    def apply(self, entry: Entry) -> None:
        with localcontext(MONEY):
            for posting in postings(entry):
                place = (posting.account, posting.asset)
                self.balances[place] = self.balances.get(place, _ZERO) + posting.amount

    def of(self, account: str) -> dict[str, Decimal]:
        """What an account holds, by asset, nothing left out but zeros; ``external`` is the sum over its kinds."""
        held: dict[str, Decimal] = {}
        with localcontext(MONEY):
            for (name, asset), amount in self.balances.items():
                if name == account or name.partition(":")[0] == account:
                    held[asset] = held.get(asset, _ZERO) + amount
        return {asset: amount for asset, amount in held.items() if amount}

    def unbalanced(self) -> dict[str, Decimal]:
        """Assets whose accounts do not sum to zero, and by how much; {} is the proof that nothing came from nowhere."""
        sums: dict[str, Decimal] = {}
        with localcontext(MONEY):
            for (_, asset), amount in self.balances.items():
                sums[asset] = sums.get(asset, _ZERO) + amount
        return {asset: amount for asset, amount in sums.items() if amount}


def accounts_from(entries: Iterable[Entry]) -> AccountFold:
    """All accounts, folded from scratch."""
    fold = AccountFold()
    for entry in entries:
        fold.apply(entry)
    return fold
