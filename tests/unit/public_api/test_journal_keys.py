"""The journal's announced keys, with promised keys as numbers in their announced units."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from kracken_tasks.journal import build_journal, cut_off, write_journal
from tests.support.journal_ledger import two_days_of_trading
from tests.support.ledger import temporary_ledger

METADATA = {
    "schema_version", "bot_version", "export_timestamp", "initial_capital", "final_portfolio_value", "mode", "base_currency",
    "tax_timezone", "period_start", "period_end", "row_counts",
}  # fmt: skip
SUMMARY = ("total_return", "total_return_pct", "win_rate", "sharpe_ratio", "max_drawdown")
EVENT = {
    "timestamp", "action", "position_id", "symbol", "side", "entry_price", "quantity", "stop_loss", "take_profit",
    "signal_confidence", "tags",
}  # fmt: skip
CLOSING = {"exit_price", "pnl", "exit_reason"}


@pytest.fixture(scope="module")
def journal(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """A journal as a user finds it: read back from its file."""
    folder: Path = tmp_path_factory.mktemp("journal")
    with temporary_ledger(folder) as ledger:
        two_days_of_trading(ledger)
        end = cut_off(ledger)
        assert end is not None
        write_journal(build_journal(ledger, period_end=end, mode="paper", version="0.1.0"), folder)
    loaded: dict[str, Any] = json.loads((folder / "journal.json").read_text(encoding="utf-8"))
    return loaded


def test_metadata_has_every_announced_key(journal: dict[str, Any]) -> None:
    assert METADATA - journal["metadata"].keys() == set()


def test_the_export_timestamp_is_the_cut_off(journal: dict[str, Any]) -> None:
    assert journal["metadata"]["export_timestamp"] == journal["metadata"]["period_end"]


def test_the_summarys_announced_figures_are_numbers(journal: dict[str, Any]) -> None:
    summary = journal["performance_summary"]
    assert {key: type(summary[key]) for key in SUMMARY} == dict.fromkeys(SUMMARY, float)
    assert summary["total_return_pct"] == pytest.approx(100 * summary["total_return"])
    assert 0 <= summary["win_rate"] <= 100
    assert -100 <= summary["max_drawdown"] <= 0


def test_events_have_every_announced_key_and_ids_that_sort_by_day(journal: dict[str, Any]) -> None:
    events = journal["trade_history"]
    assert {event["action"] for event in events} == {"OPEN", "CLOSE"}
    for event in events:
        wanted = EVENT | CLOSING if event["action"] == "CLOSE" else EVENT
        assert wanted - event.keys() == set()
        assert re.fullmatch(r"pos_\d{8}_\d{3,}", event["position_id"])
        assert isinstance(event["entry_price"], int | float)


def test_round_trips_are_told_exactly_as_text(journal: dict[str, Any]) -> None:
    assert journal["round_trips"]
    assert all(isinstance(trip["net"], str) for trip in journal["round_trips"])
