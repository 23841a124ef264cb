"""Trades told in any batches, order and number of times: the tape holds each once, and old snapshots what was known then."""

from __future__ import annotations

from datetime import timedelta

import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from kracken_tasks.domain.clock import utc
from kracken_tasks.lake import Lake
from kracken_tasks.lake import merge as merge_module
from tests.support.lake_stores import MemoryStore
from tests.support.tape_frames import QUOTES, TRADES, commit_tape, quote_frame, seconds, trade_frame

TOLD = trade_frame(120)
NAMELESS = trade_frame(120, seed=2).assign(trade_id=pd.array([pd.NA] * 120, dtype="Int64"))
_BATCH = st.tuples(
    st.lists(st.integers(0, 119), min_size=1, max_size=60),  # with repetitions, in any order
    st.booleans(),  # with ids or without
    st.sampled_from([0, 0, 400]),  # another source's stamp, in microseconds
    st.sampled_from(["", "", "maintain", "reopen"]),
)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(st.lists(_BATCH, min_size=1, max_size=8))
def test_every_trade_is_kept_once_and_every_snapshot_stays(batches: list[tuple[list[int], bool, int, str]]) -> None:
    store = MemoryStore()
    lake = Lake(store)
    named: set[int] = set()
    nameless: set[int] = set()
    history = [(0, 0)]
    for numbers, with_ids, shift, then in batches:
        batch = (TOLD if with_ids else NAMELESS).iloc[numbers].copy()
        if with_ids:
            batch["ts"] += pd.Timedelta(microseconds=shift)
        added = commit_tape(lake, TRADES, batch, known_at=seconds(1000 + len(history)))
        known = named if with_ids else nameless
        assert added == len(set(numbers) - known)
        known |= set(numbers)
        while len(history) <= lake.snapshot().seq:
            history.append((len(named), len(nameless)))
        if then == "maintain":
            lake.maintain(
                known_at=seconds(2000), wall_now=utc(2999, 1, 1), keep_replaced=timedelta(0), keep_staged=timedelta(0)
            )
            while len(history) <= lake.snapshot().seq:
                history.append((len(named), len(nameless)))
        lake = Lake(store) if then == "reopen" else lake
    for seq, (ids, others) in enumerate(history):
        tape = lake.snapshot(seq).tape(TRADES)
        assert tape["ts"].is_monotonic_increasing
        assert (tape["trade_id"].notna().sum(), tape["trade_id"].isna().sum()) == (ids, others)
    tape = lake.snapshot().tape(TRADES)
    assert set(tape["trade_id"].dropna()) == {number + 1 for number in named}
    by_id = tape.dropna(subset="trade_id").set_index("trade_id")["price"]
    assert all(by_id[number + 1] == TOLD["price"][number] for number in named)


@settings(max_examples=30, deadline=None, derandomize=True)
@given(st.lists(st.lists(st.integers(0, 59), min_size=1, max_size=40), min_size=1, max_size=6))
def test_every_quote_is_kept_once(batches: list[list[int]]) -> None:
    quotes = quote_frame(60)
    lake = Lake(MemoryStore())
    seen: set[int] = set()
    for numbers in batches:
        added = commit_tape(lake, QUOTES, quotes.iloc[numbers])
        assert added == len(set(numbers) - seen)
        seen |= set(numbers)
    read = lake.snapshot().tape(QUOTES).drop(columns="source")
    pd.testing.assert_frame_equal(read, quotes.iloc[sorted(seen)].reset_index(drop=True))


def test_batches_here_stay_below_one_small_file() -> None:
    # Many files, overlapping ones, and their joining are driven by tests/integration/lake/test_tapes.py.
    assert len(TOLD) < merge_module.SMALL_ROWS
