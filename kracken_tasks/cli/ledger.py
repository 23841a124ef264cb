"""``kracken books | ledger backup | restore | verify``: the ledger held against the venue and against itself, kept, made again.

In: the configured ledger and venue, a file.  Out: differences with their causes; one file of one moment; a database made from it.
Never: a file written over, a restore into a ledger that has entries.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from kracken_tasks import wiring
from kracken_tasks.cli.values import moment, say
from kracken_tasks.domain.clock import WallClock
from kracken_tasks.domain.money import plain
from kracken_tasks.settings import load_settings

__all__ = ["add_to"]

_FILE = typer.Argument(metavar="FILE", help="The backup", dir_okay=False)


def add_to(app: typer.Typer) -> None:
    ledger = typer.Typer(
        no_args_is_help=True,
        rich_markup_mode=None,
        help="Keep the ledger: backup, restore, verify. SQLite or PostgreSQL.",
    )
    ledger.command("backup")(backup)
    ledger.command("restore")(restore)
    ledger.command("verify")(verify)
    app.add_typer(ledger, name="ledger")
    app.command("books")(books)


def books(
    since: Annotated[
        str | None,
        typer.Option(help="Hold the venue's lines from this market time on. Default: the last check that agreed"),
    ] = None,
) -> None:
    """Hold the venue's balances and its own ledger against the book; every difference with its cause. Exit code 1 if any is left.

    kracken books --since 2024-06-01
    """
    from kracken_tasks.exchange.rates import Priority, calls_at
    from kracken_tasks.ledger.books import check_books
    from kracken_tasks.wiring.books import venue_books

    settings = load_settings()
    with calls_at(Priority.EXPORT):
        report = check_books(
            wiring.ledger(settings), venue_books(settings), at=wiring.market_now(settings), since=moment(since)
        )
    for asset in report.assets:
        say(
            f"{asset.asset}: venue {plain(asset.venue)}, ledger {plain(asset.ledger)}{'' if asset.agrees else f': {asset.told}'}"
        )
    for line in report.booked:
        say(f"booked {line.kind} of {line.reference_id}: {plain(line.amount)} {line.asset}")
    say(report.sentence, style=None if report.agrees else "red")
    if not report.agrees:
        raise typer.Exit(1)


def backup(file: Annotated[Path, _FILE]) -> None:
    """Write every entry of the database to a new file, of one moment, while others go on trading.

    kracken ledger backup ledger-2024-06-01.gz
    """
    made = wiring.ledger(load_settings()).backup(file)
    say(f"{file}: {made.entries} entries of {len(made.cash)} books, sha256 {made.sha256}")


def restore(
    file: Annotated[Path, _FILE],
    at: Annotated[str | None, typer.Option(help="Market time of the restore. Default: the wall's time")] = None,
) -> None:
    """Fill an empty ledger from a backup, and check it. The account then only reduces until `kracken release`, and is not armed.

    KRACKEN_LEDGER__URL=postgresql://... kracken ledger restore ledger-2024-06-01.gz
    """
    ledger = wiring.ledger(load_settings())
    found = ledger.restore(file, ts=moment(at) or WallClock().now())
    say(f"{found.entries} entries of {len(found.books)} books are in {ledger.shown}, and they are sound")
    say("what was traded after the backup may be missing: look, then `kracken release --by NAME`", style="yellow")


def verify(
    against: Annotated[Path | None, typer.Option(help="A backup: nothing it holds may have changed since")] = None,
) -> None:
    """Check numbering, guards, references and that every asset sums to zero in double entry. Exit code 1 if not.

    kracken ledger verify --against ledger-2024-06-01.gz
    """
    ledger = wiring.ledger(load_settings())
    found = ledger.verify()
    problems = list(found.problems)
    if against is not None and not ledger.begins_with(against):
        problems.append(f"the ledger does not begin with the entries of {against}: they were changed or lost since")
    for book in found.books:
        held = ", ".join(f"{plain(amount)} {asset}" for asset, amount in book.cash.items())
        say(f"{book.book}: {book.entries} entries, {held or 'nothing held'}")
    for problem in problems:
        say(problem, style="red")
    say(f"{found.entries} entries, sha256 {found.sha256}: {'sound' if not problems else 'NOT sound'}")
    if problems:
        raise typer.Exit(1)
