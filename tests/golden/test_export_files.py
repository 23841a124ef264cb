"""Every exported file against one that was read and agreed with.

To renew after an intended change: ``KRACKEN_RENEW_GOLDEN=1 pytest tests/golden/test_export_files.py``, then read the difference.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from kracken_tasks.journal import build_journal, render_journal_markdown, write_journal
from kracken_tasks.tax import TaxReporter, compute_lots_files, export_ledger
from kracken_tasks.tax.trades_csv import read_fair_values, read_trades
from tests.support.journal_ledger import END, two_days_of_trading
from tests.support.ledger import temporary_ledger

GOLDEN = Path(__file__).with_name("export_files")
TAX_FILES = ("gains.csv", "open_lots.csv", "trades.csv", "koinly.csv")


def agrees(made: Path, golden: Path) -> None:
    if os.environ.get("KRACKEN_RENEW_GOLDEN"):
        golden.write_bytes(made.read_bytes())
    assert made.read_text(encoding="utf-8") == golden.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def tax_folder(tmp_path_factory):
    out = tmp_path_factory.mktemp("tax")
    values = read_fair_values(GOLDEN / "tax" / "input_fmv.csv", "USD")
    TaxReporter(output_dir=out, fmv=values).export_all_formats(read_trades(GOLDEN / "tax" / "input_trades.csv"))
    return out


@pytest.mark.parametrize("name", TAX_FILES)
def test_tax_file_is_the_one_agreed_with(tax_folder, name):
    agrees(tax_folder / name, GOLDEN / "tax" / name)


def test_the_command_gives_the_same_lots_as_the_class(tmp_path):
    compute_lots_files(GOLDEN / "tax" / "input_trades.csv", tmp_path, fmv_csv=GOLDEN / "tax" / "input_fmv.csv")
    agrees(tmp_path / "gains.csv", GOLDEN / "tax" / "gains.csv")
    agrees(tmp_path / "open_lots.csv", GOLDEN / "tax" / "open_lots.csv")


@pytest.fixture(scope="module")
def ledger_folder(tmp_path_factory):
    out = tmp_path_factory.mktemp("ledger")
    with temporary_ledger(tmp_path_factory.mktemp("db")) as ledger:
        two_days_of_trading(ledger)
        report = export_ledger(ledger, out, until=END)
        journal = build_journal(ledger, period_end=END, mode="paper", version="0.1.0", exports_sha256=report.sha256)
    write_journal(journal, out)
    (out / "journal.md").write_text(render_journal_markdown(journal), encoding="utf-8")
    return out


@pytest.mark.parametrize("name", [*TAX_FILES, "journal.json", "journal.md"])
def test_ledger_file_is_the_one_agreed_with(ledger_folder, name):
    agrees(ledger_folder / name, GOLDEN / "ledger" / name)
