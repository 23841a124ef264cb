"""A sandbox's news: a feed of headlines and a fear-and-greed index, so that sources of sentiment can be tried without the internet.

In: the market's clock.  Out: RSS and JSON under ``/news``.  Never: a word that depends on anything but the time: asked again for the same
moment it says the same.

GET /news/feed.xml            headlines of the last day, one every two hours
GET /news/fear-greed.json     one value a day, in the form of alternative.me
"""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta
from email.utils import format_datetime
from typing import Any, Final

from aiohttp import web

from kracken_tasks.domain.clock import from_ms
from kracken_tasks.sandbox.clock import NS_PER_MS
from kracken_tasks.sandbox.venue import Venue

__all__ = ["News", "headline_at", "index_at"]

_HOURS: Final = 2
_COINS: Final = ("Bitcoin", "Ethereum", "Solana", "Cardano", "XRP", "The crypto market")
_EVENTS: Final = (
    "rallies as inflows reach a record", "plunges after an exchange hack", "climbs on adoption news", "slips amid uncertainty",
    "trades sideways", "surges as traders turn bullish", "drops as a lawsuit is filed", "recovers from its losses",
)  # fmt: skip


def headline_at(moment: datetime) -> str:
    """The headline published at a moment."""
    drawn = hashlib.sha256(f"headline {moment.isoformat()}".encode()).digest()
    return f"{_COINS[drawn[0] % len(_COINS)]} {_EVENTS[drawn[1] % len(_EVENTS)]}"


def index_at(day: datetime) -> int:
    """The index of a day, 10 to 90."""
    return 10 + hashlib.sha256(f"index {day:%Y-%m-%d}".encode()).digest()[0] % 81


class News:
    """The two addresses of one server, on the clock of its leading venue."""

    def __init__(self, venue: Venue) -> None:
        self._venue = venue

    def routes(self) -> list[web.RouteDef]:
        return [web.get("/news/feed.xml", self._feed), web.get("/news/fear-greed.json", self._index)]

    async def _feed(self, request: web.Request) -> web.Response:
        newest = self._now().replace(minute=0, second=0, microsecond=0)
        newest -= timedelta(hours=newest.hour % _HOURS)
        items = "".join(_item(newest - timedelta(hours=_HOURS * back)) for back in range(24 // _HOURS))
        text = f'<?xml version="1.0"?><rss version="2.0"><channel><title>Sandbox news</title>{items}</channel></rss>'
        return web.Response(text=text, content_type="application/rss+xml")

    async def _index(self, request: web.Request) -> web.Response:
        day = self._now().replace(hour=0, minute=0, second=0, microsecond=0)
        told: dict[str, Any] = {"value": f"{index_at(day)}", "timestamp": f"{int(day.timestamp())}"}
        return web.json_response({"name": "Fear and Greed Index", "data": [told]})

    def _now(self) -> datetime:
        return from_ms(self._venue.now_ns() // NS_PER_MS)


def _item(moment: datetime) -> str:
    return f"<item><title>{headline_at(moment)}</title><pubDate>{format_datetime(moment)}</pubDate></item>"
