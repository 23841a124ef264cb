"""Kraken's WebSocket v2 frames, as far as ccxt does not look at them: refusals, checksums, the whole of a candle.

In: decoded frames.  Out: plain facts.  Never: state, a call.

Source: Kraken WebSocket v2 reference (subscribe, book checksum, ohlc), 2026; the checksum reproduces ten of ten recorded books.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

__all__ = ["Refusal", "acknowledged", "book_checksum", "moment_of", "refusal"]

_CHECKED_LEVELS: Final = 10
_QTY_DECIMALS: Final = 8
_ALREADY: Final = "already subscribed"

# The symbol ("" when the frame names none), and the venue's words.
Refusal = tuple[str, str]


def refusal(frame: Mapping[str, Any]) -> Refusal | None:
    """What a frame says about a subscription that was turned down; None when it says no such thing."""
    if frame.get("method") != "subscribe" or frame.get("success") is not False:
        return None
    words = str(frame.get("error") or "no reason told")
    if _ALREADY in words.lower():
        return None
    result = frame.get("result")
    symbol = frame.get("symbol") or (result.get("symbol") if isinstance(result, Mapping) else None)
    return (str(symbol or ""), words)


def acknowledged(frame: Mapping[str, Any]) -> str:
    """The symbol whose subscription a frame acknowledges; empty when it does not."""
    if frame.get("method") != "subscribe" or frame.get("success") is not True:
        return ""
    result = frame.get("result")
    return str(result.get("symbol") or "") if isinstance(result, Mapping) else ""


def book_checksum(asks: Sequence[Sequence[float]], bids: Sequence[Sequence[float]], price_decimals: int) -> int:
    """CRC32 over the ten best asks, then the ten best bids: price at the pair's decimals and quantity at eight, without the point and
    without leading zeros."""
    parts = []
    for price, volume in [*_top(asks), *_top(bids)]:
        parts += [_digits(price, price_decimals), _digits(volume, _QTY_DECIMALS)]
    return zlib.crc32("".join(parts).encode())


def _top(levels: Sequence[Sequence[float]]) -> list[tuple[float, float]]:
    return [(float(level[0]), float(level[1])) for level in levels[:_CHECKED_LEVELS]]


def _digits(value: float, decimals: int) -> str:
    return f"{value:.{decimals}f}".replace(".", "").lstrip("0")


def moment_of(text: str) -> datetime:
    """``2023-09-25T07:49:37.708706Z`` into an exact UTC datetime; digits beyond the microsecond are rounded within their second, as those
    of the REST answers are."""
    whole, _, fraction = text.rstrip("Z").partition(".")
    moment = datetime.fromisoformat(whole).replace(tzinfo=UTC)
    digits = fraction[:9].ljust(9, "0")
    micros = min((int(digits) + 500) // 1000, 999_999) if fraction else 0
    return moment + timedelta(microseconds=micros)
