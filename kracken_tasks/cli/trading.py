"""``kracken tick | release | flatten``: one tick by hand; a person's word after a halt; out of everything."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.markdown import Markdown

from kracken_tasks import wiring
from kracken_tasks.cli.values import console, say
from kracken_tasks.domain.clock import WallClock, iso
from kracken_tasks.domain.market import Timeframe
from kracken_tasks.domain.trading import TradingState
from kracken_tasks.errors import Misconfigured
from kracken_tasks.settings import load_settings

__all__ = ["add_to"]


def add_to(app: typer.Typer) -> None:
    app.command("tick")(tick)
    app.command("release")(release)
    app.command("flatten")(flatten)


def tick(
    timeframe: Annotated[
        Timeframe | None, typer.Option(help="Candles that signals look at; default: trading.timeframe")
    ] = None,
    key: Annotated[
        str | None, typer.Option(help="Name of this tick; the same name never acts twice. Default: the wall's time")
    ] = None,
) -> None:
    """Run one trading tick now, without Prefect.  It excludes and is excluded by scheduled ones."""
    from kracken_tasks.execution.tick import run_tick
    from kracken_tasks.execution.tick_deps import TickSlot

    settings = load_settings()
    deps = wiring.tick_deps(settings, timeframe)
    report = run_tick(deps, TickSlot("command", deps.broker.now(), key or iso(WallClock().now())))
    console.print(Markdown(report.to_markdown()))


def release(by: Annotated[str, typer.Option(help="Your name: it stands in the ledger")]) -> None:
    """Let the account trade again after a losing streak, a lost day or a halt; limits are measured from here on."""
    from kracken_tasks.execution.marks import release as release_account

    settings = load_settings()
    if not by.strip():
        raise Misconfigured("a release needs the name of a person", key="by")
    ledger = wiring.ledger(settings)
    before = ledger.state()
    if before.state is TradingState.NORMAL:
        say("the account is trading normally; nothing to release")
        return
    after = release_account(ledger, by, now=wiring.market_now(settings))
    say(f"was {before.state.value} ({before.reason}); now {after.state.value}")


def flatten(by: Annotated[str, typer.Option(help="Your name: it stands in the ledger")]) -> None:
    """Cancel every order of ours, sell every position, and halt until released.  Needs no candles, no model, no Prefect."""
    from kracken_tasks.execution.flatten import flatten as flatten_account

    settings = load_settings()
    if not by.strip():
        raise Misconfigured("flattening needs the name of a person", key="by")
    deps = wiring.tick_deps(settings)
    report = flatten_account(deps.broker, deps.ledger, deps.wall, holder=deps.holder, by=by, config=deps.config)
    for left in report.exits:
        say(f"{left.symbol}: {left.purpose.value}: {left.reason} {left.problem}".rstrip())
    for symbol, problem in report.problems.items():
        say(f"{symbol}: {problem}", style="red")
    say("flat and halted" if report.flat else "halted, not flat yet: run it again")
    if not report.flat:
        raise typer.Exit(1)
