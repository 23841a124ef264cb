"""Every way ccxt spells an order, accepted, executed and read back."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import ccxt
import pytest

from kracken_tasks.domain.clock import from_ms, iso
from tests.support.sandbox import RunningSandbox
from tests.support.scripted_market import START

PAIR = "BTC/USD"
CASES: list[tuple[str, tuple[Any, ...], dict[str, Any], str]] = [
    ("market buy", ("market", "buy", 0.1), {}, "buy 0.10000000 XBTUSD @ market"),
    ("limit", ("limit", "sell", 0.1, 120), {}, "sell 0.10000000 XBTUSD @ limit 120.0"),
    ("post only", ("limit", "sell", 0.1, 120), {"postOnly": True}, "sell 0.10000000 XBTUSD @ limit 120.0"),
    ("stop", ("market", "sell", 0.1), {"stopLossPrice": 95}, "sell 0.10000000 XBTUSD @ stop loss 95.0"),
    (
        "stop limit",
        ("limit", "sell", 0.1, 94),
        {"stopLossPrice": 95},
        "sell 0.10000000 XBTUSD @ stop loss 95.0 -> limit 94.0",
    ),
    ("target", ("market", "sell", 0.1), {"takeProfitPrice": 110}, "sell 0.10000000 XBTUSD @ take profit 110.0"),
    (
        "target limit",
        ("limit", "sell", 0.1, 109),
        {"takeProfitPrice": 110},
        "sell 0.10000000 XBTUSD @ take profit 110.0 -> limit 109.0",
    ),
    ("trailing", ("market", "sell", 0.1), {"trailingAmount": 10}, "sell 0.10000000 XBTUSD @ trailing stop +10.0"),
    (
        "trailing percent, as JSON",
        ("market", "sell", 0.1),
        {"trailingPercent": 5},
        "sell 0.10000000 XBTUSD @ trailing stop +5.0000%",
    ),
    (
        "trailing limit",
        ("limit", "sell", 0.1, 1),
        {"trailingAmount": 10, "trailingLimitAmount": 2},
        "sell 0.10000000 XBTUSD @ trailing stop +10.0 -> limit -2.0",
    ),
    ("cost", ("market", "buy", 10), {"cost": 10}, "buy 10.00000000 XBTUSD @ market"),
]


@pytest.mark.parametrize(
    ("order", "params", "description"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)
def test_every_spelling_is_accepted_and_described_as_kraken_does(
    client: ccxt.kraken, order: tuple[Any, ...], params: dict[str, Any], description: str
) -> None:
    placed = client.create_order(PAIR, *order, params=params)
    found = client.fetch_order(placed["id"])
    assert found["info"]["descr"]["order"] == description
    assert found["symbol"] == PAIR


def test_stops_and_targets_execute_when_the_market_gets_there(sandbox: RunningSandbox, client: ccxt.kraken) -> None:
    stop = client.create_order(PAIR, "market", "sell", 1, None, {"stopLossPrice": 95})
    target = client.create_order(PAIR, "market", "sell", 1, None, {"takeProfitPrice": 110})
    trail = client.create_order(PAIR, "market", "sell", 1, None, {"trailingPercent": 9})
    sandbox.control.advance(60)
    assert [client.fetch_order(o["id"])["status"] for o in (stop, target, trail)] == ["closed", "open", "open"]
    assert client.fetch_order(stop["id"])["average"] == 93.9
    sandbox.control.advance(60)
    assert client.fetch_order(target["id"])["average"] == 110.9
    sandbox.control.advance(60)
    assert client.fetch_order(trail["id"])["average"] == 99.9  # peak 111, less 9 %, is 101.01: passed on the way to 100


def test_a_conditional_close_stands_with_the_entry_and_names_it(sandbox: RunningSandbox, client: ccxt.kraken) -> None:
    entry = client.create_order(
        PAIR, "limit", "buy", 1, 101, {"close": {"ordertype": "stop-loss", "price": 95}, "timeInForce": "IOC"}
    )
    (close,) = client.fetch_open_orders(PAIR)
    assert close["info"]["refid"] == entry["id"]
    assert (close["side"], close["amount"], close["stopLossPrice"]) == ("sell", 1, 95)
    assert client.fetch_balance()["BTC"]["used"] == 1
    sandbox.control.advance(60)
    assert client.fetch_order(close["id"])["status"] == "closed"


def test_a_partly_filled_order_shows_what_it_has(sandbox: RunningSandbox, client: ccxt.kraken) -> None:
    placed = client.create_order(PAIR, "limit", "buy", 5, 95)
    sandbox.control.advance(60)  # four coins trade at 94; half of them are ours
    order = client.fetch_order(placed["id"])
    assert (order["status"], order["filled"], order["remaining"], order["average"]) == ("open", 2, 3, 95)
    assert order["info"]["fee"] == "0.47500"  # 0.25 % of 190
    (trade,) = client.fetch_order_trades(placed["id"], PAIR, params={"trades": order["info"]["trades"]})
    assert (trade["takerOrMaker"], trade["amount"], trade["price"]) == ("maker", 2, 95)


def test_an_order_is_amended_in_place_and_edited_under_a_new_id(client: ccxt.kraken) -> None:
    placed = client.create_order(PAIR, "limit", "buy", 1, 90)
    client.edit_order(placed["id"], PAIR, "limit", "buy", 2, 91)
    amended = client.fetch_order(placed["id"])
    assert (amended["amount"], amended["price"], amended["status"]) == (2, 91, "open")
    edited = client.private_post_editorder({"txid": placed["id"], "pair": "XBTUSD", "volume": "1.5", "price": "92.0"})
    successor = client.fetch_order(edited["result"]["txid"])
    assert (successor["amount"], successor["price"]) == (1.5, 92)
    assert client.fetch_order(placed["id"])["status"] == "canceled"


def test_amending_below_what_is_filled_cancels_the_rest(sandbox: RunningSandbox, client: ccxt.kraken) -> None:
    placed = client.create_order(PAIR, "limit", "buy", 5, 95)
    sandbox.control.advance(60)
    client.edit_order(placed["id"], PAIR, "limit", "buy", 1)
    assert client.fetch_order(placed["id"])["status"] == "canceled"
    assert client.fetch_order(placed["id"])["filled"] == 2


def test_a_stop_is_moved_by_amending_its_trigger(sandbox: RunningSandbox, client: ccxt.kraken) -> None:
    placed = client.create_order(PAIR, "market", "sell", 1, None, {"stopLossPrice": 95})
    client.edit_order(placed["id"], PAIR, "market", "sell", None, None, {"stopLossPrice": 90})
    sandbox.control.advance(60)
    order = client.fetch_order(placed["id"])
    assert (order["status"], order["stopLossPrice"]) == ("open", 90)


def test_a_batch_is_placed_and_cancelled(client: ccxt.kraken) -> None:
    requests = [{"symbol": PAIR, "type": "limit", "side": "buy", "amount": 1, "price": price} for price in (90, 91, 92)]
    placed = client.create_orders(requests)
    assert len({order["id"] for order in placed}) == 3
    client.cancel_orders([placed[0]["id"], placed[1]["id"]])
    assert [order["id"] for order in client.fetch_open_orders()] == [placed[2]["id"]]


def test_cancel_by_user_reference_and_cancel_all(client: ccxt.kraken) -> None:
    for price in (90, 91):
        client.create_order(PAIR, "limit", "buy", 1, price, {"userref": 77})
    client.create_order(PAIR, "limit", "buy", 1, 92)
    client.cancel_order(None, PAIR, {"userref": 77})
    assert len(client.fetch_open_orders()) == 1
    client.cancel_all_orders()
    assert client.fetch_open_orders() == []


def test_the_dead_mans_switch_cancels_everything_and_then_stays_off(
    sandbox: RunningSandbox, client: ccxt.kraken
) -> None:
    client.create_order(PAIR, "limit", "buy", 1, 90)
    client.cancel_all_orders_after(60_000)
    sandbox.control.advance(59)
    assert len(client.fetch_open_orders()) == 1
    sandbox.control.advance(1)
    assert client.fetch_open_orders() == []
    client.create_order(PAIR, "limit", "buy", 1, 90)
    sandbox.control.advance(120)
    assert len(client.fetch_open_orders()) == 1


def test_a_validate_only_order_is_judged_and_not_placed(client: ccxt.kraken) -> None:
    assert client.create_order(PAIR, "limit", "buy", 1, 90, {"validate": True})["id"] is None
    assert client.fetch_open_orders() == []
    with pytest.raises(ccxt.InsufficientFunds):
        client.create_order(PAIR, "limit", "buy", 1000, 90, {"validate": True})


def test_a_late_request_is_refused_by_the_venues_own_clock(sandbox: RunningSandbox, client: ccxt.kraken) -> None:
    deadline = iso(START + timedelta(seconds=5))
    assert client.create_order(PAIR, "limit", "buy", 1, 90, {"deadline": deadline})["id"]
    sandbox.control.advance(6)
    with pytest.raises(ccxt.ExchangeError, match="EService:Deadline elapsed"):
        client.create_order(PAIR, "limit", "buy", 1, 90, {"deadline": deadline})
    assert len(client.fetch_open_orders()) == 1
    far = iso(from_ms(sandbox.control.now_ms()) + timedelta(seconds=61))
    with pytest.raises(ccxt.ExchangeError, match="Invalid arguments:deadline"):
        client.create_order(PAIR, "limit", "buy", 1, 90, {"deadline": far})


def test_a_lost_answer_is_found_again_by_its_client_id(sandbox: RunningSandbox, client: ccxt.kraken) -> None:
    sandbox.control.fault("AddOrder", when="after", drop=True)
    with pytest.raises(ccxt.NetworkError):
        client.create_order(PAIR, "market", "buy", 1, None, {"clientOrderId": "0123456789abcdef0123456789abcdef"})
    look = {"clientOrderId": "0123456789abcdef0123456789abcdef"}
    assert client.fetch_open_orders(params=look) == []
    (order,) = client.fetch_closed_orders(params=look)
    assert (order["status"], order["filled"], order["clientOrderId"]) == ("closed", 1, look["clientOrderId"])
    # Kraken checks open orders only: the same id buys again, so a blind retry buys twice.
    client.create_order(PAIR, "market", "buy", 1, None, look)
    assert len(client.fetch_closed_orders(params=look)) == 2


def test_listings_lag_behind_the_matching_engine(sandbox: RunningSandbox, client: ccxt.kraken) -> None:
    sandbox.control.settings(listing_lag_ms=500)
    placed = client.create_order(PAIR, "limit", "buy", 1, 90, {"clientOrderId": "late"})
    assert client.fetch_open_orders(params={"clientOrderId": "late"}) == []
    with pytest.raises(ccxt.OrderNotFound):
        client.fetch_order(placed["id"])
    sandbox.control.advance(0.5)
    assert [order["id"] for order in client.fetch_open_orders(params={"clientOrderId": "late"})] == [placed["id"]]
