"""A process that only ticks, as a pod of its own would: ``python -m benchmarks.ticking FOLDER PORT``.

In: a line with a key on standard input, a tick each; what one looks at was put there by somebody else.  Out: a line of JSON a tick: seconds
whole, of the venue, of the processor, of the stages, calls, entries sent; at the end of the input the highest memory of the process.
Never: an import of what a tick does not need, which would count as its memory.
"""

from __future__ import annotations

import json
import os
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.memory import highest_memory
from kracken_tasks import wiring
from kracken_tasks.domain.market import Timeframe
from kracken_tasks.execution.tick import run_tick
from kracken_tasks.execution.tick_deps import TickDeps, TickSlot
from kracken_tasks.settings import load_settings

__all__ = ["Timed", "tick"]


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


def tick(deps: TickDeps, broker: Timed, key: str) -> dict[str, Any]:
    """Run one tick and measure it.  Raises: SystemExit if it did not do its work."""
    broker.seconds, broker.calls = 0.0, 0
    slot = TickSlot("bench", broker.now(), key)
    began, worked = time.perf_counter(), time.process_time()
    report = run_tick(deps, slot)
    took, worked = time.perf_counter() - began, time.process_time() - worked
    if not report.done or report.problems:
        raise SystemExit(f"the tick ended as {report.result!r}: {dict(report.problems)}")
    return {
        "whole": took, "venue": broker.seconds, "processor": worked, "calls": broker.calls, "stages": dict(report.seconds),
        "sent": len(report.sent),
    }  # fmt: skip


def main(folder: Path, port: str) -> None:
    home = {"KRACKEN_HOME": str(folder / "home"), "KRACKEN_SANDBOX__PORT": port}
    asked = {name: value for name, value in os.environ.items() if name.startswith("KRACKEN_")}
    deps = wiring.tick_deps(load_settings(folder / "config", env={**asked, **home}), Timeframe.M1)
    broker = Timed(deps.broker)
    deps = replace(deps, broker=broker, wait_for_bar=lambda keys, bar: None)
    for line in sys.stdin:
        print(json.dumps(tick(deps, broker, line.strip())), flush=True)  # noqa: T201  # the other process reads it
    print(json.dumps({"memory": highest_memory()}), flush=True)  # noqa: T201


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
