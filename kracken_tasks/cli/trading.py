"""``kracken tick | halt | reduce-only | resume | release | flatten``: one tick by hand; a person's word; out of everything."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markdown import Markdown

from kracken_tasks import wiring
from kracken_tasks.cli.values import console, say
from kracken_tasks.domain.clock import WallClock, iso, sleep
from kracken_tasks.domain.market import Timeframe
from kracken_tasks.domain.trading import TradingState
from kracken_tasks.errors import KrackenError, Misconfigured
from kracken_tasks.settings import Settings, load_settings
from kracken_tasks.settings.emergency import load_emergency_settings

if TYPE_CHECKING:
    from kracken_tasks.ledger import Ledger
    from kracken_tasks.risk.state import AccountState

__all__ = ["add_to", "emergency_settings", "told_now"]

_By = Annotated[str, typer.Option(help="Your name: it stands in the ledger")]
_Reason = Annotated[str, typer.Option(help="Why: it stands in the ledger")]


def add_to(app: typer.Typer) -> None:
    app.command("tick")(tick)
    app.command("halt")(halt)
    app.command("reduce-only")(reduce_only)
    app.command("resume")(resume)
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
    with wiring.around_tick(settings):
        report = run_tick(deps, TickSlot("command", deps.broker.now(), key or iso(WallClock().now())))
    console.print(Markdown(report.to_markdown()))


def halt(by: _By, reason: _Reason) -> None:
    """Stop trading: nothing is bought any more, and the next tick sells everything.  It holds until you resume.

    Needs the ledger only; what is under way now is not called back, see flatten.
    """
    _order(TradingState.HALTED, by, reason)


def reduce_only(by: _By, reason: _Reason) -> None:
    """Buy nothing more; what is held keeps its stops and is sold by its own rules.  It holds until you resume."""
    _order(TradingState.REDUCE_ONLY, by, reason)


def _order(wanted: TradingState, by: str, reason: str) -> None:
    from kracken_tasks.execution.trading_state import order

    settings = emergency_settings()
    _require_words(by=by, reason=reason)
    ledger = wiring.ledger(settings)
    before = ledger.state()
    after = order(ledger, wanted, by=by, reason=reason, now=told_now(settings, ledger))
    if after.state is not wanted:
        say(f"the account is {after.state.value} ({before.reason}), which is stricter, and stays so", style="red")
        raise typer.Exit(1)
    if ledger.state().seq == before.seq:
        say(f"the account is {after.state.value} already ({before.reason})")
        return
    say(_told(before.state, before.reason, after))


def resume(by: _By, reason: _Reason) -> None:
    """Take back a halt, a reduce-only or a flatten: what held before holds again, and every limit is measured as it was.

    What a limit has stopped is not ended by this: see release.
    """
    from kracken_tasks.execution.trading_state import resume as resume_account

    settings = load_settings()
    _require_words(by=by, reason=reason)
    ledger = wiring.ledger(settings)
    before = ledger.state()
    if before.state is TradingState.NORMAL:
        say("the account is trading normally; nothing to resume")
        return
    after = resume_account(ledger, by=by, reason=reason, now=told_now(settings, ledger))
    if ledger.state().seq == before.seq:
        say(f"nobody stopped the account, a limit did: {after.state.value} ({before.reason})", style="red")
        say("kracken release --by NAME ends it; limits are then measured from there on")
        raise typer.Exit(1)
    say(_told(before.state, before.reason, after))


def release(by: _By) -> None:
    """Let the account trade again whatever stopped it, a limit or a person; limits are measured from here on."""
    from kracken_tasks.execution.marks import release as release_account

    settings = load_settings()
    _require_words(by=by)
    ledger = wiring.ledger(settings)
    before = ledger.state()
    if before.state is TradingState.NORMAL:
        say("the account is trading normally; nothing to release")
        return
    after = release_account(ledger, by, now=wiring.market_now(settings))
    say(_told(before.state, before.reason, after))


def _told(before: TradingState, reason: str, after: AccountState) -> str:
    still = "" if after.state is TradingState.NORMAL else f" ({after.cause.value}: {after.reason})"
    was = f"was {before.value} ({reason})" if reason else f"was {before.value}"
    return f"{was}; now {after.state.value}{still}"


def _require_words(**words: str) -> None:
    for key, word in words.items():
        if not word.strip():
            what = "the name of a person" if key == "by" else "a reason"
            raise Misconfigured(f"this command needs {what} (--{key})", key=key)


def told_now(settings: Settings, ledger: Ledger) -> datetime:
    """Market time; where the venue does not tell it, or tells nonsense, the newest that the ledger knows: a halt waits for no venue."""
    from kracken_tasks.execution.trading_state import last_known

    try:
        return wiring.market_now(settings)
    except KrackenError:
        return last_known(ledger) or WallClock().now()


def emergency_settings() -> Settings:
    """What a way out needs; a mistake in anything else is told and passed over."""
    found = load_emergency_settings()
    for mistake in found.left_out:
        say(f"passed over: {mistake}", style="yellow")
    return found.settings


def flatten(
    by: _By,
    direct: Annotated[
        bool, typer.Option("--direct", help="With the keys alone, without the ledger: sells all coins of the account")
    ] = False,
    into: Annotated[
        str | None, typer.Option(help="With --direct: money to sell into; default: tax.base_currency")
    ] = None,
) -> None:
    """Cancel every order of ours, sell every position, and halt until resumed.  Needs no candles, no model, no Prefect."""
    from kracken_tasks.execution.flatten import flatten as flatten_account

    settings = emergency_settings()
    if not by.strip():
        raise Misconfigured("flattening needs the name of a person", key="by")
    if direct:
        _flatten_directly(settings, by, into or settings.tax.base_currency)
        return
    tools = wiring.flatten_tools(settings)
    report = flatten_account(
        tools.broker, tools.ledger, WallClock(), holder=tools.holder, by=by, config=tools.config, journal=tools.journal,
        pause=sleep,
    )  # fmt: skip
    for left in report.exits:
        say(f"{left.symbol}: {left.purpose.value}: {left.reason} {left.problem}".rstrip())
    for symbol, problem in report.problems.items():
        say(f"{symbol}: {problem}", style="red")
    say("flat and halted" if report.flat else "halted, not flat yet: run it again")
    if not report.flat:
        raise typer.Exit(1)


def _flatten_directly(settings: Settings, by: str, into: str) -> None:
    from kracken_tasks.execution.flatten_direct import flatten_direct

    journal = settings.paths.emergency_journal
    broker = wiring.broker(settings.without_databases())
    report = flatten_direct(broker, journal, account=settings.trading.account, by=by, into=into, pause=sleep)
    say(f"{len(report.canceled)} orders canceled")
    for symbol, order_id in report.sold.items():
        say(f"{symbol}: sale sent, order {order_id}")
    for what, problem in report.problems.items():
        say(f"{what}: {problem}", style="red")
    say(f"written down in {journal}; the next tick takes it into the ledger and finds the account halted")
    if report.problems:
        raise typer.Exit(1)
