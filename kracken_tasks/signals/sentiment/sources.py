"""Sources of sentiment: news feeds and a fear-and-greed index, over HTTP.

In: an address.  Out: ``SourceReading``.  Never: more than two megabytes of an answer, or an address of another kind than http(s).
"""

from __future__ import annotations

import http.client
import json
import math
import urllib.error
import urllib.request
from calendar import timegm
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from kracken_tasks.errors import BadData, KrackenError, Misconfigured, RetryLater
from kracken_tasks.signals.sentiment.lexicon import assets_in, score
from kracken_tasks.signals.sentiment.words import Headline, IndexValue, SentimentSource, SourceReading

__all__ = ["FearGreedIndex", "NewsFeed", "read_all"]

_MOST_BYTES: Final = 2 * 1024 * 1024
_MOST_HEADLINES: Final = 200
_LONGEST_TITLE: Final = 300
_AHEAD: Final = timedelta(minutes=10)  # how far a publisher's clock may be ahead of the market's


@dataclass(frozen=True, slots=True)
class NewsFeed:
    """An RSS or Atom feed; each headline is scored by the lexicon.  Headlines without a date, or of the future, are left out."""

    name: str
    url: str
    timeout_seconds: float = 10.0

    def read(self, now: datetime) -> SourceReading:
        import feedparser

        parse: Any = feedparser.parse  # type: ignore[attr-defined]  # the library has no types
        parsed = parse(_fetched(self.name, self.url, self.timeout_seconds))
        if not parsed.get("version"):
            raise BadData(f"source {self.name} answered with something that is no news feed", source=self.name)
        found = [line for entry in parsed.entries[:_MOST_HEADLINES] if (line := _headline(entry, now)) is not None]
        newest = sorted(set(found), key=lambda line: (line.ts, line.title), reverse=True)
        return SourceReading(self.name, now, headlines=tuple(newest))


@dataclass(frozen=True, slots=True)
class FearGreedIndex:
    """A fear-and-greed index in the form of alternative.me: ``{"data": [{"value": "40", "timestamp": "1551157200"}]}``."""

    name: str
    url: str
    timeout_seconds: float = 10.0

    def read(self, now: datetime) -> SourceReading:
        text = _fetched(self.name, self.url, self.timeout_seconds)
        try:
            newest = json.loads(text)["data"][0]
            value, ts = float(newest["value"]), datetime.fromtimestamp(int(newest["timestamp"]), UTC)
        except (ValueError, KeyError, IndexError, TypeError, OverflowError, OSError) as odd:
            raise BadData(f"source {self.name} answered with no index value", source=self.name) from odd
        if not (math.isfinite(value) and 0.0 <= value <= 100.0) or ts > now + _AHEAD:
            raise BadData(
                f"source {self.name} says {value} of {ts}; allowed is 0 to 100, not of the future", value=value
            )
        return SourceReading(self.name, now, index=IndexValue(value, ts))


def read_all(sources: Iterable[SentimentSource], now: datetime) -> tuple[tuple[SourceReading, ...], dict[str, str]]:
    """Read every source; those that fail are named with why, and keep nothing from the others.

    Time: ``now`` is market time.
    """
    found, problems = [], {}
    for source in sources:
        try:
            found.append(source.read(now))
        except KrackenError as failure:
            problems[source.name] = failure.message
        except Exception as failure:  # a publisher's nonsense that a parser trips over
            problems[source.name] = f"{type(failure).__name__}: {failure}"
    return tuple(found), problems


def _fetched(name: str, url: str, timeout_seconds: float) -> bytes:
    if not url.startswith(("https://", "http://")):
        raise Misconfigured(
            f"source {name}: allowed are addresses with http:// or https://", key=name, allowed="http(s)"
        )
    request = urllib.request.Request(url, headers={"User-Agent": "kracken", "Accept": "*/*"})
    try:
        with urllib.request.urlopen(request, timeout=timeout_seconds) as answer:
            body: bytes = answer.read(_MOST_BYTES + 1)
    except urllib.error.HTTPError as refused:
        raise RetryLater(f"source {name} answered {refused.code}", source=name) from None
    except (OSError, http.client.HTTPException) as failure:
        raise RetryLater(f"source {name} did not answer: {type(failure).__name__}", source=name) from None
    if len(body) > _MOST_BYTES:
        raise BadData(f"source {name} answered with more than {_MOST_BYTES} bytes", source=name)
    return body


def _headline(entry: Any, now: datetime) -> Headline | None:
    stamp, title = (
        entry.get("published_parsed") or entry.get("updated_parsed"),
        " ".join(entry.get("title", "").split()),
    )
    if stamp is None or not title:
        return None
    ts = datetime.fromtimestamp(timegm(stamp), UTC)
    if ts > now + _AHEAD:
        return None
    return Headline(title[:_LONGEST_TITLE], score(title), assets_in(title), ts)
