"""Record what happens as it happens: quotes, trades and closed candles of venues, from their streams."""

from __future__ import annotations

from prefect import flow

from kracken_tasks.alerts import hooks
from kracken_tasks.domain.market import Timeframe
from kracken_tasks.feeds import tasks as feed_tasks
from kracken_tasks.feeds.tasks import Channel, RecorderReport


@flow(
    name="stream_market",
    description="Listen to venues' streams, fill their holes, hold what came against the data contracts, commit it in small batches.",
    flow_run_name=feed_tasks.stream_run_name,
    on_failure=[hooks.alert_failure],
    on_crashed=[hooks.alert_failure],
)
async def stream_market(
    exchanges: list[str] | None = None,
    symbols: list[str] | None = None,
    channels: list[Channel] = [Channel.TICKER, Channel.TRADES],  # noqa: B006  # never changed; Prefect shows it as the default
    timeframes: list[Timeframe] | None = None,
    minutes: float | None = None,
) -> RecorderReport:
    """Venues x symbols x channels at once; started again, it goes on behind the newest committed trade.

    Returns what it did, feed by feed.

    Args:
        exchanges: Venues; empty: all enabled ones of exchanges.yaml
        symbols: Symbols such as BTC/USD; empty: pairs.yaml
        channels: ticker, trades, candles
        timeframes: Widths of candles; empty: pairs.yaml
        minutes: How long; empty: until it is cancelled
    """
    feeds = feed_tasks.list_feeds(exchanges, symbols, channels, timeframes)
    return await feed_tasks.record_streams(feeds, minutes)
