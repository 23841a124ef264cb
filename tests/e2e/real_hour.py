"""An hour of the wall's time through Prefect itself, in bad weather: ``make real-hour``.

    python -m tests.e2e.real_hour [--minutes 60] [--seed 1] [FOLDER]

In: nothing but this machine.  ``kracken up`` runs as a user's would: server, worker, schedules, a flow run a process; the exchange cuts,
refuses, garbles and delays at random (seeded).  Out: what happened, and what was held against what; exit code 1 and a sentence at a broken
promise.  Never: the network, a process left behind.

Afterwards: every scheduled tick ran or says why not, no order twice, every fill booked once, ledger and venue agree to the last digit,
every position lies under its stops, no flow run hangs.
"""

from __future__ import annotations

import argparse
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from datetime import timedelta
from pathlib import Path
from statistics import median
from typing import Any

from kracken_tasks.domain.clock import WallClock
from tests.e2e.kill_test import EAGER, Broken, books_agree, require_single_orders, say, start, write_market
from tests.e2e.weather import FAULTS
from tests.support.running_stack import RunningStack, running_stack

WEATHER_EVERY = 20.0
CALM_MINUTES = 4.0
LEAST_SHARE = (
    0.5  # of the scheduled ticks: a machine that is too busy runs them late, and an overdue one is not made up for
)


def main(folder: Path, minutes: float, seed: int) -> int:
    with running_stack(folder, **EAGER) as stack:
        write_market(folder / "market")
        try:
            start(stack)
            stack.wait_for("done .*Deploy flows and schedules", 180)
            stack.wait_for("done .*Start the worker", 180)
            began = WallClock().now()
            happened = live_through(stack, minutes, random.Random(seed))
            say("faults: " + ", ".join(f"{name} {count}" for name, count in sorted(happened.items())))
            judge(stack, minutes, began.isoformat())
            code, seconds = stack.end_with(signal.SIGINT)
            say(f"Ctrl-C: exit code {code} after {seconds:.1f} s")
        except (Broken, TimeoutError, AssertionError, OSError) as problem:
            say(f"broken: {problem}")
            say(stack.logs())
            return 1
    say("every promise held")
    return 0


def live_through(stack: RunningStack, minutes: float, dice: random.Random) -> Counter[str]:
    """Weather, a new one every so often; the last minutes are calm."""
    happened: Counter[str] = Counter()
    stack.control.settings(tier="unlimited")
    end = time.monotonic() + 60 * minutes
    next_line = time.monotonic()
    while (left := end - time.monotonic()) > 0:
        stack.control.clear_faults()
        if left > 60 * min(CALM_MINUTES, minutes / 2):
            for name, rule in FAULTS:
                if dice.random() < 0.05:
                    stack.control.fault(**rule, seed=dice.getrandbits(16))
                    happened[name] += 1
        if time.monotonic() >= next_line:
            next_line += 300
            with stack.ledger() as ledger:
                say(f"  {60 * minutes - left:5.0f} s: {len(ledger.ticks())} ticks, {len(ledger.fills())} fills")
        assert stack.process is not None
        if stack.process.poll() is not None:
            raise Broken(f"kracken up ended by itself:\n{stack.output}")
        time.sleep(min(WEATHER_EVERY, max(left, 0.0)))
    return happened


def judge(stack: RunningStack, minutes: float, since: str) -> None:
    with stack.ledger() as ledger:
        stack.wait_until(lambda: books_agree(stack, ledger) == "", 120, "agreement of ledger and venue")
        require_single_orders(stack, ledger)
        ticks, fills, intents = len(ledger.ticks()), len(ledger.fills()), len(ledger.intents())
        kinds = Counter(alert.kind.value for alert in ledger.alerts())
    runs = flow_runs(stack, since)
    by_state = Counter((run["flow"], run["state"]) for run in runs)
    late = [run["late"] for run in runs if run["flow"] == "trading_tick" and run["late"] is not None]
    lasted = [run["lasted"] for run in runs if run["flow"] == "trading_tick" and run["lasted"]]
    say(f"{ticks} ticks written, {intents} orders, {fills} fills; alerts: {dict(kinds)}")
    for (flow, state), count in sorted(by_state.items()):
        say(f"  {flow} {state}: {count}")
    if late:
        say(
            f"tick runs began {median(late):.1f} s after their moment (most {max(late):.1f}), lasted {median(lasted):.1f} s"
        )
    hanging = stack.unfinished_runs(WallClock().now() - timedelta(minutes=3))
    if hanging:
        raise Broken(f"flow runs that hang: {[run['name'] for run in hanging]}")
    if ticks < LEAST_SHARE * (minutes - 1):
        raise Broken(f"{ticks} ticks in {minutes:g} minutes: one a minute is scheduled")


def flow_runs(stack: RunningStack, since: str) -> list[dict[str, Any]]:
    """Runs begun since, with their flow's name, state, lateness and length in seconds."""
    flows = {flow["id"]: flow["name"] for flow in stack.prefect("flows/filter", {})}
    found, offset = [], 0
    while True:
        asked = {
            "flow_runs": {"start_time": {"after_": since}, "state": {"type": {"not_any_": ["SCHEDULED"]}}},
            "offset": offset,
            "limit": 200,
        }
        page = stack.prefect("flow_runs/filter", asked)
        found += [
            {
                "flow": flows.get(run["flow_id"], run["flow_id"]),
                "state": run["state_name"],
                "late": run.get("estimated_start_time_delta"),
                "lasted": run.get("total_run_time"),
            }
            for run in page
        ]
        if len(page) < 200:
            return found
        offset += 200


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="an hour through Prefect in bad weather")
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("folder", type=Path, nargs="?")
    told = parser.parse_args()
    if told.folder is not None:
        sys.exit(main(told.folder, told.minutes, told.seed))
    with tempfile.TemporaryDirectory(prefix="kracken-hour-") as temporary:
        sys.exit(main(Path(temporary), told.minutes, told.seed))
