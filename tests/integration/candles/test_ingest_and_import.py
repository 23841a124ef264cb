"""The whole way into the lake, gate included: what came twice, what stopped, what a file left out, what is bad."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pandas as pd
import pytest

from kracken_tasks.candles.files import discover
from kracken_tasks.candles.ingestion import Judge, batch_of, import_sources, ingest, stage_missing
from kracken_tasks.contracts import check_batch
from kracken_tasks.domain.clock import utc
from kracken_tasks.domain.market import SeriesKey, Timeframe
from kracken_tasks.errors import BadData
from kracken_tasks.lake import HoleCause, Lake, LocalStore
from tests.support.candle_source import CandleVenue, candles_between

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
