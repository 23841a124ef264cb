"""What many small commits do to a store: ``python -m benchmarks.stores.history STORE [COMMITS]``; prints one line.

A live feed commits the newest candle of ten symbols once a minute.  Timed: the first and the last fiftieth part of the commits, then,
freshly opened, the newest day of a symbol; counted: files.  No store is tidied up in between: that is the question.
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
import time
from importlib import import_module
from pathlib import Path

from benchmarks.stores import STORES
from benchmarks.stores.candle_store import MINUTE_MS, CandleStore
from benchmarks.stores.data import frame_of, make

_CANDLES = 100_000


def main() -> None:
    name, commits = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 500
    entry = STORES[name]
    kind: type[CandleStore] = getattr(import_module(f"benchmarks.stores.{entry.module}"), entry.name)
    with tempfile.TemporaryDirectory() as scratch:
        candles = make(Path(scratch) / "data", _CANDLES, 7)
        folder = Path(scratch) / "store"
        folder.mkdir()
        store = kind(folder, candles.symbols)
        later = {}
        for symbol in candles.symbols:
            columns = candles.load(symbol)
            store.write(symbol, store.prepare(frame_of(columns)))
            later[symbol] = candles.later(symbol, columns["ts"], commits)
        store.reopen()
        seconds = []
        for at in range(commits):
            rows = {s: store.prepare(frame.iloc[at : at + 1].reset_index(drop=True)) for s, frame in later.items()}
            start = time.perf_counter()
            store.append(rows)
            seconds.append(time.perf_counter() - start)
        store.reopen()
        symbol = candles.symbols[0]
        end = int(later[symbol]["ts"].iloc[-1].timestamp() * 1000) + MINUTE_MS
        start = time.perf_counter()
        rows_read = len(store.read(symbol, end - 1440 * MINUTE_MS, end))
        read = time.perf_counter() - start
        files = sum(path.is_file() for path in folder.rglob("*"))
        part = max(1, commits // 50)
        first, last = (1000 * statistics.median(some) for some in (seconds[:part], seconds[-part:]))
        print(  # noqa: T201
            f"{kind.title}: {commits} commits of 10 symbols; first {first:.0f} ms, last {last:.0f} ms; then the newest day of a "
            f"symbol ({rows_read} rows) in {1000 * read:.0f} ms; {files} files",
            flush=True,
        )
        store.close()
    os._exit(0)


if __name__ == "__main__":
    main()
