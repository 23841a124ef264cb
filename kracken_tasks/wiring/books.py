"""Settings into the venue that the books are held against.

In: ``Settings``.  Out: what tells balances, lines and executions.  Never: something that can send an order.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kracken_tasks.settings import Profile, Settings
from kracken_tasks.wiring.venues import broker, venue

if TYPE_CHECKING:
    from kracken_tasks.ledger.books import VenueBooks

__all__ = ["venue_books"]


def venue_books(settings: Settings) -> VenueBooks:
    """The account itself: the venue's private half, or the paper account where money is invented.

    Raises: Misconfigured for the live profile without a key.
    """
    if settings.profile is Profile.PAPER:
        return broker(settings)
    return venue(settings, private=True)
