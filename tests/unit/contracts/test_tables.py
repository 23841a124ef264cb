"""Findings and coverage as a person reads them."""

from __future__ import annotations

from pathlib import Path

from kracken_tasks.contracts import coverage_table, findings_table
from kracken_tasks.domain.refs import Finding
from kracken_tasks.lake import Lake, LocalStore
from tests.support.candle_frames import BTC, ETH, candle_frame, commit_frame, hours


def test_findings_are_told_worst_first_and_cells_cannot_break_the_table() -> None:
    table = findings_table(
        [
            Finding("jump", "warn", BTC, 1, hours(3), "moved | twice"),
            Finding("in_order", "reject_batch", ETH, 2, None, "rows back"),
        ]
    )
    assert table.splitlines() == [
        "| series | rule | action | rows | first | detail |",
        "| --- | --- | --- | --- | --- | --- |",
        "| kraken ETH/USD 1h | in_order | reject_batch | 2 |  | rows back |",
        "| kraken BTC/USD 1h | jump | warn | 1 | 2023-01-02T03:00:00Z | moved \\| twice |",
    ]
    assert findings_table([]) == "The contract holds: nothing found."


def test_coverage_tells_candles_and_holes_by_cause(tmp_path: Path) -> None:
    lake = Lake(LocalStore(tmp_path))
    assert coverage_table(lake.snapshot().coverage()) == "The lake is empty."
    commit_frame(lake, BTC, candle_frame(10).drop(index=4))
    commit_frame(lake, BTC, candle_frame(2, start=hours(20)))
    header, _, line = coverage_table(lake.snapshot().coverage()).splitlines()
    assert header == "| series | candles | first | last | revised | no trades | not fetched | rejected |"
    assert line == "| kraken BTC/USD 1h | 11 | 2023-01-02T00:00:00Z | 2023-01-02T21:00:00Z | 0 | 1 | 10 | 0 |"
