"""Four venues at once: quotes side by side, one venue down, an order that lives and one that is refused before it is sent.

    python examples/several_venues.py

The venues are the sandbox's, spoken to by unmodified ccxt classes; against real ones only the options differ, or nothing at all:
``UnifiedExchangeManager()`` reads ``config/exchanges.yaml``.
"""

from __future__ import annotations

import asyncio

from ccxt_on_the_sandbox import sandbox
from rich.console import Console

from kracken_tasks.errors import TradeRefused
from kracken_tasks.exchange import UnifiedExchangeManager
from kracken_tasks.sandbox.client_config import VENUE_OPTIONS

console = Console(highlight=False, soft_wrap=True)


async def look_around(url: str) -> None:
    async with UnifiedExchangeManager({name: told(url) for name, told in VENUE_OPTIONS.items()}) as manager:
        quotes = await manager.fetch_ticker("BTC/USD")
        for venue, quote in quotes.good.items():
            console.print(f"{venue:9} bid {quote.bid:.2f} ask {quote.ask:.2f}")
        for venue, error in quotes.errors.items():
            console.print(f"{venue:9} {error}")
        cheapest = min(quotes.good, key=lambda venue: quotes.good[venue].ask)
        candles = await manager.fetch_ohlcv("BTC/USD", "1h", limit=24, exchange=cheapest)
        console.print(
            f"{cheapest} is cheapest; its last {len(candles)} closed hours end at {candles['close'].iloc[-1]:.2f}"
        )
        order = await manager.create_order(cheapest, "BTC/USD", "buy", "0.01", price=50_000)
        console.print(f"an order rests there: {order.side} {order.amount} at {order.limit_price}")
        await manager.cancel_order(cheapest, order.order_id)
        try:
            await manager.create_order("kraken", "BTC/USD", "buy", "0.00001", price=50_000)
        except TradeRefused as refused:
            console.print(str(refused))


def main() -> None:
    with sandbox() as url:
        asyncio.run(look_around(url))


if __name__ == "__main__":
    main()
