"""Where readings lie between the flow that fetches them and the ticks that hear them.

In: readings of sources.  Out: for a symbol, what fresh sources together say.  Never: anything that must survive: a reading that is lost
is fetched again, and until then there is no opinion.

One small object a source in the lake's store (``_sentiment/<source>.json``), replaced by every reading: the one place that flows and
ticks share on a laptop and on pods alike.  A source that fails keeps its last reading, which grows old and then counts no more.

    headlines  sum(w s) / (sum(w) + PRIOR)      w halves every HALF_LIFE; those of the market as a whole count half
    index      (50 - value) / 50                against the crowd: extreme fear leans up
    score      mean of the two, of those there are
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Protocol

from kracken_tasks.domain.clock import iso, parse_utc
from kracken_tasks.domain.market import split_symbol
from kracken_tasks.errors import BadData
from kracken_tasks.signals.sentiment.words import Headline, IndexValue, SentimentReading, SourceReading

__all__ = ["BoardRules", "SentimentBoard", "reading_of"]

_FOLDER: Final = "_sentiment"
_FORMAT: Final = 1
PRIOR: Final = 3.0  # imaginary neutral headlines, so that one alone moves little
HALF_LIFE: Final = timedelta(hours=6)
_GENERAL: Final = 0.5
_INDEX_AGE: Final = timedelta(hours=48)  # the index comes once a day


@dataclass(frozen=True, slots=True)
class BoardRules:
    """``max_age``: a source read longer ago counts no more; ``headline_age``: nor does a headline published longer ago; ``sources``
    the names that count (None: all)."""

    max_age: timedelta = timedelta(minutes=180)
    headline_age: timedelta = timedelta(hours=24)
    sources: frozenset[str] | None = None


class ReadingStore(Protocol):
    """The part of the lake's store that readings need."""

    def put_scratch(self, name: str, data: bytes) -> None: ...

    def get(self, name: str) -> bytes: ...

    def list(self, prefix: str) -> list[str]: ...


class SentimentBoard:
    """The newest reading of every source over one lake."""

    def __init__(self, store: ReadingStore, rules: BoardRules | None = None) -> None:
        self._store, self.rules = store, rules or BoardRules()

    def put(self, reading: SourceReading) -> None:
        """Replace what the source said before."""
        told = json.dumps({"format": _FORMAT, **_plain(reading)}, separators=(",", ":"), ensure_ascii=False)
        self._store.put_scratch(f"{_FOLDER}/{reading.source}.json", told.encode())

    def readings(self) -> tuple[SourceReading, ...]:
        """What every source said last; one that cannot be read counts as silent."""
        found = []
        for name in self._store.list(_FOLDER):
            try:
                found.append(_reading(json.loads(self._store.get(name))))
            except (BadData, ValueError, KeyError, TypeError):
                continue  # gone meanwhile, or of another version
        return tuple(found)

    def reading(self, symbol: str, now: datetime) -> SentimentReading | None:
        """What is known of a symbol at market time ``now``; None without a fresh word."""
        if self.rules.sources is not None and not self.rules.sources:
            return None  # nothing is configured: nothing is looked for
        return reading_of(self.readings(), symbol, now, self.rules)


def reading_of(
    readings: Iterable[SourceReading], symbol: str, now: datetime, rules: BoardRules
) -> SentimentReading | None:
    """Put the sources together; sources that are stale, or say nothing of the symbol, do not count."""
    fresh = [
        one
        for one in readings
        if timedelta(0) <= now - one.read_at <= rules.max_age and (rules.sources is None or one.source in rules.sources)
    ]
    asset = split_symbol(symbol)[0]
    heard = {(line.title, line.ts): line for one in fresh for line in one.headlines}  # one story, several feeds
    lines = [line for line in heard.values() if _counts(line, asset, now, rules)]
    indices = [one.index for one in fresh if one.index is not None and now - one.index.ts <= _INDEX_AGE]
    parts, told, values = [], [], {}
    if lines:
        values["headlines"] = _mean_of(lines, now)
        parts.append(values["headlines"])
        told.append(f"{len(lines)} headlines at {values['headlines']:+.2f}")
    if indices:
        newest = max(indices, key=lambda index: index.ts)
        values["index"] = newest.value
        parts.append((50.0 - newest.value) / 50.0)
        told.append(f"fear and greed at {newest.value:.0f}")
    if not parts:
        return None
    used = [one.read_at for one in fresh if one.index in indices or set(one.headlines) & set(lines)]
    return SentimentReading(sum(parts) / len(parts), min(used), ", ".join(told), values)


def _counts(line: Headline, asset: str, now: datetime, rules: BoardRules) -> bool:
    return (not line.assets or asset in line.assets) and timedelta(0) <= now - line.ts <= rules.headline_age


def _mean_of(lines: Iterable[Headline], now: datetime) -> float:
    total, weights = 0.0, PRIOR
    for line in lines:
        weight = math.pow(0.5, (now - line.ts) / HALF_LIFE) * (1.0 if line.assets else _GENERAL)
        total, weights = total + weight * line.score, weights + weight
    return total / weights


def _plain(reading: SourceReading) -> dict[str, Any]:
    index = reading.index
    return {
        "source": reading.source,
        "read_at": iso(reading.read_at),
        "headlines": [[iso(line.ts), line.score, list(line.assets), line.title] for line in reading.headlines],
        "index": None if index is None else [iso(index.ts), index.value],
    }


def _reading(plain: dict[str, Any]) -> SourceReading:
    if plain["format"] != _FORMAT:
        raise BadData("a reading of another format")
    lines = tuple(
        Headline(title, float(value), tuple(assets), parse_utc(ts)) for ts, value, assets, title in plain["headlines"]
    )
    index = None if plain["index"] is None else IndexValue(float(plain["index"][1]), parse_utc(plain["index"][0]))
    return SourceReading(plain["source"], parse_utc(plain["read_at"]), lines, index)
