"""Long or short: how long a lot was held, in calendar days of the tax zone.

In: two instants and a zone.  Out: ``LONG`` or ``SHORT``.  Never: 365 days taken for a year.

The day of acquisition is left out, the day of sale counts (Rev. Rul. 66-7, 66-97, 70-598; Caspe v. US, 694 F.2d 1116): the holding
period begins the day after acquisition, and a lot is long from the same calendar day one year after that day.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from kracken_tasks.errors import Misconfigured

__all__ = ["term_of", "zone_named"]


def term_of(acquired: datetime, disposed: datetime, zone: ZoneInfo) -> str:
    """``LONG`` if held more than one year, else ``SHORT``.  Bought 28 Feb 2023: long from 1 Mar 2024."""
    held_from = acquired.astimezone(zone).date() + timedelta(days=1)
    return "LONG" if disposed.astimezone(zone).date() >= _year_after(held_from) else "SHORT"


def _year_after(day: date) -> date:
    try:
        return day.replace(year=day.year + 1)
    except ValueError:  # 29 February: the year is over with 28 February, so more than a year begins on 1 March
        return date(day.year + 1, 3, 1)


def zone_named(name: str) -> ZoneInfo:
    """The zone, for example ``Europe/London``.

    Raises: Misconfigured if there is none of that name.
    """
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise Misconfigured(
            f"tax_timezone {name!r} is no time zone", key="tax_timezone", allowed="an IANA name such as Europe/London"
        ) from None
