"""Whatever a client sends, the socket answers or ignores it, and goes on."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.kraken_streams import open_stream, token_of
from tests.support.sandbox import RunningSandbox, running_sandbox, sandbox_config

NAMES = ["method", "params", "req_id", "channel", "symbol", "token", "depth", "interval", "event_trigger", "snapshot"]
ORDER_NAMES = [
    "order_type", "side", "order_qty", "limit_price", "limit_price_type", "triggers", "price", "price_type", "orders", "order_id",
    "cl_ord_id", "order_userref", "deadline", "effective_time", "expire_time", "conditional", "time_in_force", "timeout", "post_only",
    "cash_order_qty", "validate", "margin", "trigger_price",
]  # fmt: skip
WORDS = [
    "ping", "subscribe", "unsubscribe", "ticker", "trade", "ohlc", "book", "instrument", "executions", "balances", "BTC/USD", "FOO/USD",
    "add_order", "amend_order", "edit_order", "cancel_order", "cancel_all", "cancel_all_orders_after", "batch_add", "batch_cancel",
    "limit", "market", "stop-loss", "trailing-stop", "buy", "sell", "pct", "quote", "static", "TOKEN", "",
]  # fmt: skip
scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-5, 70_000),
    st.floats(-10, 70_000, allow_nan=False),
    st.sampled_from(WORDS),
    st.text(max_size=5),
)
values = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.sampled_from([*NAMES, *ORDER_NAMES]), inner, max_size=8)
    ),
    max_leaves=12,
)
params = st.dictionaries(st.sampled_from([*NAMES[3:], *ORDER_NAMES]), values, max_size=10)
messages = st.one_of(
    st.fixed_dictionaries({"method": st.sampled_from(WORDS), "params": params}, optional={"req_id": scalars}),
    st.dictionaries(st.sampled_from(NAMES), values, max_size=4),
    values,
)


@pytest.fixture(scope="module")
def running() -> Iterator[RunningSandbox]:
    with running_sandbox(config=sandbox_config()) as found:
        yield found


@pytest.fixture(scope="module")
def token(running: RunningSandbox) -> str:
    return asyncio.run(token_of(running))


def with_token(value: Any, token: str) -> Any:
    """``TOKEN`` stands for a good one."""
    if isinstance(value, dict):
        return {name: token if name == "token" else with_token(item, token) for name, item in value.items()}
    if isinstance(value, list):
        return [with_token(item, token) for item in value]
    return value


@pytest.mark.parametrize("path", ["ws", "ws-auth"])
@given(sent=st.lists(messages, min_size=1, max_size=12))
@settings(max_examples=40)
def test_nothing_a_client_sends_breaks_its_socket(
    running: RunningSandbox, token: str, path: str, sent: list[Any]
) -> None:
    async def send() -> list[Any]:
        async with open_stream(running, path) as stream:
            for message in sent:
                await stream.ws.send_json(with_token(message, token))
            return await stream.frames()

    answers = asyncio.run(send())
    assert "EGeneral:Internal error" not in [answer.get("error") for answer in answers]
    for answer in answers:
        assert "channel" in answer or answer.get("method") == "pong" or ("error" in answer) != answer["success"]
