"""What the recorder stages is what the contracts read: unknown sides, kinds, ids and last prices included."""

from __future__ import annotations

import math
from datetime import timedelta
from pathlib import Path

from kracken_tasks.contracts import check_batch
from kracken_tasks.domain.market import Timeframe
from kracken_tasks.domain.refs import StagedBatch
from kracken_tasks.exchange.streams import Batch, Candle, Channel, FeedKey, FeedSource, PublicTrade, Ticker
from kracken_tasks.exchange.streams.words import Item
from kracken_tasks.feeds.frames import frame_of
from kracken_tasks.lake import Lake, LocalStore
from tests.support.candle_frames import START
from tests.support.contract_frames import CONTRACTS

NOW = START + timedelta(minutes=5)


def minutes(count: float) -> timedelta:
    return timedelta(minutes=count)


ITEMS: dict[FeedKey, tuple[Item, ...]] = {
    FeedKey("kraken", "BTC/USD", Channel.TRADES): (
        PublicTrade(START, 100.0, 0.5, "b", "m", 7),
        PublicTrade(START + minutes(1), 100.1, 0.2, "", "", 8),
    ),
    FeedKey("bitstamp", "BTC/USD", Channel.TRADES): (PublicTrade(START, 100.0, 0.5, "s", "", None),),
    FeedKey("kraken", "BTC/USD", Channel.TICKER): (
        Ticker("BTC/USD", 99.9, 100.1, 1.0, 2.0, math.nan, START, START),
        Ticker("BTC/USD", 99.8, 100.0, math.nan, math.nan, 100.0, START + minutes(1), START + minutes(1.01)),
    ),
    FeedKey("kraken", "BTC/USD", Channel.CANDLES, Timeframe.M1): (
        Candle(START, 100.0, 101.0, 99.0, 100.5, 3.0, math.nan, None),
        Candle(START + minutes(1), 100.5, 101.0, 99.0, 100.0, 3.5, 100.0, 12),
    ),
}


def test_streamed_rows_keep_their_contracts_and_are_committed(tmp_path: Path) -> None:
    lake = Lake(LocalStore(tmp_path))
    staged = []
    for key, items in ITEMS.items():
        assert key.stored_as is not None
        frame = frame_of([Batch(key, FeedSource.STREAM, items, NOW)])
        staged.append(lake.stage(key.stored_as, frame, asked_from=START, asked_to=START + minutes(2), source="stream"))
    verdict = check_batch(lake, StagedBatch(tuple(staged)), now=NOW, contracts_dir=CONTRACTS)
    assert verdict.findings == ()
    assert lake.commit(verdict, known_at=NOW).rows_added == sum(map(len, ITEMS.values()))
