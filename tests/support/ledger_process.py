"""A process of its own that uses a ledger, so that a test can kill it or race it.

In: a command, a ledger URL and its arguments.  Out: lines on standard output.  Never: a clean-up; being killed is its purpose.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from datetime import timedelta
from typing import Any

from kracken_tasks.domain.trading import Purpose, TradingState
from kracken_tasks.errors import KrackenError
from kracken_tasks.ledger import AlertDraft, AlertKind, Booking, LeaseHeld, Ledger, Plan
from kracken_tasks.ledger.store import Store
from tests.support.ledger import NOON, deposit, fill

__all__ = ["start"]


def start(*arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.support.ledger_process", *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True)


class _MortalStore(Store):
    """Kills its own process before the n-th row is written."""

    left = 0

    def append(self, entry: Any) -> Any:
        if self.left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        self.left -= 1
        return super().append(entry)


def book_everything(ledger: Ledger) -> None:
    """One transaction of five rows: cash, a fill with its alert, a plan, a state."""
    with ledger.transaction():
        ledger.book_cash([deposit("m2", "USD", "500")])
        ledger.book_fills(
            [Booking(fill("T1", "buy", "0.1", "1000"), Purpose.ENTRY)],
            alerts=lambda entry: AlertDraft(AlertKind.TRADE_OPENED, f"fill-{entry.trade_id}"),
        )
        ledger.set_plan("pos_20240115_001", Plan(strategy="s"), ts=NOON)
        ledger.set_state(TradingState.REDUCE_ONLY, "test", ts=NOON)


def _die(url: str, rows: str) -> None:
    ledger = Ledger.open(url, account="main", exchange="kraken")
    store = _MortalStore(ledger._store.engine, ledger._store.book)
    store.left = int(rows)
    ledger._store = store
    book_everything(ledger)
    os.kill(os.getpid(), signal.SIGKILL)  # after the commit, before anything else


def _grab(url: str, holder: str, rounds: str) -> None:
    """Try for each lease of a list, saying which were won."""
    ledger = Ledger.open(url, account="main", exchange="kraken")
    for number in range(int(rounds)):
        lease = ledger.leases.acquire(f"tick-{number}", holder, timedelta(minutes=1), NOON)
        if not isinstance(lease, LeaseHeld):
            sys.stdout.write(f"{number}\n")


def _write(url: str, writer: str, count: str) -> None:
    ledger = Ledger.open(url, account="main", exchange="kraken")
    for number in range(int(count)):
        ledger.book_cash([deposit(f"{writer}-{number}", "USD", "1"), deposit(f"shared-{number}", "EUR", "1")])


def _freeze(url: str, frozen_seconds: str, when: str) -> None:
    """Stop with a transaction open, before its last statement or before its commit; say how it ended after waking."""
    ledger = Ledger.open(url, account="main", exchange="kraken", frozen_seconds=float(frozen_seconds))
    try:
        with ledger.transaction():
            ledger.book_cash([deposit("frozen-1", "USD", "1")])
            os.kill(os.getpid(), signal.SIGSTOP)
            if when == "writing":
                ledger.book_cash([deposit("frozen-2", "USD", "1")])
    except KrackenError as error:
        sys.stdout.write(f"{type(error).__name__}: {error.message}\n")
    else:
        sys.stdout.write("committed\n")


if __name__ == "__main__":
    name, *rest = sys.argv[1:]
    {"die": _die, "freeze": _freeze, "grab": _grab, "write": _write}[name](*rest)
