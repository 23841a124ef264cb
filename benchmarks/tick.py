"""What a whole tick costs with ten open positions: the exchange in a process of its own, real ccxt, a real lake, a SQLite ledger.

    python -m benchmarks.tick [--ticks 30]

Prints medians: a tick whole, without the time the exchange took to answer (what Kracken itself costs), its processor time (which other
work on the machine disturbs less), its stages, and the memory of the process.  Nothing outside a temporary folder is written.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from kracken_tasks import wiring
from kracken_tasks.candles.ingestion import ingest
from kracken_tasks.domain.clock import iso
from kracken_tasks.domain.market import Timeframe
from kracken_tasks.domain.trading import Action
from kracken_tasks.execution.report import TickReport
from kracken_tasks.execution.tick import run_tick
from kracken_tasks.execution.tick_deps import TickDeps, TickSlot
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


Row = tuple[
    float, float, float, int, TickReport
]  # seconds: whole, of the venue, of the processor; calls; what happened


class Timed:
    """A broker that counts the seconds its venue took."""

    def __init__(self, venue: Any) -> None:
        self._venue, self.seconds, self.calls = venue, 0.0, 0

    def __getattr__(self, name: str) -> Any:
        told = getattr(self._venue, name)
        if not callable(told):
            return told

        def timed(*arguments: Any, **options: Any) -> Any:
            began = time.perf_counter()
            try:
                return told(*arguments, **options)
            finally:
                self.seconds += time.perf_counter() - began
                self.calls += 1

        return timed


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
        env = {**ENV, "KRACKEN_HOME": str(folder / "home"), "KRACKEN_SANDBOX__PORT": sandbox.base_url.rsplit(":", 1)[1]}
        settings = load_settings(folder / "config", env=env)
        deps = wiring.tick_deps(settings, Timeframe.M1)
        broker = Timed(deps.broker)
        deps = replace(deps, broker=broker, wait_for_bar=lambda keys, bar: None)
        bring_candles(settings, deps)
        opened = tick(deps, broker, "open", TellingStrategy(dict.fromkeys(SYMBOLS, Action.BUY)))
        held = len(deps.ledger.positions())
        rows = []
        for number in range(ticks):
            sandbox.control.advance(60)
            bring_candles(settings, deps)
            rows.append(tick(deps, broker, str(number), None))
        show(held, opened, rows)


def bring_candles(settings: Settings, deps: TickDeps) -> None:
    ingest(wiring.lake(settings), wiring.venue(settings), list(deps.series.values()), wiring.judge(settings))


def tick(deps: TickDeps, broker: Timed, key: str, strategy: TellingStrategy | None) -> Row:
    """Run one tick and measure it."""
    broker.seconds, broker.calls = 0.0, 0
    if strategy is not None:
        deps = replace(deps, strategies=dict.fromkeys(deps.series, strategy))
    slot = TickSlot("bench", broker.now(), key)
    began, worked = time.perf_counter(), time.process_time()
    report = run_tick(deps, slot)
    took, worked = time.perf_counter() - began, time.process_time() - worked
    if not report.done or report.problems:
        raise SystemExit(f"the tick ended as {report.result!r}: {dict(report.problems)}")
    return took, broker.seconds, worked, broker.calls, report


def show(held: int, opened: Row, rows: Sequence[Row]) -> None:
    whole = [row[0] for row in rows]
    own = [row[0] - row[1] for row in rows]
    line = "{:38} {:7.1f} ms"
    told = [
        f"{held} open positions, {len(rows)} ticks, medians",
        line.format("a tick whole", 1e3 * statistics.median(whole)),
        line.format(f"  of it the venue ({rows[0][3]} calls)", 1e3 * statistics.median(row[1] for row in rows)),
        line.format("  Kracken's own", 1e3 * statistics.median(own)),
        line.format("processor time, ccxt's included", 1e3 * statistics.median(row[2] for row in rows)),
    ]
    for stage in rows[0][4].seconds:
        told.append(line.format(f"  stage {stage}", 1e3 * statistics.median(row[4].seconds[stage] for row in rows)))
    told.append(line.format(f"the tick that sent {len(opened[4].sent)} entries, own", 1e3 * (opened[0] - opened[1])))
    told.append(
        f"memory at its highest {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB (this process also ingests)"
    )
    print("\n".join(told))  # noqa: T201  # a benchmark's output


if __name__ == "__main__":
    main()
