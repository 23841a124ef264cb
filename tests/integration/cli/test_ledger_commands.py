"""``kracken ledger``: kept, made again elsewhere, checked."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from kracken_tasks import wiring
from kracken_tasks.domain.trading import TradingState
from kracken_tasks.settings import load_settings
from tests.support.command_line import Kracken
from tests.support.ledger import deposit


def test_a_ledger_is_backed_up_and_made_again_in_another_place(
    kracken: Kracken, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wiring.ledger(load_settings()).book_cash([deposit("m1", "USD", "1000.50")])
    made = kracken("ledger", "backup", home / "kept.gz")
    assert made.code == 0, made.err
    assert "1 entries of 1 books" in made.out
    checked = kracken("ledger", "verify", "--against", home / "kept.gz")
    assert checked.code == 0, checked.out
    assert "main@kraken: 1 entries, 1000.50 USD" in checked.out
    refused = kracken("ledger", "restore", home / "kept.gz")
    assert refused.code == 2
    assert "into an empty one only" in refused.sentence

    monkeypatch.setenv("KRACKEN_LEDGER__URL", f"sqlite:///{home}/again.db")
    restored = kracken("ledger", "restore", home / "kept.gz", "--at", "2024-06-01")
    assert restored.code == 0, restored.err
    assert "kracken release" in restored.out
    assert wiring.ledger(load_settings()).state().state is TradingState.REDUCE_ONLY
    assert kracken("ledger", "verify", "--against", home / "kept.gz").code == 0


def test_a_changed_ledger_is_not_sound_and_ends_with_one(
    kracken: Kracken, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KRACKEN_LEDGER__URL", f"sqlite:///{home}/changed.db")
    wiring.ledger(load_settings()).book_cash([deposit("m1", "USD", "1000")])
    assert kracken("ledger", "backup", home / "kept.gz").code == 0
    with sqlite3.connect(home / "changed.db") as tool:
        tool.execute("DROP TRIGGER cash_no_update")
        tool.execute("UPDATE cash SET amount = '9000'")
    checked = kracken("ledger", "verify", "--against", home / "kept.gz")
    assert checked.code == 1
    assert "guard cash_no_update is gone" in checked.out
    assert "changed or lost since" in checked.out
    assert "NOT sound" in checked.out


def test_a_file_that_is_there_or_is_not_is_told_in_one_sentence(kracken: Kracken, home: Path) -> None:
    assert kracken("ledger", "backup", home / "kept.gz").code == 0
    again = kracken("ledger", "backup", home / "kept.gz")
    assert (again.code, "is not written over" in again.sentence) == (2, True)
    missing = kracken("ledger", "restore", home / "none.gz")
    assert (missing.code, "there is no file" in missing.sentence) == (2, True)
