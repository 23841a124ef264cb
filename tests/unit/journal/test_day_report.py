"""The day as a page to read."""

from __future__ import annotations

import pytest

from kracken_tasks.journal import build_journal, render_journal_markdown
from tests.support.journal_ledger import DAY_THREE, DAY_TWO, END, two_days_of_trading
from tests.support.ledger import temporary_ledger


@pytest.fixture
def page(tmp_path):
    with temporary_ledger(tmp_path) as ledger:
        two_days_of_trading(ledger)

        def render(start, end, **kwargs):
            journal = build_journal(ledger, period_start=start, period_end=end, mode="paper", version="0.1.0")
            return render_journal_markdown(journal, **kwargs)

        yield render


def test_a_day_tells_equity_exits_entries_and_what_was_stopped(page):
    text = page(DAY_TWO, DAY_THREE, title="Tuesday")
    assert text.startswith("# Tuesday\n\npaper · kraken · main · 2024-01-16T00:00:00Z to 2024-01-17T00:00:00Z\n")
    assert "| Ending equity | 11541.7 USD |" in text
    assert (
        "| 2024-01-16T04:00:00Z | BTC/USD | 0.1 | 31000 | 30500 | -54.1 | ensemble | stop | pos_20240116_001 |" in text
    )
    assert "Nothing is held." in text
    assert "No decision was stopped." in text
    assert "Fees: 4.1 USD." in text


def test_stopped_decisions_name_guard_and_reason(page):
    text = page(DAY_THREE, END)
    assert "| BTC/USD | daily_turnover | 3 | 2024-01-17T04:02:00Z | over the limit |" in text
    assert "No position was closed." in text
    assert "| Win rate | undefined: no closed trade |" in text


def test_only_the_newest_rows_are_shown_and_that_is_said(page):
    text = page(None, END, newest=1)
    assert "The newest 1 of 2." in text
    assert "pos_20240115_001" not in text


def test_a_cell_cannot_break_the_table(page):
    from kracken_tasks.journal.markdown import _cell

    assert _cell("a|b\nc") == "a\\|b c"
