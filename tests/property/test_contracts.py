"""Contracts over any clean rows: they pass, and neither the order of series nor of rows changes what is found."""

from __future__ import annotations

import dataclasses
from datetime import timedelta

import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from kracken_tasks.contracts.checks import CHECKS
from kracken_tasks.contracts.judging import judge, subject_of
from kracken_tasks.contracts.rows import ROW_RULES, row_findings
from kracken_tasks.contracts.subject import Candles, Facts
from kracken_tasks.contracts.validation import failing_rows
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


LONG = 1_500
many = st.lists(
    st.tuples(st.integers(0, 2 * LONG - 1), st.sampled_from((*COLUMNS, "source")), st.sampled_from(VALUES)), max_size=8
)


@settings(deadline=None, max_examples=6)
@given(many, st.integers(-1, LONG - 1))
def test_the_few_rows_that_are_shown_give_what_all_rows_would(told: list[tuple[int, str, float]], twice: int) -> None:
    contract = contract_of("candles")
    frames = [candle_frame(LONG, seed=seed) for seed in (1, 2)]
    for at, column, value in told:
        frame = frames[at // LONG]
        if column in ("trades", "source"):
            frame.loc[at % LONG, column] = {"trades": -3, "source": "hearsay"}[column] if value < 0 else pd.NA
        else:
            frame.loc[at % LONG, column] = value
    if twice >= 0:
        frames[0].loc[twice, "ts"] = frames[0].loc[LONG - 1 - twice, "ts"]
    keys = [SeriesKey("kraken", f"A{number}/USD", Timeframe.H1) for number in range(2)]
    # An argument that changes nothing, and that is not known to be about single rows: so every row is shown.
    first = contract.expectations[0]
    kwargs = {**(first.expectation or {})["kwargs"], "mostly": 1.0}
    whole = dataclasses.replace(
        contract,
        expectations=(
            dataclasses.replace(first, expectation={**(first.expectation or {}), "kwargs": kwargs}),
            *contract.expectations[1:],
        ),
    )
    few, every = failing_rows(contract, keys, frames, whole=0), failing_rows(whole, keys, frames)
    assert {rule: rows.tolist() for rule, rows in few.items()} == {rule: rows.tolist() for rule, rows in every.items()}


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.integers(0, 3), min_size=2, max_size=120), st.sets(st.integers(0, 119), max_size=20), st.integers(0, 60),
    st.booleans(),
)  # fmt: skip
def test_candles_told_again_are_those_a_dictionary_of_earlier_ones_gives(
    kinds: list[int], missing: set[int], cut: int, mixed: bool
) -> None:
    frame = candle_frame(len(kinds), timeframe=Timeframe.M15)
    five = ["open", "high", "low", "close", "volume"]
    frame[five] = frame[five].to_numpy()[np.array(kinds) % len(kinds)]
    frame.loc[np.array(kinds) == 3, "volume"] = 0.0
    frame = frame.drop(index=[at for at in missing if at < len(frame)])
    if mixed:
        frame = frame.sample(frac=1, random_state=1)
    both = Candles.of(frame.reset_index(drop=True))
    cut = min(cut, len(both))
    facts = Facts(SeriesKey("kraken", "BTC/USD", Timeframe.M15), START, before=both.where(np.arange(cut)))
    rows = both.where(np.arange(cut, len(both)))
    found = CHECKS["candles"]["repeated"](rows, facts, {"run_seconds": 1800})
    said = {int(ts): tuple(getattr(both, name)[at] for name in five) for at, ts in enumerate(both.ts)}
    expected = np.zeros(len(both), bool)
    for lag in (900, 3600, 86400):
        same = [
            both.volume[at] > 0
            and both.high[at] > both.low[at]
            and said.get(int(ts) - lag * 1_000_000) == said[int(ts)]
            for at, ts in enumerate(both.ts)
        ]
        for at in range(len(same) - 1):
            if same[at] and same[at + 1]:
                expected[at : at + 2] = True
    assert found.rows.tolist() == expected[cut:].tolist()
