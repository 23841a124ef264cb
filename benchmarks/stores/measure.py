"""Measure one store in this process: ``python -m benchmarks.stores.measure STORE DATA_JSON FOLDER``; prints one JSON object.

Every task is repeated, timed on the wall and in processor time, with the process' peak of resident memory while it ran (the
kernel's high-water mark, reset before each task).  Every answer is checked against the data; a wrong one ends the measurement.
"""

from __future__ import annotations

import gc
import json
import os
import re
import shutil
import sys
import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd

from benchmarks.stores import STORES
from benchmarks.stores.candle_store import MINUTE_MS, CandleStore, gaps_in
from benchmarks.stores.data import Candles, frame_of

__all__ = ["measure"]

_READS: Final = 5
_TICKS: Final = 20
_MONTH_MS: Final = 31 * 24 * 60 * MINUTE_MS


class _Stopwatch:
    """Times calls under a task's name."""

    def __init__(self) -> None:
        self.tasks: dict[str, dict[str, Any]] = {}

    def time(self, task: str, call: Callable[[], Any]) -> Any:
        gc.collect()
        _forget_peak()
        wall, cpu = time.perf_counter(), time.process_time()
        answer = call()
        entry = self.tasks.setdefault(task, {"wall": [], "cpu": [], "peak_mb": 0.0})
        entry["wall"].append(time.perf_counter() - wall)
        entry["cpu"].append(time.process_time() - cpu)
        entry["peak_mb"] = max(entry["peak_mb"], _peak_mb())
        return answer


def measure(name: str, candles: Candles, folder: Path, *, writes: int, slow: float) -> dict[str, Any]:
    """All tasks of one store.  A task that took longer than ``slow`` seconds is not repeated."""
    entry = STORES[name]
    kind: type[CandleStore] = getattr(import_module(f"benchmarks.stores.{entry.module}"), entry.name)
    watch, truth = _Stopwatch(), _truth(candles)
    for again in reversed(range(writes)):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        store = kind(folder, candles.symbols)
        if _write(store, candles, watch) > slow or not again:
            break
        store.close()
    store.settle()
    disk = _disk_mb(folder)
    _reads(store, candles, watch, truth, slow)
    _ticks(store, candles, watch, truth, slow)
    versions = store.versions()
    store.close()
    return {
        "store": name,
        "title": kind.title,
        "durable": kind.durable,
        "versions": versions,
        "disk_mb": disk,
        "tasks": watch.tasks,
    }


def _write(store: CandleStore, candles: Candles, watch: _Stopwatch) -> float:
    part = _Stopwatch()
    for symbol in candles.symbols:
        rows = store.prepare(frame_of(candles.load(symbol)))
        part.time("write", lambda symbol=symbol, rows=rows: store.write(symbol, rows))
    told = part.tasks["write"]
    entry = watch.tasks.setdefault("write", {"wall": [], "cpu": [], "peak_mb": 0.0})
    entry["wall"].append(sum(told["wall"]))
    entry["cpu"].append(sum(told["cpu"]))
    entry["peak_mb"] = max(entry["peak_mb"], told["peak_mb"])
    return entry["wall"][-1]


def _reads(store: CandleStore, candles: Candles, watch: _Stopwatch, truth: dict[str, Any], slow: float) -> None:
    symbol = candles.symbols[len(candles.symbols) // 2]
    ts = truth["ts"]
    start = int(ts[len(ts) // 2])
    in_month = int(np.searchsorted(ts, start + _MONTH_MS) - np.searchsorted(ts, start))

    def every() -> float:
        return sum(_closes(store.read(one)) for one in candles.symbols)

    tasks: list[tuple[str, Callable[[], Any], Callable[[Any], float], float]] = [
        ("month", lambda: store.read(symbol, start, start + _MONTH_MS), len, in_month),
        ("symbol", lambda: store.read(symbol), _closes, truth["closes"][symbol]),
        ("all", every, float, sum(truth["closes"].values())),
        ("hourly", store.hourly, lambda frame: len(frame) * 1e9 + _closes(frame), truth["hourly"]),
        ("missing", store.missing, float, truth["missing"]),
    ]
    for task, call, told, right in tasks:
        for _ in range(_READS):
            store.reopen()
            answer = told(watch.time(task, call))
            if not np.isclose(answer, right, rtol=1e-9):
                raise SystemExit(f"{type(store).__name__}: {task} gives {answer!r}, not {right!r}")
            if watch.tasks[task]["wall"][-1] > slow:
                break


def _ticks(store: CandleStore, candles: Candles, watch: _Stopwatch, truth: dict[str, Any], slow: float) -> None:
    later = {symbol: candles.later(symbol, truth["last"][symbol], _TICKS) for symbol in candles.symbols}
    store.reopen()
    for at in range(_TICKS):
        rows = {
            symbol: store.prepare(frame.iloc[at : at + 1].reset_index(drop=True)) for symbol, frame in later.items()
        }
        watch.time("append", lambda rows=rows: store.append(rows))
        if watch.tasks["append"]["wall"][-1] > slow:
            break
    done = len(watch.tasks["append"]["wall"])
    store.reopen()
    for symbol in (candles.symbols[0], candles.symbols[-1]):
        start = int(truth["last"][symbol][-1]) + MINUTE_MS
        if len(store.read(symbol, start, start + _MONTH_MS)) != done:
            raise SystemExit(f"{type(store).__name__}: appended candles are not all there")


def _truth(candles: Candles) -> dict[str, Any]:
    closes, last, missing, hours, hour_closes, ts = {}, {}, 0, 0, 0.0, np.empty(0)
    for symbol in candles.symbols:
        columns = candles.load(symbol)
        closes[symbol] = float(columns["close"].sum())
        last[symbol] = columns["ts"][-1:]
        missing += gaps_in(columns["ts"])
        ends = np.append(np.flatnonzero(np.diff(columns["ts"] // 3_600_000)), len(columns["ts"]) - 1)
        hours += len(ends)
        hour_closes += float(columns["close"][ends].sum())
        if symbol == candles.symbols[len(candles.symbols) // 2]:
            ts = columns["ts"]
    return {"closes": closes, "last": last, "missing": missing, "hourly": hours * 1e9 + hour_closes, "ts": ts}


def _closes(frame: pd.DataFrame) -> float:
    return float(frame["close"].sum())


def _disk_mb(folder: Path) -> float:
    # Blocks that are really taken: LMDB and others reserve files that are mostly empty.
    return sum(path.stat().st_blocks * 512 for path in folder.rglob("*") if path.is_file()) / 1e6


def _forget_peak() -> None:
    Path("/proc/self/clear_refs").write_text("5")


def _peak_mb() -> float:
    found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    return int(found[1]) / 1000 if found else 0.0


def main() -> None:
    name, told, folder = sys.argv[1], json.loads(sys.argv[2]), Path(sys.argv[3])
    candles = Candles(Path(told["folder"]), tuple(told["symbols"]), told["rows"], told["seed"])
    print(json.dumps(measure(name, candles, folder, writes=told["writes"], slow=told["slow"])))  # noqa: T201
    sys.stdout.flush()
    os._exit(0)  # some stores take seconds to tear down


if __name__ == "__main__":
    main()
