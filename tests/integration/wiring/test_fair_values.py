"""What a coin was worth, from the lake: the newest close that was known at the instant, never a later one."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pandas as pd

from kracken_tasks import wiring
from kracken_tasks.domain.clock import utc
from kracken_tasks.domain.market import SeriesKey, Timeframe
from kracken_tasks.settings import load_settings
from kracken_tasks.wiring.values import fair_values
from tests.support.candle_frames import commit_frame
from tests.support.candles import frame_from_closes

NINE = utc(2024, 1, 1, 9)


def _frame(closes: list[float], minutes: int) -> pd.DataFrame:
    frame = frame_from_closes(closes, minutes=minutes)
    return frame.assign(ts=pd.date_range(NINE, periods=len(closes), freq=f"{minutes}min").as_unit("ms"))


def test_worth_is_the_newest_close_before_the_instant_whatever_the_candles_width(tmp_path: Path) -> None:
    settings = load_settings(tmp_path / "none", env={}, overrides={"home": str(tmp_path)})
    store = wiring.lake(settings)
    commit_frame(store, SeriesKey("kraken", "ETH/USD", Timeframe.H1), _frame([2000.0, 2100.0, 2200.5], 60))
    commit_frame(store, SeriesKey("kraken", "ETH/USD", Timeframe.M1), _frame([1990.0, 1991.25], 1))
    worth = fair_values(settings)
    assert worth("ETH", NINE) is None, "no candle has closed by then"
    assert worth("ETH", NINE + timedelta(minutes=1)) == Decimal("1990.0")
    assert worth("ETH", NINE + timedelta(minutes=59)) == Decimal("1991.25")
    assert worth("ETH", NINE + timedelta(minutes=119)) == Decimal("2000.0"), "the hour's close is the newer one"
    assert worth("ETH", NINE + timedelta(days=9)) is None, "a close that old says nothing"
    assert worth("DOT", NINE + timedelta(hours=3)) is None


def test_a_candle_still_running_has_no_close(tmp_path: Path) -> None:
    settings = load_settings(tmp_path / "none", env={}, overrides={"home": str(tmp_path)})
    commit_frame(
        wiring.lake(settings), SeriesKey("kraken", "ETH/USD", Timeframe.H1), _frame([2000.0, 2100.0, 2200.5], 60)
    )
    worth = fair_values(settings)
    assert worth("ETH", NINE + timedelta(hours=1)) == Decimal("2000.0")
    assert worth("ETH", NINE + timedelta(minutes=119, seconds=59)) == Decimal("2000.0")
    assert worth("ETH", NINE + timedelta(hours=2)) == Decimal("2100.0")
