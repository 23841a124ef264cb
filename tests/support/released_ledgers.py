"""Ledgers as released versions of Kracken left them: a small story, written by the code of that version.

In: nothing.  Out: for the schema this code has, three files under ``tests/golden/ledgers``: the SQLite database as SQL, every row as JSON
lines (what PostgreSQL is filled with), and the entries as that version told them.  Never: a file of an older version written again.

Run once, in the commit that releases a schema: ``python -m tests.support.released_ledgers``.
"""

from __future__ import annotations

import gzip
import sqlite3
import sys
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory

from kracken_tasks.domain.trading import Action, Decision, GuardOutcome, Opinion, Purpose, TradingState
from kracken_tasks.ledger import AlertDraft, AlertKind, Booking, EquityEntry, IntentResult, Ledger, Plan
from kracken_tasks.ledger.schema import HEAD
from tests.support.ledger import NOON, at, deposit, entry_key, fill, request_for, sqlite_url, venue_order

__all__ = ["FOLDER", "versions", "write_release"]

FOLDER = Path(__file__).parents[1] / "golden" / "ledgers"


def versions() -> list[str]:
    """Schemas that were released and have their files, oldest first."""
    return sorted(path.stem.removeprefix("v") for path in FOLDER.glob("v*.sql"))


def tell_a_story(ledger: Ledger) -> None:
    """A trip that closed, a position that is open, an intent in doubt, a halt; entries of every kind."""
    ledger.book_cash([deposit("m1", "USD", "10000.00000000000000001", fee="0.5")])
    opinions = (Opinion("rsi", 0.5, 0.25, "näher", {"rsi": 28.125}), Opinion("lstm", None, 0.0, "no champion"))
    guards = (GuardOutcome("spread", True, "0.1 %"),)
    decision = Decision("BTC/USD", Action.BUY, 0.1 + 0.2, "ensemble", NOON, 3, opinions, guards, None, "told")
    ledger.record_decision("t1", decision, ts=NOON)
    for number, (tick, price) in enumerate((("t1", "30000"), ("t2", "31000"))):
        key = entry_key(tick)
        plan = Plan(Decimal("29000"), Decimal("35000"), timedelta(hours=4), confidence=0.5, strategy="ensemble")
        ledger.record_intent(key, request_for(key, price=price), ts=at(number * 60), plan=plan, reason="told to BUY")
        ledger.record_outcome(key.client_order_id, IntentResult.ACCEPTED, ts=at(number * 60 + 1), order_id=f"O{number}")
        bought = fill(f"T{number}1", "buy", "0.1", price, fee="0.00026", fee_currency="BTC", order_id=f"O{number}")
        ledger.book_fills([Booking(bought, Purpose.ENTRY, key.client_order_id)], lot_steps={"BTC/USD": Decimal("1e-8")})
        if number == 0:
            ledger.record_order(venue_order("S1", trigger="29000", parent_id="O0"), ts=at(2))
            ledger.record_order(venue_order("S1", "closed", filled="0.1", trigger="29000", parent_id="O0"), ts=at(30))
            sold = fill("T02", "sell", "0.09974", "29000.5", fee="7.52", order_id="S1", ts=at(30))
            ledger.book_fills(
                [Booking(sold, Purpose.STOP, key.client_order_id, "stop")], lot_steps={"BTC/USD": Decimal("1e-8")}
            )
    doubt = entry_key("t3", "ETH/USD")
    ledger.record_intent(doubt, request_for(doubt, "1", "2000"), ts=at(120))
    ledger.record_outcome(doubt.client_order_id, IntentResult.UNKNOWN, ts=at(120), reason="time-out")
    ledger.set_plan(next(iter(ledger.positions().values())).position_id, Plan(Decimal("29500")), ts=at(121))
    ledger.record_balances({}, ts=at(122))
    one = Decimal(1)
    ledger.mark_equity(EquityEntry(at(122), one, one, one, one, one, Decimal(0), tick_id="t3"))
    ledger.set_state(TradingState.HALTED, "operator: halted by Ada: looks wrong", ts=at(123))
    ledger.record_tick("t3", slot=at(120), result="done", ts=at(123), detail={"orders": "1"})
    alert = ledger.add_alert(AlertDraft(AlertKind.INFO, "i1", {"text": "hello"}), ts=at(123)).entry
    ledger.record_delivery(alert.seq, "telegram", ts=at(124))
    ledger.leases.acquire("trading:kraken:main", "pod-1", timedelta(minutes=2), NOON)
    Ledger(ledger._store.of_book("second@kraken"), "second", "kraken").book_cash([deposit("m1", "EUR", "7")])


def write_release(folder: Path = FOLDER) -> list[Path]:
    """Write this schema's three files; those that stand there already are left as they are."""
    folder.mkdir(parents=True, exist_ok=True)
    wanted = {kind: folder / f"v{HEAD}.{kind}" for kind in ("sql", "rows.jsonl", "entries.jsonl")}
    if any(path.exists() for path in wanted.values()):
        raise SystemExit(f"the ledger of schema {HEAD} was kept already; what was released does not change")
    with TemporaryDirectory() as scratch:
        with Ledger.open(sqlite_url(Path(scratch)), account="main", exchange="kraken") as ledger:
            tell_a_story(ledger)
            wanted["entries.jsonl"].write_text(ledger.dump(), encoding="utf-8")
            backup = ledger.backup(Path(scratch) / "backup.gz")
            wanted["rows.jsonl"].write_bytes(gzip.decompress(backup.path.read_bytes()))
        with sqlite3.connect(Path(scratch) / "ledger.db") as database:
            wanted["sql"].write_text("\n".join(database.iterdump()) + "\n", encoding="utf-8")
    return list(wanted.values())


if __name__ == "__main__":
    for written in write_release():
        sys.stdout.write(f"{written}\n")
