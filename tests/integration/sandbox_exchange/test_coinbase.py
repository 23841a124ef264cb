"""Coinbase's own ways, through ccxt's unmodified class: tokens, orders that fail inside an HTTP 200, idempotent client ids."""

from __future__ import annotations

from typing import Any

import ccxt
import pytest

from tests.support.sandbox import RunningSandbox

SYMBOL = "BTC/USD"


@pytest.fixture
def coinbase(sandbox: RunningSandbox) -> ccxt.coinbase:
    client = ccxt.coinbase(sandbox.options_of("coinbase"))
    client.load_markets()
    return client


def raw(client: ccxt.coinbase, configuration: dict[str, Any], **changed: Any) -> dict[str, Any]:
    order = {"client_order_id": "raw-1", "product_id": "BTC-USD", "side": "BUY", "order_configuration": configuration}
    answer: dict[str, Any] = client.v3PrivatePostBrokerageOrders({**order, **changed})
    return answer


def limit(size: str = "1", price: str = "80", **more: Any) -> dict[str, Any]:
    return {"limit_limit_gtc": {"base_size": size, "limit_price": price, **more}}


@pytest.mark.parametrize(
    ("configuration", "raised", "words"),
    [
        (limit(size="1000"), ccxt.InsufficientFunds, "INSUFFICIENT_FUND"),
        (limit(size="0.000000001"), ccxt.ExchangeError, "PREVIEW_INVALID_SIZE_PRECISION"),
        (limit(price="80.001"), ccxt.ExchangeError, "PREVIEW_INVALID_PRICE_PRECISION"),
        (limit(size="0.001"), ccxt.ExchangeError, "PREVIEW_INVALID_QUOTE_SIZE_TOO_SMALL"),
        (limit(price="130", post_only=True), ccxt.ExchangeError, "POST_ONLY"),
        ({"dream": {}}, ccxt.ExchangeError, "UNSUPPORTED_ORDER_CONFIGURATION"),
    ],
)
def test_what_coinbase_refuses_ccxt_raises(
    coinbase: ccxt.coinbase, configuration: dict[str, Any], raised: type[Exception], words: str
) -> None:
    with pytest.raises(raised, match=words):
        raw(coinbase, configuration)
    assert coinbase.fetch_open_orders(SYMBOL) == []


def test_a_product_that_is_not_listed_is_not_found(coinbase: ccxt.coinbase) -> None:
    with pytest.raises(ccxt.ExchangeError, match="valid product_id is required"):
        coinbase.v3PublicGetBrokerageMarketProductsProductId({"product_id": "NOPE-USD"})


def test_the_same_client_id_makes_one_order(coinbase: ccxt.coinbase) -> None:
    first = raw(coinbase, limit(), client_order_id="once")
    second = raw(coinbase, limit(), client_order_id="once")
    assert first["order_id"] == second["order_id"]
    assert len(coinbase.fetch_open_orders(SYMBOL)) == 1


def test_a_market_buy_spends_a_sum_and_tells_what_it_got(coinbase: ccxt.coinbase) -> None:
    placed = coinbase.create_order(SYMBOL, "market", "buy", 1, 150, {"client_order_id": "spend"})
    order = coinbase.fetch_order(placed["id"])
    assert (order["status"], order["clientOrderId"], order["type"]) == ("closed", "spend", "market")
    assert 149 < order["filled"] * order["average"] <= 150.01
    assert float(order["fee"]["cost"]) == pytest.approx(order["filled"] * order["average"] * 0.006, rel=1e-4)


def test_a_stop_limit_waits_then_sells_when_the_price_falls_through_it(
    sandbox: RunningSandbox, coinbase: ccxt.coinbase
) -> None:
    placed = coinbase.create_order(SYMBOL, "limit", "sell", 0.5, 90, {"stopLossPrice": 96})
    waiting = coinbase.fetch_order(placed["id"])
    assert (waiting["status"], waiting["triggerPrice"]) == ("open", 96.0)
    sandbox.control.advance(90)
    order = coinbase.fetch_order(placed["id"])
    assert (order["status"], order["filled"]) == ("closed", 0.5)


def test_a_stop_on_the_wrong_side_is_refused(coinbase: ccxt.coinbase) -> None:
    with pytest.raises(ccxt.InvalidOrder, match="PREVIEW_STOP_PRICE_ABOVE_LAST_TRADE_PRICE"):
        coinbase.create_order(SYMBOL, "limit", "sell", 0.5, 90, {"stopLossPrice": 120})


def test_orders_and_fills_come_in_pages(coinbase: ccxt.coinbase) -> None:
    for number in range(5):
        coinbase.create_order(SYMBOL, "limit", "buy", 0.1, 80 + number)
    pages, cursor = [], ""
    while True:
        page = coinbase.v3PrivateGetBrokerageOrdersHistoricalBatch(
            {"limit": 2, **({"cursor": cursor} if cursor else {})}
        )
        pages.append([order["order_configuration"]["limit_limit_gtc"]["limit_price"] for order in page["orders"]])
        cursor = page["cursor"]
        if not page["has_next"]:
            break
    assert pages == [["84.00", "83.00"], ["82.00", "81.00"], ["80.00"]]


def test_cancelling_what_is_not_there_fails_by_name(coinbase: ccxt.coinbase) -> None:
    with pytest.raises(ccxt.BadRequest):
        coinbase.cancel_order("aaaaaaaa-aaaa-4aaa-8aaa-000000000001", SYMBOL)


def test_a_token_for_another_request_opens_nothing(sandbox: RunningSandbox, coinbase: ccxt.coinbase) -> None:
    url = f"{sandbox.base_url}/coinbase/api/v3/brokerage/accounts"
    token = coinbase.create_auth_token(coinbase.seconds(), "GET", url)
    good = {"Authorization": f"Bearer {token}"}
    assert coinbase.fetch(url, "GET", good)["accounts"]
    with pytest.raises(ccxt.AuthenticationError):
        coinbase.fetch(f"{sandbox.base_url}/coinbase/api/v3/brokerage/portfolios", "GET", good)
    late = coinbase.create_auth_token(coinbase.seconds() - 600, "GET", url)
    with pytest.raises(ccxt.AuthenticationError):
        coinbase.fetch(url, "GET", {"Authorization": f"Bearer {late}"})


def test_too_many_calls_in_a_second_are_refused(sandbox: RunningSandbox, coinbase: ccxt.coinbase) -> None:
    sandbox.control.advance(1)  # loading the markets was a call, too
    sandbox.control.call("POST", "settings", {"venue": "coinbase", "public_calls_per_second": 5})
    for _ in range(5):
        coinbase.fetch_time()
    with pytest.raises(ccxt.RateLimitExceeded):
        coinbase.fetch_time()
    sandbox.control.advance(1)
    assert coinbase.fetch_time()
