"""The whole way into the lake, gate included: what came twice, what stopped, what a file left out, what is bad."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest

from kracken_tasks.candles.files import discover
from kracken_tasks.candles.ingestion import Judge, batch_of, import_sources, ingest, stage_missing
from kracken_tasks.candles.staging import stage_derived
from kracken_tasks.candles.windows import GapCause
from kracken_tasks.contracts import check_batch
from kracken_tasks.domain.clock import utc
from kracken_tasks.domain.market import SeriesKey, Tape, TapeKey, Timeframe
from kracken_tasks.domain.refs import StagedBatch
from kracken_tasks.errors import BadData, Misconfigured
from kracken_tasks.lake import HoleCause, Lake, LocalStore
from tests.support.candle_source import CandleVenue, candles_between, trades_at

CONTRACTS = Path(__file__).parents[3] / "data_contracts"
KEY = SeriesKey("kraken", "BTC/USD", Timeframe.H1)
START, END, NOW = utc(2024, 1, 1), utc(2024, 1, 3), utc(2024, 1, 3, 0, 5)


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(LocalStore(tmp_path / "lake"))


def judging(lake: Lake) -> Judge:
    return lambda batch, now: check_batch(lake, batch, now=now, contracts_dir=CONTRACTS)


def venue(candles: pd.DataFrame, now: datetime = NOW) -> CandleVenue:
    return CandleVenue(candles, now=now, reach=720)


def spoiled(at: int) -> pd.DataFrame:
    candles = candles_between(START, END, Timeframe.H1)
    candles.loc[at, "low"] = -1.0
    return candles


def test_a_series_asked_for_twice_in_one_run_does_not_contradict_itself(lake: Lake) -> None:
    market = venue(candles_between(START, END, Timeframe.H1))
    assert len(batch_of([stage_missing(lake, market, KEY), stage_missing(lake, market, KEY)]).series) == 1
    ingest(lake, market, [KEY, KEY], judging(lake))
    snapshot = lake.snapshot()
    assert (len(snapshot.candles(KEY)), snapshot.in_quarantine(KEY)) == (48, False)


def test_a_venue_whose_candles_stopped_a_day_ago_is_told(lake: Lake) -> None:
    ingest(lake, venue(candles_between(START, utc(2024, 1, 2), Timeframe.H1)), [KEY], judging(lake))
    assert [finding.rule for finding in lake.snapshot().findings(KEY)] == ["stale"]
    assert len(lake.snapshot().unfetched(KEY, START, END)) == 1


def test_filling_an_old_hole_is_no_sign_of_a_venue_that_stopped(lake: Lake) -> None:
    ingest(lake, venue(spoiled(10)), [KEY], judging(lake))
    ingest(lake, venue(candles_between(START, END, Timeframe.H1)), [KEY], judging(lake))
    assert lake.snapshot().findings(KEY) == ()


def test_good_rows_that_come_later_replace_rejected_ones_and_release_the_series(lake: Lake) -> None:
    ingest(lake, venue(spoiled(10)), [KEY], judging(lake))
    before = lake.snapshot()
    assert [hole.cause for hole in before.holes(KEY, START, END)] == [HoleCause.REJECTED]
    assert before.in_quarantine(KEY)
    mended = venue(candles_between(START, END, Timeframe.H1))
    ingest(lake, mended, [KEY], judging(lake))
    assert (lake.snapshot().holes(KEY, START, END), lake.snapshot().in_quarantine(KEY)) == ([], False)
    assert ingest(lake, mended, [KEY], judging(lake)) is None


def table_in(folder: Path, name: str = "kraken_BTC-USD_1h.csv") -> Path:
    folder.mkdir(exist_ok=True)
    candles = candles_between(START, utc(2024, 1, 2), Timeframe.H1, without=(5, 6, 7))
    candles[["ts", "open", "high", "low", "close", "volume"]].to_csv(folder / name, index=False)
    return folder


def archive_in(folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    first = int(START.timestamp())
    lines = (f"{first + 3600 * at},100,101,99,100,{1.5 + at},4\n" for at in range(24) if at not in (5, 6, 7))
    (folder / "XBTUSD_60.csv").write_text("".join(lines))
    return folder


@pytest.mark.parametrize(("files", "cause"), [(table_in, HoleCause.NOT_FETCHED), (archive_in, HoleCause.NO_TRADES)])
def test_a_hole_in_somebody_elses_table_is_not_taken_for_hours_without_trades(
    lake: Lake, tmp_path: Path, files: Callable[[Path], Path], cause: HoleCause
) -> None:
    import_sources(lake, discover(files(tmp_path / "files")), judging(lake), now=NOW)
    [hole] = lake.snapshot().holes(KEY, START, utc(2024, 1, 2))
    assert (hole.windows, hole.cause) == (3, cause)
    ingest(lake, venue(candles_between(START, END, Timeframe.H1)), [KEY], judging(lake), start=START)
    healed = lake.snapshot().holes(KEY, START, utc(2024, 1, 2))
    assert healed == ([] if cause is HoleCause.NOT_FETCHED else [hole])


def test_importing_the_same_files_again_changes_nothing(lake: Lake, tmp_path: Path) -> None:
    sources = discover(table_in(tmp_path / "files"))
    first, _ = import_sources(lake, sources, judging(lake), now=NOW)
    again, _ = import_sources(lake, sources, judging(lake), now=NOW)
    assert (again.seq, again.content_hash, again.rows_added, again.rows_revised) == (
        first.seq,
        first.content_hash,
        0,
        0,
    )


def test_one_bad_file_in_a_folder_keeps_the_good_ones_out_too(lake: Lake, tmp_path: Path) -> None:
    folder = table_in(tmp_path / "files")
    (folder / "kraken_ZZZ-USD_1h.csv").write_text("ts,open\n1,2\n")
    with pytest.raises(BadData, match="kraken_ZZZ-USD_1h"):
        import_sources(lake, discover(folder), judging(lake), now=NOW)
    assert lake.snapshot().seq == 0


def test_candles_that_close_after_the_given_moment_are_not_imported(lake: Lake, tmp_path: Path) -> None:
    moment = utc(2024, 1, 1, 20, 30)
    import_sources(lake, discover(table_in(tmp_path / "files")), judging(lake), now=NOW, before=moment)
    assert lake.snapshot().last_ts(KEY) == utc(2024, 1, 1, 19)


def flat(candles: pd.DataFrame, at: int, vwap: float) -> pd.DataFrame:
    """One hour as venues tell of it when nobody traded: the last price, no volume, no count."""
    close = candles.loc[at - 1, "close"]
    candles.loc[at, ["open", "high", "low", "close"]] = close
    candles.loc[at, "volume"], candles.loc[at, "vwap"] = 0.0, vwap
    candles["trades"] = pd.array([0 if row == at else 3 for row in range(len(candles))], dtype="Int64")
    return candles


def test_both_ways_of_telling_that_nobody_traded_come_to_the_same_lake(tmp_path: Path) -> None:
    lakes = []
    for name, vwap in (("row absent", None), ("flat row, vwap 0", 0.0), ("flat row, vwap unknown", float("nan"))):
        told = flat(candles_between(START, END, Timeframe.H1), 20, vwap or 0.0)
        told = told.drop(index=20).reset_index(drop=True) if vwap is None else told
        lake = Lake(LocalStore(tmp_path / name))
        ingest(lake, venue(told), [KEY], judging(lake))
        lakes.append(lake.snapshot())
    [hole] = lakes[0].holes(KEY, START, END)
    assert (hole.start, hole.windows, hole.cause) == (utc(2024, 1, 1, 20), 1, HoleCause.NO_TRADES)
    for snapshot in lakes[1:]:
        pd.testing.assert_frame_equal(snapshot.candles(KEY), lakes[0].candles(KEY))
        assert snapshot.holes(KEY, START, END) == [hole]


def test_a_flat_row_in_a_table_says_that_nobody_traded_though_the_tables_other_holes_stay_open(
    lake: Lake, tmp_path: Path
) -> None:
    candles = flat(candles_between(START, utc(2024, 1, 2), Timeframe.H1), 20, 0.0).drop(index=[5, 6])
    candles[["ts", "open", "high", "low", "close", "volume"]].to_csv(tmp_path / "kraken_BTC-USD_1h.csv", index=False)
    import_sources(lake, discover(tmp_path), judging(lake), now=NOW)
    holes = lake.snapshot().holes(KEY, START, utc(2024, 1, 2))
    assert [(hole.start.hour, hole.windows, hole.cause) for hole in holes] == [
        (5, 2, HoleCause.NOT_FETCHED), (20, 1, HoleCause.NO_TRADES),
    ]  # fmt: skip


def test_hours_in_which_nobody_traded_are_asked_for_once(lake: Lake) -> None:
    candles, traded = candles_between(START, END, Timeframe.H1, without=(30, 31)), trading([START])
    early = candles[candles["ts"] < utc(2024, 1, 2, 6)].reset_index(drop=True)
    ingest(lake, CandleVenue(early, traded, now=utc(2024, 1, 2, 6, 5), reach=720), [KEY], judging(lake))
    market = CandleVenue(candles, traded, now=NOW, reach=720)
    ingest(lake, market, [KEY], judging(lake))
    assert lake.snapshot().unfetched(KEY, START, END) == []
    assert ingest(lake, market, [KEY], judging(lake)) is None
    assert len(market.asked) == 1


def test_a_pair_listed_lately_is_told_by_its_first_trade_and_a_cut_answer_by_nothing(lake: Lake) -> None:
    candles, long_ago = candles_between(START, END, Timeframe.H1), END - 700 * Timeframe.H1.delta
    listed = CandleVenue(candles, trading([START]), now=NOW, reach=720)
    assert stage_missing(lake, listed, KEY).gaps == ()
    cut = CandleVenue(counted(candles, 10_000), trading([long_ago, START]), now=NOW, reach=720)
    [gap] = stage_missing(lake, cut, KEY).gaps
    assert gap.cause is GapCause.LATE_START
    assert gap.window.end == START
    assert "kracken backfill" in gap.detail


def trading(moments: list[datetime]) -> pd.DataFrame:
    return trades_at(moments, [100.0] * len(moments), [1.0] * len(moments))


def counted(candles: pd.DataFrame, a_candle: int) -> pd.DataFrame:
    return candles.assign(trades=pd.array([a_candle] * len(candles), dtype="Int64"))


def after_a_pause(a_candle: int) -> CandleVenue:
    """A venue whose candles reach ten hours, and the trades of the day before."""
    candles = counted(candles_between(START, END, Timeframe.H1), a_candle)
    return CandleVenue(candles, trading([START + timedelta(minutes=20 * at) for at in range(144)]), now=NOW, reach=10)


def test_a_pause_longer_than_the_reach_of_candles_is_rebuilt_from_trades(lake: Lake) -> None:
    early = CandleVenue(counted(candles_between(START, END, Timeframe.H1), 3), now=utc(2024, 1, 1, 12, 5), reach=10)
    ingest(lake, early, [KEY], judging(lake))
    arrived = stage_missing(lake, after_a_pause(3), KEY)
    assert arrived.gaps == ()
    ingest(lake, after_a_pause(3), [KEY], judging(lake))
    snapshot = lake.snapshot()
    assert snapshot.holes(KEY, utc(2024, 1, 1, 3), END) == []
    assert set(snapshot.candles(KEY, utc(2024, 1, 1, 12), utc(2024, 1, 2, 15))["source"]) == {"trades"}


def test_a_pause_that_would_cost_too_many_calls_is_told_with_the_command_that_fills_it(lake: Lake) -> None:
    early = CandleVenue(counted(candles_between(START, END, Timeframe.H1), 3), now=utc(2024, 1, 1, 12, 5), reach=10)
    ingest(lake, early, [KEY], judging(lake))
    market = after_a_pause(5_000)
    [gap] = stage_missing(lake, market, KEY).gaps
    assert (gap.window.start, gap.window.end) == (utc(2024, 1, 1, 12), utc(2024, 1, 2, 15))
    assert "about 135 calls for 120,000 trades a day, more than the 25 allowed here" in gap.detail
    assert gap.detail.endswith(
        "kracken backfill BTC/USD --exchange kraken --from 2024-01-01T12:00:00Z --to 2024-01-02T15:00:00Z --timeframes 1h"
    )
    assert market.trade_calls == 0


class NoSixHours(CandleVenue):
    """A venue without candles of six hours, like most."""

    def ohlc_reach(self, timeframe: Timeframe) -> int | None:
        if timeframe is not Timeframe.H1:
            raise Misconfigured(f"no {timeframe.value} candles; allowed: 1h")
        return super().ohlc_reach(timeframe)


def test_a_width_the_venue_does_not_offer_is_made_of_the_coarsest_it_does(lake: Lake) -> None:
    market = NoSixHours(candles_between(START, END, Timeframe.H1, without=(3,)), now=NOW, reach=720)
    key = SeriesKey("kraken", "BTC/USD", Timeframe.H6)
    ingest(lake, market, [key], judging(lake))
    made = lake.snapshot().candles(key)
    assert made["ts"].dt.hour.tolist() == [0, 6, 12, 18] * 2
    assert made["volume"].tolist() == [7.5, *[9.0] * 7]
    assert ingest(lake, market, [key], judging(lake)) is None


def test_trades_of_a_file_come_in_as_trades_and_as_candles(lake: Lake, tmp_path: Path) -> None:
    seconds = [int(START.timestamp()) + 600 * at for at in range(144)]
    (tmp_path / "XBTUSD.csv").write_text("".join(f"{at},100.5,0.1\n" for at in seconds))
    import_sources(lake, discover(tmp_path, tapes=True), judging(lake), now=NOW)
    snapshot = lake.snapshot()
    tape = snapshot.tape(TapeKey("kraken", "BTC/USD", Tape.TRADES))
    assert (len(tape), set(tape["source"])) == (144, {"archive"})
    assert snapshot.candles(KEY)["trades"].tolist() == [6] * 24
    assert snapshot.candles(KEY)["volume"].tolist() == [0.6] * 24


def test_coarser_candles_leave_out_what_holds_a_rejected_or_missing_hour(lake: Lake) -> None:
    ingest(lake, venue(spoiled(10)), [KEY], judging(lake))
    quarters = SeriesKey("kraken", "BTC/USD", Timeframe.H6)
    staged = stage_derived(lake, KEY, quarters, START, utc(2024, 1, 5))
    lake.commit(judging(lake)(StagedBatch(tuple(staged)), NOW), known_at=NOW)
    snapshot = lake.snapshot()
    assert snapshot.candles(quarters)["ts"].dt.strftime("%d %H").tolist() == [
        "01 00", "01 12", "01 18", "02 00", "02 06", "02 12", "02 18",
    ]  # fmt: skip
    holes = snapshot.holes(quarters, START, utc(2024, 1, 4))
    assert [(hole.start, hole.cause) for hole in holes] == [
        (utc(2024, 1, 1, 6), HoleCause.NOT_FETCHED), (utc(2024, 1, 3), HoleCause.NOT_FETCHED),
    ]  # fmt: skip
