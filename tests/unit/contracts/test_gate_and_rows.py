"""The gate: what it accepts, refuses, keeps out and says, and what the lake makes of its verdict."""

from __future__ import annotations

import cProfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from kracken_tasks.contracts import check_batch, row_findings
from kracken_tasks.contracts.neighbours import prices_elsewhere
from kracken_tasks.contracts.subject import Candles, Quotes
from kracken_tasks.domain.market import SeriesKey, Tape, TapeKey, Timeframe
from kracken_tasks.domain.refs import StagedBatch, Verdict
from kracken_tasks.lake.lake import Lake
from kracken_tasks.lake.store import LocalStore
from tests.support.candle_frames import BTC, ETH, START, candle_frame, commit_frame, hours, stage_frame
from tests.support.contract_frames import KEYS, later, quotes_frame, trades_frame

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


def test_candles_and_tapes_of_one_batch_are_judged_each_by_its_own_contract(lake: Lake) -> None:
    trades, quotes = trades_frame(), quotes_frame()
    trades.loc[7, "price"], quotes.loc[7, "bid"] = -1.0, 200.0
    staged = (
        stage_frame(lake, BTC, candle_frame(ROWS)),
        lake.stage(KEYS["trades"], trades, asked_from=START, asked_to=later(600), source="stream"),
        lake.stage(KEYS["quotes"], quotes, asked_from=START, asked_to=later(600), source="stream"),
    )
    verdict = check_batch(lake, StagedBatch(staged), now=NOW, contracts_dir=CONTRACTS)
    assert [(one.key, one.rule) for one in verdict.findings] == [
        (KEYS["trades"], "prices_positive"), (KEYS["quotes"], "not_crossed"),
    ]  # fmt: skip
    assert [name.split("@")[0] for name in verdict.contract.split(", ")] == ["candles.v1", "quotes.v1", "trades.v1"]
    assert [(one.key, one.rows) for one in verdict.accepted] == [
        (BTC, ROWS),
        (KEYS["trades"], 59),
        (KEYS["quotes"], 59),
    ]
    lake.commit(verdict, known_at=NOW)
    snap = lake.snapshot()
    assert len(snap.tape(TapeKey("kraken", "BTC/USD", Tape.TRADES))) == 59
    assert lake.sql("SELECT rule, price FROM quarantine WHERE tape = 'trades'").to_numpy().tolist() == [
        ["prices_positive", -1.0]
    ]


def test_a_missing_trade_is_seen_across_the_seam_between_two_commits(lake: Lake) -> None:
    whole = trades_frame(100)
    for part in (whole.iloc[:50], whole.iloc[51:]):
        start, end = part["ts"].iloc[0].to_pydatetime(), part["ts"].iloc[-1].to_pydatetime()
        staged = lake.stage(KEYS["trades"], part, asked_from=start, asked_to=end, source="stream")
        verdict = check_batch(lake, StagedBatch((staged,)), now=later(1000), contracts_dir=CONTRACTS)
        lake.commit(verdict, known_at=later(1000))
    (finding,) = verdict.findings
    assert (finding.rule, finding.first_ts) == ("id_gaps", later(510))
    assert "trades missing: 1" in finding.detail


def test_other_venues_in_the_batch_and_in_the_lake_disprove_a_price(lake: Lake) -> None:
    binance, bitstamp = (SeriesKey(venue, "BTC/USD", Timeframe.H1) for venue in ("binance", "bitstamp"))
    commit_frame(lake, binance, candle_frame(ROWS))
    wrong = candle_frame(ROWS)
    wrong.loc[7, ["open", "high", "low", "close", "vwap"]] *= 1.6
    staged = (stage_frame(lake, BTC, wrong), stage_frame(lake, bitstamp, candle_frame(ROWS)))
    verdict = check_batch(lake, StagedBatch(staged), now=NOW, contracts_dir=CONTRACTS)
    assert [(one.key, one.rule, one.rows) for one in verdict.findings] == [(BTC, "against_venues", 1)]


def test_findings_are_kept_with_their_reason_and_can_be_asked_for_in_sql(lake: Lake) -> None:
    frame = candle_frame(ROWS)
    frame.loc[7, "volume"] = -1.0
    lake.commit(judge(lake, frame), known_at=NOW)
    (kept,) = lake.snapshot().findings(BTC)
    assert kept.why == "Nobody trades less than nothing."
    row = lake.sql("SELECT rule, why, contract, sample FROM findings").iloc[0]
    assert (row["rule"], row["why"], row["contract"]) == (kept.rule, kept.why, kept.contract)
    assert list(row["sample"]) == list(kept.sample)


def test_quotes_are_held_against_the_newest_quotes_of_other_venues(lake: Lake) -> None:
    def tape(venue: str) -> TapeKey:
        return TapeKey(venue, "BTC/USD", Tape.QUOTES)

    for venue in ("binance", "bitstamp"):
        staged = lake.stage(tape(venue), quotes_frame(), asked_from=START, asked_to=later(600), source="stream")
        lake.commit(check_batch(lake, StagedBatch((staged,)), now=NOW, contracts_dir=CONTRACTS), known_at=NOW)
    wrong = quotes_frame(seconds=5.0)
    wrong.loc[20:25, ["bid", "ask", "last"]] *= 1.6
    staged = lake.stage(tape("kraken"), wrong, asked_from=START, asked_to=later(300), source="stream")
    verdict = check_batch(lake, StagedBatch((staged,)), now=NOW, contracts_dir=CONTRACTS)
    assert [(one.rule, one.rows) for one in verdict.findings] == [("against_venues", 6)]


def test_another_venues_price_speaks_for_a_minute_and_no_longer() -> None:
    quotes = Quotes.of(quotes_frame(1))
    seconds = np.array([-1, 0, 60, 61]) * 1_000_000
    told = prices_elsewhere({"binance": quotes}, quotes.ts[0] + seconds)
    assert told is not None
    assert ((told.ts - quotes.ts[0]) / 1e6).tolist() == [0, 60]
    assert told.median.tolist() == [quotes.price[0]] * 2
    assert prices_elsewhere({"binance": quotes}, quotes.ts + 61_000_000) is None


@pytest.mark.parametrize("pairs", [1, 25])
def test_a_batch_is_validated_once_however_many_pairs_are_in_it(lake: Lake, pairs: int) -> None:
    keys = [SeriesKey("kraken", f"A{number}/USD", Timeframe.H1) for number in range(pairs)]
    batch = StagedBatch(tuple(stage_frame(lake, key, candle_frame(ROWS)) for key in keys))
    with cProfile.Profile() as profile:
        assert check_batch(lake, batch, now=NOW, contracts_dir=CONTRACTS).clean
    calls = {entry.code.co_name: entry.callcount for entry in profile.getstats() if hasattr(entry.code, "co_name")}
    assert calls["validate_expectation_suite"] == calls["failing_rows"] == 1


def test_rows_stored_before_are_the_same_whether_read_as_a_frame_or_as_arrays(lake: Lake, tmp_path: Path) -> None:
    frame = candle_frame(ROWS)
    frame.loc[[3, 9], "trades"] = pd.NA
    frame.loc[5, "vwap"] = np.nan
    commit_frame(lake, BTC, frame)
    for known in (lake.snapshot(), Lake(LocalStore(tmp_path)).snapshot()):  # from the cache, and from the disk
        read, stored = Candles.of(known.candles(BTC, last=30)), Candles.stored(known.block(BTC, last=30))
        for name in ("ts", "open", "high", "low", "close", "volume", "vwap", "trades"):
            np.testing.assert_array_equal(getattr(stored, name), getattr(read, name), strict=True)


@pytest.mark.parametrize("rows", [10, 600, 40_000])
@pytest.mark.parametrize("sources", [("ohlc",), ("ohlc", "archive")])
def test_staged_rows_are_read_back_as_they_came_and_may_be_changed(
    lake: Lake, rows: int, sources: tuple[str, ...]
) -> None:
    frame = candle_frame(rows, timeframe=Timeframe.M1).assign(
        source=pd.array(sources * (rows // len(sources)), "string")
    )
    frame.loc[[0, rows - 1], "trades"] = pd.NA
    frame.loc[rows - 2, "vwap"] = np.nan
    read = lake.read_staged(stage_frame(lake, SeriesKey("kraken", "BTC/USD", Timeframe.M1), frame))
    pd.testing.assert_frame_equal(read, frame[list(read.columns)], check_dtype=False)
    for name, value in (("open", 1.0), ("trades", 7), ("source", "trades")):
        read.loc[0, name] = value
        assert read[name].tolist()[0] == value
