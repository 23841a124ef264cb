"""Coins that came without a trade, as lots: deposits, rewards, what an account opened with.

In: movements, values, costs that the user states.  Out: acquisitions, each with its cost or plainly without one.
Never: a cost guessed; a coin left out because its cost is not known.

- A reward costs what it was worth when it came (that is also its income); without a value its cost is not known.
- A deposit costs what the user states for it (``tax.costs``, by the movement's id, for the whole of it); else its cost is not known.
- Coins that change their pocket, and money, are no lots.  Coins that leave without a trade keep theirs: a transfer is no sale.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal, localcontext

from kracken_tasks.domain.money import MONEY
from kracken_tasks.domain.trading import CashMovement
from kracken_tasks.tax.koinly import INNER_MOVES, MOVEMENT_LABELS
from kracken_tasks.tax.lots import Acquisition
from kracken_tasks.tax.trade import shortest
from kracken_tasks.tax.values import FIAT, FREE_CREDITS, ValueLookup

__all__ = ["receipts", "told_of"]

_REWARD = "reward"
_CORRECTION = "correction"
_ZERO = Decimal(0)


def receipts(
    movements: Iterable[CashMovement], *, values: ValueLookup, currency: str, wallet: str, costs: Mapping[str, Decimal]
) -> Iterator[Acquisition]:
    """One lot for every coin that came, in the order given.  Units: ``basis`` in ``currency``, for the whole amount."""
    for line in movements:
        with localcontext(MONEY):
            amount = line.amount - line.fee
            if amount <= 0 or not _is_coin(line, currency):
                continue
            basis = _basis(line, amount, values, costs)
        yield Acquisition(
            line.ts, wallet, line.asset, amount, _ZERO if basis is None else basis, line.movement_id,
            basis_known=basis is not None,
        )  # fmt: skip


def told_of(acquired: Iterable[Acquisition], movements: Iterable[CashMovement], currency: str) -> tuple[str, ...]:
    """What a return may need to know of them, a sentence each: costs that are not known, coins that left without a trade."""
    unknown = [
        f"{shortest(lot.amount)} {lot.asset} of {lot.acquired_id}: what they cost is not known, so their gains stand empty; "
        f"state it under tax.costs"
        for lot in acquired
        if not lot.basis_known
    ]
    left: dict[str, Decimal] = {}
    with localcontext(MONEY):
        for line in movements:
            if _is_coin(line, currency) and line.amount - line.fee < 0:
                left[line.asset] = left.get(line.asset, _ZERO) + line.fee - line.amount
    gone = [
        f"{shortest(amount)} {asset} left without a trade: their lots stay open"
        for asset, amount in sorted(left.items())
    ]
    return (*unknown, *gone)


def _is_coin(line: CashMovement, currency: str) -> bool:
    money = line.asset in FIAT or line.asset == currency or line.asset in FREE_CREDITS
    return not money and line.kind not in INNER_MOVES and line.kind.partition("/")[0] != _CORRECTION


def _basis(line: CashMovement, amount: Decimal, values: ValueLookup, costs: Mapping[str, Decimal]) -> Decimal | None:
    if line.movement_id in costs:
        return costs[line.movement_id]
    labels = MOVEMENT_LABELS.get(line.kind) or MOVEMENT_LABELS.get(line.kind.partition("/")[0])
    if labels is None or labels[0] != _REWARD:
        return None
    value = values(line.asset, line.ts)
    return None if value is None else amount * value
