"""What every endpoint is handed: the venue, the moment, the arguments, and whose account it is.

In: one request.  Out: the few look-ups that all endpoints share.  Never: a shape of its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from kracken_tasks.sandbox.dialects.kraken.arguments import Arguments
from kracken_tasks.sandbox.engine.orders import Refused
from kracken_tasks.sandbox.listing import Listing
from kracken_tasks.sandbox.venue import Venue

__all__ = ["Call", "Json"]

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Call:
    """One request at the venue's ``now_ns``; ``account`` and the ``rights`` of its key are empty for public ones."""

    venue: Venue
    now_ns: int
    arguments: Arguments
    account: str = ""
    rights: tuple[str, ...] = ()

    def listing(self, name: str | None) -> Listing:
        """The pair by any of its names.  Raises: Refused for an unknown or missing one."""
        if name is None:
            raise Refused("EGeneral:Invalid arguments:pair")
        listing = self.venue.listings.find(name)
        if listing is None:
            raise Refused("EQuery:Unknown asset pair")
        return listing

    @property
    def shown_now_ns(self) -> int:
        """The clock as clients see it: off by the skew that control may have set."""
        return self.now_ns + self.venue.state.settings.clock_skew_ms * 1_000_000
