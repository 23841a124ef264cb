"""``kracken explain``: where a number came from."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from kracken_tasks import wiring
from kracken_tasks.cli.values import say
from kracken_tasks.domain.market import SeriesKey
from kracken_tasks.settings import load_settings

__all__ = ["add_to"]


def add_to(app: typer.Typer) -> None:
    app.command("explain")(explain)


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

    settings = load_settings()
    width = settings.trading.timeframe
    series = {symbol: SeriesKey(settings.exchange, symbol, width) for symbol in settings.traded_symbols}
    story = tell(
        wiring.ledger(settings), asked, sources=Sources(wiring.lake(settings).snapshot, series),
        choices=wiring.tax_choices(settings),
    )  # fmt: skip
    if as_json:
        typer.echo(json.dumps(story.to_plain(), indent=2, ensure_ascii=False))
        return
    for line in story.lines():
        say(line)
