"""Replaying a decision: identical on the candles that were seen, and a planted change is named."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest

from kracken_tasks.domain.market import SeriesKey, Timeframe
from kracken_tasks.execution.tick import run_tick
from kracken_tasks.execution.tick_deps import TickSlot
from kracken_tasks.explain.replay import Replayed, replay
from kracken_tasks.ledger import DecisionEntry
from kracken_tasks.risk import RiskLimits
from kracken_tasks.signals import ForecastValue
from kracken_tasks.strategies import Strategy, build_strategy
from tests.support.bench import Bench
from tests.support.candles import random_candles
from tests.support.market_data import BTC

KEY = SeriesKey("kraken", BTC, Timeframe.H1)
TICKS = 40


class History:
    """The lake as of each commit: commit N shows what was closed at tick N."""

    def __init__(self, frame: pd.DataFrame, rows: int, seq: int) -> None:
        self._frame, self.seq = frame.iloc[:rows], seq

    def candles(
        self, key: SeriesKey, start: datetime | None = None, end: datetime | None = None, last: int | None = None
    ) -> pd.DataFrame:
        return self._frame.tail(last or len(self._frame)).reset_index(drop=True)

    def in_quarantine(self, key: SeriesKey) -> bool:
        return False


class Days:
    """Ticks of an ensemble with a model's forecasts, each on one more candle; every fifth comes four hours late."""

    def __init__(self, folder: Path) -> None:
        self.bench = Bench(folder, symbols=(BTC,))
        frame = random_candles(300 + TICKS, seed=5, momentum=0.5).assign(source="ohlc")
        newest = KEY.timeframe.last_closed(self.bench.market.now())
        times = pd.date_range(end=newest + timedelta(hours=TICKS), periods=len(frame), freq="1h").as_unit("ms")
        self.frame = frame.assign(ts=times)
        self.strategy: Strategy = build_strategy("ensemble", {"threshold": 0.2})
        for number in range(TICKS):
            self._tick(number)

    def view(self, seq: int) -> History:
        return History(self.frame, 300 + seq - (4 if seq % 5 == 4 else 0), seq)

    def _tick(self, number: int) -> None:
        bench = self.bench
        bench.market.prices[BTC] = float(self.frame["close"].iloc[299 + number])
        deps = bench.deps(
            snapshot=lambda: self.view(number),
            strategies={BTC: self.strategy},
            forecast=lambda key, frame, now: ForecastValue(
                float(frame["close"].iloc[-1]) * 1.01, True, "m1", frame["ts"].iloc[-1].to_pydatetime(), "champion"
            ),
        )
        run_tick(deps, TickSlot("bench", bench.market.now(), key=str(number)))
        bench.pass_time(3600)

    def decisions(self) -> tuple[DecisionEntry, ...]:
        return self.bench.ledger.decisions()

    def again(self, entry: DecisionEntry, strategy: Strategy | None = None, view: History | None = None) -> Replayed:
        seen = view or self.view(entry.decision.commit_seq)
        return replay(entry, strategy or self.strategy, seen, KEY, self.bench.limits)


@pytest.fixture(scope="module")
def days(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Days]:
    days = Days(tmp_path_factory.mktemp("days"))
    yield days
    days.bench.ledger.close()


def test_every_decision_of_a_run_replays_to_the_last_digit(days: Days) -> None:
    entries = days.decisions()
    assert len(entries) == TICKS
    assert len({entry.decision.action for entry in entries}) > 1
    assert any(entry.decision.blocked_by is not None for entry in entries)
    assert {days.again(entry).differences for entry in entries} == {()}


def test_a_revised_candle_is_named_by_the_signals_that_read_it(days: Days) -> None:
    entry = days.decisions()[1]
    seen = days.view(entry.decision.commit_seq)
    closes = days.frame["close"].to_numpy(dtype="float64").copy()
    closes[300] *= 1.05
    revised = days.frame.assign(close=closes)
    again = days.again(entry, view=History(revised, 301, seen.seq))
    named = [item.what for item in again.differences]
    assert "signal rsi" in named
    assert "bar" not in named


def test_a_snapshot_with_another_newest_bar_names_the_bar_first(days: Days) -> None:
    entry = days.decisions()[1]
    first = days.again(entry, view=days.view(3)).differences[0]
    assert first.what == "bar"
    assert first.was != first.is_now


def test_a_changed_setting_of_the_strategy_leaves_the_signals_and_names_what_followed(days: Days) -> None:
    stricter = build_strategy("ensemble", {"threshold": 0.99})
    named = {item.what for entry in days.decisions() for item in days.again(entry, stricter).differences}
    assert "action" in named
    assert not any(what.startswith("signal") or what == "bar" for what in named)


def test_another_strategy_is_named(days: Days) -> None:
    again = days.again(days.decisions()[0], build_strategy("sma_cross", {}))
    assert "strategy" in [item.what for item in again.differences]


def test_a_stricter_bound_on_age_turns_what_was_fresh_into_a_hold_and_says_so(days: Days) -> None:
    entry = next(entry for entry in days.decisions() if entry.decision.action != "HOLD")
    late = replace(entry, ts=entry.ts + timedelta(hours=9))
    again = replay(late, days.strategy, days.view(entry.decision.commit_seq), KEY, RiskLimits())
    assert "action" in [item.what for item in again.differences]
