"""Findings and coverage as a person reads them."""

from __future__ import annotations

from pathlib import Path

import pytest

from kracken_tasks.contracts import coverage_table, findings_table
from kracken_tasks.contracts.render import outcome_rows, rule_rows
from kracken_tasks.domain.refs import Finding
from kracken_tasks.lake import Lake, LocalStore
from tests.support.candle_frames import BTC, ETH, candle_frame, commit_frame, hours
from tests.support.contract_frames import KEYS, contract_of


def test_findings_are_told_worst_first_and_cells_cannot_break_the_table() -> None:
    table = findings_table(
        [
            Finding("jump", "warn", BTC, 1, hours(3), "moved | twice"),
            Finding("id_gaps", "warn", KEYS["trades"], 1, hours(4), "a gap", "Lost."),
            Finding("in_order", "reject_batch", ETH, 2, None, "rows back"),
        ]
    )
    assert table.splitlines() == [
        "| series | rule | action | rows | first | detail | why |",
        "| --- | --- | --- | --- | --- | --- | --- |",
        "| kraken ETH/USD 1h | in_order | reject_batch | 2 |  | rows back |  |",
        "| kraken BTC/USD 1h | jump | warn | 1 | 2023-01-02T03:00:00Z | moved \\| twice |  |",
        "| kraken BTC/USD trades | id_gaps | warn | 1 | 2023-01-02T04:00:00Z | a gap | Lost. |",
    ]
    assert findings_table([]) == "The contract holds: nothing found."


def test_every_rule_is_told_with_its_result() -> None:
    contract = contract_of("candles")
    told = outcome_rows(contract, [Finding("jump", "warn", BTC, 3, None, "moved.", contract=contract.reference)])
    assert [row["rule"] for row in told] == [rule.name for rule in contract.rules]
    assert [row for row in told if row["result"] == "broken"] == [
        {"rule": "jump", "severity": "warn", "result": "broken", "series": "1", "rows": "3"}
    ]


@pytest.mark.parametrize("dataset", ["candles", "quotes", "trades"])
def test_a_contract_can_be_read_without_its_file(dataset: str) -> None:
    rows = rule_rows(contract_of(dataset))
    assert [row["rule"] for row in rows] == [rule.name for rule in contract_of(dataset).rules]
    by_name = {row["rule"]: row for row in rows}
    assert "column values to not be null" in by_name["numbers_present"]["how"]
    assert all(row["why"].endswith(".") for row in rows)


def test_coverage_tells_candles_and_holes_by_cause(tmp_path: Path) -> None:
    lake = Lake(LocalStore(tmp_path))
    assert coverage_table(lake.snapshot().coverage()) == "The lake is empty."
    commit_frame(lake, BTC, candle_frame(10).drop(index=4))
    commit_frame(lake, BTC, candle_frame(2, start=hours(20)))
    header, _, line = coverage_table(lake.snapshot().coverage()).splitlines()
    assert header == "| series | candles | first | last | revised | no trades | outage | not fetched | rejected |"
    assert line == "| kraken BTC/USD 1h | 11 | 2023-01-02T00:00:00Z | 2023-01-02T21:00:00Z | 0 | 1 | 0 | 10 | 0 |"
