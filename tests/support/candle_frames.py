"""Candle frames made from a seed, and verdicts without a gate, for tests of the lake and of contracts."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

import numpy as np
import pandas as pd

from kracken_tasks.domain.clock import utc
from kracken_tasks.domain.market import SeriesKey, Timeframe
from kracken_tasks.domain.refs import Finding, StagedSeries, Verdict
from kracken_tasks.lake.lake import Lake

__all__ = ["BTC", "ETH", "START", "accepting", "candle_frame", "commit_frame", "hours", "stage_frame"]

BTC = SeriesKey("kraken", "BTC/USD", Timeframe.H1)
ETH = SeriesKey("kraken", "ETH/USD", Timeframe.H1)
START = utc(2023, 1, 2)


def hours(count: float) -> datetime:
    """``count`` hours after START."""
    return START + timedelta(hours=count)


_MUCH_LATER = hours(10**5)


def candle_frame(
    count: int, *, start: datetime = START, timeframe: Timeframe = Timeframe.H1, seed: int = 1, source: str = "ohlc"
) -> pd.DataFrame:
    """A seeded walk that keeps every promise of a candle."""
    random = np.random.default_rng(seed)
    close = 100 * np.exp(np.cumsum(random.normal(0, 0.005, count)))
    open_ = np.concatenate([[100.0], close[:-1]])[:count]
    origin = np.datetime64(start.replace(tzinfo=None), "ms")
    ts = pd.DatetimeIndex(origin + np.arange(count) * np.timedelta64(timeframe.seconds * 1000, "ms")).tz_localize("UTC")
    return pd.DataFrame(
        {
            "ts": ts, "open": open_, "high": np.maximum(open_, close) * 1.001, "low": np.minimum(open_, close) * 0.999,
            "close": close, "volume": random.random(count) + 0.1, "vwap": (open_ + close) / 2,
            "trades": pd.array(random.integers(1, 50, count), dtype="Int64"), "source": pd.array([source] * count, dtype="str"),
        }
    )  # fmt: skip


def stage_frame(lake: Lake, key: SeriesKey, frame: pd.DataFrame, *, source: str = "ohlc") -> StagedSeries:
    """Stage a frame as the answer for exactly the windows from its first to its last row."""
    first, last = frame["ts"].iloc[0].to_pydatetime(), frame["ts"].iloc[-1].to_pydatetime()
    return lake.stage(key, frame, asked_from=first, asked_to=last + key.timeframe.delta, source=source)


def accepting(
    staged: Iterable[StagedSeries],
    *,
    quarantined: Iterable[StagedSeries] = (),
    findings: Iterable[Finding] = (),
    checked_at: datetime = _MUCH_LATER,
) -> Verdict:
    """A verdict that accepts everything, as a gate without rules would give."""
    return Verdict("none", "batch", tuple(staged), tuple(quarantined), tuple(findings), checked_at)


def commit_frame(lake: Lake, key: SeriesKey, frame: pd.DataFrame, known_at: datetime | None = None) -> int:
    """Stage, accept and commit one frame; the head's seq."""
    moment = known_at or frame["ts"].iloc[-1].to_pydatetime() + key.timeframe.delta
    return lake.commit(accepting([stage_frame(lake, key, frame)]), known_at=moment).seq
