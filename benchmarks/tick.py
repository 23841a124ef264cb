"""What a whole tick costs with ten open positions: the exchange in a process of its own, real ccxt, a real lake, a SQLite ledger.

    python -m benchmarks.tick [--ticks 30]

Prints medians: a tick whole, without the time the exchange took to answer (what Kracken itself costs), its processor time (which other
work on the machine disturbs less), its stages, and the memory of a process that does nothing but tick (``benchmarks.ticking``; candles are
brought by another).  Nothing outside a temporary folder is written.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from benchmarks.ticking import Timed, tick
from kracken_tasks import wiring
from kracken_tasks.candles.ingestion import ingest
from kracken_tasks.domain.clock import iso
from kracken_tasks.domain.market import Timeframe
from kracken_tasks.domain.trading import Action
from kracken_tasks.execution.tick_deps import TickDeps
from kracken_tasks.settings import Settings, load_settings
from tests.e2e.kill_test import write_market
from tests.support.bench import TellingStrategy
from tests.support.sandbox import sandbox_process

NAMES = {
    "XBTUSD": 60_000.0, "ETHUSD": 3_000.0, "SOLUSD": 150.0, "ADAUSD": 0.5, "XRPUSD": 0.6, "LTCUSD": 90.0, "DOGEUSD": 0.15,
    "LINKUSD": 15.0, "AVAXUSD": 35.0, "DOTUSD": 7.0,
}  # fmt: skip
SYMBOLS = [f"{name.removesuffix('USD').replace('XBT', 'BTC')}/USD" for name in NAMES]
QUIET_HEIGHT = 0.0005  # of a wave: no stop and no target is reached
ENV = {
    "KRACKEN_PAIRS": f"[{', '.join(SYMBOLS)}]",
    "KRACKEN_TIMEFRAMES": "[1m]",
    "KRACKEN_RISK_MANAGEMENT__MAX_POSITION_SIZE": "0.05",
    "KRACKEN_RISK_MANAGEMENT__CORRELATION_THRESHOLD": "0.99",
    "KRACKEN_RISK_MANAGEMENT__MAX_CLUSTER_EXPOSURE": "1",
    "KRACKEN_TRADING__MAX_ORDERS_PER_MINUTE": "120",
}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--ticks", type=int, default=30)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="kracken-tick-") as folder:
        measure(Path(folder), asked.ticks)


def measure(folder: Path, ticks: int) -> None:
    ends = write_market(folder / "market", days=3, waves=NAMES, height=QUIET_HEIGHT)
    start = iso(ends - timedelta(days=1) + timedelta(seconds=10))
    arguments = (str(folder / "market"), start, "200")
    with sandbox_process("tests.support.sandbox_by_hand", folder / "sandbox.sqlite", *arguments) as sandbox:
        port = sandbox.base_url.rsplit(":", 1)[1]
        env = {**ENV, "KRACKEN_HOME": str(folder / "home"), "KRACKEN_SANDBOX__PORT": port}
        settings = load_settings(folder / "config", env=env)
        deps = wiring.tick_deps(settings, Timeframe.M1)
        broker, buyer = Timed(deps.broker), TellingStrategy(dict.fromkeys(SYMBOLS, Action.BUY))
        deps = replace(
            deps, broker=broker, wait_for_bar=lambda keys, bar: None, strategies=dict.fromkeys(deps.series, buyer)
        )
        bring_candles(settings, deps)
        opened = tick(deps, broker, "open")
        held = len(deps.ledger.positions())
        with ticking_process(folder, port) as ticking:
            rows = []
            for number in range(ticks):
                sandbox.control.advance(60)
                bring_candles(settings, deps)
                rows.append(answer_of(ticking, str(number)))
            assert ticking.stdin is not None
            ticking.stdin.close()
            memory = answer_of(ticking)["memory"]
        show(held, opened, rows, memory)


@contextmanager
def ticking_process(folder: Path, port: str) -> Iterator[subprocess.Popen[str]]:
    """A process that only ticks; the candles are brought by this one."""
    command = [sys.executable, "-m", "benchmarks.ticking", str(folder), port]
    env = {**os.environ, **ENV, "PYTHONPATH": str(Path(__file__).parents[1])}
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=env) as process:
        try:
            yield process
        finally:
            process.kill()


def answer_of(process: subprocess.Popen[str], key: str | None = None) -> dict[str, Any]:
    assert process.stdin is not None
    assert process.stdout is not None
    if key is not None:
        process.stdin.write(f"{key}\n")
        process.stdin.flush()
    line = process.stdout.readline()
    if not line:
        raise SystemExit("the ticking process has ended; what it said last stands above")
    found: dict[str, Any] = json.loads(line)
    return found


def bring_candles(settings: Settings, deps: TickDeps) -> None:
    ingest(wiring.lake(settings), wiring.venue(settings), list(deps.series.values()), wiring.judge(settings))


def show(held: int, opened: dict[str, Any], rows: Sequence[dict[str, Any]], memory: float) -> None:
    line = "{:38} {:7.1f} ms"

    def median(name: str) -> float:
        return 1e3 * statistics.median(float(row[name]) for row in rows)

    told = [
        f"{held} open positions, {len(rows)} ticks, medians",
        line.format("a tick whole", median("whole")),
        line.format(f"  of it the venue ({rows[0]['calls']} calls)", median("venue")),
        line.format("  Kracken's own", 1e3 * statistics.median(row["whole"] - row["venue"] for row in rows)),
        line.format("processor time, ccxt's included", median("processor")),
    ]
    for stage in rows[0]["stages"]:
        told.append(line.format(f"  stage {stage}", 1e3 * statistics.median(row["stages"][stage] for row in rows)))
    told.append(
        line.format(f"the tick that sent {opened['sent']} entries, own", 1e3 * (opened["whole"] - opened["venue"]))
    )
    told.append(f"memory at its highest {memory:.0f} MB, in a process that only ticks")
    print("\n".join(told))  # noqa: T201  # a benchmark's output


if __name__ == "__main__":
    main()
