"""Every rule of candles.v1 is broken by a frame that breaks only it, at the gate and (where it applies) in a tick."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from kracken_tasks.contracts import check_batch, load_contract, row_findings
from kracken_tasks.contracts.rows import _CHECKS, ROW_RULES
from kracken_tasks.domain.refs import StagedBatch, Verdict
from kracken_tasks.lake.lake import Lake
from kracken_tasks.lake.store import LocalStore
from tests.support.candle_frames import BTC, ETH, START, candle_frame, commit_frame, hours, stage_frame

CONTRACTS = Path(__file__).parents[3] / "data_contracts"
ROWS = 40
NOW = hours(ROWS)
Break = Callable[[pd.DataFrame], pd.DataFrame]


def put(column: str, at: int, value: object) -> Break:
    def change(frame: pd.DataFrame) -> pd.DataFrame:
        frame.loc[at, column] = value
        return frame

    return change


def flat_at(at: int, price: float) -> Break:
    def change(frame: pd.DataFrame) -> pd.DataFrame:
        frame.loc[at, ["open", "high", "low", "close"]] = price
        frame.loc[at, "vwap"] = np.nan
        return frame

    return change


def moved(at: int, by: timedelta) -> Break:
    def change(frame: pd.DataFrame) -> pd.DataFrame:
        frame.loc[at, "ts"] = frame.loc[at, "ts"] + by
        return frame

    return change


def swapped(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.iloc[[*range(10), 11, 10, *range(12, ROWS)]].reset_index(drop=True)


def doubled(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.iloc[[*range(10), 10, 10, *range(11, ROWS)]].reset_index(drop=True)


def padded(frame: pd.DataFrame) -> pd.DataFrame:
    frame.loc[5:35, ["open", "high", "low", "close"]] = frame.loc[5, "open"]
    frame.loc[5:35, ["volume", "vwap"]] = 0.0
    frame.loc[5:35, "trades"] = 0
    return frame


def doubling(frame: pd.DataFrame) -> pd.DataFrame:
    frame.loc[20:, ["open", "high", "low", "close", "vwap"]] *= 3.0
    return frame


def shortened(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.iloc[:30]


BROKEN: dict[str, tuple[Break, str, int]] = {
    "numbers_present": (put("close", 7, np.nan), "reject_rows", 1),
    "finite": (put("volume", 7, np.inf), "reject_rows", 1),
    "prices_positive": (flat_at(7, -1.0), "reject_rows", 1),
    "high_is_highest": (put("high", 7, 99.0), "reject_rows", 1),
    "low_is_lowest": (put("low", 7, 101.5), "reject_rows", 1),
    "volume_not_negative": (put("volume", 7, -0.5), "reject_rows", 1),
    "trades_not_negative": (put("trades", 7, -3), "reject_rows", 1),
    "source_known": (put("source", 7, "hearsay"), "reject_rows", 1),
    "one_row_per_candle": (doubled, "reject_batch", 2),
    "in_order": (swapped, "reject_batch", 1),
    "on_grid": (moved(7, timedelta(minutes=5)), "reject_rows", 1),
    "closed": (moved(ROWS - 1, timedelta(hours=1)), "reject_rows", 1),
    "not_from_future": (moved(ROWS - 1, timedelta(hours=3)), "reject_rows", 1),
    "vwap_in_range": (put("vwap", 7, 200.0), "reject_rows", 1),
    "jump": (doubling, "warn", 1),
    "flat_padding": (padded, "warn", 31),
    "stale": (shortened, "warn", 0),
}


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


def test_every_rule_of_the_contract_has_a_frame_that_breaks_it() -> None:
    contract = load_contract(CONTRACTS)
    assert {rule.name for rule in (*contract.expectations, *contract.checks)} == set(BROKEN)


@pytest.mark.parametrize("rule", BROKEN)
def test_a_frame_that_breaks_one_rule_is_found_by_that_rule_alone(lake: Lake, rule: str) -> None:
    change, action, rows = BROKEN[rule]
    frame = candle_frame(ROWS)
    if rule == "high_is_highest":
        frame.loc[7, ["open", "low", "close", "vwap"]] = [100.0, 98.0, 98.5, 98.5]
    if rule == "low_is_lowest":
        frame.loc[7, ["open", "high", "close", "vwap"]] = [101.0, 103.0, 102.0, 102.0]
    verdict = judge(lake, change(frame), candle_frame(ROWS, seed=2))
    assert [(one.rule, one.action, one.key, one.rows) for one in verdict.findings] == [(rule, action, BTC, rows)]
    refused = action == "reject_batch"
    assert [one.key for one in verdict.accepted] == ([ETH] if refused else [BTC, ETH])
    assert bool(verdict.quarantined) is (action != "warn")


@pytest.mark.parametrize("rule", [*ROW_RULES, *_CHECKS])
def test_the_tick_finds_the_same_as_the_gate(rule: str) -> None:
    change, action, rows = BROKEN[rule]
    frame = candle_frame(ROWS)
    if rule == "high_is_highest":
        frame.loc[7, ["open", "low", "close", "vwap"]] = [100.0, 98.0, 98.5, 98.5]
    if rule == "low_is_lowest":
        frame.loc[7, ["open", "high", "close", "vwap"]] = [101.0, 103.0, 102.0, 102.0]
    found = row_findings(change(frame), BTC, NOW)
    assert [(one.rule, one.action, one.rows) for one in found] == [(rule, action, rows)]


def test_the_tick_rules_and_their_settings_are_those_of_the_contract() -> None:
    contract = load_contract(CONTRACTS)
    severities = {rule.name: rule.severity for rule in (*contract.expectations, *contract.checks)}
    assert {name: action for name, (action, _) in ROW_RULES.items()}.items() <= severities.items()
    checks = {rule.name: (rule.severity, dict(rule.params)) for rule in contract.checks}
    assert {name: (action, dict(params)) for name, (action, params) in _CHECKS.items()}.items() <= checks.items()


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
