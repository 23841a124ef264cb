"""Kraken's own archive through the gate: thin books and listing days are told, and good rows stay."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pandas as pd
import pytest

from kracken_tasks.contracts import check_batch
from kracken_tasks.domain.clock import utc
from kracken_tasks.domain.market import SeriesKey, Timeframe
from kracken_tasks.domain.refs import StagedBatch, StagedSeries
from kracken_tasks.lake import Lake, LocalStore

ROOT = Path(__file__).parents[3]
CONTRACTS = ROOT / "data_contracts"
ARCHIVE = ROOT.parent / "shared" / "data" / "kraken_archive"
ADA = SeriesKey("kraken", "ADA/USD", Timeframe.D1)
ETH = SeriesKey("kraken", "ETH/USD", Timeframe.H1)

# The first days of ADA/USD and the thinnest hours of ETH/USD as Kraken's archive tells them, for where the archive is not.
ADA_FIRST_DAYS = """\
1538092800,0.3,0.302,0.08215,0.084,3529536.4586280505,973
1538179200,0.083999,0.094,0.080924,0.084969,2436480.0995998806,516
1538265600,0.0845,0.091849,0.0832,0.085512,1576881.3922694202,390
"""
ETH_FIRST_HOURS = """\
1438956000,3.0,3.0,3.0,3.0,81.85727776,2
1438966800,3.00001,3.00001,3.0,3.0,42.07329055,2
1439013600,3.0,3.0,3.0,3.0,0.4,1
"""


def archive_frame(name: str, fallback: str) -> pd.DataFrame:
    path = ARCHIVE / name
    lines = path.read_text("ascii") if path.exists() else fallback
    rows = [line.split(",") for line in lines.split()]
    numbers = pd.DataFrame(rows, columns=["ts", "open", "high", "low", "close", "volume", "trades"]).astype(float)
    numbers["ts"] = pd.to_datetime(numbers["ts"].astype("int64"), unit="s", utc=True)
    return numbers.assign(trades=numbers["trades"].astype("Int64"), vwap=float("nan"), source="archive")


def staged(lake: Lake, key: SeriesKey, frame: pd.DataFrame) -> StagedSeries:
    first, last = frame["ts"].iloc[0].to_pydatetime(), frame["ts"].iloc[-1].to_pydatetime()
    return lake.stage(key, frame, asked_from=first, asked_to=last + key.timeframe.delta, source="archive")


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(LocalStore(tmp_path))


def test_the_listing_day_of_ada_is_a_warning_and_no_row_is_lost(lake: Lake) -> None:
    frame = archive_frame("ADAUSD_1440.csv", ADA_FIRST_DAYS)
    verdict = check_batch(lake, StagedBatch((staged(lake, ADA, frame),)), now=utc(2026, 1, 1), contracts_dir=CONTRACTS)
    finding = verdict.findings[0]
    assert {one.action for one in verdict.findings} == {"warn"}
    assert (finding.rule, finding.action, finding.first_ts) == ("jump", "warn", utc(2018, 9, 28))
    assert "3.57" in finding.detail
    ref = lake.commit(verdict, known_at=utc(2026, 1, 1))
    assert ref.rows_added == len(frame)
    assert not lake.snapshot().in_quarantine(ADA)


def test_thin_years_have_holes_with_a_cause_and_two_series_cost_one_batch(lake: Lake) -> None:
    eth, ada = archive_frame("ETHUSD_60.csv", ETH_FIRST_HOURS), archive_frame("ADAUSD_1440.csv", ADA_FIRST_DAYS)
    batch = StagedBatch((staged(lake, ETH, eth), staged(lake, ADA, ada)))
    verdict = check_batch(lake, batch, now=utc(2026, 1, 1), contracts_dir=CONTRACTS)
    assert {finding.action for finding in verdict.findings} == {"warn"}
    lake.commit(verdict, known_at=utc(2026, 1, 1))
    snap = lake.snapshot()
    read = snap.candles(ETH)
    assert read["close"].tolist() == eth["close"].tolist()
    assert bool(read["vwap"].isna().all())
    line = {one.key: one for one in snap.coverage()}[ETH]
    windows = (eth["ts"].iloc[-1] - eth["ts"].iloc[0]) // pd.Timedelta(hours=1) + 1
    assert line.no_trades == windows - len(eth) > 0
    assert line.not_fetched == line.rejected == 0
    first_hole = snap.holes(ETH, utc(2015, 8, 7, 14), utc(2015, 8, 7, 17))[0]
    assert (first_hole.end - first_hole.start, first_hole.windows) == (timedelta(hours=2), 2)
