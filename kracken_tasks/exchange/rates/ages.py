"""How long an order has rested, as far as this process knows: cancelling a young order costs more than an old one.

In: orders as they are sent and listed, the venue's time when it is told.  Out: pair and age.  Never: a call; what is not known counts
as just born, the dearest.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from kracken_tasks.domain.clock import monotonic_seconds

__all__ = ["OrderAges", "Resting"]

_REMEMBERED: Final = 2_000  # orders; far more than rest on an account


@dataclass(frozen=True, slots=True)
class Resting:
    """``pair`` as the venue's key; ``age`` in seconds."""

    pair: str
    age: float


class OrderAges:
    """Orders of one key by venue id or client order id."""

    def __init__(self, steady: Callable[[], float] = monotonic_seconds) -> None:
        self._steady = steady
        self._born: dict[
            str, tuple[str, datetime | None, float]
        ] = {}  # pair, opened (market time), first seen (steady)
        self._told: tuple[datetime, float] | None = None
        self._lock = threading.Lock()

    def tell_time(self, moment: datetime) -> None:
        """The venue's clock, just read."""
        self._told = (moment, self._steady())

    def saw(self, order_id: str, pair: str, opened_at: datetime | None = None) -> None:
        """An order rests; ``opened_at`` None: it was sent this moment."""
        with self._lock:
            if order_id not in self._born:
                while len(self._born) >= _REMEMBERED:
                    self._born.pop(next(iter(self._born)))
                self._born[order_id] = (pair, opened_at, self._steady())

    def of(self, order_id: str) -> Resting | None:
        """None for an order that was neither sent nor listed here."""
        with self._lock:
            born = self._born.get(order_id)
        if born is None:
            return None
        pair, opened_at, seen = born
        age = self._steady() - seen
        if opened_at is not None and self._told is not None:
            moment, at = self._told
            age = max(age, (moment - opened_at).total_seconds() + self._steady() - at)
        return Resting(pair, age)
