"""Each refusal, brought about as a client would, under the exception ccxt makes of it; and the strings only faults can say."""

from __future__ import annotations

from collections.abc import Callable

import ccxt
import pytest

from tests.support.sandbox import RunningSandbox

PAIR = "BTC/USD"


def limit(client: ccxt.kraken, amount: str = "1", price: str = "90.0", **more: str) -> None:
    """A raw AddOrder, past ccxt's own rounding."""
    request = {"pair": "XBTUSD", "type": "buy", "ordertype": "limit", "volume": amount, "price": price, **more}
    client.private_post_addorder(request)


REFUSALS: list[tuple[str, type[Exception], Callable[[ccxt.kraken], object]]] = [
    ("EOrder:Insufficient funds", ccxt.InsufficientFunds, lambda c: limit(c, "1000")),
    ("EOrder:Insufficient funds", ccxt.InsufficientFunds, lambda c: c.create_order(PAIR, "market", "sell", 10.5)),
    ("EGeneral:Invalid arguments:volume minimum not met", ccxt.InvalidOrder, lambda c: limit(c, "0.00001")),
    ("EOrder:Cost minimum not met", ccxt.ExchangeError, lambda c: limit(c, "0.001")),
    ("EOrder:Tick size check failed", ccxt.ExchangeError, lambda c: limit(c, "1", "90.05")),
    ("EGeneral:Invalid arguments:volume", ccxt.InvalidOrder, lambda c: limit(c, "0.123456789")),
    ("EGeneral:Invalid arguments:volume", ccxt.InvalidOrder, lambda c: limit(c, "-1")),
    ("EGeneral:Invalid arguments:price", ccxt.InvalidOrder, lambda c: c.create_order(PAIR, "stop-loss", "sell", 1, 90)),
    ("EGeneral:Invalid arguments:price", ccxt.InvalidOrder, lambda c: limit(c, "1", "cheap")),
    ("EGeneral:Invalid arguments:ordertype", ccxt.ExchangeError, lambda c: limit(c, ordertype="iceberg")),
    ("EGeneral:Invalid arguments:cl_ord_id", ccxt.ExchangeError, lambda c: limit(c, cl_ord_id="x" * 19)),
    ("EGeneral:Invalid arguments:oflags", ccxt.ExchangeError, lambda c: limit(c, oflags="fcib,fciq")),
    ("EGeneral:Invalid arguments:viqc", ccxt.InvalidOrder, lambda c: limit(c, oflags="viqc")),
    ("EGeneral:Invalid arguments:expiretm", ccxt.ExchangeError, lambda c: limit(c, timeinforce="GTD")),
    ("EOrder:Margin allowance exceeded", ccxt.ExchangeError, lambda c: limit(c, leverage="5")),
    ("EOrder:Post only order", ccxt.ExchangeError, lambda c: limit(c, price="101.0", oflags="post")),
    ("EQuery:Unknown asset pair", ccxt.ExchangeError, lambda c: limit(c, pair="NOPE")),
    ("EQuery:Unknown asset pair", ccxt.ExchangeError, lambda c: c.public_get_ohlc({"pair": "NOPE"})),
    ("EQuery:Unknown asset", ccxt.BadSymbol, lambda c: c.public_get_assets({"asset": "NOPE"})),
    ("EOrder:Unknown order", ccxt.OrderNotFound, lambda c: c.cancel_order("OAAAAA-BBBBB-CCCCCC")),
    ("EOrder:Unknown order", ccxt.InvalidOrder, lambda c: c.edit_order("OAAAAA-BBBBB-CCCCCC", PAIR, "limit", "buy", 1)),
    ("EOrder:Invalid order", ccxt.InvalidOrder, lambda c: c.fetch_order("not-an-id")),
    ("EGeneral:Unknown method", ccxt.ExchangeError, lambda c: c.request("Unstake", ["private"], "POST", {})),
]


@pytest.mark.parametrize(("reason", "exception", "act"), REFUSALS)
def test_a_bad_request_is_refused_in_krakens_words(
    client: ccxt.kraken, reason: str, exception: type[Exception], act: Callable[[ccxt.kraken], object]
) -> None:
    with pytest.raises(exception) as refusal:
        act(client)
    assert f'"{reason}"' in str(refusal.value)
    assert client.fetch_open_orders() == []


def test_holds_count_against_the_next_order(client: ccxt.kraken) -> None:
    client.create_order(PAIR, "limit", "sell", 6, 120)
    assert client.fetch_balance()["BTC"] == {"free": 4, "used": 6, "total": 10}
    with pytest.raises(ccxt.InsufficientFunds):
        client.create_order(PAIR, "limit", "sell", 5, 120)


def test_a_client_id_is_unique_among_open_orders(client: ccxt.kraken) -> None:
    client.create_order(PAIR, "limit", "buy", 1, 90, {"clientOrderId": "twice"})
    with pytest.raises(ccxt.ExchangeError, match="EOrder:Duplicate order"):
        client.create_order(PAIR, "limit", "buy", 1, 90, {"clientOrderId": "twice"})


def test_open_orders_of_a_pair_are_limited_by_tier(sandbox: RunningSandbox, client: ccxt.kraken) -> None:
    for number in range(60):
        limit(client, "0.01", f"{60 + number / 10:.1f}")
    sandbox.control.settings(tier="starter")
    sandbox.control.advance(1)
    with pytest.raises(ccxt.ExchangeError, match="EOrder:Orders limit exceeded"):
        limit(client)


@pytest.mark.parametrize(
    ("status", "exception", "reason"),
    [
        ("cancel_only", ccxt.OnMaintenance, "EService:Market in cancel_only mode"),
        ("post_only", ccxt.OnMaintenance, "EService:Market in post_only mode"),
    ],
)
def test_a_halted_pair_takes_no_orders_but_lets_go(
    sandbox: RunningSandbox, client: ccxt.kraken, status: str, exception: type[Exception], reason: str
) -> None:
    placed = client.create_order(PAIR, "limit", "buy", 1, 90)
    sandbox.control.halt(PAIR, status)
    with pytest.raises(exception, match=reason):
        client.create_order(PAIR, "limit", "buy", 1, 91)
    client.cancel_order(placed["id"])
    assert client.fetch_markets()[0]["active"] is False
    assert client.create_order("ETH/USD", "limit", "buy", 1, 40)["id"]


def test_a_limit_only_pair_takes_limit_orders(sandbox: RunningSandbox, client: ccxt.kraken) -> None:
    sandbox.control.halt(PAIR, "limit_only")
    with pytest.raises(ccxt.ExchangeError, match="EService:Market in limit_only mode"):
        client.create_order(PAIR, "market", "buy", 1)
    assert client.create_order(PAIR, "limit", "buy", 1, 90)["id"]


def test_amending_below_the_minimum_is_refused(client: ccxt.kraken) -> None:
    placed = client.create_order(PAIR, "limit", "buy", 1, 90)
    with pytest.raises(ccxt.InvalidOrder, match="EOrder:Order minimum not met"):
        client.edit_order(placed["id"], PAIR, "limit", "buy", 0.00001)
    assert client.fetch_order(placed["id"])["amount"] == 1


def test_an_order_with_a_client_id_or_a_close_is_not_edited(client: ccxt.kraken) -> None:
    placed = client.create_order(PAIR, "limit", "buy", 1, 90, {"clientOrderId": "mine"})
    with pytest.raises(ccxt.ExchangeError, match="EOrder:Order not editable"):
        client.private_post_editorder({"txid": placed["id"], "pair": "XBTUSD", "volume": "2"})


def test_one_bad_order_of_a_batch_refuses_all_one_unaffordable_fails_alone(client: ccxt.kraken) -> None:
    good = {"type": "buy", "ordertype": "limit", "volume": "1", "price": "90"}
    with pytest.raises(ccxt.ExchangeError, match="Invalid arguments:ordertype"):
        client.private_post_addorderbatch({"pair": "XBTUSD", "orders": [good, {**good, "ordertype": "iceberg"}]})
    assert client.fetch_open_orders() == []
    with pytest.raises(ccxt.InsufficientFunds):
        client.private_post_addorderbatch({"pair": "XBTUSD", "orders": [good, {**good, "volume": "1000"}]})
    assert len(client.fetch_open_orders()) == 1


INJECTED: list[tuple[str, type[Exception]]] = [
    ("EAPI:Rate limit exceeded", ccxt.DDoSProtection),
    ("EOrder:Rate limit exceeded", ccxt.DDoSProtection),
    ("EGeneral:Temporary lockout", ccxt.DDoSProtection),
    ("EService:Unavailable", ccxt.ExchangeNotAvailable),
    ("EService:Busy", ccxt.ExchangeNotAvailable),
    ("EGeneral:Internal error", ccxt.ExchangeNotAvailable),
    ("EAPI:Invalid nonce", ccxt.InvalidNonce),
    ("EGeneral:Permission denied", ccxt.PermissionDenied),
    ("ETrade:User Locked", ccxt.AccountSuspended),
    ("ESession:Invalid session", ccxt.AuthenticationError),
    ("EOrder:Order minimum not met", ccxt.InvalidOrder),
    ("EQuery:Invalid asset pair", ccxt.BadSymbol),
    ("EService:Timeout", ccxt.ExchangeError),
    ("EService: Throttled: 1736121600", ccxt.ExchangeError),
]


@pytest.mark.parametrize(("reason", "exception"), INJECTED)
def test_an_ordered_error_reaches_the_client_as_its_exception(
    sandbox: RunningSandbox, client: ccxt.kraken, reason: str, exception: type[Exception]
) -> None:
    client.load_markets()
    sandbox.control.fault("AddOrder", error=reason)
    with pytest.raises(exception, match=reason):
        client.create_order(PAIR, "limit", "buy", 1, 90)
    assert client.fetch_open_orders() == []
    assert client.create_order(PAIR, "limit", "buy", 1, 90)["id"], "the rule is used up"
