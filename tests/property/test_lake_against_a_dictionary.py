"""The lake driven at random beside a toy lake that is a dictionary: every snapshot of both must agree."""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from kracken_tasks.domain.market import SeriesKey
from kracken_tasks.lake import Lake
from kracken_tasks.lake import merge as merge_module
from tests.support.candle_frames import BTC, ETH, START, accepting, candle_frame, hours
from tests.support.lake_stores import MemoryStore

SPAN = 60
Model = dict[tuple[SeriesKey, int], float]


class LakeBesideDictionary(RuleBasedStateMachine):
    """Values are told apart by close alone; a candle is (series, hour)."""

    def __init__(self) -> None:
        super().__init__()
        self.store = MemoryStore()
        self.lake = Lake(self.store)
        self.now: Model = {}
        self.history: list[Model] = [{}]
        self.asked: set[tuple[SeriesKey, int]] = set()
        self.pinned: set[int] = set()
        self.template = candle_frame(SPAN)

    @rule(
        key=st.sampled_from([BTC, ETH]),
        opens=st.sets(st.integers(0, SPAN - 1), min_size=1, max_size=25),
        shift=st.sampled_from([0.0, 0.0, 0.01, 0.02]),
        repeat=st.booleans(),
    )
    def commit(self, key: SeriesKey, opens: set[int], shift: float, repeat: bool) -> None:
        rows = self.template.iloc[sorted(opens)].reset_index(drop=True)
        rows["close"] = rows["close"] + shift
        asked = (hours(min(opens)), hours(max(opens) + 1))
        verdict = accepting([self.lake.stage(key, rows, asked_from=asked[0], asked_to=asked[1], source="ohlc")])
        told = {(key, hour): float(close) for hour, close in zip(sorted(opens), rows["close"], strict=True)}
        windows = {(key, hour) for hour in range(min(opens), max(opens) + 1)}
        news = {at: close for at, close in told.items() if self.now.get(at) != close}
        ref = self.lake.commit(verdict, known_at=hours(SPAN + len(self.history)))
        added = sum(at not in self.now for at in news)
        assert (ref.rows_added, ref.rows_revised) == (added, len(news) - added)
        if news or windows - self.asked:
            self.now = {**self.now, **told}
            self.asked |= windows
            self.history.append(self.now)
        assert ref.seq == len(self.history) - 1
        if repeat:
            assert self.lake.commit(verdict, known_at=hours(SPAN)).seq == ref.seq

    @rule()
    def compact(self) -> None:
        seq = self.lake.snapshot().seq
        if self.lake.compact(known_at=hours(SPAN + len(self.history))).seq > seq:
            self.history.append(self.now)

    @rule(grace=st.sampled_from([0, 2, 5]))
    def maintain(self, grace: int) -> None:
        now, seq = hours(SPAN + len(self.history)), self.lake.snapshot().seq
        report = self.lake.maintain(
            known_at=now, wall_now=now, keep_replaced=timedelta(hours=grace), keep_staged=timedelta(0)
        )
        if report.seq > seq:
            self.history.append(self.now)

    @rule(data=st.data())
    def pin(self, data: Any) -> None:
        seq = data.draw(st.integers(0, len(self.history) - 1))
        self.lake.pin(f"pin-{seq}", seq, pinned_at=hours(SPAN + len(self.history)))
        self.pinned.add(seq)

    @rule()
    def read_pins(self) -> None:
        assert {pin.seq for pin in self.lake.pins()} == self.pinned
        for pin in self.lake.pins():
            for key in (BTC, ETH):
                told = told_of(self.lake.snapshot(pin.name).candles(key))
                assert told == sorted((at, close) for (one, at), close in self.history[pin.seq].items() if one == key)

    @rule()
    def reopen(self) -> None:
        self.lake = Lake(self.store)

    @rule(data=st.data())
    def read_as_of(self, data: Any) -> None:
        seq = data.draw(st.integers(0, len(self.history) - 1))
        start, end = sorted((data.draw(st.integers(0, SPAN)), data.draw(st.integers(0, SPAN))))
        last = data.draw(st.none() | st.integers(0, 30))
        snap, known = self.lake.snapshot(as_of=seq), self.history[seq]
        for key in (BTC, ETH):
            expected = [(hour, known[key, hour]) for hour in range(start, end) if (key, hour) in known]
            wanted = expected if last is None else expected[len(expected) - min(last, len(expected)) :]
            assert told_of(snap.candles(key, hours(start), hours(end), last)) == wanted
            missing = {hour for a, b in snap.missing(key, hours(start), hours(end)) for hour in hours_between(a, b)}
            assert missing == {hour for hour in range(start, end) if (key, hour) not in known}

    @invariant()
    def the_head_agrees(self) -> None:
        snap = self.lake.snapshot()
        assert snap.seq == len(self.history) - 1
        for key in (BTC, ETH):
            assert told_of(snap.candles(key)) == sorted(
                (hour, close) for (one, hour), close in self.now.items() if one == key
            )
            files = snap.files(key)
            assert all(left.last < right.first for left, right in pairwise(files))
        assert {(one.key, one.candles) for one in snap.coverage()} == {
            (key, sum(at[0] == key for at in self.now)) for key in {at[0] for at in self.now}
        }


def told_of(frame: pd.DataFrame) -> list[tuple[int, float]]:
    first = np.datetime64(START.replace(tzinfo=None), "ms")
    opens = (frame["ts"].dt.tz_localize(None).to_numpy() - first) // np.timedelta64(1, "h")
    return list(zip(opens.tolist(), frame["close"].tolist(), strict=True))


def hours_between(start: Any, end: Any) -> range:
    return range(int((start - START).total_seconds() // 3600), int((end - START).total_seconds() // 3600))


TestLakeBesideDictionary = LakeBesideDictionary.TestCase
TestLakeBesideDictionary.settings = settings(max_examples=30, stateful_step_count=25, deadline=None, derandomize=True)


def test_file_layout_is_small_enough_in_this_test_to_be_exercised() -> None:
    # The machine's spans stay below one small file; the layout itself is driven by test_rows_find_their_file.
    assert SPAN < merge_module.SMALL_ROWS
