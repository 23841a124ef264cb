"""Is what freqtrade downloaded what the lake holds?  ``python -m benchmarks.freqtrade_beside FREQTRADE_DATA LAKE --until TIME``

In: the folder of freqtrade's feather files (``user_data/data/kraken``) and a lake that was backfilled for the same span.  Out: a
line a pair and kind, saying how many rows stand on one side only and how many differ.  freqtrade keeps the last, unfinished
candle of its trades; Kracken does not: ``--until`` cuts both at one moment.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd

from kracken_tasks.domain.market import SeriesKey, Tape, TapeKey, Timeframe
from kracken_tasks.lake import Lake, LocalStore, Snapshot

__all__ = ["main"]

_PRICES: Final = ("open", "high", "low", "close")
# Sums of the same volumes in another order; freqtrade adds floats, Kracken whole lots.
_SAME_VOLUME: Final = 1e-12


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.freqtrade_beside", description=__doc__.splitlines()[0])
    parser.add_argument("downloaded", type=Path)
    parser.add_argument("lake", type=Path)
    parser.add_argument("--until", type=lambda text: pd.Timestamp(text, tz="UTC"), required=True)
    told = parser.parse_args()
    snapshot = Lake(LocalStore(told.lake)).snapshot()
    for path in sorted(told.downloaded.glob("*.feather")):
        pair, _, kind = path.stem.rpartition("-")
        lines = _trades if kind == "trades" else _candles
        for line in lines(pd.read_feather(path), snapshot, pair.replace("_", "/"), kind, told.until):
            print(line)  # noqa: T201


def _trades(theirs: pd.DataFrame, snapshot: Snapshot, symbol: str, kind: str, until: pd.Timestamp) -> Iterator[str]:
    theirs = theirs.assign(trade_id=theirs["id"].astype("int64"))
    theirs = theirs[theirs["timestamp"] < until.value // 1_000_000]
    ours = snapshot.tape(TapeKey("kraken", symbol, Tape.TRADES), end=until.to_pydatetime())
    both = theirs.merge(ours.astype({"trade_id": "int64"}), on="trade_id", suffixes=("_theirs", ""))
    moments = both["ts"].astype("datetime64[us, UTC]").astype("int64") // 1000
    differ = {
        "price": both["price_theirs"] != both["price"],
        "volume": both["amount"] != both["volume"],
        "side": both["side_theirs"].str[0] != both["side"],
        "kind": both["type"].str[0] != both["kind"],
        "time, by more than a millisecond": (moments - both["timestamp"]).abs() > 1,
    }
    yield _line(symbol, kind, len(theirs), len(ours), len(both), differ)


def _candles(theirs: pd.DataFrame, snapshot: Snapshot, symbol: str, kind: str, until: pd.Timestamp) -> Iterator[str]:
    timeframe = Timeframe(kind)
    end = until - timeframe.delta
    theirs = theirs[theirs["date"] <= end]
    ours = snapshot.candles(SeriesKey("kraken", symbol, timeframe))
    ours = ours[ours["ts"] <= end]
    theirs = theirs.assign(ts=theirs["date"].astype(ours["ts"].dtype))
    both = theirs.merge(ours, on="ts", suffixes=("_theirs", ""))
    differ = {name: both[f"{name}_theirs"] != both[name] for name in _PRICES}
    differ["volume"] = ~np.isclose(both["volume_theirs"], both["volume"], rtol=_SAME_VOLUME, atol=0)
    yield _line(symbol, kind, len(theirs), len(ours), len(both), differ)


def _line(symbol: str, kind: str, theirs: int, ours: int, both: int, differ: dict[str, pd.Series]) -> str:
    wrong = ", ".join(f"{int(rows.sum())} in {name}" for name, rows in differ.items() if rows.any())
    sides = f"{theirs - both} only in freqtrade's, {ours - both} only in the lake"
    return f"{symbol} {kind}: {both} rows on both sides, {sides}; {'differ: ' + wrong if wrong else 'none differs'}"


if __name__ == "__main__":
    main()
