"""``kracken demo``: the whole pipeline once, in a temporary home, the same for the same seed.

In: a seed, or real data to replay.  Out: a lake, a model, backtests, orders and fills, a journal, tax files, and a summary.
Never: the wall's time in anything that is compared; the market stands still and is moved by control calls.

The sandbox exchange and a Prefect server run as processes of their own.  Flows run in this process against that server: each tick
of the first part is a flow run; the rest steps the clock and calls the same functions without Prefect.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from kracken_tasks import wiring
from kracken_tasks.domain.clock import iso, utc
from kracken_tasks.domain.market import Timeframe
from kracken_tasks.domain.trading import TradingState
from kracken_tasks.errors import BadData
from kracken_tasks.local_stack import processes
from kracken_tasks.local_stack.control import SandboxControl, free_ports
from kracken_tasks.local_stack.logs import logging_to
from kracken_tasks.local_stack.overview import Overview, overview_of
from kracken_tasks.local_stack.screen import Screen, Step
from kracken_tasks.local_stack.signals import told_to_stop
from kracken_tasks.local_stack.stack import Stack, child_environment
from kracken_tasks.local_stack.stepping import Stepper
from kracken_tasks.settings import Settings, load_settings
from kracken_tasks.settings.sources import replace_environment

__all__ = ["DemoPlan", "DemoResult", "run_demo"]

_MODEL_START: Final = utc(2025, 3, 3)
_STEP: Final = Timeframe.H1
_PAUSE: Final = timedelta(days=1)
_ENOUGH_TRIPS: Final = 5


@dataclass(frozen=True, slots=True)
class DemoPlan:
    """``data``: replay this folder or file; ``out``: keep everything there, None: a temporary folder that is removed."""

    seed: int = 7
    data: Path | None = None
    out: Path | None = None
    flow_ticks: int = 24
    stepped_ticks: int = 500


@dataclass(frozen=True, slots=True)
class DemoResult:
    """What the demo showed; ``missing`` names what a full demo has and this one has not."""

    overview: Overview
    files: tuple[Path, ...]
    missing: tuple[str, ...]
    findings: tuple[str, ...]


@dataclass(slots=True)
class _Stage:
    """The running demo: its settings, its hand on the clock, and what it noted on the way."""

    plan: DemoPlan
    settings: Settings
    control: SandboxControl
    start: datetime
    findings: list[str] = field(default_factory=list)
    releases: int = 0
    stepper: Stepper = field(init=False)

    def __post_init__(self) -> None:
        self.stepper = Stepper(self.settings, self.control, _STEP)


def run_demo(plan: DemoPlan, screen: Screen) -> DemoResult:
    """Run the demo.

    Raises: BadData, RetryLater, Misconfigured from whatever step failed.
    """
    with told_to_stop() as stopping, _home(plan) as home:
        prefect_port, sandbox_port = free_ports(2)
        start, symbols = _opening(plan)
        settings = _settings(plan, home, prefect_port, sandbox_port, symbols)
        env = child_environment(settings, home / "config", own_settings=False)
        env["PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL"] = "CRITICAL"  # flows run in this process; the screen is ours
        replace_environment(env)  # before Prefect is imported: it reads its settings once
        stack = Stack(settings, env)
        with logging_to(settings):
            try:
                try:
                    return _run(stack, plan, start, screen)
                finally:
                    stopping.set()
            finally:
                with screen.step("Stop"):
                    stack.stop()


def _run(stack: Stack, plan: DemoPlan, start: datetime, screen: Screen) -> DemoResult:
    with screen.step("Start the exchange and the Prefect server") as step:
        _start(stack, plan, start)
        step.note = f"market at {iso(start)}, {plan.data or f'seed {plan.seed}'}"
    control = SandboxControl(f"http://127.0.0.1:{stack.settings.sandbox.port}")
    return _rehearse(_Stage(plan, stack.settings, control, start), screen)


def _rehearse(stage: _Stage, screen: Screen) -> DemoResult:
    from flows.ingest_ohlcv import ingest_ohlcv
    from flows.maintain_lake import maintain_lake
    from flows.nightly_exports import nightly_exports
    from flows.retrain_lstm import retrain_lstm
    from flows.run_backtest import run_backtest
    from kracken_tasks.local_stack.flow_runs import send_what_waits

    if stage.plan.data is not None:
        with screen.step("Import real history through the contract") as step:
            _import(stage, step)
    with screen.step("Flow ingest_ohlcv") as step:
        asyncio.run(ingest_ohlcv())
        step.note = f"{len(wiring.lake(stage.settings).snapshot().series())} series in the lake"
    with screen.step("Flow retrain_lstm") as step:
        asyncio.run(retrain_lstm())
        step.note = _models(stage)
    with screen.step("Flow run_backtest"):
        asyncio.run(run_backtest())
    with screen.step(f"Flow trading_tick, {stage.plan.flow_ticks} runs") as step:
        _tick_by_flow(stage, step)
    with screen.step(f"{stage.plan.stepped_ticks} ticks by stepping the clock") as step:
        _tick_by_steps(stage, step)
        step.note = f"{stage.releases} releases after a losing streak or a lost day"
    with screen.step("Flow nightly_exports") as step:
        files = tuple(Path(path) for path in asyncio.run(nightly_exports()))
        step.note = f"{len(files)} files"
    with screen.step("Flow maintain_lake") as step:
        step.note = f"{asyncio.run(maintain_lake(verify=True))} files, none damaged"
    with screen.step("Flow ingest_ohlcv again: nothing changes"):
        _ingest_twice_changes_nothing(stage)
    send_what_waits()
    ledger = wiring.ledger(stage.settings)
    dump = stage.settings.paths.home / "ledger.jsonl"
    dump.write_text(ledger.dump(), encoding="utf-8")
    view = overview_of(ledger)
    return DemoResult(view, (*files, dump, _map(stage)), tuple(_missing(stage.plan, view)), tuple(stage.findings))


def _start(stack: Stack, plan: DemoPlan, start: datetime) -> None:
    market = f"synthetic:{plan.seed}" if plan.data is None else f"replay:{plan.data.resolve()}"
    sandbox = stack.start_sandbox("--market", market, "--manual-clock", "--start", iso(start))
    server = stack.start_prefect_server()
    stack.await_sandbox(sandbox)
    stack.await_prefect_server(server)


def _tick_by_flow(stage: _Stage, step: Step) -> None:
    from flows.trading_tick import trading_tick

    async def run() -> None:
        for number in range(1, stage.plan.flow_ticks + 1):
            now = stage.stepper.advance()
            result = await trading_tick(timeframe=_STEP, key=f"flow-{number:03d}", slot=now)
            if result != "done":
                raise BadData(f"tick {number} ended as {result!r}", tick=number)
            step.advance(number, stage.plan.flow_ticks, f"{now:%Y-%m-%d %H:%M}")

    asyncio.run(run())


def _tick_by_steps(stage: _Stage, step: Step) -> None:
    """Step the clock.  An account that was stopped is released a day later, in the demo's name, so that the story goes on."""
    from kracken_tasks.execution.marks import release

    ledger = wiring.ledger(stage.settings)
    for number, report in enumerate(stage.stepper.ticks(stage.plan.stepped_ticks, "demo"), start=1):
        stopped = ledger.state()
        if stopped.state is not TradingState.NORMAL and report.slot - stopped.ts >= _PAUSE:
            release(ledger, "the demo", now=report.slot)
            stage.releases += 1
        step.advance(number, stage.plan.stepped_ticks, f"{report.slot:%Y-%m-%d %H:%M}")


def _import(stage: _Stage, step: Step) -> None:
    from kracken_tasks.candles.files import discover
    from kracken_tasks.candles.ingestion import import_sources

    assert stage.plan.data is not None
    settings = stage.settings
    commit, verdict = import_sources(
        wiring.lake(settings),
        discover(stage.plan.data),
        wiring.judge(settings),
        now=stage.start,
        before=stage.start,
    )
    stage.findings += [f"{one.key}: {one.rule}: {one.detail}" for one in verdict.findings]
    step.note = f"{commit.rows_added} candles, {len(verdict.findings)} findings"


def _ingest_twice_changes_nothing(stage: _Stage) -> None:
    from flows.ingest_ohlcv import ingest_ohlcv

    before = wiring.lake(stage.settings).snapshot().seq
    asyncio.run(ingest_ohlcv(timeframes=[_STEP]))
    after = wiring.lake(stage.settings).snapshot().seq
    if after != before:
        raise BadData(f"ingesting twice moved the lake from commit {before} to {after}", before=before, after=after)


def _map(stage: _Stage) -> Path:
    """The picture of what the lake holds and lacks; the same for the same seed."""
    from kracken_tasks.lake.coverage_map import coverage_png

    path = stage.settings.paths.home / "lake-map.png"
    path.write_bytes(coverage_png(wiring.lake(stage.settings).snapshot()))
    return path


def _models(stage: _Stage) -> str:
    return ", ".join(f"{model} is {state.value}" for model, state in wiring.registry(stage.settings).models().items())


def _missing(plan: DemoPlan, view: Overview) -> Iterator[str]:
    if view.ticks < plan.flow_ticks + plan.stepped_ticks:
        yield f"{view.ticks} of {plan.flow_ticks + plan.stepped_ticks} ticks"
    if len(view.trips) < _ENOUGH_TRIPS:
        yield f"{len(view.trips)} closed round trips of at least {_ENOUGH_TRIPS}"
    if not view.stopped:
        yield "no round trip closed by its stop"
    if not view.blocked:
        yield "no blocked decision"


def _opening(plan: DemoPlan) -> tuple[datetime, tuple[str, ...]]:
    """Where the market's clock begins, and the symbols it lists (empty: those of the settings)."""
    if plan.data is None:
        return _MODEL_START, ()
    from kracken_tasks.local_stack.replayed import opening_of

    return opening_of(plan.data, _STEP, steps=plan.flow_ticks + plan.stepped_ticks)


def _settings(plan: DemoPlan, home: Path, prefect_port: int, sandbox_port: int, symbols: tuple[str, ...]) -> Settings:
    # Defaults alone: a demo shows the same on every machine, whatever its owner has configured.
    config = home / "config"
    config.mkdir(parents=True, exist_ok=True)
    if symbols:
        (config / "pairs.yaml").write_text(f"pairs: [{', '.join(symbols)}]\n", encoding="utf-8")
    return load_settings(
        config,
        env={},
        overrides={
            "home": home,
            "prefect": {"port": prefect_port},
            "sandbox": {"port": sandbox_port, "seed": plan.seed},
        },
    )


@contextmanager
def _home(plan: DemoPlan) -> Iterator[Path]:
    if plan.out is not None:
        if plan.out.exists() and any(plan.out.iterdir()):
            raise BadData(f"{plan.out} is not empty; name a new folder for the demo", path=str(plan.out))
        plan.out.mkdir(parents=True, exist_ok=True)
        with processes.only_stack(plan.out.resolve()):
            yield plan.out.resolve()
        return
    with tempfile.TemporaryDirectory(prefix="kracken-demo-") as folder:
        yield Path(folder)
