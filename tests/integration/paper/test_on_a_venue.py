"""The paper bot on a venue's own prices: real ccxt and ccxt.pro against the sandbox server, orders on paper."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from kracken_tasks.errors import Misconfigured
from kracken_tasks.exchange import CCXTAdapter, WebSocketManager
from kracken_tasks.paper import create_kraken_paper_bot
from kracken_tasks.sandbox.clock import ClockMode
from tests.support.sandbox import RunningSandbox, running_sandbox, sandbox_config


def options(sandbox: RunningSandbox) -> dict[str, Any]:
    return {"kraken": sandbox.options_of("kraken")}


def test_a_position_opened_on_streamed_prices_is_filled_at_the_venues_touch_and_nothing_reaches_its_book() -> None:
    with running_sandbox(config=sandbox_config(clock_mode=ClockMode.WALL)) as sandbox:
        told = options(sandbox)

        async def live() -> tuple[Any, Any, Any]:
            async with create_kraken_paper_bot(config_dict={"symbols": ["BTC/USD"]}) as bot:
                adapter = CCXTAdapter(told)
                await bot.initialize_exchange(adapter)
                streams = WebSocketManager("kraken", options=told)
                ran = asyncio.create_task(bot.run_live_trading(0.05, streams=streams, every_seconds=0.5))
                quote = await adapter.fetch_ticker("kraken", "BTC/USD")
                answer = bot.open_position("BTC/USD", "BUY")
                result = await ran
                await streams.close()
                await adapter.close()
                return answer, quote, result

        answer, quote, result = asyncio.run(live())
        assert answer["success"], answer
        assert answer["market"] == "kraken"
        assert answer["position"].entry_price == pytest.approx(quote.ask, rel=2e-3)
        assert result["looks"] >= 2
        assert result["account"]["open_positions"] == 1


def test_an_account_that_has_traded_knows_one_market() -> None:
    async def switched() -> None:
        async with create_kraken_paper_bot() as bot:
            bot.open_position("BTC/USD", "BUY")
            with running_sandbox() as sandbox:
                adapter = CCXTAdapter(options(sandbox))
                with pytest.raises(Misconfigured, match="has traded on sandbox"):
                    await bot.initialize_exchange(adapter)
                await adapter.close()

    asyncio.run(switched())


def test_what_is_no_exchange_is_refused_by_name() -> None:
    async def wrong() -> None:
        async with create_kraken_paper_bot() as bot:
            await bot.initialize_exchange(42)

    with pytest.raises(Misconfigured, match="exchange is a int"):
        asyncio.run(wrong())
