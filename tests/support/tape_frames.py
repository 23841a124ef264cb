"""Trades and quotes made from a seed, and how they are committed without a gate."""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np
import pandas as pd

from kracken_tasks.domain.market import Tape, TapeKey
from kracken_tasks.lake.lake import Lake
from tests.support.candle_frames import START, accepting

__all__ = ["QUOTES", "TRADES", "commit_tape", "quote_frame", "seconds", "trade_frame"]

TRADES = TapeKey("kraken", "BTC/USD", Tape.TRADES)
QUOTES = TapeKey("kraken", "BTC/USD", Tape.QUOTES)


def seconds(count: float) -> datetime:
    """``count`` seconds after START."""
    return START + timedelta(seconds=count)


def trade_frame(count: int, *, first_id: int = 1, every: float = 1.0, seed: int = 1) -> pd.DataFrame:
    """``count`` trades, one every so many seconds, the first with ``first_id`` (and at the second of that number)."""
    random = np.random.default_rng(seed)
    numbers = np.arange(first_id, first_id + count)
    frame = pd.DataFrame(
        {
            "ts": _stamps(numbers * every), "price": 100.0 + random.integers(0, 1000, count) / 10,
            "volume": random.integers(1, 10_000, count) / 1000, "side": random.choice(["b", "s"], count),
            "kind": random.choice(["m", "l"], count), "trade_id": pd.array(numbers, dtype="Int64"),
        }
    )  # fmt: skip
    return frame.astype({"side": "str", "kind": "str"})


def quote_frame(count: int, *, start: float = 0.0, every: float = 0.25, seed: int = 1) -> pd.DataFrame:
    """``count`` quotes that reached us a little after their stamps."""
    random = np.random.default_rng(seed)
    offsets = start + np.arange(count) * every
    bid = 100.0 + random.integers(0, 1000, count) / 10
    return pd.DataFrame(
        {
            "ts": _stamps(offsets), "bid": bid, "ask": bid + 0.1, "bid_volume": random.random(count),
            "ask_volume": random.random(count), "last": np.where(np.arange(count) % 3 == 0, np.nan, bid),
            "received": _stamps(offsets + 0.05),
        }
    )  # fmt: skip


def commit_tape(
    lake: Lake, key: TapeKey, frame: pd.DataFrame, *, source: str = "stream", known_at: datetime | None = None
) -> int:
    """Stage, accept and commit one frame as the answer from its first to just after its last row; rows added."""
    first, last = frame["ts"].min().to_pydatetime(), frame["ts"].max().to_pydatetime()
    asked_to = last + timedelta(microseconds=1)
    staged = lake.stage(key, frame, asked_from=first, asked_to=asked_to, source=source)
    return lake.commit(accepting([staged]), known_at=known_at or asked_to).rows_added


def _stamps(offsets: np.ndarray) -> pd.DatetimeIndex:
    origin = np.datetime64(START.replace(tzinfo=None), "us")
    return pd.DatetimeIndex(origin + np.round(offsets * 1e6).astype("m8[us]")).tz_localize("UTC")
