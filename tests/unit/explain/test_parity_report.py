"""The parity report as a file and as an alert."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

from kracken_tasks.domain.trading import Side
from kracken_tasks.explain.day import DayReport, span_of
from kracken_tasks.explain.parity import Column, Row
from kracken_tasks.explain.render import alert_over, day_bytes, day_file, shown_rows
from kracken_tasks.ledger import AlertLevel, EquityEntry
from tests.support.ledger import NOON


def _row(**columns: str) -> Row:
    told = {column: Decimal(columns.get(column.name.lower(), "0.00")) for column in Column}
    actual = sum(told.values(), Decimal("1.00"))
    return Row("t1", NOON, "BTC/USD", Side.BUY, "entry", "USD", actual, Decimal("1.00"), told)


def _report(*rows: Row) -> DayReport:
    start = NOON.replace(hour=0)
    return DayReport(start, start + timedelta(days=1), rows, 24, 23, ())


def test_the_file_says_every_order_and_sums_its_columns() -> None:
    report = _report(_row(price="-9.10", fee="-2.80"), _row(timing="-0.50"))
    told = json.loads(day_bytes(report))
    assert day_file(report) == "parity-2024-01-15.json"
    assert told["totals"]["USD"] == {
        "difference": "-12.40", "signal": "0.00", "missed_fill": "0.00", "timing": "-0.50", "fill_price": "-9.10", "fee": "-2.80",
        "rounding": "0.00",
    }  # fmt: skip
    assert [order["difference"] for order in told["orders"]] == ["-11.90", "-0.50"]
    assert day_bytes(report) == day_bytes(_report(*report.rows))
    assert shown_rows(report)[-1]["difference"] == "-12.40"
    assert "-12.40 USD (timing -0.50, fill_price -9.10, fee -2.80)" in report.sentence


def _mark(equity: str) -> EquityEntry:
    one = Decimal(1)
    return EquityEntry(NOON, Decimal(equity), one, one, one, one, Decimal(0))


def test_a_day_over_the_bound_is_told_and_one_within_it_is_not() -> None:
    report, fraction = _report(_row(price="-9.10")), Decimal("0.001")
    assert alert_over(report, _mark("9100"), fraction) is None
    assert alert_over(report, None, fraction) is None
    draft = alert_over(report, _mark("9099"), fraction)
    assert draft is not None
    assert draft.level is AlertLevel.WARNING
    assert "-9.10 USD" in draft.payload["summary"]
    other = alert_over(_report(_row(price="9.20")), _mark("9099"), fraction)
    assert other is not None
    assert other.dedup_key != draft.dedup_key


def test_the_last_whole_day_is_held_and_a_day_that_runs_only_up_to_now() -> None:
    now = NOON
    yesterday = now.replace(hour=0) - timedelta(days=1)
    assert span_of(None, now) == (yesterday, yesterday + timedelta(days=1))
    assert span_of(now, now) == (now.replace(hour=0), now)
    assert span_of(yesterday + timedelta(hours=5), now) == (yesterday, yesterday + timedelta(days=1))


def test_orders_in_other_money_are_summed_on_their_own() -> None:
    report = _report(_row(price="-1.00"), replace(_row(fee="-2.00"), currency="EUR"))
    assert (report.difference("USD"), report.difference("EUR")) == (Decimal("-1.00"), Decimal("-2.00"))
    assert report.currencies == ("EUR", "USD")
