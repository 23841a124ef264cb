"""``kracken signals weights | reset``: how the signal modules are weighed, and learning begun anew.

In: settings and the ledger.  Out: a table; a note in the ledger.  Never: an entry changed.
"""

from __future__ import annotations

import math
from typing import Annotated

import typer
from rich.table import Table

from kracken_tasks import wiring
from kracken_tasks.cli.values import console, say
from kracken_tasks.domain.clock import iso
from kracken_tasks.settings import load_settings

__all__ = ["add_to"]


def add_to(app: typer.Typer) -> None:
    signals = typer.Typer(
        no_args_is_help=True, rich_markup_mode=None, help="How the signal modules are weighed: weights, reset."
    )
    signals.command("weights")(weights)
    signals.command("reset")(reset)
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
