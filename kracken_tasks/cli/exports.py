"""``kracken export | tax lots | dump``: what the ledger says, as files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from kracken_tasks import wiring
from kracken_tasks.cli.values import moment, say
from kracken_tasks.errors import BadData
from kracken_tasks.files import replace_file
from kracken_tasks.settings import load_settings

__all__ = ["add_to"]

tax = typer.Typer(help="Tax from files, without a ledger.", no_args_is_help=True)


def add_to(app: typer.Typer) -> None:
    app.command("export")(export)
    app.add_typer(tax, name="tax")
    app.command("dump")(dump)


@tax.callback()
def _tax() -> None:
    """Tax from files, without a ledger."""


def export(
    out: Annotated[Path | None, typer.Option(help="Folder; default: exports in the home folder")] = None,
    until: Annotated[str | None, typer.Option(help="Only entries before this market time")] = None,
) -> None:
    """Write journal JSON, lots (FIFO), Koinly universal CSV and neutral trades.  The same ledger gives the same bytes."""
    from kracken_tasks.journal import build_journal, cut_off, write_journal
    from kracken_tasks.tax.exports import export_ledger
    from kracken_tasks.wiring.values import fair_values

    settings = load_settings()
    folder, ledger = out or settings.paths.exports, wiring.ledger(settings)
    end = moment(until) or cut_off(ledger)
    if end is None:
        raise BadData("the ledger is empty; there is nothing to export yet")
    choices = wiring.tax_choices(settings)
    report = export_ledger(ledger, folder, until=end, choices=choices, values=fair_values(settings))
    journal = build_journal(
        ledger, period_end=end, mode=settings.profile.value, version=wiring.code_version(), tax_timezone=choices.timezone,
        base_currency=choices.currency, method=choices.method, scope=choices.scope, exports_sha256=report.sha256,
        first_agent=settings.agents[0].name,
    )  # fmt: skip
    for path in [*report.paths, *write_journal(journal, folder)]:
        say(str(path))
    for note in report.notes:
        say(note, style="yellow")
    say("import koinly.csv by hand: Koinly takes files, it has no interface to send them to")


@tax.command("lots")
def lots(
    trades: Annotated[Path, typer.Option(help="Neutral trades file", exists=True, dir_okay=False)],
    out: Annotated[Path, typer.Option(help="Folder for gains.csv and open_lots.csv")],
    fmv: Annotated[Path | None, typer.Option(help="Values of coins: timestamp, asset, price_usd", exists=True)] = None,
) -> None:
    """Match lots (FIFO) of a trades file."""
    from kracken_tasks.tax.exports import compute_lots_files

    report = compute_lots_files(trades, out, fmv_csv=fmv, choices=wiring.tax_choices(load_settings()))
    for path in report.paths:
        say(f"{path}: {report.rows[path.name]} rows")


def dump(out: Annotated[Path | None, typer.Option(help="File; default: the terminal")] = None) -> None:
    """Every entry of the ledger, in order, as JSON lines."""
    text = wiring.ledger(load_settings()).dump()
    if out is None:
        typer.echo(text, nl=False)
        return
    replace_file(out, text.encode())
    say(str(out))
