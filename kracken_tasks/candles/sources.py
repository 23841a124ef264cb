"""Which source fills a hole: the cheapest that can really answer, with the reason, and why not the others.

In: what the lake lacks, what each source could give, what a call costs.  Out: ``Leg`` values that can be read aloud.  Never: I/O.

| source  | reaches                               | costs                                        |
| archive | the span of the file that was given   | no call                                      |
| ohlc    | the newest candles (Kraken: 720), or all | one call a series, or one a page          |
| trades  | the venue's first trade               | a call a thousand trades, at the venue's pace |
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import pairwise
from typing import Final

from kracken_tasks.candles.windows import Window
from kracken_tasks.domain.clock import iso
from kracken_tasks.domain.market import SeriesKey

__all__ = [
    "TRADES_A_PAGE",
    "Leg",
    "Offers",
    "Source",
    "choose_sources",
    "fill_command",
    "trade_calls",
    "trades_reach_back",
]

TRADES_A_PAGE: Final = 1_000
# What venues that page their candles give at once, the least of them (ccxt's default for Binance is 500, Coinbase's own limit 300).
_CANDLES_A_PAGE: Final = 300
# Venues whose public trades go back to a pair's first and count every trade (Kraken: Get Recent Trades; its history guide).
# Binance tells trades joined by taker, whose count is not a candle's; Coinbase and Bitstamp tell the newest only.
_REACH_BACK: Final = frozenset({"kraken"})


class Source(StrEnum):
    """Where candles can come from, the cheapest first."""

    ARCHIVE = "archive"
    OHLC = "ohlc"
    TRADES = "trades"


@dataclass(frozen=True, slots=True)
class Leg:
    """One window of one series and where it comes from; ``source`` None: nothing can give it, and it stays a typed hole.

    ``calls`` and ``seconds`` are what it costs; trades that several series share are paid by the first.
    """

    key: SeriesKey
    window: Window
    source: Source | None
    calls: int
    seconds: float
    reason: str
    passed_over: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Offers:
    """What could fill a series.

    ``ohlc_from``: the oldest open time the venue's candles reach, None if it has none of this width; ``ohlc_paged``: it pages back to its
    first, instead of giving the newest at once.  ``archive``: spans of given files.
    ``trades_a_day``: None if unknown.  ``most_calls``: no more than this many for trades, None as many as it takes.
    """

    ohlc_from: datetime | None
    archive: tuple[Window, ...] = ()
    trades_a_day: float | None = None
    seconds_a_call: float = 1.0
    most_calls: int | None = None
    allowed: frozenset[Source] = frozenset(Source)
    ohlc_paged: bool = False


def trades_reach_back(exchange: str) -> bool:
    """Whether a venue's public trades go back to the first and count every one."""
    return exchange in _REACH_BACK


def trade_calls(window: Window, trades_a_day: float) -> int:
    """Pages that the trades of a span fill."""
    days = (window.end - window.start) / timedelta(days=1)
    return max(1, math.ceil(days * trades_a_day / TRADES_A_PAGE))


def choose_sources(key: SeriesKey, missing: Iterable[tuple[datetime, datetime]], offers: Offers) -> tuple[Leg, ...]:
    """One leg for each part of each hole, oldest first; parts are cut where a source's reach begins or ends."""
    legs: list[Leg] = []
    for hole in sorted(missing):
        for part in _parts(Window(*hole), offers):
            paid = any(leg.source is Source.OHLC for leg in legs)
            legs.append(_leg(key, part, offers, ohlc_paid=paid))
    return tuple(legs)


def fill_command(key: SeriesKey, window: Window) -> str:
    """The command that would fill a window."""
    start, end = iso(window.start), iso(window.end)
    return f"kracken backfill {key.symbol} --exchange {key.exchange} --from {start} --to {end} --timeframes {key.timeframe.value}"


def _parts(hole: Window, offers: Offers) -> Sequence[Window]:
    edges = {hole.start, hole.end}
    bounds = [offers.ohlc_from] if Source.OHLC in offers.allowed else []
    bounds += [edge for span in offers.archive for edge in (span.start, span.end)]
    edges |= {edge for edge in bounds if edge is not None and hole.start < edge < hole.end}
    cuts = sorted(edges)
    return [Window(a, b) for a, b in pairwise(cuts)]


def _leg(key: SeriesKey, window: Window, offers: Offers, *, ohlc_paid: bool) -> Leg:
    fits: list[tuple[Source, int, str]] = []
    not_so: list[str] = []
    for source in Source:
        calls, told = _offer(source, key, window, offers, ohlc_paid)
        if calls is None:
            not_so.append(f"{source}: {told}")
        else:
            fits.append((source, calls, told))
    if not fits:
        return Leg(key, window, None, 0, 0.0, "no source can give it", tuple(not_so))
    fits.sort(key=lambda one: one[1])  # of two that cost the same the one named first in Source
    (source, calls, told), *dearer = fits
    dear = tuple(f"{other}: {why}, dearer" for other, _, why in dearer)
    return Leg(key, window, source, calls, calls * offers.seconds_a_call, told, (*not_so, *dear))


def _offer(source: Source, key: SeriesKey, window: Window, offers: Offers, ohlc_paid: bool) -> tuple[int | None, str]:
    """Calls, or None with the reason why this source cannot."""
    if source not in offers.allowed:
        return None, "not asked for"
    if source is Source.ARCHIVE:
        covers = any(span.start <= window.start and window.end <= span.end for span in offers.archive)
        return (0, "a file holds it") if covers else (None, "no file given holds it")
    if source is Source.OHLC:
        if offers.ohlc_from is None:
            return None, f"{key.exchange} has no candles that make {key.timeframe.value}"
        if window.start < offers.ohlc_from:
            return None, f"{key.exchange} gives none before {iso(offers.ohlc_from)}"
        if offers.ohlc_paged:
            return math.ceil(window.candles(key.timeframe) / _CANDLES_A_PAGE), "the venue's own candles, page by page"
        return (0 if ohlc_paid else 1), "the venue's own candles reach it, one call a series"
    return _from_trades(key, window, offers)


def _from_trades(key: SeriesKey, window: Window, offers: Offers) -> tuple[int | None, str]:
    if not trades_reach_back(key.exchange):
        return None, f"{key.exchange} does not tell every trade back to its first"
    if offers.trades_a_day is None:
        return None, "how many trades there were is not known"
    calls = trade_calls(window, offers.trades_a_day)
    about = f"about {calls} calls for {offers.trades_a_day:,.0f} trades a day"
    if offers.most_calls is not None and calls > offers.most_calls:
        return None, f"{about}, more than the {offers.most_calls} allowed here"
    return calls, about
