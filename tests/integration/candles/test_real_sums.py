"""Exchanges' own coarser candles, from exchanges' own finer ones: equal to the last digit that the exchange means."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from kracken_tasks.candles.aggregate import MONTH, aggregate
from kracken_tasks.candles.files import discover, read
from kracken_tasks.domain.clock import utc
from kracken_tasks.domain.market import Timeframe

DATA = Path(__file__).parents[4] / "shared" / "data"
pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason=f"no real data at {DATA}")
PRICES = ["open", "high", "low", "close"]


def candles(name: str) -> pd.DataFrame:
    [source] = discover(DATA / name)
    return read(source)


def span(frame: pd.DataFrame, width: Timeframe) -> tuple[datetime, datetime]:
    return frame["ts"].iloc[0].to_pydatetime(), frame["ts"].iloc[-1].to_pydatetime() + width.delta


@pytest.mark.parametrize(
    ("symbol", "into"),
    [("BTC", "15m"), ("BTC", "1h"), ("BTC", "4h"), ("BTC", "1d"), ("ETH", "1h"), ("ETH", "1d")],
)
def test_five_minutes_of_binance_make_its_own_coarser_candles_to_the_last_digit(symbol: str, into: str) -> None:
    fine, own = candles(f"binance_{symbol}-USDT_5m.parquet"), candles(f"binance_{symbol}-USDT_{into}.parquet")
    made = aggregate(fine, Timeframe.M5, Timeframe(into), [span(fine, Timeframe.M5)]).frame
    pd.testing.assert_frame_equal(made, own, check_exact=True)


@pytest.mark.parametrize("symbol", ["BTC", "ETH"])
def test_hours_of_kraken_make_its_own_days_but_for_the_noise_that_kraken_prints(symbol: str) -> None:
    hours, days = candles(f"kraken_{symbol}-USD_1h.parquet"), candles(f"kraken_{symbol}-USD_1d.parquet")
    start, end = span(hours, Timeframe.H1)
    end = min(end, utc(2023, 3, 31))  # the hours of the last day are not whole
    made = aggregate(hours, Timeframe.H1, Timeframe.D1, [(start, end)]).frame
    own = days[days["ts"].isin(made["ts"])].reset_index(drop=True)
    assert len(made) > 2_700
    pd.testing.assert_frame_equal(made[["ts", *PRICES]], own[["ts", *PRICES]], check_exact=True)
    # Kraken adds volumes up in floating point and prints what comes out: 5718.3365549701 for 5718.33655497.
    np.testing.assert_allclose(made["volume"], own["volume"], rtol=1e-12, atol=4e-8)


def test_days_of_kraken_make_weeks_from_monday_and_months_that_hold_the_same_volume() -> None:
    days = candles("kraken_BTC-USD_1d.parquet")
    known = [span(days, Timeframe.D1)]
    weeks, months = (aggregate(days, Timeframe.D1, into, known).frame for into in (Timeframe.W1, MONTH))
    assert set(weeks["ts"].dt.day_of_week) == {0}
    assert set(months["ts"].dt.day) == {1}
    assert (months["ts"].iloc[0], len(months)) == (pd.Timestamp("2013-11-01T00:00:00Z"), 116)
    of_2022 = days[days["ts"].dt.year == 2022]
    assert months[months["ts"].dt.year == 2022]["volume"].sum() == pytest.approx(of_2022["volume"].sum(), rel=1e-12)
    assert months[months["ts"].dt.year == 2022]["high"].max() == of_2022["high"].max()
