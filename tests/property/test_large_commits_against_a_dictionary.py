"""Commits of hundreds of rows of two series, taken over, joined or packed as they come, read as a dictionary would."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from kracken_tasks.lake import Lake
from tests.support.candle_frames import BTC, ETH, START, accepting, candle_frame, hours, stage_frame
from tests.support.lake_stores import MemoryStore

ROWS = candle_frame(6000)
ORIGIN = np.datetime64(START.replace(tzinfo=None), "ms")
PART = st.tuples(
    st.integers(0, 3000), st.sampled_from([1, 40, 511, 512, 700, 2600]), st.sampled_from([0.0, 0.0, 0.0, 0.5])
)


def told(frame: pd.DataFrame) -> dict[int, float]:
    opens = (frame["ts"].dt.tz_localize(None).to_numpy() - ORIGIN) // np.timedelta64(1, "h")
    return dict(zip(opens.tolist(), frame["close"].tolist(), strict=True))


@settings(max_examples=25, deadline=None, derandomize=True)
@given(st.lists(st.tuples(PART, st.none() | PART, st.booleans()), min_size=1, max_size=6))
def test_every_snapshot_reads_what_was_known_then(
    commits: list[tuple[tuple[int, int, float], tuple[int, int, float] | None, bool]],
) -> None:
    store = MemoryStore()
    lake = Lake(store)
    now: dict[object, dict[int, float]] = {BTC: {}, ETH: {}}
    history = [{key: dict(rows) for key, rows in now.items()}]
    for one, other, tidy in commits:
        staged = []
        for key, part in ((BTC, one), (ETH, other)):
            if part is not None:
                rows = ROWS.iloc[part[0] : part[0] + part[1]]
                rows = rows.assign(close=rows["close"] + part[2])
                staged.append(stage_frame(lake, key, rows))
                now[key] |= told(rows)
        seq = lake.commit(accepting(staged), known_at=hours(9000)).seq
        if seq == len(history):
            history.append({key: dict(rows) for key, rows in now.items()})
        if tidy:
            after = lake.compact(known_at=hours(9000)).seq
            lake.vacuum()
            history += [history[-1]] * (after - seq)
    for reader in (lake, Lake(store)):
        for seq, known in enumerate(history):
            for key in (BTC, ETH):
                assert told(reader.snapshot(as_of=seq).candles(key)) == known[key]
    for key in (BTC, ETH):
        files = lake.snapshot().files(key)
        assert all(left.last < right.first for left, right in pairwise(files))
    counted = lake.sql("SELECT symbol, count(*) AS n, sum(close) AS closes FROM candles GROUP BY symbol")
    totals = dict(zip(counted["symbol"], counted["n"], strict=True))
    assert totals == {key.symbol: len(now[key]) for key in (BTC, ETH) if now[key]}
    assert lake.verify() == []
