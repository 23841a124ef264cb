"""``kracken up``: the long-lived stack with its screen.

In: settings.  Out: servers, schedules, a run of every flow, and ticks until Ctrl-C.  Never: two stacks on one home, an orphan process.

Started again after any end, kill -9 included, it ends what was left behind, lets a tick reconcile first, and goes on.
"""

from __future__ import annotations

import logging
import subprocess
import threading
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table

from kracken_tasks import wiring
from kracken_tasks.domain import clock
from kracken_tasks.domain.clock import iso
from kracken_tasks.domain.market import Timeframe
from kracken_tasks.errors import KrackenError, RetryLater
from kracken_tasks.local_stack import processes
from kracken_tasks.local_stack.control import SandboxControl
from kracken_tasks.local_stack.logs import logging_to
from kracken_tasks.local_stack.overview import Overview, account_of, panel_of
from kracken_tasks.local_stack.processes import Child
from kracken_tasks.local_stack.screen import Screen, Step
from kracken_tasks.local_stack.signals import Stopped, told_to_stop
from kracken_tasks.local_stack.stack import PROJECT, Stack, child_environment
from kracken_tasks.settings import Profile, Settings, load_settings
from kracken_tasks.settings.sources import environment, replace_environment
from kracken_tasks.wiring.live import require_ready

if TYPE_CHECKING:
    from kracken_tasks.execution.report import TickReport
    from kracken_tasks.ledger import EquityEntry

__all__ = ["UpPlan", "run_up"]

_log = logging.getLogger("kracken.local_stack")

_DEPLOYED: Final = {Profile.SANDBOX: "sandbox", Profile.PAPER: "paper", Profile.LIVE: "live"}
# Those that are started by hand (a backfill, a recording of streams) are not among them.
_FLOWS_IN_ORDER: Final = (
    "ingest_ohlcv", "retrain_lstm", "run_backtest", "trading_tick", "nightly_exports", "check_day", "maintain_lake",
)  # fmt: skip
_REDRAW_SECONDS: Final = 2.0
_LEASE_LOOK_SECONDS: Final = 0.5
_REPLAY_HOURS: Final = 24 * 30  # of a replay's end are lived through; what lies before is history


@dataclass(frozen=True, slots=True)
class UpPlan:
    """``data``: replay real candles; ``until_fill`` and ``minutes``: end by itself, for trying and testing."""

    data: Path | None = None
    until_fill: bool = False
    minutes: float | None = None


def run_up(plan: UpPlan, screen: Screen) -> None:
    """Run the stack until Ctrl-C, SIGTERM, or what the plan says.

    Raises: Misconfigured for a taken port or home, and for real money that is not ready while nothing is held; RetryLater if a server
    does not come up, or if the plan is through and a flow's first run has failed.
    """
    settings = _settings(plan)
    if settings.profile is Profile.LIVE:
        require_ready(settings)  # real money that is not ready starts nothing
    env = child_environment(settings, Path(environment().get("KRACKEN_CONFIG_DIR", "config")))
    with processes.only_stack(settings.paths.home), logging_to(settings), told_to_stop() as stopping:
        stack = Stack(settings, env)
        try:
            try:
                _run(stack, plan, screen, stopping)
            finally:
                stopping.set()
        except Stopped:
            pass
        finally:
            with screen.step("Stop") as step:
                step.note = _stand_down(settings)
                stack.stop()
            screen.close_with(Group(*_story(settings), _where_to_look(settings, running=False)))


def _stand_down(settings: Settings) -> str:
    """Call the dead-man switch off: a stack that was stopped on purpose is not dead."""
    if settings.profile is Profile.PAPER or not settings.trading.dead_man_seconds:
        return ""
    try:
        wiring.dead_man(settings).stand_down()
    except KrackenError as error:
        return f"the dead-man switch may still be armed: {error}"
    return "dead-man switch off"


def _run(stack: Stack, plan: UpPlan, screen: Screen, stopping: threading.Event) -> None:
    with screen.step("End what an earlier stack left behind") as step:
        step.note = f"{processes.end_leftovers(stack.home)} processes"
    replace_environment(stack.env)  # before Prefect is imported: it reads its settings once
    had_a_ledger = _has_ledger(stack.settings)
    server = stack.start_prefect_server()  # needs a while; meanwhile the exchange, and a tick
    if stack.sandboxed:
        _start_exchange(stack, screen)
    if had_a_ledger:
        _resume(stack.settings, screen, stopping)
    _await_prefect(stack, server, screen)
    _start_worker(stack, screen)
    _deploy(stack, screen)
    failed = _run_what_never_ran(stack, screen)
    _watch(stack, plan, screen, stopping)
    if failed:
        raise RetryLater(f"not every flow came to a good end: {'; '.join(failed)}")


def _start_exchange(stack: Stack, screen: Screen) -> None:
    settings = stack.settings
    control = SandboxControl(f"http://127.0.0.1:{settings.sandbox.port}")
    # A new model market starts a little in the past and lives through it, so that there is something to see at once.
    new_model = settings.sandbox.data is None and not settings.paths.sandbox_state.exists()
    began = Timeframe.M1.floor(clock.WallClock().now()) - settings.sandbox.warm_up_minutes * Timeframe.M1.delta
    with screen.step("Start the exchange") as step:
        stack.await_sandbox(stack.start_sandbox(*(("--manual-clock", "--start", iso(began)) if new_model else ())))
        step.note = f"market time {iso(control.now())}"
    if new_model:
        _live_through_the_last_hours(settings, screen)
    if settings.sandbox.data is None:
        control.follow_wall()


def _await_prefect(stack: Stack, server: Child, screen: Screen) -> None:
    from kracken_tasks.local_stack.janitor import end_orphaned_runs

    with screen.step("Start the Prefect server"):
        stack.await_prefect_server(server)
    with screen.step("End runs that nobody executes any more") as step:
        step.note = f"{end_orphaned_runs()} runs"


def _live_through_the_last_hours(settings: Settings, screen: Screen) -> None:
    from kracken_tasks.local_stack.stepping import Stepper

    stepper = Stepper(settings, SandboxControl(f"http://127.0.0.1:{settings.sandbox.port}"), Timeframe.M1)
    fills, minutes = 0, settings.sandbox.warm_up_minutes
    with screen.step("Load history, live through the last hours") as step:
        stepper.fetch()
        for number in range(1, minutes + 1):
            try:
                report = stepper.tick("opening")
            except RetryLater as error:  # as on a schedule: the next one goes on
                _log.warning("minute %d: %s", number, error.message)
                continue
            fills += len(report.fills)
            step.advance(number, minutes, f"{report.slot:%H:%M}, {fills} fills")


def _start_worker(stack: Stack, screen: Screen) -> None:
    with screen.step("Start the worker"):
        worker = stack.start_worker()
        processes.wait_until(lambda: "started!" in worker.log_tail(), worker, seconds=60, what="the worker")


def _deploy(stack: Stack, screen: Screen) -> None:
    with screen.step("Deploy flows and schedules"):
        command = processes.python("-m", "deployments.apply", "--profile", _DEPLOYED[stack.settings.profile])
        done = subprocess.run(command, cwd=PROJECT, env=dict(stack.env), capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise RetryLater(f"deploying failed:\n{done.stdout}{done.stderr}")


def _run_what_never_ran(stack: Stack, screen: Screen) -> list[str]:
    """Every flow once, in order; after an interrupted first start, those that are left.

    One that fails is told and keeps nothing else from running: ticks go on, and its schedule or the next start tries again.
    """
    from kracken_tasks.local_stack.flow_runs import has_completed

    failed = []
    for flow in _FLOWS_IN_ORDER:
        if has_completed(flow):
            continue
        with screen.step(f"Run {flow}") as step:
            try:
                step.note = _run_flow(stack.settings, flow)
            except RetryLater as error:
                _log.error("%s", error.message)
                step.fail(error.message)
                failed.append(error.message)
    return failed


def _run_flow(settings: Settings, flow: str) -> str:
    from kracken_tasks.local_stack.flow_runs import run_deployment

    # The first ingest brings every width at once; afterwards each has its schedule.
    widths = sorted({*settings.timeframes, Timeframe.M1}, key=lambda width: width.seconds)
    parameters = {"timeframes": widths} if flow == "ingest_ohlcv" else {}
    result = run_deployment(f"{flow}/{_DEPLOYED[settings.profile]}", parameters=parameters)
    if not result.completed:
        raise RetryLater(f"{flow} ended as {result.state}: {result.message}", run=str(result.run_id), flow=flow)
    return result.state


def _resume(settings: Settings, screen: Screen, stopping: threading.Event) -> None:
    """After any kind of end: a tick before all else, so that what was left in doubt is reconciled within seconds.

    It needs neither Prefect nor a worker.  What keeps it from its work (no network) keeps nothing else from starting.
    """
    with screen.step("Resume with a tick") as step:
        try:
            report = _tick_when_the_lease_is_free(settings, step, stopping)
        except KrackenError as error:
            _log.error("the tick at the start could not be done: %s", error.message)
            step.fail(f"left to the schedule: {error.message}")
        else:
            step.note = f"{report.result}, {len(report.resolved)} orders in doubt, {len(report.fills)} fills"


def _tick_when_the_lease_is_free(settings: Settings, step: Step, stopping: threading.Event) -> TickReport:
    """A killed tick's lease keeps others out until it runs off, within seconds; nobody else is here to renew it."""
    from kracken_tasks.execution.tick import run_tick
    from kracken_tasks.execution.tick_deps import TickSlot

    # Nobody ingests yet, so there is no bar to wait for: what is stale is not entered.
    width = Timeframe.M1 if settings.profile is Profile.SANDBOX else settings.trading.timeframe
    deps = replace(wiring.tick_deps(settings, width), wait_for_bar=lambda keys, bar: None)
    while True:
        with wiring.around_tick(settings):
            report = run_tick(deps, TickSlot("resume", deps.broker.now()))
        if not report.result.startswith("skipped"):
            return report
        step.note = "waiting for a dead tick's lease to run off"
        stopping.wait(_LEASE_LOOK_SECONDS)


def _watch(stack: Stack, plan: UpPlan, screen: Screen, stopping: threading.Event) -> None:
    """Redraw until told to stop; a server that dies ends the stack with its last words."""
    settings = stack.settings
    ledger = wiring.ledger(settings)
    view: Overview | None = None
    seen: EquityEntry | None = None
    began = clock.monotonic_seconds()
    until = None if plan.minutes is None else timedelta(minutes=plan.minutes).total_seconds()
    screen.say(f"Running. Prefect UI: http://127.0.0.1:{settings.prefect.port}  Ctrl-C stops everything.")
    while not stopping.wait(_REDRAW_SECONDS):
        for child in stack.children:
            if not child.running:
                raise RetryLater(f"{child.name} ended by itself; last lines of {child.log}:\n{child.log_tail()}")
        mark = ledger.last_equity()
        if view is None or mark != seen:  # every tick writes a mark; between ticks there is nothing new to tell
            view, seen = account_of(settings), mark
            panel = panel_of(view, f"Account {settings.trading.account}")
            screen.show(Group(panel, _where_to_look(settings, running=True)))
        if plan.until_fill and view.fills:
            return
        if until is not None and clock.monotonic_seconds() - began > until:
            return


def _story(settings: Settings) -> list[RenderableType]:
    """What happened, where there is a ledger to tell it."""
    if not _has_ledger(settings):
        return []
    return [panel_of(account_of(settings), f"Account {settings.trading.account}")]


def _has_ledger(settings: Settings) -> bool:
    """Whether an earlier stack has left a ledger here; one on a database server may always hold something."""
    return settings.ledger.url is not None or settings.paths.ledger_file.exists()


def _where_to_look(settings: Settings, *, running: bool) -> RenderableType:
    paths = settings.paths
    table = Table.grid(padding=(0, 2))
    if running:
        table.add_row("Prefect UI", f"http://127.0.0.1:{settings.prefect.port}")
    for name, where in (
        ("lake", f"{settings.lake.url or paths.lake}   (kracken candles, kracken sql)"),
        ("ledger", f"{'the database of ledger.url' if settings.ledger.url else paths.ledger_file}   (kracken status)"),
        ("models", str(paths.registry)),
        ("reports", str(paths.reports)),
        ("exports", str(paths.exports)),
        ("logs", str(paths.home / "logs")),
    ):
        table.add_row(name, where)
    title = "Where to look" if running else "Stopped; `kracken up` resumes. What is there"
    return Panel(table, title=title, title_align="left", border_style="blue")


def _settings(plan: UpPlan) -> Settings:
    """The user's settings; a replay's symbols and beginning come from its data, unless a beginning is set."""
    settings = load_settings()
    data = plan.data or settings.sandbox.data
    if data is None:
        return settings
    from kracken_tasks.local_stack.replayed import opening_of

    # An exchange that has run before remembers its own clock.
    opened = settings.paths.sandbox_state.exists()
    start, symbols = opening_of(data, Timeframe.H1, steps=0 if opened else _REPLAY_HOURS)
    begin = None if opened else settings.sandbox.start or start
    return load_settings(overrides={"pairs": list(symbols), "sandbox": {"data": data.resolve(), "start": begin}})
