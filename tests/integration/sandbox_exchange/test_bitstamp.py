"""Bitstamp's own ways, through ccxt's unmodified class: its words for a refusal, its nonces, its mixed transactions."""

from __future__ import annotations

import ccxt
import pytest

from tests.support.sandbox import RunningSandbox

SYMBOL = "BTC/USD"


@pytest.fixture
def bitstamp(sandbox: RunningSandbox) -> ccxt.bitstamp:
    client = ccxt.bitstamp(sandbox.options_of("bitstamp"))
    client.load_markets()
    return client


def test_what_bitstamp_refuses_ccxt_names(bitstamp: ccxt.bitstamp) -> None:
    with pytest.raises(ccxt.InvalidOrder, match="Minimum order size is 10 USD"):
        bitstamp.create_order(SYMBOL, "limit", "buy", 0.01, 80)
    with pytest.raises(ccxt.ExchangeError, match="no more than 2 decimal places"):
        bitstamp.privatePostBuyPair({"pair": "btcusd", "amount": "1", "price": "80.001"})
    with pytest.raises(ccxt.ExchangeError, match="immediately match"):
        bitstamp.create_order(SYMBOL, "limit", "buy", 1, 130, {"moc_order": "true"})
    assert bitstamp.fetch_open_orders(SYMBOL) == []


def test_an_order_is_found_by_the_clients_own_id_and_the_id_is_used_up(bitstamp: ccxt.bitstamp) -> None:
    placed = bitstamp.create_order(SYMBOL, "limit", "buy", 0.5, 80, {"clientOrderId": "mine-1"})
    found = bitstamp.fetch_order("", SYMBOL, {"clientOrderId": "mine-1"})
    assert (found["id"], found["status"]) == (placed["id"], "open")
    bitstamp.cancel_order(placed["id"], SYMBOL)
    with pytest.raises(ccxt.ExchangeError, match="client order id already exists"):
        bitstamp.create_order(SYMBOL, "limit", "buy", 0.5, 80, {"clientOrderId": "mine-1"})


def test_an_order_that_never_was_is_not_found(bitstamp: ccxt.bitstamp) -> None:
    with pytest.raises(ccxt.OrderNotFound):
        bitstamp.fetch_order("1800000000004711", SYMBOL)
    with pytest.raises(ccxt.OrderNotFound):
        bitstamp.cancel_order("1800000000004711", SYMBOL)


def test_a_finished_order_tells_its_parts(bitstamp: ccxt.bitstamp) -> None:
    placed = bitstamp.create_order(SYMBOL, "market", "buy", 1.2)
    order = bitstamp.fetch_order(placed["id"], SYMBOL)
    assert order["status"] == "closed"
    assert sum(trade["amount"] for trade in order["trades"]) == pytest.approx(1.2)
    fees = sum(trade["fee"]["cost"] for trade in order["trades"])
    assert fees == pytest.approx(0.004 * sum(trade["cost"] for trade in order["trades"]), rel=1e-6)


def test_an_instant_order_spends_a_sum(bitstamp: ccxt.bitstamp) -> None:
    placed = bitstamp.privatePostBuyInstantPair({"pair": "btcusd", "amount": "150"})
    order = bitstamp.fetch_order(placed["id"], SYMBOL)
    assert 149 < sum(trade["cost"] for trade in order["trades"]) <= 150


def test_deposits_stand_among_the_transactions_but_are_no_trades(
    sandbox: RunningSandbox, bitstamp: ccxt.bitstamp
) -> None:
    sandbox.control.advance(1)
    bitstamp.create_order(SYMBOL, "market", "sell", 0.2)
    everything = bitstamp.privatePostUserTransactions({"sort": "asc"})
    assert [row["type"] for row in everything] == ["0", "0", "2"]
    trades = bitstamp.fetch_my_trades()
    assert [(trade["symbol"], trade["side"], trade["amount"]) for trade in trades] == [(SYMBOL, "sell", 0.2)]


def test_all_orders_of_a_pair_are_cancelled_together(bitstamp: ccxt.bitstamp) -> None:
    for price in (80, 81):
        bitstamp.create_order(SYMBOL, "limit", "buy", 0.5, price)
    other = bitstamp.create_order("ETH/USD", "limit", "buy", 0.5, 40)
    bitstamp.cancel_all_orders(SYMBOL)
    assert [order["id"] for order in bitstamp.fetch_open_orders()] == [other["id"]]


def test_a_nonce_is_good_once(bitstamp: ccxt.bitstamp) -> None:
    bitstamp.uuid = lambda: "11111111-1111-4111-8111-111111111111"
    bitstamp.fetch_balance()
    with pytest.raises(ccxt.InvalidNonce):
        bitstamp.fetch_balance()


def test_a_request_from_a_wrong_clock_is_refused(bitstamp: ccxt.bitstamp) -> None:
    bitstamp.enableRateLimit = False  # its throttle reads the same clock
    bitstamp.milliseconds = lambda: 1_000_000_000_000
    with pytest.raises(ccxt.ExchangeError, match="Timestamp"):
        bitstamp.fetch_balance()


def test_too_many_calls_in_a_second_are_refused(sandbox: RunningSandbox, bitstamp: ccxt.bitstamp) -> None:
    sandbox.control.advance(1)  # loading the markets was a call, too
    sandbox.control.call("POST", "settings", {"venue": "bitstamp", "public_calls_per_second": 5})
    for _ in range(5):
        bitstamp.fetch_ticker(SYMBOL)
    with pytest.raises(ccxt.RateLimitExceeded):
        bitstamp.fetch_ticker(SYMBOL)
    sandbox.control.advance(1)
    assert bitstamp.fetch_ticker(SYMBOL)["bid"]
