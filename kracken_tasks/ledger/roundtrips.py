"""Round trips: a position from its first buy to its last sale, with every fee.

In: fills of one position.  Out: a RoundTrip.  Never: a trip whose net is not exactly what the quote balance gained.

    net   = exit cost - entry cost - fees taken in quote          what the quote balance gained; a remainder of dust counts as given up
    gross = net + fees in quote + fees in base at their fill's price
Fees in a third currency are listed in ``fees`` and are in neither figure: the ledger does not know what they were worth.  Whoever judges a
trip by its net asks for ``fees_elsewhere`` first.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from kracken_tasks.domain.market import split_symbol
from kracken_tasks.domain.money import FREE_CREDITS
from kracken_tasks.domain.trading import Purpose

__all__ = ["RoundTrip", "consecutive_losses"]


@dataclass(frozen=True, slots=True)
class RoundTrip:
    """A closed position.  ``amount`` is what was bought (base, before base fees), ``dust`` what was left unsold; money in ``quote``."""

    position_id: str
    symbol: str
    quote: str
    opened_at: datetime
    closed_at: datetime
    entry_price: Decimal
    exit_price: Decimal
    amount: Decimal
    entry_cost: Decimal
    exit_cost: Decimal
    gross: Decimal
    fees: Mapping[str, Decimal]
    net: Decimal
    dust: Decimal
    exit_purpose: Purpose
    exit_reason: str
    order_ids: tuple[str, ...]
    fill_ids: tuple[str, ...]
    strategy: str
    confidence: float
    tags: tuple[str, ...]

    @property
    def holding(self) -> timedelta:
        return self.closed_at - self.opened_at

    @property
    def fees_elsewhere(self) -> dict[str, Decimal]:
        """Fees that ``net`` leaves out, by currency: paid in neither of the trip's own, free credits apart, which cost nothing."""
        own = {*split_symbol(self.symbol), *FREE_CREDITS}
        return {currency: fee for currency, fee in self.fees.items() if currency not in own and fee}

    @property
    def won(self) -> bool:
        """Zero is not a win."""
        return self.net > 0


def consecutive_losses(trips: Iterable[RoundTrip], since: datetime | None = None) -> int:
    """How many of the newest trips in a row lost money; ``since``: only trips closed after that moment count (a released streak)."""
    streak = 0
    for trip in reversed(list(trips)):
        if trip.net >= 0 or (since is not None and trip.closed_at <= since):
            break
        streak += 1
    return streak
