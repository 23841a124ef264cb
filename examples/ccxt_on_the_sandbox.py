"""An unmodified ccxt client on the sandbox exchange: candles, a limit order with a stop attached, fills, a fault.

    python examples/ccxt_on_the_sandbox.py

The exchange runs in a thread of this program; ``kracken sandbox`` runs it as a process of its own.  Its market stands still until
it is told to move, so every run prints the same.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import ccxt
import requests
from rich.console import Console

from kracken_tasks.domain.clock import utc
from kracken_tasks.sandbox.client_config import kraken_options
from kracken_tasks.sandbox.clock import ClockMode
from kracken_tasks.sandbox.config import SandboxConfig
from kracken_tasks.sandbox.server import SandboxServer

console = Console(highlight=False, soft_wrap=True)


@contextmanager
def sandbox() -> Iterator[str]:
    """A sandbox exchange on a free port, its state in memory; gives its address."""
    config = SandboxConfig(market="synthetic:7", port=0, clock_mode=ClockMode.MANUAL, clock_start=utc(2025, 3, 3))
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    server = SandboxServer(config)
    asyncio.run_coroutine_threadsafe(server.start(), loop).result()
    try:
        yield server.base_url
    finally:
        asyncio.run_coroutine_threadsafe(server.stop(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def main() -> None:
    with sandbox() as url:
        client = ccxt.kraken(kraken_options(url))
        candles = client.fetch_ohlcv("BTC/USD", "1h", limit=3)
        console.print(f"{len(candles)} candles, the last close {candles[-1][4]}")
        ask = client.fetch_ticker("BTC/USD")["ask"]
        stop = {"close": {"ordertype": "stop-loss", "price": str(round(ask * 0.97, 1))}}
        order = client.create_order("BTC/USD", "limit", "buy", 0.01, ask, stop)
        filled = client.fetch_order(order["id"], "BTC/USD")
        console.print(f"bought {filled['filled']} at {filled['average']}, fee {filled['fee']['cost']} USD")
        for resting in client.fetch_open_orders("BTC/USD"):
            console.print(f"its stop rests: {resting['side']} {resting['amount']} at {resting['triggerPrice']}")
        requests.post(f"{url}/control/clock", json={"advance_seconds": 86_400}, timeout=20).raise_for_status()
        console.print(f"a day later, its stop hit: {client.fetch_balance()['total']}")
        fault = {"endpoint": "Ticker", "error": "EService:Unavailable"}
        requests.post(f"{url}/control/faults", json=fault, timeout=20).raise_for_status()
        try:
            client.fetch_ticker("BTC/USD")
        except ccxt.ExchangeNotAvailable as error:
            console.print(f"as told: {error}")


if __name__ == "__main__":
    main()
