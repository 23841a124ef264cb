"""DuckDB reads the lake in one line, from a folder and from a bucket, and fetches no more than a query needs."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pandas as pd
import pytest

from kracken_tasks.lake import Lake, LocalStore, connect
from tests.support.candle_frames import BTC, ETH, candle_frame, commit_frame, hours
from tests.support.lake_stores import STORES, MemoryStore, store_of
from tests.support.s3_server import S3Server
from tests.support.tape_frames import QUOTES, TRADES, commit_tape, quote_frame, trade_frame


@pytest.mark.parametrize("kind", STORES)
def test_a_notebook_reads_every_view_in_one_line(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    store = store_of(kind, request, tmp_path)
    lake = Lake(store)
    frame = candle_frame(30)
    commit_frame(lake, BTC, frame)
    commit_frame(lake, ETH, frame.iloc[:10])
    commit_tape(lake, TRADES, trade_frame(7))
    commit_tape(lake, QUOTES, quote_frame(9))
    where = tmp_path if isinstance(store, LocalStore) else lake
    told = (
        connect(where)
        .sql("SELECT symbol, count(*) AS n, max(close) AS top FROM candles GROUP BY symbol ORDER BY symbol")
        .df()
    )
    assert told["n"].tolist() == [30, 10]
    assert told["top"].tolist() == [frame["close"].max(), frame["close"][:10].max()]
    early = connect(where, as_of=1).sql("SELECT count(*) FROM candles").fetchall()
    assert early == [(30,)]
    counts = connect(where).sql(
        "SELECT (SELECT count(*) FROM trades), (SELECT count(*) FROM quotes), (SELECT count(*) FROM commits)"
    )
    assert counts.fetchall() == [(7, 9, 4)]
    read = (
        connect(where)
        .sql("SELECT ts, close FROM candles WHERE symbol = 'BTC/USD' AND ts >= '2023-01-03' ORDER BY ts")
        .df()
    )
    assert read["close"].tolist() == frame["close"].tolist()[24:]


def test_a_connection_shows_its_snapshot_whatever_is_committed_meanwhile(tmp_path: Path) -> None:
    lake = Lake(LocalStore(tmp_path))
    commit_frame(lake, BTC, candle_frame(10))
    held = connect(tmp_path)
    commit_frame(lake, BTC, candle_frame(20))
    assert held.sql("SELECT count(*) FROM candles").fetchall() == [(10,)]
    assert connect(tmp_path).sql("SELECT count(*) FROM candles").fetchall() == [(20,)]


def test_a_connection_reads_nothing_but_the_lake(tmp_path: Path) -> None:
    commit_frame(Lake(LocalStore(tmp_path)), BTC, candle_frame(3))
    with pytest.raises(duckdb.Error):
        connect(tmp_path).sql("SELECT * FROM read_csv('/etc/passwd')").fetchall()


def test_a_query_on_a_bucket_fetches_only_the_files_of_its_times_and_symbol() -> None:
    fetched: list[str] = []

    class Counting(MemoryStore):
        def get(self, name: str) -> bytes:
            fetched.append(name)
            return super().get(name)

    store = Counting()
    lake = Lake(store)
    frame = candle_frame(3000)
    for at in (0, 1000, 2000):
        commit_frame(lake, BTC, frame.iloc[at : at + 1000])
        commit_frame(lake, ETH, frame.iloc[at : at + 1000])
    assert len(lake.snapshot().files(BTC)) == 3
    fetched.clear()
    moment = hours(1500).strftime("%Y-%m-%dT%H:%M:%SZ")
    told = lake.sql(f"SELECT close FROM candles WHERE symbol = 'BTC/USD' AND ts = TIMESTAMPTZ '{moment}'")
    assert told["close"].tolist() == [frame["close"][1500]]
    assert [name for name in fetched if name.startswith("data/")] == [lake.snapshot().files(BTC)[1].name]


def test_a_bucket_and_a_folder_answer_alike(bucket_server: S3Server, tmp_path: Path) -> None:
    frame = candle_frame(40)
    frame.loc[3, "vwap"] = None
    answers = []
    for store in (LocalStore(tmp_path), bucket_server.store("alike")):
        lake = Lake(store)
        commit_frame(lake, BTC, frame)
        commit_frame(lake, BTC, frame.assign(close=frame["close"] + 1))
        commit_tape(lake, TRADES, trade_frame(20))
        answers.append(
            [lake.sql(f"SELECT * FROM {view} ORDER BY ts, commit_seq") for view in ("candles", "candles_all", "trades")]
        )
    for left, right in zip(*answers, strict=True):
        pd.testing.assert_frame_equal(left, right)
