"""``kracken up | demo | sandbox | status``: the local stack."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.panel import Panel

from kracken_tasks.cli.values import console, moment, say
from kracken_tasks.settings import load_settings

__all__ = ["add_to"]


def add_to(app: typer.Typer) -> None:
    app.command("up")(up)
    app.command("demo")(demo)
    app.command("sandbox")(sandbox)
    app.command("status")(status)


def up(
    data: Annotated[
        Path | None, typer.Option(help="Replay this file or folder of real candles instead of the model", exists=True)
    ] = None,
    until_fill: Annotated[bool, typer.Option("--until-fill", help="Stop after the first fill")] = False,
    minutes: Annotated[float | None, typer.Option(help="Stop after this long", min=0)] = None,
) -> None:
    """Start sandbox exchange, Prefect server, worker and schedules; run every flow once; keep ticking until Ctrl-C."""
    from kracken_tasks.local_stack.screen import Screen
    from kracken_tasks.local_stack.up import UpPlan, run_up

    with Screen("Kracken", console) as screen:
        run_up(UpPlan(data=data, until_fill=until_fill, minutes=minutes), screen)


def demo(
    seed: Annotated[int, typer.Option(help="Another seed is another market", min=0)] = 7,
    data: Annotated[
        Path | None, typer.Option(help="Replay this file or folder of real candles instead of the model", exists=True)
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Keep everything in this new folder")] = None,
) -> None:
    """The whole pipeline once, in a home of its own, the same for the same seed; exit code 1 if a step failed."""
    from kracken_tasks.local_stack.demo import DemoPlan, run_demo
    from kracken_tasks.local_stack.overview import panel_of
    from kracken_tasks.local_stack.screen import Screen

    with Screen("Kracken demo", console) as screen:
        result = run_demo(DemoPlan(seed=seed, data=data, out=out), screen)
    for finding in result.findings:
        say(f"contract: {finding}")
    console.print(panel_of(result.overview, "What happened"))
    where = (
        "\n".join(str(path) for path in result.files)
        if out
        else "a temporary folder, gone now; keep it with --out FOLDER"
    )
    console.print(Panel(where, title="What was written", title_align="left", border_style="green"))
    if result.missing:
        say(f"incomplete: {'; '.join(result.missing)}", style="red")
        raise typer.Exit(1)


def sandbox(
    market: Annotated[
        str | None, typer.Option(help="synthetic:SEED or replay:PATH. Default: sandbox.seed or sandbox.data")
    ] = None,
    port: Annotated[int | None, typer.Option(help="Default: sandbox.port", min=1, max=65535)] = None,
    manual_clock: Annotated[
        bool, typer.Option("--manual-clock", help="The clock stands until a control call moves it")
    ] = False,
    start: Annotated[str | None, typer.Option(help="Market time of a new state")] = None,
    tier: Annotated[
        str, typer.Option(help="Rate limits of the account: starter, intermediate, pro, unlimited")
    ] = "pro",
) -> None:
    """Run the local exchange alone: Kraken under /kraken, binance, coinbase and bitstamp beside it, control under /control."""
    from kracken_tasks.sandbox.clock import ClockMode
    from kracken_tasks.sandbox.config import SandboxConfig
    from kracken_tasks.sandbox.server import run_sandbox

    settings = load_settings()
    options, path = settings.sandbox, settings.paths.sandbox_state
    path.parent.mkdir(parents=True, exist_ok=True)
    spec = market or (f"replay:{options.data}" if options.data else f"synthetic:{options.seed}")
    config = SandboxConfig(
        market=spec,
        host=options.host,
        port=port or options.port,
        state_path=path,
        clock_mode=ClockMode.MANUAL if manual_clock else ClockMode.WALL,
        clock_start=moment(start) or options.start,
        tier=tier,
        opening_balances={settings.tax.base_currency: str(options.opening_balance)},
    )
    say(f"sandbox exchange at {config.base_url}/kraken, market {spec}; Ctrl-C stops it")
    raise typer.Exit(run_sandbox(config))


def status() -> None:
    """The account at a glance: state, arming of real money, equity, positions, trades, what was blocked and why."""
    from kracken_tasks.local_stack.overview import account_of, panel_of

    settings = load_settings()
    console.print(panel_of(account_of(settings), f"Account {settings.trading.account}"))
