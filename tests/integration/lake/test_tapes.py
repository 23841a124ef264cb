"""What a reader of tapes may rely on: every trade and quote once, in order, in small commits beside candles."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from kracken_tasks.domain.clock import utc
from kracken_tasks.domain.market import QUOTE_COLUMNS, TRADE_COLUMNS, Tape, TapeKey
from kracken_tasks.errors import BadData
from kracken_tasks.lake import Lake
from kracken_tasks.lake.merge import FAN_OUT, SMALL_ROWS
from kracken_tasks.lake.store import Store
from tests.support.candle_frames import BTC, START, accepting, candle_frame, hours, stage_frame
from tests.support.lake_stores import STORES, MemoryStore, store_of
from tests.support.tape_frames import QUOTES, TRADES, commit_tape, quote_frame, seconds, trade_frame


@pytest.fixture(params=STORES)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    return store_of(request.param, request, tmp_path)


@pytest.fixture
def lake(store: Store) -> Lake:
    return Lake(store)


def test_trades_and_quotes_are_read_back_to_the_last_bit_with_their_source(lake: Lake, store: Store) -> None:
    trades, quotes = trade_frame(50), quote_frame(80)
    trades.loc[3, ["side", "kind"]] = None
    quotes.loc[4, "received"] = pd.NaT
    assert (commit_tape(lake, TRADES, trades), commit_tape(lake, QUOTES, quotes)) == (50, 80)
    for reader in (lake, Lake(store)):
        snap = reader.snapshot()
        read, told = snap.tape(TRADES), snap.tape(QUOTES)
        assert (tuple(read.columns), tuple(told.columns)) == ((*TRADE_COLUMNS, "source"), (*QUOTE_COLUMNS, "source"))
        assert str(read["ts"].dtype) == str(told["received"].dtype) == "datetime64[us, UTC]"
        assert set(read["source"]) == {"stream"}
        pd.testing.assert_frame_equal(read[list(TRADE_COLUMNS)], trades)
        pd.testing.assert_frame_equal(told[list(QUOTE_COLUMNS)], quotes)
        assert (snap.tapes(), snap.series(), snap.first_ts(TRADES), snap.last_ts(TRADES)) == (
            (QUOTES, TRADES), (), seconds(1), seconds(50),
        )  # fmt: skip


def test_what_was_staged_of_a_tape_comes_back_as_it_was_faults_included(lake: Lake) -> None:
    frame = trade_frame(6).iloc[[3, 1, 1, 5]].reset_index(drop=True)
    frame.loc[0, "price"] = np.nan
    frame["trade_id"] = pd.array([4, pd.NA, 2, 6], dtype="Int64")
    staged = lake.stage(TRADES, frame, asked_from=START, asked_to=seconds(9), source="trades")
    pd.testing.assert_frame_equal(lake.read_staged(staged), frame.assign(source=pd.array(["trades"] * 4, dtype="str")))
    assert (staged.rows, staged.first_ts, staged.last_ts) == (4, seconds(2), seconds(6))
    with pytest.raises(BadData, match="no trades"):
        lake.commit(accepting([staged]), known_at=seconds(9))


def test_an_unknown_tape_reads_as_no_rows(lake: Lake) -> None:
    assert tuple(lake.snapshot().tape(QUOTES).columns) == (*QUOTE_COLUMNS, "source")
    assert len(lake.snapshot().tape(TRADES)) == 0
    assert lake.sql("SELECT * FROM trades").empty
    assert lake.sql("SELECT * FROM quotes").empty


def test_a_trade_is_kept_once_by_its_id_though_two_sources_stamp_it_differently(lake: Lake) -> None:
    trades = trade_frame(30)
    commit_tape(lake, TRADES, trades.iloc[:20])
    again = trades.iloc[10:].copy()
    again["ts"] += pd.Timedelta("700us")
    assert commit_tape(lake, TRADES, pd.concat([again, again.iloc[:5]]), source="trades") == 10
    read = lake.snapshot().tape(TRADES)
    assert read["trade_id"].tolist() == list(range(1, 31))
    assert read["source"].tolist() == ["stream"] * 20 + ["trades"] * 10


def test_trades_without_an_id_and_quotes_are_kept_once_by_what_they_say(lake: Lake) -> None:
    nameless = trade_frame(10).assign(trade_id=pd.array([pd.NA] * 10, dtype="Int64"))
    assert commit_tape(lake, TRADES, pd.concat([nameless, nameless.iloc[3:4]]), source="archive") == 10
    assert commit_tape(lake, TRADES, nameless, source="archive") == 0
    twin = nameless.iloc[[4]].assign(volume=nameless["volume"][4] + 0.5)
    assert commit_tape(lake, TRADES, twin, source="archive") == 1
    quotes = quote_frame(8)
    assert commit_tape(lake, QUOTES, quotes) == 8
    assert commit_tape(lake, QUOTES, quotes.assign(received=quotes["received"] + pd.Timedelta("1s"), last=1.0)) == 0
    assert commit_tape(lake, QUOTES, quotes.iloc[[2]].assign(ask=999.0)) == 1
    one_sided = quotes.iloc[[5]].assign(bid=np.nan)
    assert (commit_tape(lake, QUOTES, one_sided), commit_tape(lake, QUOTES, one_sided)) == (1, 0)


def test_one_verdict_brings_candles_and_tapes_at_once(lake: Lake) -> None:
    trades = trade_frame(20)
    staged = lake.stage(TRADES, trades, asked_from=START, asked_to=seconds(30), source="stream")
    ref = lake.commit(accepting([staged, stage_frame(lake, BTC, candle_frame(5))]), known_at=hours(5))
    assert (ref.seq, ref.rows_added) == (1, 25)
    assert lake.commit(accepting([staged]), known_at=hours(6)).seq == 1
    assert [line.key for line in lake.snapshot().coverage()] == [BTC]
    assert len(lake.snapshot(as_of=0).tape(TRADES)) == 0


def test_small_batches_cost_no_more_as_the_tape_grows_and_stay_few_files() -> None:
    read: list[str] = []

    class Counting(MemoryStore):
        def get(self, name: str) -> bytes:
            read.append(name)
            return super().get(name)

    store = Counting()
    lake = Lake(store)
    trades = trade_frame(6000)
    written = 0
    for at in range(0, 6000, 40):
        before = {name: len(raw) for name, raw in store.objects.items() if name.startswith("data/")}
        batch = trades.iloc[max(at - 5, 0) : at + 40].sample(frac=1.0, random_state=at)  # overlapping, out of order
        commit_tape(lake, TRADES, batch)
        written += sum(
            len(raw) for name, raw in store.objects.items() if name.startswith("data/") and name not in before
        )
    files = lake.snapshot().files(TRADES)
    assert len(files) <= 3 * FAN_OUT
    assert [name for name in read if name.startswith("data/")] == []
    assert sum(entry.rows < SMALL_ROWS for entry in files) <= 1
    assert written < 15 * sum(entry.bytes for entry in files)
    pd.testing.assert_frame_equal(lake.snapshot().tape(TRADES)[list(TRADE_COLUMNS)], trades)


def test_a_late_trade_does_not_rewrite_the_file_it_falls_into(lake: Lake) -> None:
    trades = trade_frame(5000)
    commit_tape(lake, TRADES, trades.drop(index=[7, 900]))
    (large,) = lake.snapshot().files(TRADES)
    commit_tape(lake, TRADES, trades.iloc[[7]])
    commit_tape(lake, TRADES, trades.iloc[[900]])
    assert large in lake.snapshot().files(TRADES)
    pd.testing.assert_frame_equal(lake.snapshot().tape(TRADES)[list(TRADE_COLUMNS)], trades)
    assert lake.snapshot().last_ts(TRADES) == seconds(5000)


def test_a_range_is_by_the_venues_stamp_and_half_open(lake: Lake) -> None:
    commit_tape(lake, TRADES, trade_frame(40))
    read = lake.snapshot().tape(TRADES, seconds(10), seconds(20))
    assert read["trade_id"].tolist() == list(range(10, 20))
    assert lake.snapshot().tape(TRADES, seconds(40) + timedelta(microseconds=1)).empty


def test_old_snapshots_of_a_tape_read_the_same_after_compaction_and_vacuum(store: Store) -> None:
    lake = Lake(store)
    trades = trade_frame(3000)
    for at in range(0, 3000, 600):
        commit_tape(lake, TRADES, trades.iloc[at : at + 600])
    before = [lake.snapshot(as_of=seq).tape(TRADES) for seq in range(6)]
    assert [len(one) for one in before] == [0, 600, 1200, 1800, 2400, 3000]
    lake.compact(known_at=seconds(9000))
    lake.vacuum(staged_before=utc(2999, 1, 1))
    assert len(lake.snapshot().files(TRADES)) == 1
    for seq, then in enumerate(before):
        pd.testing.assert_frame_equal(Lake(store).snapshot(as_of=seq).tape(TRADES), then)


def test_rows_of_a_tape_that_were_kept_out_are_readable_by_sql(lake: Lake) -> None:
    trades = trade_frame(10)
    staged = lake.stage(TRADES, trades.iloc[1:], asked_from=START, asked_to=seconds(20), source="stream")
    bad = lake.stage_rows(staged, trades.iloc[:1].assign(rule="price_positive", reason="prices are positive"))
    lake.commit(accepting([staged], quarantined=[bad]), known_at=seconds(20))
    told = lake.sql("SELECT exchange, symbol, tape, trade_id, price, rule FROM quarantine WHERE timeframe IS NULL")
    assert told.to_dict("records") == [
        {"exchange": "kraken", "symbol": "BTC/USD", "tape": "trades", "trade_id": 1,
         "price": trades["price"][0], "rule": "price_positive"}
    ]  # fmt: skip
    assert lake.snapshot().in_quarantine(TRADES)


def test_sql_joins_tapes_of_several_symbols(lake: Lake) -> None:
    commit_tape(lake, TRADES, trade_frame(10))
    commit_tape(lake, TapeKey("kraken", "ETH/USD", Tape.TRADES), trade_frame(5))
    commit_tape(lake, QUOTES, quote_frame(4))
    told = lake.sql("SELECT symbol, count(*) AS n, max(trade_id) AS newest FROM trades GROUP BY symbol ORDER BY symbol")
    assert told.to_numpy().tolist() == [["BTC/USD", 10, 10], ["ETH/USD", 5, 5]]
    assert lake.sql("SELECT count(*) AS n FROM trades", as_of=1)["n"][0] == 10
    assert lake.sql("SELECT avg(ask - bid) AS spread FROM quotes")["spread"][0] == pytest.approx(0.1)
    assert set(lake.sql("SELECT * FROM quotes").columns) >= {
        *QUOTE_COLUMNS,
        "source",
        "exchange",
        "symbol",
        "commit_seq",
    }
