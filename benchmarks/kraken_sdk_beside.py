"""python-kraken-sdk on the sandbox: ``python -m benchmarks.kraken_sdk_beside http://127.0.0.1:9872`` in an environment that has it.

In: the address of a sandbox whose clock stands still (``kracken sandbox --manual-clock``).  Out: what an unmodified, independent client
saw: its REST and WebSocket v2 classes, its order book with the checksums it worked out itself.  Only addresses are changed.
"""

from __future__ import annotations

import asyncio
import json
import sys
import urllib.request
from collections import Counter
from typing import Any, Final

from kraken.spot import Market, SpotOrderBookClient, SpotWSClient, Trade, User

from kracken_tasks.sandbox.client_config import DEMO_KEYS, DEMO_SECRET

__all__ = ["main"]

SYMBOL: Final = "BTC/USD"
STEPS, STEP_SECONDS = 30, 10


def advance(base: str, seconds: int) -> None:
    body = json.dumps({"advance_seconds": seconds}).encode()
    urllib.request.urlopen(urllib.request.Request(f"{base}/control/clock", body, method="POST"), timeout=60).read()


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")


class Books(SpotOrderBookClient):
    """The SDK's own book, which works out every checksum by itself and complains of each that differs."""

    def __init__(self, base: str) -> None:
        self.WS_URL = f"ws{base.removeprefix('http')}/kraken/ws"
        self.AUTH_WS_URL = f"{self.WS_URL}-auth"
        super().__init__(depth=10)
        self._SpotOrderBookClient__market = Market(url=base)  # it asks AssetPairs for the decimals
        self.good = self.bad = 0

    async def on_book_update(self, pair: str, message: dict[str, Any]) -> None:
        if "error" in message or not self.get(pair)["valid"]:
            self.bad += 1
        elif message["type"] == "update":
            self.good += 1


async def streams(base: str) -> None:
    heard: Counter[str] = Counter()
    executions: list[str] = []
    placed: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def on_message(message: Any) -> None:
        name = message.get("channel") or message["method"]
        if "success" in message:
            name += " granted" if message["success"] else " refused"
        heard[f"{name} {message['type']}" if "type" in message else name] += 1
        if message.get("channel") == "executions" and message["type"] == "update":
            executions.append(message["data"][0]["exec_type"])
        if message.get("method") == "add_order" and not placed.done():
            placed.set_result(message["result"]["order_id"])

    ws = f"ws{base.removeprefix('http')}/kraken/ws"
    key = {"key": DEMO_KEYS[1], "secret": DEMO_SECRET}
    async with SpotWSClient(**key, callback=on_message, rest_url=base, ws_url=ws, auth_ws_url=f"{ws}-auth") as client:
        for params in (
            {"channel": "ticker"},
            {"channel": "trade"},
            {"channel": "ohlc", "interval": 1},
            {"channel": "book"},
        ):
            await client.subscribe(params={**params, "symbol": [SYMBOL]})
        await client.subscribe(params={"channel": "instrument"})
        for channel in ("executions", "balances"):
            await client.subscribe(params={"channel": channel})
        order = {"order_type": "limit", "side": "buy", "order_qty": 0.001, "limit_price": 20_000, "symbol": SYMBOL}
        await client.send_message({"method": "add_order", "params": order})
        txid = await asyncio.wait_for(placed, 20)
        await client.send_message({"method": "amend_order", "params": {"order_id": txid, "limit_price": 20_001}})
        await client.send_message({"method": "cancel_order", "params": {"order_id": [txid]}})
        bought = Trade(DEMO_KEYS[2], DEMO_SECRET, url=base).create_order(
            ordertype="market", side="buy", pair="XBTUSD", volume=0.001
        )
        for _ in range(STEPS):
            await asyncio.to_thread(advance, base, STEP_SECONDS)
            await asyncio.sleep(0.1)
    say(f"frames: {', '.join(f'{count} {name}' for name, count in sorted(heard.items()) if name != 'heartbeat')}")
    say(f"executions of two orders: {' '.join(executions)}")
    closed = User(DEMO_KEYS[3], DEMO_SECRET, url=base).get_closed_orders()["closed"]
    say(f"over REST: {', '.join(sorted(closed[one]['status'] for one in (txid, bought['txid'][0])))}")


async def books(base: str) -> None:
    client = Books(base)
    await client.start()
    await client.add_book(pairs=[SYMBOL, "ETH/USD"])
    for _ in range(STEPS):
        await asyncio.to_thread(advance, base, STEP_SECONDS)
        await asyncio.sleep(0.1)
    say(f"its own books of two pairs: {client.good} updates with the checksum it expected, {client.bad} without")
    await client.close()


def main() -> None:
    base = sys.argv[1].rstrip("/")
    market = Market(url=base)
    rows = market.get_ohlc(pair="XBTUSD", interval=1)["XXBTZUSD"]
    trades = market.get_recent_trades(pair="XBTUSD")["XXBTZUSD"]
    say(f"REST: {len(rows)} candles, {len(trades)} trades, ask {market.get_ticker(pair='XBTUSD')['XXBTZUSD']['a'][0]}")
    asyncio.run(streams(base))
    asyncio.run(books(base))


if __name__ == "__main__":
    main()
