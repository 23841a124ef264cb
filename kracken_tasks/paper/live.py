"""Looking after a paper account while time passes: market time on the embedded market, the wall's on a venue.

In: an account, for how long, perhaps streams and signals.  Out: how often it looked.  Never: a stream left open, a look that fails for one
symbol's missing price.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from kracken_tasks.domain.clock import monotonic_seconds, pause
from kracken_tasks.errors import Misconfigured, RetryLater
from kracken_tasks.paper.markets import VenueStand

if TYPE_CHECKING:
    from kracken_tasks.paper.account import PaperAccount

__all__ = ["run_embedded", "run_streaming"]

_log = logging.getLogger(__name__)


async def run_embedded(account: PaperAccount, minutes: float, signals: Any) -> int:
    """Go through ``minutes`` of market time, looking every minute; signals are asked when a candle of their width has closed."""
    if minutes <= 0:
        raise Misconfigured(f"duration_minutes = {minutes!r}: allowed is above 0", key="duration_minutes")
    looked, bars = 0, _Bars(account, signals)
    for _ in range(int(minutes)):
        account.advance(timedelta(minutes=1))
        looked += 1
        await bars.ask_signals()
        await pause(0)  # others on this loop have their turn
    return looked


async def run_streaming(account: PaperAccount, minutes: float | None, streams: Any, signals: Any, every: float) -> int:
    """Stream prices into the bot and look every ``every`` seconds, until the time is over or the task is cancelled."""
    if every <= 0 or (minutes is not None and minutes <= 0):
        raise Misconfigured("every_seconds and duration_minutes are above 0", key="duration_minutes")
    own = None
    if streams is None:
        from kracken_tasks.exchange import WebSocketManager

        own = streams = WebSocketManager(
            account.market, backup_polling_interval=account.settings.price_feed.backup_polling_interval
        )
    stand = account.ground
    assert isinstance(stand, VenueStand)
    listening = [asyncio.create_task(_listen(stand, streams.ticker(symbol))) for symbol in account.symbols]
    try:
        return await _look_until(account, minutes, signals, every)
    finally:
        for task in listening:
            task.cancel()
        await asyncio.gather(*listening, return_exceptions=True)
        if own is not None:
            await own.close()


class _Bars:
    """Asks the signals once for every candle of their width that closes from now on; one that fails is not asked about again."""

    def __init__(self, account: PaperAccount, signals: Any) -> None:
        self._account, self._signals = account, signals
        self._width = account.settings.trading.timeframe
        self._seen = self._width.floor(account.now())

    async def ask_signals(self) -> None:
        running = self._width.floor(self._account.now())
        if self._signals is None or running <= self._seen:
            return
        self._seen = running
        await self._signals.process_trading_signals(list(self._account.symbols))


async def _listen(stand: VenueStand, tickers: AsyncIterator[Any]) -> None:
    async for ticker in tickers:
        stand.hear(ticker)


async def _look_until(account: PaperAccount, minutes: float | None, signals: Any, every: float) -> int:
    end = None if minutes is None else monotonic_seconds() + 60.0 * minutes
    looked, bars = 0, _Bars(account, signals)
    while True:
        try:
            account.look()
            looked += 1
            await bars.ask_signals()
        except RetryLater as later:  # the venue does not answer now; nothing was sent
            _log.warning("not looked: %s", later)
        left = every if end is None else min(every, end - monotonic_seconds())
        if left <= 0:
            return looked
        await pause(left)
