"""Binance's own ways, through ccxt's unmodified class: filters, order types, client ids, clocks, weights."""

from __future__ import annotations

import time
from typing import Any

import ccxt
import pytest

from tests.support.sandbox import RunningSandbox

SYMBOL = "BTC/USDT"


@pytest.fixture
def binance(sandbox: RunningSandbox) -> ccxt.binance:
    client = ccxt.binance(sandbox.options_of("binance"))
    client.load_markets()
    return client


def raw(client: ccxt.binance, **changed: Any) -> dict[str, Any]:
    order = {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "quantity": "1", "price": "80"}
    sent = {name: value for name, value in {**order, **changed}.items() if value is not None}
    answer: dict[str, Any] = client.privatePostOrder(sent)
    return answer


@pytest.mark.parametrize(
    ("changed", "raised", "words"),
    [
        ({"symbol": "NOPEUSDT"}, ccxt.BadSymbol, "Invalid symbol"),
        ({"quantity": "0.000001"}, ccxt.InvalidOrder, "LOT_SIZE"),
        ({"price": "80.001"}, ccxt.InvalidOrder, "PRICE_FILTER"),
        ({"quantity": "0.01"}, ccxt.BadRequest, "NOTIONAL"),
        ({"quantity": "1000"}, ccxt.InsufficientFunds, "insufficient balance"),
        (
            {"type": "LIMIT_MAKER", "price": "130", "timeInForce": None},
            ccxt.OrderImmediatelyFillable,
            "immediately match",
        ),
        ({"timeInForce": None}, ccxt.BadRequest, "timeInForce"),
        ({"side": "HOLD"}, ccxt.BadRequest, "Invalid side"),
        ({"type": "DREAM"}, ccxt.BadRequest, "Invalid orderType"),
        (
            {"type": "STOP_LOSS_LIMIT", "side": "SELL", "stopPrice": "120"},
            ccxt.OrderImmediatelyFillable,
            "trigger immediately",
        ),
    ],
)
def test_what_binance_refuses_ccxt_names(
    binance: ccxt.binance, changed: dict[str, Any], raised: type[Exception], words: str
) -> None:
    with pytest.raises(raised, match=words):
        raw(binance, **changed)
    assert binance.fetch_open_orders(SYMBOL) == []


def test_a_market_order_answers_with_its_fills_on_the_lot_grid(binance: ccxt.binance) -> None:
    order = binance.create_market_buy_order_with_cost(SYMBOL, 150)
    assert order["status"] == "closed"
    assert float(order["info"]["origQuoteOrderQty"]) == 150
    assert 149 < order["cost"] <= 150
    for fill in order["trades"]:
        assert round(fill["amount"] * 1e5, 6) == round(fill["amount"] * 1e5)
        assert fill["fee"]["currency"] == "BTC"
        assert fill["fee"]["cost"] == pytest.approx(fill["amount"] * 0.001, abs=1e-8)


def test_a_stop_waits_then_sells_when_the_price_falls_through_it(
    sandbox: RunningSandbox, binance: ccxt.binance
) -> None:
    placed = binance.create_order(SYMBOL, "STOP_LOSS", "sell", 0.5, None, {"stopPrice": 96})
    assert placed["status"] == "open"
    sandbox.control.advance(90)
    order = binance.fetch_order(placed["id"], SYMBOL)
    assert (order["status"], order["filled"]) == ("closed", 0.5)
    assert order["average"] < 97


def test_an_order_is_found_and_cancelled_by_the_clients_own_id(binance: ccxt.binance) -> None:
    placed = binance.create_order(SYMBOL, "limit", "buy", 0.5, 80, {"clientOrderId": "mine-1"})
    found = binance.fetch_order(None, SYMBOL, {"origClientOrderId": "mine-1"})
    assert found["id"] == placed["id"]
    with pytest.raises(ccxt.InvalidOrder, match="Duplicate order"):
        binance.create_order(SYMBOL, "limit", "buy", 0.5, 80, {"clientOrderId": "mine-1"})
    binance.cancel_order(None, SYMBOL, {"origClientOrderId": "mine-1"})
    again = binance.fetch_order(None, SYMBOL, {"origClientOrderId": "mine-1"})
    assert (again["status"], again["clientOrderId"]) == ("canceled", "mine-1")


def test_an_order_that_never_was_is_not_found(binance: ccxt.binance) -> None:
    with pytest.raises(ccxt.OrderNotFound):
        binance.fetch_order("4711", SYMBOL)
    with pytest.raises(ccxt.OrderNotFound):
        binance.cancel_order("4711", SYMBOL)


@pytest.mark.parametrize(("tif", "filled"), [("IOC", True), ("FOK", False)])
def test_what_cannot_rest_expires(binance: ccxt.binance, tif: str, filled: bool) -> None:
    ask = binance.fetch_ticker(SYMBOL)["ask"]
    order = binance.create_order(SYMBOL, "limit", "buy", 50, ask, {"timeInForce": tif})
    assert order["status"] == "expired"
    assert (order["filled"] > 0) is filled


def test_a_request_from_a_wrong_clock_is_refused(sandbox: RunningSandbox) -> None:
    client = ccxt.binance(sandbox.options_of("binance"))
    client.nonce = lambda: int(time.time() * 1000) - 3_600_000
    with pytest.raises(ccxt.InvalidNonce, match="outside of the recvWindow"):
        client.fetch_balance()


def test_too_much_weight_is_refused_for_a_minute_and_hammering_bans(
    sandbox: RunningSandbox, binance: ccxt.binance
) -> None:
    sandbox.control.advance(60)  # loading the markets has cost some of this minute already
    # 60 of weight a minute
    sandbox.control.call("POST", "settings", {"venue": "binance", "public_calls_per_second": 1})
    for _ in range(12):
        binance.fetch_order_book(SYMBOL, 5)
    with pytest.raises(ccxt.DDoSProtection, match="429"):
        binance.fetch_order_book(SYMBOL, 5)
    assert 1 <= int(binance.last_response_headers["Retry-After"]) <= 60
    sandbox.control.advance(60)
    assert binance.fetch_order_book(SYMBOL, 5)["bids"]
    assert binance.last_response_headers["X-Mbx-Used-Weight-1m"] == "5"
    for _ in range(11):
        binance.fetch_order_book(SYMBOL, 5)
    for _ in range(10):
        with pytest.raises(ccxt.DDoSProtection, match="429"):
            binance.fetch_order_book(SYMBOL, 5)
    with pytest.raises(ccxt.DDoSProtection, match="418"):
        binance.fetch_order_book(SYMBOL, 5)
    sandbox.control.advance(60)
    with pytest.raises(ccxt.DDoSProtection, match="418"):
        binance.fetch_order_book(SYMBOL, 5)
    sandbox.control.advance(61)
    assert binance.fetch_order_book(SYMBOL, 5)["bids"]


def test_a_fault_can_speak_binances_language(sandbox: RunningSandbox, binance: ccxt.binance) -> None:
    sandbox.control.fault(
        "POST order", venue="binance", error="-2010:Account has insufficient balance for requested action."
    )
    with pytest.raises(ccxt.InsufficientFunds):
        binance.create_order(SYMBOL, "limit", "buy", 0.5, 80)


def test_tethers_are_not_dollars(sandbox: RunningSandbox, binance: ccxt.binance) -> None:
    assert "BTC/USD" not in binance.markets
    assert set(binance.fetch_balance()["total"]) >= {"USDT", "BTC"}
    assert "USD" not in binance.fetch_balance()["total"]
