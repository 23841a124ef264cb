"""``kracken explain | replay | parity``: where a number came from, whether it comes out again, and what the venue made of it."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Annotated

import typer

from kracken_tasks import wiring
from kracken_tasks.cli.values import moment, say
from kracken_tasks.domain.market import SeriesKey, Timeframe
from kracken_tasks.errors import BadData
from kracken_tasks.settings import load_settings

__all__ = ["add_to"]


def add_to(app: typer.Typer) -> None:
    app.command("explain")(explain)
    app.command("replay")(replay)
    app.command("parity")(parity)


def explain(
    asked: Annotated[
        str,
        typer.Argument(metavar="ID", help="An order (client or venue id), fill, position, tax lot, tick or alert"),
    ],
    as_json: Annotated[bool, typer.Option("--json", help="As JSON, for a program")] = False,
) -> None:
    """Tell the chain behind an id: decision, guards, size, signals, snapshot and candles; orders, fills, tax and position."""
    from kracken_tasks.explain import Sources
    from kracken_tasks.explain import explain as tell
    from kracken_tasks.wiring.values import fair_values

    settings = load_settings()
    width = settings.trading.timeframe
    series = {symbol: SeriesKey(settings.exchange, symbol, width) for symbol in settings.traded_symbols}
    story = tell(
        wiring.ledger(settings), asked, sources=Sources(wiring.lake(settings).snapshot, series),
        choices=wiring.tax_choices(settings), values=fair_values(settings),
    )  # fmt: skip
    if as_json:
        typer.echo(json.dumps(story.to_plain(), indent=2, ensure_ascii=False))
        return
    for line in story.lines():
        say(line)


def replay(
    tick: Annotated[str, typer.Argument(metavar="TICK", help="A tick's id, as 'kracken explain' tells it")],
    timeframe: Annotated[
        Timeframe | None, typer.Option(help="Candles that its signals looked at; default: trading.timeframe")
    ] = None,
) -> None:
    """Compute a tick's decisions again, sizes and guards too, from what it saw.  Code 1 where something differs.

    Candles come from the snapshot it saw, quotes and account figures from the ledger; strategies and limits are those of today.
    """
    from kracken_tasks.explain.replay import replay as again
    from kracken_tasks.signals.learning import learned_before

    settings = load_settings()
    deps = wiring.tick_deps(settings, timeframe, acting=False)
    chain = deps.ledger.chain(tick)
    entries = [] if chain is None else [entry for entry in chain.decisions if entry.tick_id == tick]
    if not entries:
        raise BadData(f"the ledger knows no decision of a tick {tick!r}", tick_id=tick)
    differing = 0
    for entry in entries:
        if entry.symbol not in deps.series:
            raise BadData(
                f"{entry.symbol} is not traded by these settings; a replay needs its strategy", symbol=entry.symbol
            )
        view = wiring.lake(settings).snapshot(entry.decision.commit_seq)
        known = learned_before(deps.ledger, entry.seq)
        decided = wiring.deciding(settings, entry.symbol, entry.strategy, known)
        if decided is None:
            raise BadData(f"today's settings have no agent of {entry.strategy} on {entry.symbol}", symbol=entry.symbol)
        result = again(entry, decided[0], view, deps.series[entry.symbol], deps.limits, decided[1])
        say(
            f"{result.symbol}: {'identical' if result.identical else 'differs'}, on commit {view.seq} {view.content_hash}"
        )
        if result.partly:
            say(f"  not computed again: {result.partly}")
        for item in result.differences:
            say(f"  {item.what}: was {item.was}, is {item.is_now}")
        differing += not result.identical
    if differing:
        raise typer.Exit(1)


def parity(
    day: Annotated[
        str | None, typer.Option(help="The UTC day, for example 2024-06-01. Default: from its last midnight until now")
    ] = None,
    timeframe: Annotated[
        Timeframe | None, typer.Option(help="Candles that the ticks looked at; default: trading.timeframe")
    ] = None,
) -> None:
    """Hold a day's orders against their replay under the bar model; every cent of the difference under its cause.

    kracken parity --day 2024-06-01
    """
    from kracken_tasks.explain.day import hold_against_replay
    from kracken_tasks.explain.render import shown_rows
    from kracken_tasks.wiring.replays import replays

    settings = load_settings()
    now = wiring.market_now(settings)
    at = moment(day) or now
    start = at.replace(hour=0, minute=0, second=0, microsecond=0)
    end = min(start + timedelta(days=1), now + timedelta(seconds=1))  # the venue's second is not over
    report = hold_against_replay(wiring.ledger(settings), start, end, replays(settings, timeframe))
    for row in shown_rows(report):
        say("  ".join(f"{name} {value}" for name, value in row.items()))
    for problem in report.problems:
        say(f"not replayed: {problem}", style="yellow")
    say(report.sentence)
