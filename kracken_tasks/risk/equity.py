"""Equity per unit, so that deposits and withdrawals neither trip nor mask a limit; and the trading day.

In: the last mark, equity now, and money moved in or out since.  Out: the next mark.  Never: the machine's own time zone.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time
from zoneinfo import ZoneInfo

from kracken_tasks.domain.clock import iso
from kracken_tasks.risk.drawdown import drawdown_of

__all__ = ["UnitMark", "day_of", "day_start", "mark_equity"]


@dataclass(frozen=True, slots=True)
class UnitMark:
    """Equity at a moment, unitised as a fund's is.

    ``equity`` in the account's currency; ``unit_price`` = equity / units, 1.0 at the first mark; ``peak`` the highest unit price;
    ``day`` the trading day the mark lies in and ``day_open`` the unit price that day opened with.
    """

    ts: datetime
    equity: float
    units: float
    unit_price: float
    peak: float
    day: date
    day_open: float

    @property
    def drawdown(self) -> float:
        """Fraction below the peak, 0 at it."""
        return drawdown_of(self.peak, self.unit_price)

    @property
    def daily_loss(self) -> float:
        """Fraction lost since the day opened; 0 where nothing was lost."""
        return drawdown_of(self.day_open, self.unit_price)

    def released(self) -> UnitMark:
        """The mark to go on from after a person released a halt: drawdown and daily loss are measured from here."""
        if self.unit_price > 0.0:
            return replace(self, peak=self.unit_price, day_open=self.unit_price)
        return replace(self, units=self.equity, unit_price=1.0, peak=1.0, day_open=1.0)


def mark_equity(
    previous: UnitMark | None, *, equity: float, net_flow: float, now: datetime, zone: ZoneInfo
) -> UnitMark:
    """The next mark.

    ``net_flow``: deposits less withdrawals since ``previous``, already inside ``equity``; they buy or return units at the price before
    them.  A day opens with the last price of the day before, so that what happens over midnight counts.
    Raises: ValueError for an equity that is not a number, or a mark older than ``previous``.
    """
    if not (math.isfinite(equity) and math.isfinite(net_flow)):
        raise ValueError(f"equity {equity!r} with flow {net_flow!r} is not a finite number")
    day = day_of(now, zone)
    if previous is None:
        return UnitMark(now, equity, max(equity, 0.0), 1.0, 1.0, day, 1.0)
    if now < previous.ts:
        raise ValueError(f"mark of {iso(now)} is older than the last, {iso(previous.ts)}")
    price = max(0.0, (equity - net_flow) / previous.units) if previous.units > 0.0 else previous.unit_price
    units = max(equity, 0.0) / price if price > 0.0 else previous.units
    day_open = previous.day_open if day == previous.day else previous.unit_price
    return UnitMark(now, equity, units, price, max(previous.peak, price), day, day_open)


def day_of(moment: datetime, zone: ZoneInfo) -> date:
    """The trading day that contains ``moment``."""
    return moment.astimezone(zone).date()


def day_start(moment: datetime, zone: ZoneInfo) -> datetime:
    """UTC instant at which the trading day of ``moment`` began; days of 23 and 25 hours come out right."""
    return datetime.combine(day_of(moment, zone), time.min, tzinfo=zone).astimezone(UTC)
