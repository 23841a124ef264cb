"""The private socket: tokens, executions one event a frame, balances, and orders through the same engine as REST."""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import AsyncIterator
from typing import Any

import ccxt.pro
import pytest

from kracken_tasks.domain.clock import from_ms, iso
from kracken_tasks.sandbox.client_config import DEMO_KEYS
from kracken_tasks.sandbox.clock import ClockMode
from tests.integration.sandbox_exchange.conftest import PATH, QUIET
from tests.integration.sandbox_exchange.test_streams_with_ccxt import Hurried
from tests.support.kraken_streams import Frame, StreamSocket, open_stream, token_of
from tests.support.sandbox import RunningSandbox, running_sandbox, sandbox_config
from tests.support.scripted_market import ScriptedMarket, quiet

SYMBOL = "BTC/USD"
OTHER_KEY = DEMO_KEYS[1]  # a nonce rises per key: the token's process has a key of its own


class NumericFees(Hurried):
    """ccxt leaves the fee of a streamed order as text, and its own check wants a number: the one thing mended here."""

    def parse_ws_order(self, *arguments: Any) -> Any:
        order = super().parse_ws_order(*arguments)
        for fee in (order["fee"], *order["fees"]):
            fee["cost"] = None if fee["cost"] is None else float(fee["cost"])
        return order


@pytest.fixture
async def token(sandbox: RunningSandbox) -> str:
    return await token_of(sandbox, key=OTHER_KEY)


@pytest.fixture
async def socket(sandbox: RunningSandbox) -> AsyncIterator[StreamSocket]:
    async with open_stream(sandbox, "ws-auth") as found:
        yield found


@pytest.fixture
async def streaming(sandbox: RunningSandbox) -> AsyncIterator[Any]:
    found = ccxt.pro.kraken(sandbox.ccxt_options())
    yield found
    await found.close()


def events(frames: list[Frame], channel: str = "executions") -> list[dict[str, Any]]:
    """The rows of a channel's updates; an execution comes alone in its frame."""
    chosen = [frame for frame in frames if frame.get("channel") == channel and frame["type"] == "update"]
    assert channel != "executions" or all(len(frame["data"]) == 1 for frame in chosen)
    return [row for frame in chosen for row in frame["data"]]


def tells(frame: Frame, exec_type: str) -> bool:
    return [row.get("exec_type") for row in frame.get("data", [])] == [exec_type]


def order(token: str, **changed: Any) -> dict[str, Any]:
    usual = {"order_type": "limit", "side": "buy", "order_qty": 0.5, "limit_price": 95.0, "symbol": SYMBOL}
    return {name: value for name, value in {**usual, "token": token, **changed}.items() if value is not None}


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({"channel": "executions"}, "Token(s) not found"),
        ({"channel": "executions", "token": "made up"}, "ESession:Invalid session"),
        ({"channel": "balances", "token": "made up"}, "ESession:Invalid session"),
        (
            {"channel": "ticker", "symbol": [SYMBOL]},
            "Public market data subscriptions are unavailable on this endpoint. Try ws.kraken.com",
        ),
    ],
)
async def test_nobody_hears_an_account_without_its_token(
    socket: StreamSocket, params: dict[str, Any], words: str
) -> None:
    answer = await socket.ask("subscribe", params)
    assert (answer["success"], answer["error"]) == (False, words)


async def test_a_token_grows_old_but_what_was_subscribed_with_it_goes_on(
    sandbox: RunningSandbox, socket: StreamSocket, token: str
) -> None:
    assert (await socket.subscribe("executions", token=token))["success"]
    sandbox.control.call("DELETE", "tokens")
    assert (await socket.subscribe("balances", token=token))["error"] == "ESession:Invalid session"
    assert (await socket.ask("add_order", order(token)))["error"] == "ESession:Invalid session"
    fresh = await token_of(sandbox, key=OTHER_KEY)
    assert (await socket.ask("add_order", order(fresh)))["success"]
    assert [row["exec_type"] for row in events(await socket.frames())] == ["pending_new", "new"]


async def test_an_order_tells_its_life_one_event_a_frame(
    sandbox: RunningSandbox, socket: StreamSocket, token: str, client: Any
) -> None:
    await socket.subscribe("executions", token=token)
    placed = client.create_order(SYMBOL, "limit", "buy", 0.5, 95, {"clientOrderId": "mine"})
    sandbox.control.advance(60)  # the market dips through the limit
    told = events(await socket.frames())
    assert [row["exec_type"] for row in told] == ["pending_new", "new", "trade", "filled"]
    assert {row["order_id"] for row in told} == {placed["id"]}
    assert {row["cl_ord_id"] for row in told} == {"mine"}
    announced, new, trade, filled = told
    assert announced["limit_price"] == 95.0
    assert announced["order_qty"] == 0.5
    assert "symbol" not in new
    assert (trade["liquidity_ind"], trade["last_price"], trade["last_qty"]) == ("m", 95.0, 0.5)
    shown = client.private_post_queryorders({"txid": placed["id"], "trades": True})["result"][placed["id"]]
    assert (filled["cum_qty"], filled["cum_cost"]) == (float(shown["vol_exec"]), float(shown["cost"]))
    assert filled["avg_price"] == float(shown["price"])
    booked = client.private_post_querytrades({"txid": shown["trades"][0]})["result"][trade["exec_id"]]
    assert (trade["cost"], trade["last_qty"]) == (float(booked["cost"]), float(booked["vol"]))
    assert trade["fees"] == [{"asset": "USD", "qty": float(booked["fee"])}]


async def test_a_cancellation_comes_lean(socket: StreamSocket, token: str, client: Any) -> None:
    await socket.subscribe("executions", token=token)
    placed = client.create_order(SYMBOL, "limit", "buy", 0.5, 90)
    await socket.frames()
    client.cancel_order(placed["id"])
    (gone,) = events(await socket.frames())
    assert set(gone) == {
        "timestamp", "order_status", "exec_type", "order_userref", "order_id", "cum_qty", "cum_cost", "fee_usd_equiv",
        "avg_price", "cancel_reason", "reason",
    }  # fmt: skip
    assert (gone["exec_type"], gone["reason"]) == ("canceled", "User requested")


async def test_a_stop_says_that_it_was_set_off_before_it_fills(
    sandbox: RunningSandbox, socket: StreamSocket, token: str, client: Any
) -> None:
    await socket.subscribe("executions", token=token)
    client.create_order(SYMBOL, "market", "sell", 0.5, None, {"stopLossPrice": 95})
    sandbox.control.advance(60)
    told = events(await socket.frames())
    assert [row["exec_type"] for row in told] == ["pending_new", "new", "status", "trade", "filled"]
    assert [row["triggers"]["status"] for row in told if "triggers" in row] == ["untriggered", "triggered"]
    assert [row["timestamp"] for row in told] == sorted(row["timestamp"] for row in told)


async def test_an_expiry_and_a_scheduled_start_are_told(
    sandbox: RunningSandbox, socket: StreamSocket, token: str
) -> None:
    await socket.subscribe("executions", token=token)
    times = {"effective_time": "2025-01-06T00:00:10Z", "expire_time": "2025-01-06T00:00:20Z", "time_in_force": "gtd"}
    assert (await socket.ask("add_order", order(token, limit_price=50, **times)))["success"]
    assert [row["exec_type"] for row in events(await socket.frames())] == ["pending_new"]
    sandbox.control.advance(30)
    told = events(await socket.frames())
    assert [(row["exec_type"], row["timestamp"][17:19]) for row in told] == [("new", "10"), ("expired", "20")]


async def test_a_snapshot_shows_open_orders_and_the_newest_fills(socket: StreamSocket, token: str, client: Any) -> None:
    client.create_order(SYMBOL, "market", "buy", 0.2)
    resting = client.create_order(SYMBOL, "limit", "buy", 0.5, 90)
    await socket.send("subscribe", {"channel": "executions", "token": token, "snap_trades": True})
    answer, orders, trades = await socket.frames()
    assert answer["result"] == {
        "channel": "executions", "maxratecount": 10**9, "snap_orders": True, "snap_trades": True
    }  # fmt: skip
    assert [(row["order_id"], row["order_status"], row["cum_qty"]) for row in orders["data"]] == [
        (resting["id"], "new", 0.0)
    ]
    assert [(row["exec_type"], row["last_qty"]) for row in trades["data"]] == [("trade", 0.2)]
    assert (orders["sequence"], trades["sequence"]) == (1, 2)


async def test_without_every_status_only_openings_fills_and_ends_are_told(
    socket: StreamSocket, token: str, client: Any
) -> None:
    await socket.subscribe("executions", token=token, order_status=False, snap_orders=False)
    client.create_order(SYMBOL, "market", "buy", 0.2)
    assert [row["exec_type"] for row in events(await socket.frames())] == ["new", "trade", "filled"]


async def test_balances_start_with_totals_and_tell_every_transaction(
    sandbox: RunningSandbox, socket: StreamSocket, token: str, client: Any
) -> None:
    await socket.send("subscribe", {"channel": "balances", "token": token})
    _, snapshot = await socket.frames()
    assert {row["asset"]: row["balance"] for row in snapshot["data"]} == {"BTC": 10.0, "USD": 10_000.0}
    client.create_order(SYMBOL, "market", "buy", 0.2)
    sandbox.control.deposit("USD", "5")
    frames = await socket.frames()
    told = events(frames, "balances")
    assert [[row["asset"] for row in frame["data"]] for frame in frames] == [["BTC", "USD"], ["USD"]]
    assert [row["type"] for row in told] == ["trade", "trade", "deposit"]
    assert {row["asset"]: row["balance"] for row in told} == {
        name: float(value) for name, value in client.fetch_balance()["total"].items()
    }
    assert {row["ledger_id"] for row in told} < {row["id"] for row in client.fetch_ledger()}


REFUSED = [
    ({"order_qty": 1000.0}, "EOrder:Insufficient funds"),
    ({"order_qty": 0.00001}, "EGeneral:Invalid arguments:volume minimum not met"),
    ({"limit_price": 95.12345}, "EOrder:Tick size check failed"),
    ({"limit_price": 102.0, "post_only": True}, "EOrder:Post only order"),
    ({"symbol": "FOO/USD"}, "EQuery:Unknown asset pair"),
    ({"order_type": "iceberg"}, "EGeneral:Invalid arguments:ordertype"),
    ({"side": None}, "EGeneral:Invalid arguments:type"),
    ({"margin": True}, "EOrder:Margin allowance exceeded"),
    ({"deadline": "2025-01-05T00:00:00Z"}, "EService:Deadline elapsed"),
]


@pytest.mark.parametrize(("changed", "words"), REFUSED, ids=[words for _, words in REFUSED])
async def test_an_order_is_refused_in_the_words_of_rest(
    socket: StreamSocket, token: str, changed: dict[str, Any], words: str
) -> None:
    answer = await socket.ask("add_order", order(token, **changed))
    assert (answer["method"], answer["success"], answer["error"]) == ("add_order", False, words)


async def test_orders_are_placed_amended_and_cancelled_over_the_socket(
    socket: StreamSocket, token: str, client: Any
) -> None:
    placed = (await socket.ask("add_order", order(token, cl_ord_id="one", order_userref=None)))["result"]
    assert placed["cl_ord_id"] == "one"
    amended = await socket.ask("amend_order", {"order_id": placed["order_id"], "limit_price": 94.0, "token": token})
    assert amended["result"]["order_id"] == placed["order_id"]
    assert client.fetch_order(placed["order_id"])["price"] == 94.0
    edited = await socket.ask("add_order", order(token, limit_price=80.0))
    params = {"order_id": edited["result"]["order_id"], "symbol": SYMBOL, "limit_price": 81.0, "token": token}
    renewed = (await socket.ask("edit_order", params))["result"]
    assert client.fetch_order(renewed["order_id"])["price"] == 81.0
    number = await socket.send("cancel_order", {"cl_ord_id": ["one", "two"], "token": token})
    answers = [frame for frame in await socket.frames() if frame.get("req_id") == number]
    assert [(one["success"], one.get("error")) for one in answers] == [(True, None), (False, "EOrder:Unknown order")]
    assert (await socket.ask("cancel_all", {"token": token}))["result"] == {"count": 1}
    assert client.fetch_open_orders() == []


async def test_a_batch_is_judged_order_by_order(socket: StreamSocket, token: str, client: Any) -> None:
    orders = [
        {name: value for name, value in order(token, **changed).items() if name not in ("symbol", "token")}
        for changed in ({"limit_price": 90.0}, {"order_qty": 1000.0}, {"limit_price": 91.0})
    ]
    answer = await socket.ask("batch_add", {"orders": orders, "symbol": SYMBOL, "token": token})
    first, second, third = answer["result"]
    assert second == {"error": "EOrder:Insufficient funds"}
    params = {"orders": [first["order_id"], third["order_id"]], "token": token}
    assert (await socket.ask("batch_cancel", params))["orders_cancelled"] == 2
    assert client.fetch_open_orders() == []


async def test_the_dead_mans_switch_works_over_the_socket(
    sandbox: RunningSandbox, socket: StreamSocket, token: str
) -> None:
    await socket.subscribe("executions", token=token)
    await socket.ask("add_order", order(token, limit_price=50.0))
    armed = (await socket.ask("cancel_all_orders_after", {"timeout": 20, "token": token}))["result"]
    assert armed == {"currentTime": "2025-01-06T00:00:00Z", "triggerTime": "2025-01-06T00:00:20Z"}
    await socket.frames()
    sandbox.control.advance(30)
    (gone,) = events(await socket.frames())
    assert (gone["exec_type"], gone["timestamp"]) == ("canceled", "2025-01-06T00:00:20.000000Z")


async def test_every_kind_of_order_reaches_the_engine_as_over_rest(
    socket: StreamSocket, token: str, client: Any
) -> None:
    stop = {"limit_price": None, "side": "sell"}
    kinds = [
        (stop | {"order_type": "stop-loss", "triggers": {"price": 90.0}}, "stop loss 90.0"),
        ({"order_type": "stop-loss-limit", "side": "sell", "limit_price": 89.0, "triggers": {"price": 90.0}},
         "stop loss 90.0 -> limit 89.0"),
        (stop | {"order_type": "take-profit", "triggers": {"price": 5, "price_type": "pct", "reference": "last"}},
         "take profit 105.0"),
        (stop | {"order_type": "trailing-stop", "triggers": {"price": 2.5, "price_type": "quote"}}, "trailing stop +2.5"),
        (stop | {"order_type": "trailing-stop", "triggers": {"price": -5, "price_type": "pct"}},
         "trailing stop +5.0000%"),
        ({"limit_price": -4, "limit_price_type": "pct"}, "limit 96.0"),
        ({"conditional": {"order_type": "stop-loss-limit", "trigger_price": 80.0, "limit_price": 79.0}}, "limit 95.0"),
    ]  # fmt: skip
    for changed, words in kinds:
        answer = await socket.ask("add_order", order(token, order_qty=0.5, **changed))
        assert answer["success"], answer
        shown = client.fetch_order(answer["result"]["order_id"])["info"]["descr"]
        assert shown["order"].endswith(f"@ {words}")
    assert shown["close"] == "close position @ stop loss 80.0 -> limit 79.0"


async def test_the_engine_counts_orders_of_socket_and_rest_together() -> None:
    market = ScriptedMarket({SYMBOL: [*QUIET, *PATH], "ETH/USD": quiet("50.00")})
    with running_sandbox(market, sandbox_config(tier="starter", opening_balances={"USD": "10000"})) as running:
        token = await token_of(running, key=OTHER_KEY)
        client = ccxt.kraken(running.ccxt_options())
        async with open_stream(running, "ws-auth") as socket:
            for number in range(30):
                await asyncio.to_thread(client.create_order, SYMBOL, "limit", "buy", 0.1, 50 + number)
                assert (await socket.ask("add_order", order(token, order_qty=0.1, limit_price=50.0)))["success"]
            answer = await socket.ask("add_order", order(token, order_qty=0.1))
            assert answer["error"] in ("EOrder:Rate limit exceeded", "EOrder:Orders limit exceeded")
            with pytest.raises(ccxt.ExchangeError, match=answer["error"]):
                await asyncio.to_thread(client.create_order, SYMBOL, "limit", "buy", 0.1, 60)


async def test_ccxt_hears_orders_fills_and_balances(sandbox: RunningSandbox, streaming: Any) -> None:
    async def soon(awaitable: Any) -> Any:
        return await asyncio.wait_for(awaitable, 10)

    balance = await soon(streaming.watch_balance())
    assert balance["total"] == {"BTC": 10.0, "USD": 10_000.0}
    fills = asyncio.create_task(soon(streaming.watch_my_trades(SYMBOL)))
    while not any(one["subscriptions"] for one in sandbox.control.call("GET", "sockets")["sockets"] if _hears(one)):
        await asyncio.sleep(0)
    placed = await soon(streaming.create_order_ws(SYMBOL, "market", "buy", 0.2))
    (fill,) = await fills
    assert (fill["order"], fill["amount"], fill["takerOrMaker"]) == (placed["id"], 0.2, "taker")
    orders = asyncio.create_task(soon(streaming.watch_orders(SYMBOL)))
    resting = await soon(streaming.create_order_ws(SYMBOL, "limit", "buy", 0.2, 90))
    assert resting["id"] in [one["id"] for one in await orders]
    amended = await soon(streaming.edit_order_ws(resting["id"], SYMBOL, "limit", "buy", 0.3, 91))
    assert amended["id"] == resting["id"]
    await soon(streaming.cancel_order_ws(resting["id"]))
    with pytest.raises(ccxt.ExchangeError, match="EOrder:Insufficient funds"):
        await soon(streaming.create_order_ws(SYMBOL, "limit", "buy", 1000, 90))


def _hears(one: dict[str, Any]) -> bool:
    return any(heard["channel"] == "executions" for heard in one["subscriptions"])


async def test_an_exchange_that_follows_the_wall_tells_of_fills_by_itself() -> None:
    with running_sandbox(config=sandbox_config(clock_mode=ClockMode.WALL)) as running:
        token = await token_of(running, key=OTHER_KEY)
        client = ccxt.kraken(running.ccxt_options())
        async with open_stream(running, "ws-auth") as socket:
            await socket.subscribe("executions", token=token)
            await asyncio.to_thread(client.create_order, SYMBOL, "market", "buy", 0.001)
            told = await socket.until(lambda frame: tells(frame, "filled"))
            assert [row["exec_type"] for row in events(told)] == ["pending_new", "new", "trade", "filled"]
            # Half a second from now nobody asks for anything, and yet the order ends.
            soon = iso(from_ms(running.control.now_ms() + 500))
            terms = {"limit_price": 9_000, "order_qty": 0.001, "time_in_force": "gtd", "expire_time": soon}
            assert (await socket.ask("add_order", order(token, **terms)))["success"]
            ended = await socket.until(lambda frame: tells(frame, "expired"))
            assert ended[-1]["data"][0]["order_status"] == "expired"


@pytest.mark.parametrize("name", ["watch_orders", "watch_my_trades"])
async def test_ccxt_finds_the_structure_of_private_streams_sound(sandbox: RunningSandbox, name: str) -> None:
    check = getattr(importlib.import_module(f"ccxt.pro.test.Exchange.test_{name}"), f"test_{name}")
    client, trader = NumericFees(sandbox.ccxt_options()), ccxt.kraken(sandbox.ccxt_options(OTHER_KEY))

    def trade() -> None:
        sandbox.control.advance(1)
        if name == "watch_orders":
            trader.create_order(SYMBOL, "limit", "sell", 0.01, 200)
        else:
            trader.create_order(SYMBOL, "market", "buy", 0.01)

    async def keep_trading() -> None:
        while True:
            await asyncio.to_thread(trade)

    market = asyncio.create_task(keep_trading())
    try:  # a streamed fill has no list of fees at ccxt
        await asyncio.wait_for(check(client, {"fees": True}, SYMBOL), 60)
    finally:
        market.cancel()
        await client.close()
