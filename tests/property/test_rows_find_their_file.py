"""Whatever rows come to whatever files, the files stay disjoint, few, and lose no revision."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from kracken_tasks.lake.block import Block
from kracken_tasks.lake.dataset import CANDLES
from kracken_tasks.lake.manifest import FileEntry, file_entry
from kracken_tasks.lake.merge import FAN_OUT, SMALL_ROWS, news_of, rewrites_for
from kracken_tasks.lake.reader import newest

STEP = 60_000


def block(first: int, count: int, stride: int, seq: int) -> Block:
    ts = (first + np.arange(count, dtype=np.int64) * stride) * STEP
    prices = dict.fromkeys(CANDLES.floats, np.full(count, 100.0 + seq))
    ints = {name: np.zeros(count, np.int64) for name in ("trades", "commit_seq", "known_at")}
    rows = Block(
        {"ts": ts, **prices, **ints, "source": np.zeros(count, np.int8), "revision": np.zeros(count, np.int32)}
    )
    return rows.stamped(revision=rows["revision"], commit_seq=seq, known_at=seq)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    st.lists(
        st.tuples(st.integers(0, 6000), st.sampled_from([1, 3, 40, 300, 700, 2500]), st.sampled_from([1, 1, 1, 7])),
        min_size=1,
        max_size=14,
    )
)
def test_files_stay_disjoint_and_keep_every_revision(commits: list[tuple[int, int, int]]) -> None:
    files: list[FileEntry] = []
    stored: dict[str, Block] = {}
    written: set[tuple[int, int]] = set()
    for seq, (first, count, stride) in enumerate(commits, start=1):
        incoming = block(first, count, stride, seq)
        news = news_of(newest([stored[entry.name] for entry in files]), incoming)
        assert (news.added + news.revised, news.unchanged) == (len(news.rows), 0)
        rows = news.rows.stamped(revision=news.rows["revision"], commit_seq=seq, known_at=seq)
        for rewrite in rewrites_for(files, rows, lambda entry: stored[entry.name]):
            files = [entry for entry in files if entry not in rewrite.removed]
            for part in rewrite.blocks:
                entry = file_entry("data", part, f"{seq}-{int(part['ts'][0])}-{len(part)}".encode())
                stored[entry.name] = part
                files.append(entry)
        files.sort(key=lambda entry: entry.first)
        written |= {(int(moment), seq) for moment in incoming["ts"]}
        assert all(left.last < right.first for left, right in pairwise(files))
    kept = [
        (int(ts), int(seq))
        for e in files
        for ts, seq in zip(stored[e.name]["ts"], stored[e.name]["commit_seq"], strict=True)
    ]
    assert sorted(kept) == sorted(written)


def test_appending_one_row_at_a_time_keeps_files_few() -> None:
    files: list[FileEntry] = []
    stored: dict[str, Block] = {}
    rewritten = 0
    for minute in range(0, 40_000, 16):
        rows = block(minute, 16, 1, minute + 1)
        (rewrite,) = rewrites_for(files, rows, lambda entry: stored[entry.name])
        files = [entry for entry in files if entry not in rewrite.removed]
        for part in rewrite.blocks:
            entry = file_entry("data", part, str(minute).encode() + str(len(part)).encode())
            stored[entry.name] = part
            files.append(entry)
            rewritten += len(part)
    assert sum(entry.rows for entry in files) == 40_000
    assert len(files) <= 3 * FAN_OUT
    # A row is written again while its small file fills (16 of 512 at a time), then once a size class.
    assert rewritten < 40_000 * (SMALL_ROWS / 16 / 2 + 4)
