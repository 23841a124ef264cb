"""Four venues at once through the real ccxt classes: what a person with a notebook is promised of the adapter and the manager."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import ccxt
import pandas as pd
import pytest

from kracken_tasks import wiring
from kracken_tasks.domain.clock import utc
from kracken_tasks.domain.market import Quote
from kracken_tasks.domain.trading import OrderStatus, Side
from kracken_tasks.errors import BadData, Misconfigured, RetryLater, TradeRefused
from kracken_tasks.exchange import CCXTAdapter, UnifiedExchangeManager, VenueResults
from kracken_tasks.exchange.rates import Priority, RateBudget, calls_at
from kracken_tasks.exchange.rates.store import MemoryCounters
from kracken_tasks.sandbox.client_config import DEMO_KEY, DEMO_SECRET, VENUE_OPTIONS
from kracken_tasks.sandbox.engine.fees import FeeTier
from kracken_tasks.settings import load_settings
from tests.support import sandbox as support
from tests.support.rates import HeldClock
from tests.support.sandbox import RunningSandbox, free_port, running_sandbox

START = utc(2025, 1, 6)
SYMBOLS = {"kraken": "BTC/USD", "binance": "BTC/USDT", "coinbase": "BTC/USD", "bitstamp": "BTC/USD"}


@pytest.fixture(scope="module")
def server() -> Iterator[RunningSandbox]:
    opening = {"USD": "500000", "USDT": "500000", "BTC": "5"}
    with running_sandbox(config=support.sandbox_config(opening_balances=opening)) as running:
        yield running


@pytest.fixture
def sandbox(server: RunningSandbox) -> Iterator[RunningSandbox]:
    yield server
    server.control.clear_faults()


def venues(sandbox: RunningSandbox, *names: str) -> dict[str, dict[str, Any]]:
    return {
        name: {**VENUE_OPTIONS[name](sandbox.base_url), "clock_keeps_seconds": 0} for name in names or VENUE_OPTIONS
    }


async def test_one_question_to_all_gives_each_venues_value_or_error(sandbox: RunningSandbox) -> None:
    async with UnifiedExchangeManager(venues(sandbox)) as manager:
        told = await manager.fetch_ticker("BTC/USD")
    assert isinstance(told, VenueResults)
    assert set(told) == set(SYMBOLS)
    assert set(told.good) == {"kraken", "coinbase", "bitstamp"}
    assert all(isinstance(quote, Quote) and quote.usable for quote in told.good.values())
    assert isinstance(
        told.errors["binance"], Misconfigured
    )  # it trades dollars of another kind, and they are not mixed
    assert told["binance"] is told.errors["binance"]


async def test_one_venue_is_its_value_or_raises(sandbox: RunningSandbox) -> None:
    async with UnifiedExchangeManager(venues(sandbox)) as manager:
        assert (await manager.fetch_ticker("BTC/USDT", "binance")).usable
        with pytest.raises(Misconfigured, match="lists no BTC/USDT"):
            await manager.fetch_ticker("BTC/USDT", "kraken")
        with pytest.raises(Misconfigured, match="allowed: kraken, binance"):
            await manager.fetch_ticker("BTC/USD", "krakn")


async def test_a_venue_that_is_down_fails_nobody_else(sandbox: RunningSandbox) -> None:
    named = venues(sandbox, "kraken", "bitstamp")
    named["coinbase"] = VENUE_OPTIONS["coinbase"](f"http://127.0.0.1:{free_port()}")
    async with UnifiedExchangeManager(named) as manager:
        told = await manager.fetch_order_book("BTC/USD")
    assert set(told.good) == {"kraken", "bitstamp"}
    assert isinstance(told.errors["coinbase"], RetryLater)


async def test_a_venue_that_keeps_silent_holds_nobody_up(sandbox: RunningSandbox) -> None:
    async with UnifiedExchangeManager(venues(sandbox, "kraken", "bitstamp"), within_seconds=2.0) as manager:
        await manager.fetch_markets()
        sandbox.control.fault("Depth", delay_ms=4_000)
        told = await manager.fetch_order_book("BTC/USD")
    assert set(told.good) == {"bitstamp"}
    assert "kept silent" in str(told.errors["kraken"])


@pytest.mark.parametrize("exchange", SYMBOLS)
async def test_candles_are_closed_ohlcv_under_a_utc_index(sandbox: RunningSandbox, exchange: str) -> None:
    async with CCXTAdapter(venues(sandbox, exchange)) as adapter:
        newest = await adapter.fetch_ohlcv(exchange, SYMBOLS[exchange], "1h", limit=24)
        since = START - timedelta(hours=400)
        deep = await adapter.fetch_ohlcv(exchange, SYMBOLS[exchange], "1h", since)
    assert list(newest.columns) == ["open", "high", "low", "close", "volume"]
    assert isinstance(newest.index, pd.DatetimeIndex)
    assert str(newest.index.tz) == "UTC"
    assert newest.index[-1] == START - timedelta(hours=1)  # the running one is not there
    assert len(newest) == 24
    assert (deep.index[0], deep.index[-1], len(deep)) == (since, START - timedelta(hours=1), 400)
    assert deep.index.is_monotonic_increasing
    pd.testing.assert_frame_equal(deep.tail(24), newest)


async def test_what_a_venue_cannot_reach_is_said_instead_of_less_being_given(sandbox: RunningSandbox) -> None:
    async with CCXTAdapter(venues(sandbox, "kraken")) as adapter:
        with pytest.raises(Misconfigured, match=r"newest 720 candles.*backfill"):
            await adapter.fetch_ohlcv("kraken", "BTC/USD", "1h", START - timedelta(days=90))
        running = await adapter.fetch_ohlcv("kraken", "BTC/USD", "1h", running=True)
        with pytest.raises(Misconfigured, match="1m, 5m"):
            await adapter.fetch_ohlcv("kraken", "BTC/USD", "7m")
    assert running.index[-1] == START


@pytest.mark.parametrize("exchange", SYMBOLS)
async def test_an_order_lives_and_dies_at_every_venue(sandbox: RunningSandbox, exchange: str) -> None:
    symbol = SYMBOLS[exchange]
    async with CCXTAdapter(venues(sandbox, exchange)) as adapter:
        assert adapter.may_trade(exchange) is None
        price = int((await adapter.fetch_ticker(exchange, symbol)).bid * 0.5)
        order = await adapter.create_order(exchange, symbol, "buy", "0.01", price=price, client_order_id="ab" * 16)
        assert (order.symbol, order.side, order.amount, order.status) == (
            symbol,
            Side.BUY,
            Decimal("0.01"),
            OrderStatus.OPEN,
        )
        [listed] = await adapter.fetch_open_orders(exchange)
        assert (listed.order_id, listed.client_order_id) == (order.order_id, "ab" * 16)
        held = (await adapter.fetch_balance(exchange))[symbol.split("/")[1]].held
        assert held >= Decimal(price) * Decimal("0.01")
        await adapter.cancel_order(exchange, order.order_id)
        await adapter.cancel_order(exchange, order.order_id)
        assert await adapter.fetch_open_orders(exchange) == []
        ended = await adapter.fetch_order(exchange, order.order_id)
        assert ended is not None
        assert (ended.symbol, ended.amount, ended.filled) == (symbol, Decimal("0.01"), 0)
        assert ended.status is OrderStatus.CANCELED


@pytest.mark.parametrize("exchange", SYMBOLS)
async def test_an_order_below_the_minimum_or_off_the_steps_is_refused_before_it_is_sent(
    sandbox: RunningSandbox, exchange: str
) -> None:
    symbol = SYMBOLS[exchange]
    async with CCXTAdapter(venues(sandbox, exchange)) as adapter:
        listed = (await adapter.fetch_markets(exchange))[symbol]
        for amount, price in ((listed.lot_step, "50000"), ("0.01", Decimal(50000) + listed.price_tick / 2)):
            with pytest.raises(TradeRefused, match="would not take the order"):
                await adapter.create_order(exchange, symbol, "buy", amount, price=price)


async def test_numbers_that_are_none_are_refused(sandbox: RunningSandbox) -> None:
    async with CCXTAdapter(venues(sandbox, "kraken")) as adapter:
        for amount in ("much", "nan", -1, 0):
            with pytest.raises(BadData):
                await adapter.create_order("kraken", "BTC/USD", "buy", amount, price=50000)


@pytest.mark.parametrize("written", ["BTC/USD", "XBT/USD", "XBTUSD", "XXBTZUSD", "btc-usd"])
async def test_a_symbol_may_be_written_as_any_venue_writes_it(sandbox: RunningSandbox, written: str) -> None:
    async with CCXTAdapter(venues(sandbox, "kraken")) as adapter:
        assert (await adapter.fetch_ticker("kraken", written)).symbol == "BTC/USD"


async def test_an_accounts_own_fees_are_told_where_there_is_a_key(sandbox: RunningSandbox) -> None:
    async with CCXTAdapter(venues(sandbox, "kraken")) as adapter:
        fees = (await adapter.fetch_fees("kraken", ["BTC/USD"]))["BTC/USD"]
    assert Decimal(0) < fees.maker < fees.taker < Decimal("0.01")
    named = venues(sandbox, "kraken")
    bare = {name: value for name, value in named["kraken"].items() if name not in ("apiKey", "secret")}
    async with CCXTAdapter({"kraken": bare}) as adapter:
        assert (await adapter.fetch_fees("kraken", ["BTC/USD"]))["BTC/USD"] == fees  # no volume yet: the first tier
        with pytest.raises(Misconfigured, match="no API key"):
            await adapter.fetch_balance("kraken")
        with pytest.raises(TradeRefused, match="no key"):
            await adapter.create_order("kraken", "BTC/USD", "buy", "0.01", price=50000)


async def test_a_key_of_a_real_venue_does_not_let_orders_through_by_itself() -> None:
    async with CCXTAdapter({"kraken": {"api_key": "k", "secret": DEMO_SECRET}}) as adapter:
        with pytest.raises(TradeRefused, match="real venue"):
            await adapter.create_order("kraken", "BTC/USD", "buy", "0.01", price=50000)
        with pytest.raises(TradeRefused, match="real venue"):
            await adapter.cancel_order("kraken", "O")


async def test_every_exchange_that_ccxt_has_can_be_opened() -> None:
    async with CCXTAdapter(ccxt.exchanges) as adapter:
        assert len(adapter.exchanges) == len(ccxt.exchanges) > 90
    with pytest.raises(Misconfigured, match="no exchange 'krakn'"):
        CCXTAdapter(["krakn"])


def test_an_option_nobody_knows_is_refused_with_what_is_allowed() -> None:
    with pytest.raises(Misconfigured, match=r"kraken: unknown key 'apikey'; allowed: .*api_key"):
        CCXTAdapter({"kraken": {"apikey": "x"}})
    with pytest.raises(Misconfigured, match="BASE/QUOTE"):
        CCXTAdapter({"kraken": {"symbols": ["BTCUSD"]}})


async def test_a_closed_adapter_says_so_and_closing_twice_is_no_error(sandbox: RunningSandbox) -> None:
    adapter = CCXTAdapter(venues(sandbox, "kraken"))
    await adapter.fetch_time("kraken")
    await adapter.close()
    await adapter.close()
    with pytest.raises(Misconfigured, match="closed"):
        await adapter.fetch_time("kraken")


async def test_many_questions_at_once_are_answered_each_by_its_own(sandbox: RunningSandbox) -> None:
    async with CCXTAdapter(venues(sandbox, "kraken", "bitstamp")) as adapter:
        asked = [(name, symbol) for name in adapter.exchanges for symbol in ("BTC/USD", "ETH/USD", "ADA/USD")] * 4
        told = await asyncio.gather(*(adapter.fetch_ticker(*pair) for pair in asked))
    assert [quote.symbol for quote in told] == [symbol for _, symbol in asked]


# -- by the settings -----------------------------------------------------------------------------------------------------


def written(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        (folder / f"{name}.yaml").write_text(text)
    return folder


async def test_in_the_sandbox_profile_every_venue_is_the_local_exchange_and_may_be_traded_on(
    sandbox: RunningSandbox, tmp_path: Path
) -> None:
    port = sandbox.base_url.rsplit(":", 1)[1]
    folder = written(
        tmp_path,
        kracken=f"profile: sandbox\nhome: {tmp_path / 'home'}\nsandbox:\n  port: {port}\n",
        exchanges="exchanges:\n  kraken: {symbols: [BTC/USD, ETH/USD]}\n  binance: {symbols: [BTC/USDT]}\n",
    )
    async with UnifiedExchangeManager(config_path=folder / "exchanges.yaml") as manager:
        assert manager.exchanges == ("binance", "kraken")
        quotes = (await manager.fetch_tickers()).good
        assert {name: list(told) for name, told in quotes.items()} == {
            "binance": ["BTC/USDT"],
            "kraken": ["BTC/USD", "ETH/USD"],
        }
        assert set(manager.adapter.exchanges) == set(VENUE_OPTIONS)  # by name the others can be reached too
        assert (await manager.adapter.fetch_ticker("bitstamp", "BTC/USD")).usable
        order = await manager.create_order("kraken", "BTC/USD", "buy", "0.001", price=20000)
        await manager.cancel_order("kraken", order.order_id)
    assert (tmp_path / "home" / "rates" / "counters.sqlite").is_file()


async def test_on_paper_orders_stay_on_paper(sandbox: RunningSandbox, tmp_path: Path) -> None:
    folder = written(
        tmp_path,
        kracken=f"profile: paper\nhome: {tmp_path / 'home'}\n",
        exchanges=f"exchanges:\n  kraken: {{base_url: {sandbox.base_url}}}\n  bitstamp: {{base_url: {sandbox.base_url}}}\n",
    )
    async with CCXTAdapter(config_path=folder) as adapter:
        before = sandbox.control.account()
        order = await adapter.create_order("kraken", "BTC/USD", "buy", "0.01", kind="market")
        assert order.filled == Decimal("0.01")
        assert (await adapter.fetch_balance("kraken"))["BTC"].total == Decimal("0.01")
        assert sandbox.control.account() == before
        with pytest.raises(TradeRefused, match="paper trades on kraken only"):
            await adapter.create_order("bitstamp", "BTC/USD", "buy", "0.01", price=50000)


async def test_live_sends_no_order_even_when_armed(tmp_path: Path) -> None:
    folder = written(
        tmp_path,
        kracken=f"profile: live\nhome: {tmp_path / 'home'}\nlive: {{confirm_account: main}}\n",
        exchanges=f"exchanges:\n  kraken: {{api_key: k, secret: {DEMO_SECRET}}}\n",
    )
    async with CCXTAdapter(config_path=folder) as adapter:
        with pytest.raises(TradeRefused, match="profile live sends no orders"):
            await adapter.create_order("kraken", "BTC/USD", "buy", "0.01", price=50000)


async def test_where_nothing_is_configured_krakens_public_half_is_there(tmp_path: Path) -> None:
    async with CCXTAdapter(config_path=tmp_path) as adapter:
        assert adapter.exchanges == ("kraken",)
        assert "no key" in str(adapter.may_trade("kraken"))
    with pytest.raises(Misconfigured, match="no such file"):
        CCXTAdapter(config_path=tmp_path / "nowhere")


@pytest.mark.parametrize("exchange", SYMBOLS)
async def test_a_filled_order_is_found_again_with_its_fills(sandbox: RunningSandbox, exchange: str) -> None:
    symbol = SYMBOLS[exchange]
    async with CCXTAdapter(venues(sandbox, exchange)) as adapter:
        cap = int((await adapter.fetch_ticker(exchange, symbol)).ask * 1.01)
        order = await adapter.create_order(
            exchange, symbol, "buy", "0.01", price=cap, time_in_force="IOC", client_order_id="cd" * 16
        )
        found = await adapter.fetch_order(exchange, order.order_id)
        fills = await adapter.fetch_my_trades(exchange, START - timedelta(days=1))
    assert found is not None
    assert (found.filled, found.status) == (Decimal("0.01"), OrderStatus.CLOSED)
    mine = [fill for fill in fills if fill.order_id == order.order_id]
    assert sum(fill.amount for fill in mine) == Decimal("0.01")
    assert all(fill.fee > 0 and fill.cost == fill.amount * fill.price for fill in mine)


async def test_with_a_key_paper_pays_the_accounts_own_tier_not_the_first(tmp_path: Path) -> None:
    tiers = (FeeTier(0, 4000, 2500), FeeTier(100, 1000, 500))
    with running_sandbox(
        config=support.sandbox_config(opening_balances={"USD": "50000"}, fee_tiers=tiers, fill_share_percent=100)
    ) as sandbox:
        async with CCXTAdapter(venues(sandbox, "kraken")) as trader:
            await trader.create_order(
                "kraken", "BTC/USD", "buy", "0.01", kind="market"
            )  # 30-day volume for the second tier
        keyed = f"api_key: {DEMO_KEY}, secret: {DEMO_SECRET}, base_url: {sandbox.base_url}"
        folder = written(
            tmp_path,
            kracken=f"profile: paper\nhome: {tmp_path / 'home'}\n",
            exchanges=f"exchanges:\n  kraken: {{{keyed}}}\n",
            kraken_paper_trading="paper_trading: {commission_bps: null}\n",
        )
        settings = load_settings(folder, env={})
        listed = wiring.venue(settings).instruments()["BTC/USD"]
        paid = wiring.broker(settings).instruments()["BTC/USD"]
        async with CCXTAdapter(config_path=folder) as adapter:
            told = (await adapter.fetch_fees("kraken", ["BTC/USD"]))["BTC/USD"]
    assert (listed.taker_fee, listed.maker_fee) == (Decimal("0.004"), Decimal("0.0025"))
    assert (paid.taker_fee, paid.maker_fee) == (told.taker, told.maker) == (Decimal("0.001"), Decimal("0.0005"))


async def test_an_order_has_a_thread_of_its_own_while_exports_wait_in_all_the_others(sandbox: RunningSandbox) -> None:
    gate, waiting = threading.Event(), threading.Semaphore(0)

    def nap(seconds: float) -> None:
        waiting.release()
        gate.wait(20)
        clock.wait(seconds)

    clock = HeldClock()
    budget = RateBudget(MemoryCounters(clock.now), pause=nap)
    options = {**venues(sandbox, "kraken")["kraken"], "tier": "starter", "clock_keeps_seconds": 3600}
    async with CCXTAdapter({"kraken": options}, budget=budget) as adapter:
        await adapter.fetch_markets("kraken")
        await adapter.fetch_time("kraken")
        with calls_at(Priority.EXPORT):
            exports = [asyncio.create_task(adapter.fetch_open_orders("kraken")) for _ in range(12)]
        await asyncio.gather(*(asyncio.to_thread(waiting.acquire, timeout=20) for _ in range(4)))
        await asyncio.wait_for(adapter.cancel_order("kraken", "OAAAAA-BBBBB-CCCCCC"), 15)
        assert not all(task.done() for task in exports)
        gate.set()
        await asyncio.gather(*exports)
