"""Kraken's frames that ccxt passes over: refusals, stamps, and the checksum of a book."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from kracken_tasks.exchange.streams.kraken_frames import acknowledged, book_checksum, moment_of, refusal

# Kraken's own worked example of the v2 book checksum (price at one decimal, quantity at eight).
ASKS = [
    (45285.2, 0.001), (45286.4, 1.54571953), (45286.6, 1.54571109), (45289.6, 1.54560911), (45290.2, 0.15890660),
    (45291.8, 1.54553491), (45294.7, 0.04454749), (45296.1, 0.35380000), (45297.5, 0.09945542), (45299.5, 0.18772827),
]  # fmt: skip
BIDS = [
    (45283.5, 0.10000000), (45283.4, 1.54582015), (45282.1, 0.10000000), (45281.0, 0.10000000), (45280.3, 1.54592586),
    (45279.0, 0.07990000), (45277.6, 0.03310103), (45277.5, 0.30000000), (45277.3, 1.54602737), (45276.6, 0.15445238),
]  # fmt: skip
REFUSED = {"method": "subscribe", "success": False}
RECORDED = Path(__file__).resolve().parents[5] / "shared" / "data" / "exchange-recordings" / "kraken.ws.json"


def test_checksum_is_the_venues_own_example() -> None:
    assert book_checksum(ASKS, BIDS, 1) == 3310070434


def test_checksum_looks_at_ten_levels_and_no_more() -> None:
    assert book_checksum([*ASKS, (50_000.0, 1.0)], [*BIDS, (1.0, 1.0)], 1) == book_checksum(ASKS, BIDS, 1)


def test_one_changed_lot_changes_the_checksum() -> None:
    changed = [(ASKS[0][0], ASKS[0][1] + 1e-8), *ASKS[1:]]
    assert book_checksum(changed, BIDS, 1) != book_checksum(ASKS, BIDS, 1)


@pytest.mark.skipif(not RECORDED.exists(), reason="the recordings are not on this machine")
def test_checksums_of_recorded_books_are_reproduced() -> None:
    snapshots = [frame for frame in _frames(json.loads(RECORDED.read_text())) if frame.get("type") == "snapshot"]
    checked = 0
    for frame in snapshots:
        for row in frame["data"]:
            if row.get("checksum") is None or len(row["asks"]) < 10 or len(row["bids"]) < 10:
                continue
            sides = [[(level["price"], level["qty"]) for level in row[side]] for side in ("asks", "bids")]
            wanted = int(row["checksum"])
            assert any(book_checksum(sides[0], sides[1], decimals) == wanted for decimals in range(9)), row["symbol"]
            checked += 1
    assert checked >= 1


def _frames(told: Any) -> list[dict[str, Any]]:
    """Every book frame, however deep in the recording."""
    if isinstance(told, dict):
        own = [told] if told.get("channel") == "book" else []
        return own + [frame for value in told.values() for frame in _frames(value)]
    return [frame for value in told for frame in _frames(value)] if isinstance(told, list) else []


@pytest.mark.parametrize(
    ("frame", "told"),
    [
        ({**REFUSED, "error": "Not supported FOO/BAR", "symbol": "FOO/BAR"}, ("FOO/BAR", "Not supported FOO/BAR")),
        ({**REFUSED, "error": "Event trigger not supported"}, ("", "Event trigger not supported")),
        ({**REFUSED, "error": "Already subscribed", "symbol": "BTC/USD"}, None),
        ({"method": "subscribe", "success": True, "result": {"symbol": "BTC/USD"}}, None),
        ({"method": "add_order", "success": False, "error": "EOrder:Insufficient funds"}, None),
        ({"channel": "heartbeat"}, None),
    ],
)  # fmt: skip
def test_a_refused_subscription_is_told_from_everything_else(
    frame: dict[str, Any], told: tuple[str, str] | None
) -> None:
    assert refusal(frame) == told


def test_an_acknowledgement_names_its_symbol() -> None:
    frame = {"method": "subscribe", "success": True, "result": {"channel": "trade", "symbol": "BTC/USD"}}
    assert acknowledged(frame) == "BTC/USD"
    assert acknowledged({**frame, "success": False}) == ""


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2023-09-25T07:49:37.708706Z", datetime(2023, 9, 25, 7, 49, 37, 708706, UTC)),
        ("2023-10-04T16:25:00.000000000Z", datetime(2023, 10, 4, 16, 25, tzinfo=UTC)),
        ("2023-10-04T16:25:00Z", datetime(2023, 10, 4, 16, 25, tzinfo=UTC)),
        ("2023-10-04T16:25:00.9999999Z", datetime(2023, 10, 4, 16, 25, 0, 999_999, UTC)),
    ],
)
def test_a_stamp_is_read_to_the_microsecond_and_never_carried_into_the_next_second(text: str, moment: datetime) -> None:
    assert moment_of(text) == moment
