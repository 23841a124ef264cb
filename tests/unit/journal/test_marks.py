"""Which marks tell a period."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest

from kracken_tasks.domain.clock import utc
from kracken_tasks.journal.marks import telling_marks
from kracken_tasks.ledger import EquityEntry
from tests.support.ledger import temporary_ledger

START, END = utc(2024, 1, 15, 6), utc(2024, 1, 18, 12)
MINUTES = [0, 1, 30, 200, 1079, 1080, 1081, 2000, 5 * 24 * 60]


@pytest.fixture
def ledger(tmp_path):
    with temporary_ledger(tmp_path) as ledger:
        one = Decimal(1)
        for minute in MINUTES:
            ledger.mark_equity(
                EquityEntry(START + timedelta(minutes=minute), Decimal(minute), one, one, one, one, Decimal(0))
            )
        yield ledger


def told(ledger, **kwargs):
    return [int(mark.equity) for mark in telling_marks(ledger, end=END, **kwargs)]


def test_the_first_and_the_last_before_each_midnight_are_kept(ledger):
    # 1080 minutes after 06:00 is midnight itself and stands for it
    assert told(ledger, earliest=START, boundary=None) == [0, 1080, 2000]


def test_a_boundary_keeps_the_mark_before_it(ledger):
    assert told(ledger, earliest=START, boundary=START + timedelta(minutes=30)) == [0, 30, 1080, 2000]


def test_marks_before_the_first_other_fact_count(ledger):
    assert told(ledger, earliest=START + timedelta(minutes=100), boundary=None) == [0, 30, 1080, 2000]


def test_without_another_fact_all_are_read(ledger):
    assert told(ledger, earliest=None, boundary=None) == MINUTES[:-1]
