"""A tick in a process of its own that starts when told, and once it holds the lease goes on when told again.

    python -m tests.support.racing_tick BASE_URL FOLDER KEY

In: the sandbox's address, the ledger's folder, the tick's key; a line on standard input for every step.  Out: ``ready``, and later how the
tick ended, on standard output.  Never: polling.
"""

from __future__ import annotations

import sys
from pathlib import Path

from kracken_tasks.domain.trading import Action
from kracken_tasks.ledger import Ledger
from tests.support.ledger import sqlite_url
from tests.support.sandbox_tick import BTC, connect, tick_of


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def main(base_url: str, folder: str, key: str) -> None:
    venue = connect(base_url)
    ledger = Ledger.open(sqlite_url(Path(folder)), account="main", exchange="kraken")
    say("ready")
    sys.stdin.readline()
    # The wait for the bar stands between reconciling and deciding: there the winner stays until its rival has been turned away.
    report = tick_of(
        venue, ledger, key, {BTC: Action.BUY}, wait_for_bar=lambda keys, bar: sys.stdin.readline() and None
    )
    say(report.result)


if __name__ == "__main__":
    main(*sys.argv[1:])
