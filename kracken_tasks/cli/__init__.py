"""The command ``kracken``.

In: words on a command line, settings from files and environment.  Out: exit code 0; 1 when the work failed; 2 when a word, a file
or a setting was wrong, with one sentence saying what, where and what is allowed.  Never: a traceback for a user's mistake, work of
its own: every command calls a room or the local stack.

- ``commands``  all of them under one name, and what becomes of their errors · ``values`` moments, timeframes, frames on the command line
- ``stack``     up, demo, sandbox, status
- ``data``      ingest, import
- ``lake``      candles, sql, coverage, gaps
- ``keeping``   quarantine list, show, release; snapshot list, pin, unpin; maintain
- ``contracts`` contracts list, show, check
- ``history``   backfill, aggregate
- ``stream``    stream: venues as they happen
- ``research``  train, backtest, models
- ``signals``   signals weights, reset, sentiment
- ``agents``    agents
- ``trading``   tick, halt, reduce-only, resume, release, flatten
- ``live``      preflight, arm, disarm, kill-switch
- ``exports``   export, tax, dump
- ``explain``   explain, replay
- ``ledger``    ledger backup, restore, verify
"""

from __future__ import annotations

import sys

__all__ = ["main"]


def main() -> None:
    """Entry point: our own errors become one sentence and an exit code."""
    try:
        from kracken_tasks.cli.commands import run  # here, so that Ctrl-C during the imports ends as quietly as later

        code = run()
    except KeyboardInterrupt:
        code = 130
    sys.exit(code)
