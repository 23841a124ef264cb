"""What every measured store can do.

Frames: ``ts`` (open time, datetime64[ms, UTC]), open, high, low, close, volume (float64), trades (int64); one row a minute that
traded.  A store may keep them as it likes but gives the same rows back.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Final

import numpy as np
import pandas as pd

__all__ = ["BAR_COLUMNS", "MINUTE_MS", "CandleStore", "gaps_in", "hourly_sql"]

MINUTE_MS: Final = 60_000
BAR_COLUMNS: Final = ("open", "high", "low", "close", "volume", "trades")


class CandleStore(ABC):
    """One store in one folder, which is empty at first."""

    title: ClassVar[str]
    durable: ClassVar[str] = "no"
    """Whether what was written has been synced to the disk when ``write`` and ``append`` return (seen with strace)."""

    def __init__(self, folder: Path, symbols: Sequence[str]) -> None:
        self.folder = folder
        self.symbols = tuple(symbols)

    @abstractmethod
    def versions(self) -> dict[str, str]:
        """Libraries that matter, with their versions."""

    def prepare(self, frame: pd.DataFrame) -> Any:
        """The caller's rows in the form in which this store likes to be given them; not timed."""
        return frame

    @abstractmethod
    def write(self, symbol: str, rows: Any) -> None:
        """Store a symbol's whole history."""

    @abstractmethod
    def append(self, rows: Mapping[str, Any]) -> None:
        """Store the newest candle of every symbol; when it returns, a new reader sees all of them."""

    def settle(self) -> None:  # noqa: B027  # most stores have nothing to do here
        """What nightly maintenance would clean up before the disk is measured; not timed."""

    @abstractmethod
    def reopen(self) -> None:
        """Be as a process that has just opened the store: nothing decoded, nothing remembered; not timed."""

    @abstractmethod
    def read(self, symbol: str, start: int | None = None, end: int | None = None) -> pd.DataFrame:
        """Candles with start <= ts < end (milliseconds), by time, as a frame."""

    @abstractmethod
    def hourly(self) -> pd.DataFrame:
        """Columns symbol, close, volume (any more, any order): every symbol's candles of an hour, computed by the store."""

    @abstractmethod
    def missing(self) -> int:
        """Minutes without a candle between each symbol's first and last, of all symbols together."""

    def close(self) -> None:  # noqa: B027  # most stores have nothing to do here
        """Let go of files."""


def gaps_in(ts: np.ndarray) -> int:
    """Missing minutes in sorted open times (int64 milliseconds)."""
    steps = np.diff(ts)
    return int((steps[steps != MINUTE_MS] // MINUTE_MS - 1).sum())


def hourly_sql(source: str) -> str:
    """The same resampling for every store that DuckDB can read; ``source`` has symbol and ts (a timestamp)."""
    return (
        "SELECT symbol, time_bucket(INTERVAL 1 HOUR, ts) AS hour, first(open ORDER BY ts) AS open, max(high) AS high, "
        "min(low) AS low, last(close ORDER BY ts) AS close, sum(volume) AS volume, sum(trades) AS trades "
        f"FROM {source} GROUP BY ALL"
    )
