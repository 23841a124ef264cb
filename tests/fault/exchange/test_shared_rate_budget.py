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

    calls = sorted((begun, ended, report["cost"]) for report in reports for begun, ended, _ in report["calls"])
    assert over_the_limit(calls) == []
    assert exits["calls"]
    assert {waited for *_, waited in exits["calls"]} == {0.0}, "an exit was told to wait for its turn"
    assert sum(cost for *_, cost in calls) >= MAXIMUM / 2, "the budget is used, not hoarded"


def over_the_limit(calls: list[tuple[float, float, float]]) -> list[tuple[float, float]]:
    """Stretches of time in which more was let through than the counter holds and forgets meanwhile.

    A call was counted somewhere between its begin and its end, so every stretch from a begin to an end that holds both is a sound witness.
    """
    found = []
    for begin, *_ in calls:
        inside = sorted((ended, cost) for begun, ended, cost in calls if begun >= begin)
        paid = 0.0
        for ended, cost in inside:
            paid += cost
            if paid > MAXIMUM + DECAY * (ended - begin) + 1e-6:
                found.append((begin, ended))
    return found


def test_a_process_killed_in_the_middle_leaves_counters_that_others_go_on_with(tmp_path: Path) -> None:
    file = tmp_path / "rates.sqlite"
    process = start(file, "EXPORT", 1.0)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    store = SqliteCounters(file)
    while not store.levels():
        assert process.poll() is None, "it ended without a call"
    process.send_signal(signal.SIGKILL)
    process.wait(20)
    assert store.levels()["one"].count > 0
    assert RateBudget(store).spend([Charge("one", 1.0, Limit(MAXIMUM, DECAY))], Priority.PROTECT) == 0.0
