"""Contracts over any clean rows: they pass, and neither the order of series nor of rows changes what is found."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from kracken_tasks.contracts.judging import judge, subject_of
from kracken_tasks.contracts.rows import ROW_RULES, row_findings
from kracken_tasks.contracts.subject import Facts
from kracken_tasks.domain.market import SeriesKey, Timeframe
from tests.support.candle_frames import BTC, START, candle_frame
from tests.support.contract_frames import contract_of, judged, later, quotes_frame, trades_frame

seeds = st.integers(0, 2**32 - 1)
widths = st.sampled_from(list(Timeframe))
FAULTS = (("volume", -1.0), ("low", 0.0), ("close", np.nan), ("vwap", 1e9), ("high", np.inf), ("source", "hearsay"))
faults = st.lists(st.tuples(st.integers(0, 29), st.sampled_from(FAULTS)), max_size=4)


@settings(deadline=None, max_examples=12)
@given(st.integers(1, 300), widths, seeds)
def test_any_clean_candles_pass(count: int, width: Timeframe, seed: int) -> None:
    start = width.floor(START)
    frame = candle_frame(count, start=start, timeframe=width, seed=seed)
    key = SeriesKey("kraken", "BTC/USD", width)
    assert judged(frame, "candles", key=key, now=start + count * width.delta).findings == ()
    assert row_findings(frame, key, start + count * width.delta) == ()


@settings(deadline=None, max_examples=15)
@given(st.integers(1, 300), seeds, st.floats(0.001, 30))
def test_any_clean_trades_and_quotes_pass(count: int, seed: int, seconds: float) -> None:
    now = later(count * seconds + 1)
    assert judged(trades_frame(count, seed=seed, seconds=seconds), "trades", now=now).findings == ()
    assert judged(quotes_frame(count, seed=seed, seconds=seconds), "quotes", now=now).findings == ()


@settings(deadline=None, max_examples=8)
@given(st.lists(faults, min_size=2, max_size=4), st.randoms(use_true_random=False))
def test_the_order_of_series_in_a_batch_changes_nothing(
    told: list[list[tuple[int, tuple[str, object]]]], random: object
) -> None:
    contract, now = contract_of("candles"), START + timedelta(hours=30)
    subjects = []
    for number, wrong in enumerate(told):
        frame = candle_frame(30, seed=number)
        for at, (column, value) in wrong:
            frame.loc[at, column] = value
        key = SeriesKey("kraken", f"A{number}/USD", Timeframe.H1)
        subjects.append(subject_of(frame, Facts(key, now), contract))
    shuffled = sorted(subjects, key=lambda _: random.random())  # type: ignore[attr-defined]
    found = {one.facts.key: judge(contract, [one])[0].findings for one in subjects}
    assert {
        one.facts.key: told.findings for one, told in zip(shuffled, judge(contract, shuffled), strict=True)
    } == found


@given(faults, seeds)
def test_rules_about_one_row_find_the_same_rows_in_any_order(
    wrong: list[tuple[int, tuple[str, object]]], seed: int
) -> None:
    frame, now = candle_frame(30), START + timedelta(hours=30)
    for at, (column, value) in wrong:
        frame.loc[at, column] = value
    mixed = frame.sample(frac=1, random_state=seed).reset_index(drop=True)

    def found(rows: pd.DataFrame) -> list[tuple[str, int, object]]:
        return [(one.rule, one.rows, one.first_ts) for one in row_findings(rows, BTC, now) if one.rule in ROW_RULES]

    assert found(mixed) == found(frame)


COLUMNS = ("open", "high", "low", "close", "volume", "trades")
VALUES = (np.nan, np.inf, -np.inf, 0.0, -1.0, 1e16, 98.0, 103.0)
wild = st.lists(
    st.tuples(st.integers(0, 39), st.sampled_from(COLUMNS), st.sampled_from(VALUES)), min_size=1, max_size=12
)


@settings(deadline=None, max_examples=12)
@given(wild, st.integers(0, 39))
def test_the_tick_and_great_expectations_find_the_same_rows(told: list[tuple[int, str, float]], twice: int) -> None:
    frame = candle_frame(40)
    for at, column, value in told:
        if column == "trades":
            frame.loc[at, column] = -3 if value < 0 else pd.NA
        else:
            frame.loc[at, column] = value
    frame.loc[twice, "ts"] = frame.loc[max(twice - 1, 0), "ts"]
    now = START + timedelta(hours=40)
    gate = {one.rule: (one.rows, one.first_ts, one.sample) for one in judged(frame, "candles").findings}
    tick = {one.rule: (one.rows, one.first_ts, one.sample) for one in row_findings(frame, BTC, now)}
    assert {rule: tick[rule] for rule in tick if rule in ROW_RULES} == {
        rule: gate[rule] for rule in gate if rule in ROW_RULES
    }
