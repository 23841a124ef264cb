"""All commands under one name, their log, and what becomes of their errors.

In: the command line.  Out: an exit code.  Never: a command's work.
"""

from __future__ import annotations

import typer
from rich.console import Console

from kracken_tasks.cli import (
    agents,
    contracts,
    data,
    explain,
    exports,
    history,
    keeping,
    lake,
    ledger,
    live,
    research,
    signals,
    stack,
    stream,
    trading,
)
from kracken_tasks.errors import KrackenError, Misconfigured
from kracken_tasks.local_stack.logs import logging_to
from kracken_tasks.settings import load_settings

__all__ = ["app", "run"]

# They open the log of the home they work in, or write to one that whoever started them reads.
_OWN_LOG = frozenset({"up", "demo", "sandbox"})

app = typer.Typer(
    name="kracken",
    help="From raw candles to a tax return: ingest, train, rehearse, trade on paper, export.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
for part in (
    stack,
    data,
    lake,
    keeping,
    contracts,
    history,
    stream,
    research,
    signals,
    agents,
    trading,
    exports,
    explain,
    ledger,
    live,
):
    part.add_to(app)


@app.callback()
def _open_log(context: typer.Context) -> None:
    """From raw candles to a tax return: ingest, train, rehearse, trade on paper, export."""
    if context.invoked_subcommand in _OWN_LOG:
        return
    try:
        context.with_resource(logging_to(load_settings()))
    except Misconfigured:
        return  # the command says so itself, unless it is only asked for its help


def run() -> int:
    """Run the command that the command line names.  Returns its exit code."""
    try:
        app(prog_name="kracken")
    except KrackenError as error:
        Console(stderr=True).print(
            f"kracken: {error.message}", style="red", highlight=False, markup=False, soft_wrap=True
        )
        return 2 if isinstance(error, Misconfigured) else 1
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 1
    return 0
