"""A model that looks back further than every strategy is shown the candles it needs."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pandas as pd

from kracken_tasks.domain.clock import utc
from kracken_tasks.domain.market import SeriesKey, Timeframe
from kracken_tasks.forecast.evaluation import Judgement
from kracken_tasks.forecast.registry import Registry
from kracken_tasks.forecast.training import train_bundle
from kracken_tasks.wiring.research import ChampionForecasts
from tests.support.bench import Bench
from tests.support.candles import random_candles
from tests.support.forecasts import SMALL, SOURCE
from tests.support.market_data import BTC

KEY = SeriesKey("kraken", BTC, Timeframe.H1)
NOW = utc(2024, 3, 1)


def champions(folder: Path, lookback: int) -> ChampionForecasts:

    bundle = train_bundle(random_candles(2000), replace(SMALL, lookback=lookback, epochs=1), source=SOURCE).bundle
    registry = Registry(folder / "models")
    registry.register(bundle, Judgement(state="shadow", too_good=False, reasons=("beats the last value",)), now=NOW)
    registry.promote(bundle.model_id, by="Ada", reason="looked at it", now=NOW)
    return ChampionForecasts(registry)


def test_a_champion_with_a_long_look_back_still_has_a_forecast_in_a_tick(tmp_path: Path) -> None:
    models = champions(tmp_path, lookback=170)
    assert models.rows(KEY) > 200
    shown: list[int] = []

    def forecast(key: SeriesKey, frame: pd.DataFrame, now: datetime) -> None:
        shown.append(len(frame))
        assert models(key, frame, now) is not None

    bench = Bench(tmp_path, symbols=(BTC,))
    report = bench.tick(forecast=forecast, forecast_rows=models.rows)
    assert (report.problems, shown) == ({}, [models.rows(KEY)])


def test_a_series_without_a_champion_needs_no_rows(tmp_path: Path) -> None:
    assert ChampionForecasts(Registry(tmp_path / "models")).rows(KEY) == 0
