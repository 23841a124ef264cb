"""A ccxt client meets the sandbox: it lists, trades, looks up and cancels, with nothing changed but its addresses."""

from __future__ import annotations

import ccxt
import pytest
import requests

from tests.support.sandbox import RunningSandbox, running_sandbox
from tests.support.scripted_market import ScriptedMarket, quiet


def test_a_market_order_is_bought_booked_and_found_again() -> None:
    with running_sandbox(ScriptedMarket({"BTC/USD": quiet()})) as sandbox:
        client = ccxt.kraken(sandbox.ccxt_options())
        placed = client.create_order("BTC/USD", "market", "buy", 1.5)
        order = client.fetch_order(placed["id"])
        assert (order["status"], order["filled"], order["average"]) == ("closed", 1.5, 100.13333)
        assert client.fetch_balance()["BTC"] == {"free": 1.5, "used": 0.0, "total": 1.5}
        assert client.fetch_balance()["USD"]["total"] == 9849.1992
        assert [trade["order"] for trade in client.fetch_my_trades()] == [placed["id"]] * 2


def test_a_resting_order_is_found_by_its_client_id_and_cancelled() -> None:
    with running_sandbox(ScriptedMarket({"BTC/USD": quiet()})) as sandbox:
        client = ccxt.kraken(sandbox.ccxt_options())
        placed = client.create_order("BTC/USD", "limit", "buy", 0.5, 90, {"clientOrderId": "first-one"})
        found = client.fetch_open_orders(params={"clientOrderId": "first-one"})
        assert [order["id"] for order in found] == [placed["id"]]
        client.cancel_order(placed["id"], params={"clientOrderId": "first-one"})
        assert client.fetch_open_orders() == []
        assert [order["status"] for order in client.fetch_closed_orders(params={"clientOrderId": "first-one"})] == [
            "canceled"
        ]
        with pytest.raises(ccxt.OrderNotFound):
            client.cancel_order(placed["id"])


def test_a_client_that_keeps_only_the_host_of_an_address_is_served_too(sandbox: RunningSandbox) -> None:
    for prefix in ("", "/kraken"):
        answer = requests.get(f"{sandbox.base_url}{prefix}/0/public/AssetPairs", {"pair": "BTC/USD"}, timeout=10).json()
        assert answer["error"] == []
        assert list(answer["result"]) == ["BTC/USD"]  # as asked, where the name is v2's
    answer = requests.get(f"{sandbox.base_url}/0/public/AssetPairs", {"pair": "XBTUSD"}, timeout=10).json()
    assert list(answer["result"]) == ["XXBTZUSD"]
