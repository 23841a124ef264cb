"""What a contract costs: ``python -m benchmarks.contracts --into bench-results``.

Clean candles (nothing to name, the usual case) through the whole gate in memory: Great Expectations and all named checks, beside the
least work that answers the same column rules: one DuckDB query and one pass of NumPy, in the same run.  Processor time of all threads,
the fastest of ``--rounds``.
Out: ``contracts.json`` and ``contracts.md``.
"""

from __future__ import annotations

import argparse
import json
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import duckdb
import numpy as np
import pandas as pd

from kracken_tasks.contracts.contract import Contract, load_contracts
from kracken_tasks.contracts.gate import check_batch
from kracken_tasks.contracts.judging import Subject, judge, subject_of
from kracken_tasks.contracts.subject import STRETCH, Facts
from kracken_tasks.contracts.telling import telling_places
from kracken_tasks.domain.market import SeriesKey, Timeframe
from kracken_tasks.domain.refs import StagedBatch
from kracken_tasks.lake import Lake, LocalStore

__all__ = ["main"]

_CONTRACTS: Final = Path(__file__).resolve().parents[1] / "data_contracts"
_START: Final = datetime(2023, 1, 2, tzinfo=UTC)
_SHAPES: Final = ((1, 720), (10, 720), (50, 720), (1, 100_000), (1, 1_000_000), (1, 10_000_000))
_QUERY: Final = """
SELECT count(*) FILTER (open IS NULL OR high IS NULL OR low IS NULL OR close IS NULL OR volume IS NULL),
       count(*) FILTER (high > 1e15 OR volume > 1e15), count(*) FILTER (low <= 0),
       count(*) FILTER (high < open OR high < close), count(*) FILTER (open < low OR close < low),
       count(*) FILTER (volume < 0), count(*) FILTER (trades < 0),
       count(*) FILTER (source NOT IN ('archive', 'trades', 'ohlc', 'stream')), count(*) - count(DISTINCT (series, ts))
FROM candles
"""


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print the table, write both files."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--into", type=Path, default=Path("bench-results"))
    parser.add_argument("--rounds", type=int, default=5)
    told = parser.parse_args(arguments)
    told.into.mkdir(parents=True, exist_ok=True)
    first = _first_verdict()
    contract = load_contracts(_CONTRACTS, ["candles"])["candles"]
    lines = [_measure(contract, pairs, rows, told.rounds) for pairs, rows in _SHAPES]
    result = {
        "python": platform.python_version(), "machine": platform.machine(), "rounds": told.rounds,
        "first_verdict_seconds": first, "lines": lines,
    }  # fmt: skip
    (told.into / "contracts.json").write_text(json.dumps(result, indent=1))
    text = _table(first, lines)
    (told.into / "contracts.md").write_text(text)
    sys.stdout.write(text)


def _measure(contract: Contract, pairs: int, rows: int, rounds: int) -> dict[str, Any]:
    frame = _candles(rows)
    now = _START + timedelta(minutes=rows)
    keys = [SeriesKey("kraken", f"A{number}/USD", Timeframe.M1) for number in range(pairs)]
    subjects = [subject_of(frame, Facts(key, now), contract) for key in keys]
    together = pd.concat([frame.assign(series=number) for number in range(pairs)], ignore_index=True)
    together["trades"] = together["trades"].to_numpy(np.float64)
    plain = _without_checks(contract)
    return {
        "pairs": pairs, "rows": rows, "shown": _shown(contract, subjects),
        "whole": _fastest(lambda: _clean(contract, subjects), rounds),
        "expectations": _fastest(lambda: _clean(plain, subjects), rounds),
        "lake": _fastest(lambda: _through_the_lake(frame, keys, now), max(rounds // 2, 1)),
        "duckdb": _fastest(lambda: duckdb.query_df(together, "candles", _QUERY).fetchall(), rounds),
        "numpy": _fastest(lambda: _numpy(together), rounds),
    }  # fmt: skip


def _shown(contract: Contract, subjects: Sequence[Subject]) -> int:
    """How many rows Great Expectations sees."""
    rows = sum(len(one.frame) for one in subjects)
    return rows if rows <= STRETCH else len(telling_places(contract, [one.frame for one in subjects]))


def _clean(contract: Contract, subjects: Sequence[Subject]) -> None:
    if any(told.findings for told in judge(contract, subjects)):
        raise SystemExit("the benchmark's candles are not clean")


def _without_checks(contract: Contract) -> Contract:
    return Contract(
        contract.name, contract.dataset, contract.version, contract.content_hash, contract.meta, contract.columns,
        contract.schema_rule, contract.tolerance, contract.expectations, (),
    )  # fmt: skip


def _through_the_lake(frame: pd.DataFrame, keys: Sequence[SeriesKey], now: datetime) -> None:
    """Staged files read back, other venues and stored rows looked up, and judged: what an ingest run waits for."""
    with tempfile.TemporaryDirectory() as folder:
        lake = Lake(LocalStore(Path(folder)))
        staged = tuple(lake.stage(key, frame, asked_from=_START, asked_to=now, source="ohlc") for key in keys)
        if check_batch(lake, StagedBatch(staged), now=now, contracts_dir=_CONTRACTS).findings:
            raise SystemExit("the benchmark's candles are not clean")


def _numpy(frame: pd.DataFrame) -> list[int]:
    """The column rules as array arithmetic: the limit."""
    opens, high, low, close, volume = (frame[name].to_numpy() for name in ("open", "high", "low", "close", "volume"))
    key = frame["series"].to_numpy() * np.int64(2**42) + frame["ts"].astype("int64").to_numpy() // 60_000
    ordered = np.sort(key)
    return [
        int(np.count_nonzero(mask))
        for mask in (
            np.isnan(opens) | np.isnan(high) | np.isnan(low) | np.isnan(close) | np.isnan(volume),
            (high > 1e15) | (volume > 1e15), low <= 0, (high < opens) | (high < close), (opens < low) | (close < low),
            volume < 0, frame["trades"].to_numpy() < 0, ordered[1:] == ordered[:-1],
        )
    ]  # fmt: skip


def _candles(count: int) -> pd.DataFrame:
    random = np.random.default_rng(1)
    close = 100 * np.exp(np.cumsum(random.normal(0, 0.0005, count)))
    opens = np.concatenate([[100.0], close[:-1]])
    origin = np.datetime64(_START.replace(tzinfo=None), "ms")
    return pd.DataFrame({
        "ts": pd.DatetimeIndex(origin + np.arange(count) * np.timedelta64(60_000, "ms")).tz_localize("UTC"),
        "open": opens, "high": np.maximum(opens, close) * 1.001, "low": np.minimum(opens, close) * 0.999, "close": close,
        "volume": random.random(count) + 0.1, "vwap": (opens + close) / 2,
        "trades": pd.array(random.integers(1, 50, count), dtype="Int64"), "source": pd.array(["ohlc"] * count, dtype="str"),
    })  # fmt: skip


def _first_verdict() -> dict[str, float]:
    """In a fresh process that has pandas and the rooms: importing Great Expectations alone, and the first verdict on one pair."""
    rooms = (
        "import time\nfrom benchmarks.contracts import _CONTRACTS, _START, _candles, _clean, timedelta\n"
        "from benchmarks.contracts import Facts, SeriesKey, Timeframe, load_contracts, subject_of\n"
        "facts = Facts(SeriesKey('kraken', 'A/USD', Timeframe.M1), _START + timedelta(minutes=720))\n"
        "frame = _candles(720)\nat = time.perf_counter()\n"
    )
    verdict = (
        "contract = load_contracts(_CONTRACTS, ['candles'])['candles']\n"
        "_clean(contract, [subject_of(frame, facts, contract)])\n"
    )
    return {
        "importing Great Expectations": _fresh(rooms + "import great_expectations\n"),
        "first verdict, that import included": _fresh(rooms + verdict),
    }


def _fresh(code: str) -> float:
    ended = code + "\nimport sys; sys.stdout.write(str(time.perf_counter() - at))"
    runs = [subprocess.run([sys.executable, "-c", ended], capture_output=True, text=True, check=True) for _ in range(3)]
    return min(float(run.stdout) for run in runs)


def _fastest(work: Callable[[], object], rounds: int) -> float:
    """Processor seconds of all threads, of the fastest round: whatever else the machine does only adds."""
    work()  # what is loaded or built once is not the cost of a batch
    times = []
    for _ in range(rounds):
        started = time.process_time()
        work()
        times.append(time.process_time() - started)
    return min(times)


def _table(first: dict[str, float], lines: Sequence[dict[str, Any]]) -> str:
    head = [
        *(f"{name}: {seconds:.2f} s in a fresh process  " for name, seconds in first.items()), "",
        "| pairs x rows | rows shown | all rules, ms | expectations alone | with the lake | one DuckDB query | NumPy "
        "| all rules / DuckDB |",
        "|---|---|---|---|---|---|---|---|",
    ]  # fmt: skip
    body = [
        f"| {one['pairs']} x {one['rows']:,} | {one['shown']:,} | {one['whole'] * 1e3:.0f} | {one['expectations'] * 1e3:.0f} | "
        f"{one['lake'] * 1e3:.0f} | {one['duckdb'] * 1e3:.1f} | {one['numpy'] * 1e3:.1f} | {one['whole'] / one['duckdb']:.1f} |"
        for one in lines
    ]
    return "\n".join([*head, *body, ""])


if __name__ == "__main__":
    main()
