"""Several real processes sign with one key: they share its nonces go one after the other, and wait for no frozen or dead one."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kracken_tasks.exchange.nonce import KeyGate
from kracken_tasks.exchange.rates import RateBudget
from kracken_tasks.exchange.rates.sqlite import SqliteCounters
from tests.support.sandbox import REPOSITORY, running_sandbox, sandbox_config

CALLS, PROCESSES = 25, 3
HOLD = """
import sys
from pathlib import Path
from kracken_tasks.exchange.rates.sqlite import SqliteCounters
with SqliteCounters(Path(sys.argv[1])).lane("key", 5.0) as held:
    print("held" if held else "not held", flush=True)
    sys.stdin.readline()
"""


def spawn(*arguments: str) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    return subprocess.Popen(
        [sys.executable, *arguments],
        cwd=REPOSITORY,
        env=environment,
        text=True,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )


def test_processes_that_sign_with_one_key_never_present_a_nonce_out_of_order(tmp_path: Path) -> None:
    with running_sandbox(config=sandbox_config()) as sandbox:
        options = json.dumps({**sandbox.ccxt_options(), "rateLimit": 1})
        command = ("-m", "tests.support.signing", str(tmp_path / "rates.sqlite"), str(CALLS), options)
        running = [spawn(*command) for _ in range(PROCESSES)]
        for process in running:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        reports: list[dict[str, Any]] = []

        def go(process: subprocess.Popen[str]) -> None:
            out, _ = process.communicate("go\n", timeout=120)
            reports.append(json.loads(out.splitlines()[-1]))

        waiting = [threading.Thread(target=go, args=(process,)) for process in running]
        for thread in waiting:
            thread.start()
        for thread in waiting:
            thread.join()
    assert [report["refused"] for report in reports] == [[]] * PROCESSES
    assert sum(report["answered"] for report in reports) == CALLS * PROCESSES


def frozen(process: subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGSTOP)


def dead(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.wait(20)


@pytest.mark.parametrize(("happens", "free"), [(frozen, False), (dead, True)])
def test_a_process_that_stops_in_the_lane_holds_nobody_up(
    tmp_path: Path, happens: Callable[[subprocess.Popen[str]], None], free: bool
) -> None:
    file = tmp_path / "rates.sqlite"
    process = spawn("-c", HOLD, str(file))
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    try:
        happens(process)
        budget = RateBudget(SqliteCounters(file))
        with budget.lane("key", 0.05) as held:
            assert held is free
        gate = KeyGate(lane_seconds=0.05)
        with gate.turn(budget, "key"):
            first = gate.next_nonce(1_000, lambda least: budget.next_number("key", least))
        assert first == 1_000
        assert RateBudget(SqliteCounters(file)).next_number("key", 0) == 1_001
    finally:
        process.kill()
        process.communicate(timeout=20)
