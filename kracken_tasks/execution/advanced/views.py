"""What advanced orders answer: values that say what rests, what was done, and what is wrong.

In: ledger and a look at the venue.  Out: frozen values.  Never: a venue call.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from kracken_tasks.domain.trading import OrderKind, VenueOrder
from kracken_tasks.execution.exits import Exit
from kracken_tasks.ledger import IntentResult

__all__ = ["Bracket", "Exits", "Watch"]


@dataclass(frozen=True, slots=True)
class Exits:
    """How one position is to be left, and what rests for it at the venue now.

    Units: ``amount`` and ``resting`` in base, prices in quote.  ``amount`` 0: nothing is held (any more).  ``native``: the venue itself
    triggers what rests, and trails it; what is not native is moved or sold by ``watch`` and by ticks.  ``target`` beside a stop is always
    watched.  ``problem``: why the venue is not as planned.
    """

    symbol: str
    position_id: str | None
    amount: Decimal
    resting: Decimal
    kind: OrderKind | None
    stop_price: Decimal | None
    target: Decimal | None
    native: bool
    orders: tuple[VenueOrder, ...] = ()
    actions: tuple[str, ...] = ()
    problem: str = ""

    @property
    def covered(self) -> bool:
        """Whether what rests is exactly what is held."""
        return self.resting == self.amount


@dataclass(frozen=True, slots=True)
class Bracket:
    """An entry and the exits of what it bought.

    ``result`` None or UNKNOWN: nobody knows yet whether the entry exists.  ``remaining``: what of it may still fill, in base.
    """

    key: str
    symbol: str
    result: IntentResult | None
    order_id: str | None
    filled: Decimal
    remaining: Decimal
    exits: Exits
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Watch:
    """One look: the state of every position's exits, what was sold, and trouble by symbol."""

    now: datetime
    exits: tuple[Exits, ...]
    sold: tuple[Exit, ...] = ()
    withdrawn: tuple[str, ...] = ()  # ids of entry orders taken back
    problems: Mapping[str, str] = field(default_factory=dict)
