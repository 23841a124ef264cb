"""The gate: what it accepts, refuses, keeps out and says, and what the lake makes of its verdict."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from kracken_tasks.contracts import check_batch, row_findings
from kracken_tasks.domain.refs import StagedBatch, Verdict
from kracken_tasks.lake.lake import Lake
from kracken_tasks.lake.store import LocalStore
from tests.support.candle_frames import BTC, ETH, START, candle_frame, commit_frame, hours, stage_frame

CONTRACTS = Path(__file__).parents[3] / "data_contracts"
ROWS = 40
NOW = hours(ROWS)


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(LocalStore(tmp_path))


def judge(lake: Lake, *frames: pd.DataFrame, asked_to: int = ROWS) -> Verdict:
    keys = (BTC, ETH)[: len(frames)]
    staged = tuple(
        lake.stage(key, frame, asked_from=START, asked_to=hours(asked_to), source="ohlc")
        for key, frame in zip(keys, frames, strict=True)
    )
    return check_batch(lake, StagedBatch(staged), now=NOW, contracts_dir=CONTRACTS)


def test_a_clean_batch_is_accepted_as_it_was_staged(lake: Lake) -> None:
    verdict = judge(lake, candle_frame(ROWS), candle_frame(ROWS, seed=2))
    assert verdict.clean
    assert not verdict.quarantined
    assert [(one.key, one.rows) for one in verdict.accepted] == [(BTC, ROWS), (ETH, ROWS)]
    assert row_findings(candle_frame(ROWS), BTC, NOW) == ()


def test_a_window_without_trades_told_as_zeros_is_good_data(lake: Lake) -> None:
    frame = candle_frame(ROWS)
    frame.loc[7, ["open", "high", "low", "close"]] = frame.loc[6, "close"]
    frame.loc[7, ["volume", "vwap"]] = 0.0
    frame.loc[7, "trades"] = 0
    assert judge(lake, frame).clean


def test_rejected_rows_are_committed_to_quarantine_with_rule_and_reason(lake: Lake) -> None:
    frame = candle_frame(ROWS)
    frame.loc[7, "volume"] = -1.0
    frame.loc[9, ["volume", "vwap"]] = [-1.0, 500.0]
    verdict = judge(lake, frame)
    ref = lake.commit(verdict, known_at=NOW)
    snap = lake.snapshot()
    assert (ref.rows_added, snap.in_quarantine(BTC)) == (ROWS - 2, True)
    assert [hole.cause.value for hole in snap.holes(BTC, START, NOW)] == ["rejected", "rejected"]
    rows = lake.sql("SELECT ts, rule, reason FROM quarantine ORDER BY ts")
    assert rows["rule"].tolist() == ["volume_not_negative", "volume_not_negative, vwap_in_range"]
    assert "Nobody trades less than nothing." in rows["reason"][0]
    assert lake.commit(judge(lake, frame), known_at=NOW).seq == ref.seq


def test_a_mended_row_releases_the_series_from_quarantine(lake: Lake) -> None:
    frame = candle_frame(ROWS)
    good = frame.copy()
    frame.loc[7, "volume"] = -1.0
    lake.commit(judge(lake, frame), known_at=NOW)
    lake.commit(judge(lake, good), known_at=NOW)
    snap = lake.snapshot()
    assert not snap.in_quarantine(BTC)
    assert snap.holes(BTC, START, NOW) == []
    assert lake.snapshot(as_of=1).in_quarantine(BTC)


def test_when_most_rows_are_wrong_the_series_is_refused_whole(lake: Lake) -> None:
    frame = candle_frame(ROWS)
    frame.loc[: ROWS // 2, "volume"] = -1.0
    verdict = judge(lake, frame)
    assert [one.rule for one in verdict.findings] == ["volume_not_negative", "too_many_rejected"]
    assert (verdict.accepted, verdict.quarantined[0].rows) == ((), ROWS)
    lake.commit(verdict, known_at=NOW)
    assert lake.snapshot().series() == ()
    assert lake.snapshot().in_quarantine(BTC)


def test_a_jump_across_the_seam_between_two_commits_is_seen(lake: Lake) -> None:
    commit_frame(lake, BTC, candle_frame(ROWS - 1))
    frame = candle_frame(1, start=hours(ROWS - 1))
    frame.loc[0, ["open", "high", "low", "close", "vwap"]] = 300.0
    staged = stage_frame(lake, BTC, frame)
    verdict = check_batch(lake, StagedBatch((staged,)), now=NOW, contracts_dir=CONTRACTS)
    assert [one.rule for one in verdict.findings] == ["jump"]


def test_an_empty_answer_is_accepted_and_remembered_as_no_trades(lake: Lake) -> None:
    verdict = judge(lake, candle_frame(ROWS).iloc[:0], asked_to=3)
    assert verdict.clean
    ref = lake.commit(verdict, known_at=NOW)
    assert (ref.seq, ref.rows_added) == (1, 0)
    assert [hole.cause.value for hole in lake.snapshot().holes(BTC, START, hours(4))] == ["no_trades", "not_fetched"]


def test_the_verdict_names_the_contract_and_the_batch(lake: Lake) -> None:
    first, second = judge(lake, candle_frame(ROWS)), judge(lake, candle_frame(ROWS))
    assert first == second
    assert first.contract.startswith("candles.v1@")
    assert judge(lake, candle_frame(ROWS, seed=3)).batch_hash != first.batch_hash
