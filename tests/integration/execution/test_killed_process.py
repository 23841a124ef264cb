"""A tick process killed with SIGKILL at its worst moments, against the real exchange server, ccxt and SQLite."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

from kracken_tasks.domain.clock import utc
from kracken_tasks.domain.trading import Purpose
from kracken_tasks.exchange.venue import CcxtVenue
from kracken_tasks.ledger import Ledger
from tests.support.ledger import sqlite_url
from tests.support.sandbox import REPOSITORY, running_sandbox, sandbox_config
from tests.support.sandbox_tick import BTC, connect, tick

# Each is a moment between two things that must both happen.
BUYING = ("before submit", "after submit", "inside a transaction, after book_fills")
SELLING = ("after record_intent", "after cancel", "after submit")


def die(base_url: str, folder: Path, key: str, says: str, step: str) -> None:
    command = [sys.executable, "-m", "tests.support.sandbox_tick", base_url, str(folder), key, says, step]
    ended = subprocess.run(command, cwd=REPOSITORY, capture_output=True, timeout=120, check=False)
    assert ended.returncode == -signal.SIGKILL, ended.stderr.decode()


def require_truth(venue: CcxtVenue, ledger: Ledger) -> None:
    assert ledger.check_balances(venue.balances()) == ()
    assert ledger.open_intents() == ()
    told = sorted(fill.trade_id for fill in venue.fills(utc(2020, 1, 1)))
    assert told == sorted(entry.trade_id for entry in ledger.fills())
    resting = sum(order.remaining for order in venue.open_orders())
    assert resting == sum(position.amount for position in ledger.positions().values())


def test_killed_at_any_of_its_worst_moments_it_neither_doubles_nor_loses_an_order(tmp_path: Path) -> None:
    config = sandbox_config(opening_balances={"USD": "50000"})
    with running_sandbox(config=config) as sandbox:
        venue = connect(sandbox.base_url)
        ledger = Ledger.open(sqlite_url(tmp_path), account="main", exchange="kraken")
        minutes = 0.0
        for number, (says, step) in enumerate(
            [*(("BUY", step) for step in BUYING), *(("SELL", step) for step in SELLING)]
        ):
            if says == "SELL" and not ledger.positions():
                minutes += 10
                sandbox.control.advance(3600)
                assert tick(venue, venue, ledger, f"bought {number}", "BUY", minutes).problems == {}
            if says == "BUY" and ledger.positions():
                minutes += 10
                sandbox.control.advance(3600)
                tick(venue, venue, ledger, f"sold {number}", "SELL", minutes)
            sandbox.control.advance(3600)
            die(sandbox.base_url, tmp_path, f"killed {number}", says, step)
            sandbox.control.advance(60)
            minutes += 10  # past the dead process's lease
            healed = tick(venue, venue, ledger, f"healed {number}", "HOLD", minutes)
            assert healed.done, healed.result
            assert healed.unprotected == (), step
            require_truth(venue, ledger)
        entries = [intent for intent in ledger.intents() if intent.purpose is Purpose.ENTRY]
        filled = {fill.client_order_id for fill in ledger.fills() if fill.purpose is Purpose.ENTRY}
        assert len(filled) <= len(entries)
        assert {intent.symbol for intent in entries} == {BTC}
        ledger.close()
