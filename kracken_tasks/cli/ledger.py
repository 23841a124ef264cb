"""``kracken ledger backup | restore | verify``: the ledger kept, made again, and held against itself.

In: the configured ledger and a file.  Out: one file of one moment; a database made from it; sentences about what is wrong.
Never: a file written over, a ledger with entries written into.
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
    """Fill an empty ledger from a backup, and check it. The account then only reduces until `kracken release`.

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
