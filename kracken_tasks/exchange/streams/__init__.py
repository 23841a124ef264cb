"""Streams of venues: quotes, trades, closed candles and books as they happen, with polling behind them.

In: an exchange id, ccxt's options.  Out: items in order, each once, and what is known of each feed's health.  Never: a silent hole.

- ``manager``      ``WebSocketManager``, what users and the recorder hold
- ``words``        feeds, items, batches, gaps, status
- ``pump``         one feed kept alive · ``pumps`` what the four channels add · ``tracks`` what was seen, what is missing
- ``latecomers``   who joins a feed that others have begun
- ``source``       the two halves of a venue as protocols · ``ccxt_source`` ccxt.pro · ``questions`` REST in a thread
- ``account_feed``   an account: the stream rings, REST tells · ``ccxt_account`` the bell through ccxt.pro
- ``listener``     who reads · ``opening`` from names or settings to the ``halves`` of a real venue
- ``kraken_frames`` refusals and checksums that ccxt leaves out · ``clock`` market time · ``backoff`` pauses

ccxt loads when the first feed starts.
"""

from kracken_tasks.exchange.streams.manager import WebSocketManager
from kracken_tasks.exchange.streams.words import (
    Batch,
    Book,
    Candle,
    Channel,
    FeedKey,
    FeedSource,
    FeedStatus,
    Gap,
    PublicTrade,
    StreamTiming,
    Ticker,
)

__all__ = [
    "Batch",
    "Book",
    "Candle",
    "Channel",
    "FeedKey",
    "FeedSource",
    "FeedStatus",
    "Gap",
    "PublicTrade",
    "StreamTiming",
    "Ticker",
    "WebSocketManager",
]
