"""Replaying a decision: identical on the candles that were seen, and a planted change is named."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest

from kracken_tasks.domain.market import SeriesKey, Timeframe
from kracken_tasks.domain.trading import Action
from kracken_tasks.errors import BadData
from kracken_tasks.execution.tick import run_tick
from kracken_tasks.execution.tick_deps import TickSlot
from kracken_tasks.explain.replay import Replayed, recorded_facts, replay
from kracken_tasks.ledger import DecisionEntry
from kracken_tasks.risk import RiskLimits
from kracken_tasks.signals import ForecastValue
from kracken_tasks.strategies import Strategy, build_strategy
from tests.support.bench import Bench
from tests.support.candles import random_candles
from tests.support.market_data import BTC, ETH

KEY = SeriesKey("kraken", BTC, Timeframe.H1)
TICKS = 40
SEED = 11  # a stretch in which the ensemble buys, sells and holds


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
        self.bench.limits = RiskLimits(cooldown_minutes=0, confidence_threshold=0.05)
        frame = random_candles(300 + TICKS, seed=SEED, momentum=0.5).assign(source="ohlc")
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


def _bought(days: Days) -> DecisionEntry:
    return next(entry for entry in days.decisions() if entry.decision.receipt and entry.decision.receipt.lots > 0)


def test_sizes_and_guards_of_a_run_are_computed_again_from_the_facts_in_the_ledger(days: Days) -> None:
    sized = [entry for entry in days.decisions() if entry.decision.receipt is not None]
    assert len(sized) > 3
    for entry in sized:
        again = days.again(entry)
        assert again.partly == ""
        assert again.decision == entry.decision


def test_a_changed_limit_is_named_before_the_cut_it_changed_and_the_size(days: Days) -> None:
    entry = _bought(days)
    limits = replace(days.bench.limits, max_position_size=days.bench.limits.max_position_size / 2)
    seen = days.view(entry.decision.commit_seq)
    named = [item.what for item in replay(entry, days.strategy, seen, KEY, limits).differences]
    assert named[0] == "setting max_position_size"
    assert "size cut max_position_size" in named
    assert "size" in named
    assert not any(what.startswith("signal") for what in named)


def test_a_limit_that_changed_nothing_in_a_decision_is_no_difference(days: Days) -> None:
    entry = next(entry for entry in days.decisions() if entry.decision.action == "HOLD")
    limits = replace(days.bench.limits, max_position_size=0.05)
    assert replay(entry, days.strategy, days.view(entry.decision.commit_seq), KEY, limits).identical


def test_a_stricter_guard_is_named_and_so_is_what_it_says(days: Days) -> None:
    entry = _bought(days)
    limits = replace(days.bench.limits, max_spread_fraction=0.00001)
    seen = days.view(entry.decision.commit_seq)
    named = [item.what for item in replay(entry, days.strategy, seen, KEY, limits).differences]
    assert named == ["setting max_spread_fraction", "guard spread_bound", "reason"]


def test_a_changed_stop_rule_is_named_with_the_cut_that_looks_at_the_stop(days: Days) -> None:
    entry = _bought(days)
    seen = days.view(entry.decision.commit_seq)
    rules = replace(days.bench.stops, stop_loss_pct=0.2)
    named = [item.what for item in replay(entry, days.strategy, seen, KEY, days.bench.limits, rules).differences]
    assert named[0] == "setting stop_loss_pct"
    assert "size cut risk_per_trade" in named


def test_a_revised_candle_is_named_by_the_size_cut_that_read_it(days: Days) -> None:
    entry = _bought(days)
    seen = days.view(entry.decision.commit_seq)
    rows = 300 + entry.decision.commit_seq
    closes = days.frame["close"].to_numpy(dtype="float64").copy()
    closes[rows - 60] *= 1.2  # long before what the signals look at: only the volatility reads so far back
    revised = History(days.frame.assign(close=closes), rows, seen.seq)
    assert "size cut volatility" in [item.what for item in days.again(entry, view=revised).differences]


def test_a_decision_of_before_facts_were_kept_is_computed_up_to_its_proposal_and_says_so(days: Days) -> None:
    old = replace(_bought(days), facts="")
    again = days.again(old)
    assert again.identical
    assert "not kept" in again.partly


def test_facts_this_version_cannot_read_are_told_with_their_tick(days: Days) -> None:
    with pytest.raises(BadData, match="cannot be read"):
        days.again(replace(_bought(days), facts='{"instrument":{}}'))


def test_a_sale_that_the_row_rules_took_back_is_taken_back_again(tmp_path: Path) -> None:
    bench = Bench(tmp_path, symbols=(BTC,))
    bench.tick({BTC: Action.BUY})
    bench.findings = {BTC: "misprint"}
    bench.tick({BTC: Action.SELL})
    entry = bench.ledger.decisions()[-1]
    assert entry.decision.action is Action.HOLD
    assert replay(entry, bench.strategy, bench.candles, KEY, bench.limits).differences == ()
    bench.ledger.close()


def test_what_is_held_counts_in_the_size_again_with_its_own_candles(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.tick({BTC: Action.BUY})
    bench.tick({ETH: Action.BUY})
    (entry,) = [entry for entry in bench.ledger.decisions() if entry.symbol == ETH and entry.facts]
    facts = recorded_facts(entry)
    assert facts is not None
    assert [holding.symbol for holding in facts.holdings] == [BTC]
    bench.strategy.says = {ETH: Action.BUY}
    again = replay(entry, bench.strategy, bench.candles, SeriesKey("kraken", ETH, Timeframe.H1), bench.limits)
    assert again.differences == ()
    assert again.decision.receipt is not None
    bench.ledger.close()
