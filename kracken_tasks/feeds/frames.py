"""Batches of a stream as the frames the lake stages.

In: batches of one feed.  Out: a frame in the columns of ``domain.market`` with ``source`` a row.  Never: a row left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final, cast

import numpy as np
import pandas as pd

from kracken_tasks.domain.clock import to_ms, to_us
from kracken_tasks.domain.market import CANDLE_COLUMNS, QUOTE_COLUMNS, TRADE_COLUMNS, CandleSource
from kracken_tasks.exchange.streams.words import Batch, Candle, Channel, FeedSource, PublicTrade, Ticker

__all__ = ["frame_of"]

_STREAM: Final = CandleSource.STREAM.value
# What a row is that did not come by the stream, by channel.
_ASKED: Final = {
    Channel.TRADES: CandleSource.TRADES.value,
    Channel.CANDLES: CandleSource.OHLC.value,
    Channel.TICKER: "poll",
}


def frame_of(batches: Sequence[Batch]) -> pd.DataFrame:
    """All items of the batches of one feed, oldest first.

    Shapes: TRADE_COLUMNS, QUOTE_COLUMNS or CANDLE_COLUMNS, with ``source``.
    """
    channel = batches[0].key.channel
    asked = _ASKED[channel]
    sources = [
        _STREAM if batch.source is FeedSource.STREAM else asked for batch in batches for _ in range(len(batch.items))
    ]
    items = [item for batch in batches for item in batch.items]
    if channel is Channel.TRADES:
        frame = _trades(cast("list[PublicTrade]", items), sources)
    elif channel is Channel.TICKER:
        frame = _quotes(cast("list[Ticker]", items), sources)
    else:
        frame = _candles(cast("list[Candle]", items), sources)
    return frame.sort_values("ts", kind="stable", ignore_index=True)


def _trades(items: list[PublicTrade], sources: list[str]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "ts": _micros([item.ts for item in items]),
            "price": np.array([item.price for item in items], np.float64),
            "volume": np.array([item.volume for item in items], np.float64),
            "side": pd.array([item.side or None for item in items], dtype="str"),
            "kind": pd.array([item.kind or None for item in items], dtype="str"),
            "trade_id": pd.array([item.trade_id for item in items], dtype="Int64"),
            "source": pd.array(sources, dtype="str"),
        },
        columns=[*TRADE_COLUMNS, "source"],
    )


def _quotes(items: list[Ticker], sources: list[str]) -> pd.DataFrame:
    numbers: dict[str, Any] = {
        name: np.array([getattr(item, name) for item in items], np.float64)
        for name in ("bid", "ask", "bid_volume", "ask_volume", "last")
    }
    stamps = {"ts": _micros([item.ts for item in items]), "received": _micros([item.received for item in items])}
    return pd.DataFrame(
        numbers | stamps | {"source": pd.array(sources, dtype="str")}, columns=[*QUOTE_COLUMNS, "source"]
    )


def _candles(items: list[Candle], sources: list[str]) -> pd.DataFrame:
    opens = np.array([to_ms(item.ts) for item in items], np.int64)
    numbers: dict[str, Any] = {
        name: np.array([getattr(item, name) for item in items], np.float64)
        for name in ("open", "high", "low", "close", "volume", "vwap")
    }
    return pd.DataFrame(
        numbers
        | {
            "ts": pd.to_datetime(opens, unit="ms", utc=True).astype("datetime64[ms, UTC]"),
            "trades": pd.array([item.trades for item in items], dtype="Int64"),
            "source": pd.array(sources, dtype="str"),
        },
        columns=list(CANDLE_COLUMNS),
    )


def _micros(moments: Sequence[datetime]) -> pd.DatetimeIndex:
    counts = np.array([to_us(moment) for moment in moments], np.int64)
    return pd.DatetimeIndex(pd.to_datetime(counts, unit="us", utc=True)).as_unit("us")
