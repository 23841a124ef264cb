"""The candle store beside its peers: ``python -m benchmarks.candle_store --candles 1e6 1e7 --into bench-results``.

Every store runs in a process of its own, on the same seeded candles, in turn, ``--rounds`` times; the table gives medians over all
rounds and ratios to ArcticDB.  Out: ``candle_store.json`` (every single time), ``candle_store.md`` (tables), ``candle_store.png``.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from benchmarks.stores import PEER, STORES
from benchmarks.stores.data import Candles, make

__all__ = ["TASKS", "main", "median_ms"]

_ROOT: Final = Path(__file__).resolve().parents[1]
_REFERENCE: Final = "arcticdb"
TASKS: Final = {
    "write": "write all",
    "month": "read a month",
    "symbol": "read a symbol",
    "all": "read all",
    "hourly": "resample 1m to 1h, all",
    "missing": "gap search, all",
    "append": "append newest, all symbols",
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print the tables, and write the three files."""
    told = _parser().parse_args(arguments)
    into: Path = told.into
    into.mkdir(parents=True, exist_ok=True)
    runs = [_run(int(float(size)), told) for size in told.candles]
    result = {"machine": _machine(told.scratch), "seed": told.seed, "runs": runs}
    (into / "candle_store.json").write_text(json.dumps(result, indent=1))
    text = "\n".join([_machine_line(result["machine"]), *(line for run in runs for line in _table(run))])
    (into / "candle_store.md").write_text(text + "\n")
    print(text)  # noqa: T201
    from benchmarks.chart import draw

    draw(runs, into / "candle_store.png")


def median_ms(store: dict[str, Any], task: str, clock: str = "wall") -> float:
    """Median time in milliseconds: on the wall, or ``cpu``, of all cores together."""
    return 1000 * statistics.median(store["tasks"][task][clock])


def _run(size: int, told: argparse.Namespace) -> dict[str, Any]:
    scratch = Path(tempfile.mkdtemp(prefix="candle-store-", dir=told.scratch))
    stores: dict[str, dict[str, Any]] = {}
    left_out: dict[str, str] = {}
    try:
        candles = make(scratch / "data", size, told.seed)
        for number in range(told.rounds):
            for name in told.stores:
                if name in left_out:
                    continue
                if size > STORES[name].most_candles and not told.patient:
                    left_out[name] = (
                        f"{STORES[name].why_not_more} at {size:,} candles; --patient measures it all the same"
                    )
                    continue
                print(f"{size:,} candles, round {number + 1}: {name}", file=sys.stderr)  # noqa: T201
                answer = _measure(name, candles, scratch / name, told)
                if isinstance(answer, str):
                    left_out[name] = answer
                else:
                    stores[name] = _merged(stores.get(name), answer)
                shutil.rmtree(scratch / name, ignore_errors=True)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    shape = {"candles": candles.total, "symbols": len(candles.symbols), "rounds": told.rounds}
    return {**shape, "stores": stores, "left_out": left_out}


def _measure(name: str, candles: Candles, folder: Path, told: argparse.Namespace) -> dict[str, Any] | str:
    python = told.peers if STORES[name].environment == PEER else sys.executable
    job = {
        "folder": str(candles.folder), "symbols": candles.symbols, "rows": candles.rows, "seed": candles.seed,
        "writes": told.writes, "slow": told.slow,
    }  # fmt: skip
    command = [str(python), "-m", "benchmarks.stores.measure", name, json.dumps(job), str(folder)]
    try:
        done = subprocess.run(command, cwd=_ROOT, capture_output=True, text=True, check=False)
    except OSError as error:
        return f"no environment: {error.strerror} ({python})"
    if done.returncode:
        return (done.stderr.strip().splitlines() or [f"exit {done.returncode}"])[-1]
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def _merged(before: dict[str, Any] | None, now: dict[str, Any]) -> dict[str, Any]:
    if before is None:
        return now
    for task, entry in before["tasks"].items():
        entry["wall"] += now["tasks"][task]["wall"]
        entry["cpu"] += now["tasks"][task]["cpu"]
        entry["peak_mb"] = max(entry["peak_mb"], now["tasks"][task]["peak_mb"])
    return before


def _table(run: dict[str, Any]) -> list[str]:
    stores, reference = run["stores"], run["stores"].get(_REFERENCE)
    lines = [
        "", f"### {run['candles']:,} candles, {run['symbols']} symbols", "",
        "| store | " + " | ".join(TASKS.values()) + " | peak memory, write / read all | disk | durable |",
        "|" + "---|" * (len(TASKS) + 4),
    ]  # fmt: skip
    for store in stores.values():
        cells = [_cell(store, reference, task) for task in TASKS]
        memory = f"{store['tasks']['write']['peak_mb']:.0f} / {store['tasks']['all']['peak_mb']:.0f} MB"
        lines.append(
            f"| {store['title']} | {' | '.join(cells)} | {memory} | {store['disk_mb']:.0f} MB | {store['durable']} |"
        )
    if reference is not None:
        lines += ["", f"In brackets: times {reference['title']}."]
    lines += ["", "Processor time, which other work on the machine disturbs less:", ""]
    lines += ["| store | " + " | ".join(TASKS.values()) + " |", "|" + "---|" * (len(TASKS) + 1)]
    for store in stores.values():
        lines.append(f"| {store['title']} | {' | '.join(_cell(store, reference, task, 'cpu') for task in TASKS)} |")
    if run["left_out"]:
        lines += ["", "Left out:", ""]
    return lines + [f"- {name}: {why}" for name, why in run["left_out"].items()]


def _cell(store: dict[str, Any], reference: dict[str, Any] | None, task: str, clock: str = "wall") -> str:
    ms = median_ms(store, task, clock)
    text = f"{ms / 1000:.2f} s" if ms >= 1000 else f"{ms:.0f} ms" if ms >= 20 else f"{ms:.1f} ms"
    if reference is None or reference is store:
        return text
    ratio = ms / median_ms(reference, task, clock)
    return f"{text} ({ratio:.0f})" if ratio >= 10 else f"{text} ({ratio:.2g})"


def _machine(scratch: Path) -> dict[str, Any]:
    times = []
    for number in range(40):
        start = time.perf_counter()
        with (scratch / f".sync-{number}").open("wb") as file:
            file.write(b"x" * 4096)
            file.flush()
            os.fsync(file.fileno())
        times.append(time.perf_counter() - start)
        (scratch / f".sync-{number}").unlink()
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    load = round(os.getloadavg()[2], 1)
    return {
        "processors": os.cpu_count(), "memory_gib": round(memory), "python": platform.python_version(),
        "system": platform.system(), "fsync_ms": round(1000 * statistics.median(times), 2), "load_15_min": load,
    }  # fmt: skip


def _machine_line(machine: dict[str, Any]) -> str:
    return (
        f"{machine['processors']} cores, {machine['memory_gib']} GiB, {machine['system']}, Python {machine['python']}; one file "
        f"made durable (fsync) takes {machine['fsync_ms']} ms; load over the last 15 minutes {machine['load_15_min']}."
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.candle_store", description=__doc__.splitlines()[0])
    parser.add_argument(
        "--candles", nargs="+", default=["1e6", "1e7"], help="how many candles; several give several tables"
    )
    parser.add_argument("--stores", nargs="+", choices=list(STORES), default=list(STORES))
    parser.add_argument("--peers", type=Path, default=Path(sys.executable), help="Python of the peers' environment")
    parser.add_argument("--into", type=Path, default=Path("bench-results"), help="folder for the three files")
    parser.add_argument("--scratch", type=Path, default=Path(tempfile.gettempdir()), help="where the stores are made")
    parser.add_argument("--rounds", type=int, default=1, help="how often each store gets its turn")
    parser.add_argument("--writes", type=int, default=2, help="bulk writes a turn")
    parser.add_argument("--slow", type=float, default=20.0, help="a task longer than this many seconds is not repeated")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--patient", action="store_true", help="also stores that take very long at this size")
    return parser


if __name__ == "__main__":
    main()
