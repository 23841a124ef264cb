"""Several real processes on one file of counters, with nobody between them: the venue's limit holds, and exits go at once."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from kracken_tasks.exchange.rates import Charge, Limit, Priority, RateBudget
from kracken_tasks.exchange.rates.sqlite import SqliteCounters
from tests.support.sandbox import REPOSITORY

SECONDS, MAXIMUM, DECAY = 2.5, 40.0, 40.0


def start(file: Path, priority: str, cost: float) -> subprocess.Popen[str]:
    command = [
        sys.executable,
        "-m",
        "tests.support.rates",
        str(file),
        priority,
        str(cost),
        str(SECONDS),
        str(MAXIMUM),
        str(DECAY),
    ]
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    return subprocess.Popen(command, cwd=REPOSITORY, env=environment, stdout=subprocess.PIPE, text=True)


def told(process: subprocess.Popen[str]) -> dict[str, Any]:
    out, _ = process.communicate(timeout=60)
    found: dict[str, Any] = json.loads(out.splitlines()[-1])
    return found


def test_four_processes_together_never_pass_the_limit_and_an_exit_waits_for_none_of_them(tmp_path: Path) -> None:
    file = tmp_path / "rates.sqlite"
    greedy = [start(file, "EXPORT", cost) for cost in (2.0, 2.0, 1.0)]
    for process in greedy:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    exits = told(start(file, "PROTECT", 1.0))
    reports = [exits, *(told(process) for process in greedy)]

    calls = sorted((at, report["cost"]) for report in reports for at in report["passed"])
    count, last = 0.0, calls[0][0]
    highest = 0.0
    for at, cost in calls:
        count = max(0.0, count - DECAY * (at - last)) + cost
        highest, last = max(highest, count), at
    # A call is written down a moment after it was counted; the venue hears of it no sooner.
    assert highest <= MAXIMUM + DECAY * 0.05
    assert len(exits["passed"]) >= 5
    assert max(exits["waits"]) < 0.2
    assert sum(cost for _, cost in calls) > 0.6 * DECAY * SECONDS  # and the budget is used, not hoarded


def test_a_process_killed_in_the_middle_leaves_counters_that_others_go_on_with(tmp_path: Path) -> None:
    file = tmp_path / "rates.sqlite"
    process = start(file, "EXPORT", 1.0)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGKILL)
    process.wait(20)
    budget = RateBudget(SqliteCounters(file))
    charge = Charge("one", 1.0, Limit(MAXIMUM, DECAY))
    assert budget.spend([charge], Priority.PROTECT) < 1.0
    assert budget.counts([charge])["one"] > 0
