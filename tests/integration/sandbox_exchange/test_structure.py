"""The structural checks that ccxt ships for its exchanges, run on the sandbox: synchronous and asynchronous."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import ccxt
import ccxt.async_support
import pytest

from tests.support.ccxt_checks import NumericFees, check
from tests.support.sandbox import RunningSandbox, running_sandbox, sandbox_config

SYMBOL = "BTC/USD"
# A faithful Kraken fails these properties, too: its tickers and books carry no time, its ledger names no account.
SKIPS: dict[str, dict[str, bool]] = {
    "load_markets": {"currencyIdAndCode": True},
    "fetch_order_book": {"timestamp": True, "datetime": True},
    "fetch_ticker": {"quoteVolume": True, "baseVolume": True},
    "fetch_ledger": {"account": True},
    "fetch_tickers": {"quoteVolume": True, "baseVolume": True, "checkActiveSymbols": True},
}
CHECKS = [
    ("load_markets", ()),
    ("fetch_status", ()),
    ("fetch_ticker", (SYMBOL,)),
    ("fetch_tickers", (SYMBOL,)),
    ("fetch_ohlcv", (SYMBOL,)),
    ("fetch_trades", (SYMBOL,)),
    ("fetch_order_book", (SYMBOL,)),
    ("fetch_balance", ()),
    ("fetch_open_orders", (SYMBOL,)),
    ("fetch_closed_orders", (SYMBOL,)),
    ("fetch_my_trades", (SYMBOL,)),
    ("fetch_ledger", ("USD",)),
    ("fetch_trading_fee", (SYMBOL,)),
]


@pytest.fixture(scope="module")
def busy() -> Iterator[RunningSandbox]:
    """The default market, and an account that has bought, sold and left orders standing."""
    with running_sandbox(config=sandbox_config()) as running:
        client = ccxt.kraken(running.ccxt_options())
        client.create_order(SYMBOL, "market", "buy", 0.01)
        client.create_order(SYMBOL, "market", "sell", 0.004)
        price = client.fetch_ticker(SYMBOL)["last"]
        client.create_order(SYMBOL, "limit", "buy", 0.01, round(price * 0.8, 1))
        client.create_order(SYMBOL, "market", "sell", 0.002, None, {"stopLossPrice": round(price * 0.7, 1)})
        yield running


class SyncClient(NumericFees, ccxt.kraken):
    pass


class AsyncClient(NumericFees, ccxt.async_support.kraken):
    pass


@pytest.mark.parametrize(("name", "arguments"), CHECKS)
def test_ccxt_finds_the_structure_sound(busy: RunningSandbox, name: str, arguments: tuple[str, ...]) -> None:
    client = SyncClient(busy.ccxt_options())
    client.load_markets()
    check(name, "sync")(client, SKIPS.get(name, {}), *arguments)


@pytest.fixture
async def async_client(busy: RunningSandbox) -> AsyncIterator[ccxt.async_support.kraken]:
    client = AsyncClient(busy.ccxt_options())
    await client.load_markets()
    yield client
    await client.close()


@pytest.mark.parametrize(("name", "arguments"), CHECKS)
async def test_ccxt_async_finds_the_structure_sound(
    async_client: ccxt.async_support.kraken, name: str, arguments: tuple[str, ...]
) -> None:
    await check(name, "async")(async_client, SKIPS.get(name, {}), *arguments)
