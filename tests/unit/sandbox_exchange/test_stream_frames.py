"""Frames by themselves: digits, stamps, checksums, damage.  Recorded traffic decides where it is there."""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from kracken_tasks.sandbox.dialects.kraken.streams.books import book_checksum
from kracken_tasks.sandbox.dialects.kraken.streams.spoiling import spoilt
from kracken_tasks.sandbox.dialects.kraken.streams.wire import digits, encoded, stamp, stamp_ns

_SHARED = Path(os.environ.get("KRACKEN_SHARED_DATA", Path(__file__).parents[3].parent / "shared" / "data"))
RECORDED = _SHARED / "exchange-recordings" / "kraken.ws.json"
PRICE_DECIMALS = {"BTC/USD": 1, "DOGE/USDT": 5}


def test_numbers_keep_their_last_zeros_on_the_wire() -> None:
    frame = {"price": digits(632500, 1), "qty": digits(5100, 8), "change": digits(-7, 1), "sequence": 3, "flag": True}
    assert encoded(frame) == '{"price":63250.0,"qty":0.00005100,"change":-0.7,"sequence":3,"flag":true}'


def test_a_float_never_reaches_the_wire() -> None:
    with pytest.raises(TypeError, match="Digits"):
        encoded({"price": 0.1})


def test_stamps_are_cut_not_rounded() -> None:
    assert stamp(1_786_563_000_999_999_999) == "2026-08-12T19:30:00.999999Z"
    assert stamp_ns(1_786_563_000_000_000_001) == "2026-08-12T19:30:00.000000001Z"


def test_a_checksum_covers_ten_asks_then_ten_bids_and_no_eleventh() -> None:
    asks = [(1000 + step, 5 * step + 1) for step in range(12)]
    bids = [(999 - step, 7 * step + 1) for step in range(12)]
    text = "".join(f"{price}{lots}" for price, lots in (*asks[:10], *bids[:10]))
    assert book_checksum(bids, asks) == zlib.crc32(text.encode())
    assert book_checksum(bids[:10], asks[:10]) == book_checksum(bids, asks)
    assert book_checksum(bids, [(1000, 2), *asks[1:]]) != book_checksum(bids, asks)


def recorded_books() -> Iterator[tuple[int, dict[Decimal, Decimal], dict[Decimal, Decimal], int]]:
    """Every recorded book frame with a checksum: price decimals, bids, asks, and the checksum it came with."""
    for case in json.loads(RECORDED.read_text(), parse_float=Decimal)["cases"]:
        bids: dict[Decimal, Decimal] = {}
        asks: dict[Decimal, Decimal] = {}
        for frame in case["messages"]:
            if frame.get("channel") != "book":
                continue
            (row,) = frame["data"]
            for side, levels, best_first in ((bids, row["bids"], -1), (asks, row["asks"], 1)):
                if frame["type"] == "snapshot":
                    side.clear()
                side.update({Decimal(level["price"]): Decimal(level["qty"]) for level in levels})
                kept = sorted((price for price, qty in side.items() if qty), key=lambda price: best_first * price)[:10]
                rest = {price: side[price] for price in kept}
                side.clear()
                side.update(rest)
            if "checksum" in row:
                yield PRICE_DECIMALS[row["symbol"]], dict(bids), dict(asks), row["checksum"]


@pytest.mark.skipif(not RECORDED.is_file(), reason=f"no recorded exchange traffic at {RECORDED}")
def test_every_recorded_checksum_is_reproduced() -> None:
    books = list(recorded_books())
    assert len(books) >= 10

    def levels(side: dict[Decimal, Decimal], decimals: int) -> list[tuple[int, int]]:
        return [(int(price.scaleb(decimals)), int(qty.scaleb(8))) for price, qty in side.items()]

    for decimals, bids, asks, checksum in books:
        assert book_checksum(levels(bids, decimals), levels(asks, decimals)) == checksum


@pytest.mark.parametrize(
    ("how", "rows"),
    [
        ("checksum", [[{"checksum": 6, "interval": 1}]]),
        ("interval", [[{"checksum": 7, "interval": 5}]]),
        ("twice", [[{"checksum": 7, "interval": 1}]] * 2),
        (None, [[{"checksum": 7, "interval": 1}]]),
    ],
)
def test_damage_is_done_to_a_copy(how: str | None, rows: list[Any]) -> None:
    frame = {"channel": "book", "data": [{"checksum": 7, "interval": 1}]}
    assert [one["data"] for one in spoilt(frame, how)] == rows
    assert frame["data"] == [{"checksum": 7, "interval": 1}]


def test_damage_that_does_not_fit_leaves_a_frame_whole() -> None:
    heartbeat = {"channel": "heartbeat"}
    assert spoilt(heartbeat, "checksum") == [heartbeat]
    assert spoilt({"channel": "trade", "data": [{"price": 1}]}, "interval") == [
        {"channel": "trade", "data": [{"price": 1}]}
    ]
