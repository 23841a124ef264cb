"""``kracken signals weights | reset | sentiment``: how the signal modules are weighed, learning begun anew, what is in the news.

In: settings and the ledger.  Out: a table; a note in the ledger.  Never: an entry changed.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from kracken_tasks import wiring
from kracken_tasks.cli.values import console, say
from kracken_tasks.domain.clock import iso
from kracken_tasks.settings import load_settings

if TYPE_CHECKING:
    pass

__all__ = ["add_to"]


def add_to(app: typer.Typer) -> None:
    signals = typer.Typer(
        no_args_is_help=True,
        rich_markup_mode=None,
        help="The signal modules: their weights, reset, sentiment.",
    )
    signals.command("weights")(weights)
    signals.command("reset")(reset)
    signals.command("sentiment")(sentiment)
    app.add_typer(signals, name="signals")


def weights() -> None:
    """The configured weights, what closed trades have made of them, and why.

    A module was right in a trade when it leaned up and the trade paid, or leaned down and it did not.
    """
    from kracken_tasks.signals.learning import learned_before

    settings = load_settings()
    book = wiring.ledger(settings)
    learned = learned_before(book)
    correction = wiring.corrected(settings, learned)
    table = Table("module", "configured", "factor", "weight", "trades", "right", "net of its trades")
    for module, record in correction.records.items():
        rate = "" if math.isnan(record.hit_rate) else f"{record.right} ({100 * record.hit_rate:.0f} %)"
        base = settings.ml_integration.signal_weights[module]
        table.add_row(
            module, f"{base:.4f}", f"{record.factor:.4f}", f"{correction.weights[module]:.4f}", f"{record.trades}", rate,
            f"{record.pnl:,.2f}",
        )  # fmt: skip
    console.print(table)
    waiting = len(book.round_trips()) - learned.trips
    begun = "the first trade" if learned.since is None else f"the reset at {iso(learned.since)}"
    say(f"learned since {begun}; {learned.trips} closed positions looked at, {waiting} wait for the next tick")
    if not settings.ml_integration.feedback_enabled:
        say("ml_integration.feedback_enabled is false: the configured weights are used", style="yellow")


def reset(
    by: Annotated[str, typer.Option(help="Your name: it stands in the ledger")],
    reason: Annotated[str, typer.Option(help="Why")],
) -> None:
    """Forget what was learned: the configured weights hold until trades that close from now on say otherwise."""
    from kracken_tasks.signals.learning import reset as begin_anew

    settings = load_settings()
    begun = begin_anew(wiring.ledger(settings), by=by, reason=reason, ts=wiring.market_now(settings))
    say(f"the configured weights hold again; learning begins anew with the trade after the first {begun.trips}")


def sentiment(
    read: Annotated[bool, typer.Option("--read", help="Ask the sources first")] = False,
    headlines: Annotated[int, typer.Option(help="How many of the newest headlines to show", min=0, max=200)] = 10,
) -> None:
    """What headlines and the fear-and-greed index say of every traded symbol, as the next tick would hear it.

    Code 1 if the sources were asked and one of them failed.
    """
    from kracken_tasks.signals.sentiment.reading import heard_rows, read_round

    settings = load_settings()
    sources, board = wiring.sentiment_sources(settings), wiring.sentiment_board(settings)
    if not sources:
        say("no source is configured: set sentiment.feeds and sentiment.fear_greed_url; the module has no opinion")
        return
    now = wiring.market_now(settings)
    problems = read_round(sources, board, now).problems if read else {}
    table = Table("symbol", "score", "of", "read at")
    for row in heard_rows(board, settings.traded_symbols, now):
        table.add_row(*row.values())
    console.print(table)
    lines = sorted((line for one in board.readings() for line in one.headlines), key=lambda line: line.ts, reverse=True)
    for line in lines[:headlines]:
        say(f"{iso(line.ts)}  {line.score:+.2f}  {line.title}")
    for name, why in problems.items():
        say(f"{name}: {why}", style="red")
    if problems:
        raise typer.Exit(1)
