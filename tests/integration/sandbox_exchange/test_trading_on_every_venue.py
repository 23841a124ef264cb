"""What holds on every venue, whatever its dialect: ccxt's own class trades, and money adds up."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import ccxt
import pytest

from tests.integration.sandbox_exchange.conftest import PATH, QUIET
from tests.support.sandbox import RunningSandbox, running_sandbox, sandbox_config
from tests.support.scripted_market import ScriptedMarket, quiet

VENUES = {"kraken": "BTC/USD", "binance": "BTC/USDT", "coinbase": "BTC/USD", "bitstamp": "BTC/USD"}
EVERY = pytest.mark.parametrize("venue", VENUES)
TAKER = {"kraken": "0.004", "binance": "0.001", "coinbase": "0.006", "bitstamp": "0.004"}


def client_of(sandbox: RunningSandbox, venue: str, **changed: str) -> Any:
    client = getattr(ccxt, venue)(sandbox.options_of(venue, **changed))
    client.number = str  # amounts as the venue wrote them
    return client


def money(venue: str) -> str:
    return VENUES[venue].partition("/")[2]


def totals(client: Any, venue: str) -> tuple[Decimal, Decimal]:
    found = client.fetch_balance()["total"]
    return Decimal(found["BTC"]), Decimal(found[money(venue)])


def fills_of(client: Any, venue: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = client.fetch_my_trades(VENUES[venue])
    return found


@EVERY
def test_what_fills_and_fees_say_is_what_the_balances_lost_and_won(sandbox: RunningSandbox, venue: str) -> None:
    client = client_of(sandbox, venue)
    coins, cash = totals(client, venue)
    client.create_order(VENUES[venue], "market", "buy", 1.5, 100)
    client.create_order(VENUES[venue], "market", "sell", 0.7)
    fills = fills_of(client, venue)
    assert {fill["side"] for fill in fills} == {"buy", "sell"}
    for fill in fills:
        sign = 1 if fill["side"] == "buy" else -1
        coins += sign * Decimal(fill["amount"])
        cash -= sign * Decimal(fill["cost"])
        fee = Decimal(fill["fee"]["cost"])
        if fill["fee"]["currency"] == "BTC":
            coins -= fee
        else:
            cash -= fee
    now_coins, now_cash = totals(client, venue)
    assert abs(now_coins - coins) <= Decimal("1e-8") * len(fills)
    # Fiat is booked with four decimals, and Kraken tells costs with five.
    assert abs(now_cash - cash) <= Decimal("2e-4") * len(fills)


@EVERY
def test_a_taker_pays_the_venues_own_fee(sandbox: RunningSandbox, venue: str) -> None:
    client = client_of(sandbox, venue)
    client.create_order(VENUES[venue], "market", "sell", 0.7)
    for fill in fills_of(client, venue):
        paid = Decimal(fill["fee"]["cost"]) / (Decimal(fill["price"]) * Decimal(fill["amount"]))
        assert abs(paid - Decimal(TAKER[venue])) < Decimal("1e-6")
        assert fill["fee"]["currency"] == money(venue)


@EVERY
def test_a_resting_order_ties_up_money_is_found_and_gives_it_back(sandbox: RunningSandbox, venue: str) -> None:
    client = client_of(sandbox, venue)
    _, cash = totals(client, venue)
    own_id = {"clientOrderId": "resting-one", "client_order_id": "resting-one"}
    params = own_id if venue == "coinbase" else {"clientOrderId": "resting-one"}
    placed = client.create_order(VENUES[venue], "limit", "buy", 0.5, 80, params)
    (found,) = client.fetch_open_orders(VENUES[venue])
    assert (found["id"], found["clientOrderId"], found["side"]) == (placed["id"], "resting-one", "buy")
    balance = client.fetch_balance()
    assert Decimal("40") <= Decimal(balance["used"][money(venue)]) <= Decimal("40.5")
    client.cancel_order(placed["id"], VENUES[venue])
    assert client.fetch_open_orders(VENUES[venue]) == []
    assert client.fetch_order(placed["id"], VENUES[venue])["status"] == "canceled"
    assert totals(client, venue)[1] == cash
    assert Decimal(client.fetch_balance()["used"][money(venue)]) == 0


@EVERY
def test_a_resting_order_fills_as_a_maker_when_the_market_comes_through(sandbox: RunningSandbox, venue: str) -> None:
    client = client_of(sandbox, venue)
    placed = client.create_order(VENUES[venue], "limit", "buy", 0.5, 96.5)
    sandbox.control.advance(90)
    order = client.fetch_order(placed["id"], VENUES[venue])
    assert (order["status"], Decimal(order["filled"])) == ("closed", Decimal("0.5"))
    (fill,) = fills_of(client, venue)
    assert Decimal(fill["price"]) == Decimal("96.5")
    assert fill["takerOrMaker"] in ("maker", None)  # bitstamp does not say


@EVERY
def test_more_than_there_is_cannot_be_spent(sandbox: RunningSandbox, venue: str) -> None:
    client = client_of(sandbox, venue)
    with pytest.raises(ccxt.InsufficientFunds):
        client.create_order(VENUES[venue], "limit", "buy", 200, 90)
    with pytest.raises(ccxt.InsufficientFunds):
        client.create_order(VENUES[venue], "limit", "sell", 11, 120)
    assert client.fetch_open_orders(VENUES[venue]) == []


@EVERY
def test_a_stranger_and_a_wrong_secret_are_turned_away(sandbox: RunningSandbox, venue: str) -> None:
    for stranger in (client_of(sandbox, venue, key="nobody"), client_of(sandbox, venue, secret="bm90IHRoZSBzZWNyZXQ=")):
        with pytest.raises((ccxt.AuthenticationError, ccxt.ExchangeError)) as caught:
            stranger.fetch_balance()
        if venue != "kraken":  # ccxt does not know Kraken's wording for a wrong signature
            assert isinstance(caught.value, ccxt.AuthenticationError)


@EVERY
def test_a_halted_pair_takes_no_orders_on_that_venue_alone(sandbox: RunningSandbox, venue: str) -> None:
    sandbox.control.call("POST", "settings", {"venue": venue, "pair_status": {VENUES[venue]: "cancel_only"}})
    with pytest.raises(ccxt.BaseError):
        client_of(sandbox, venue).create_order(VENUES[venue], "limit", "buy", 0.5, 80)
    for other in VENUES.keys() - {venue}:
        assert client_of(sandbox, other).create_order(VENUES[other], "limit", "buy", 0.5, 80)["id"]


@EVERY
def test_venues_keep_their_accounts_apart(sandbox: RunningSandbox, venue: str) -> None:
    client_of(sandbox, venue).create_order(VENUES[venue], "market", "buy", 1, 100)
    for other in VENUES.keys() - {venue}:
        assert totals(client_of(sandbox, other), other) == (Decimal(10), Decimal(10000))
        assert fills_of(client_of(sandbox, other), other) == []


@EVERY
def test_orders_and_money_survive_a_restart(tmp_path: Path, venue: str) -> None:
    market = ScriptedMarket({"BTC/USD": [*QUIET, *PATH], "ETH/USD": quiet("50.00")})
    config = sandbox_config(state_path=tmp_path / "state.db", opening_balances={"USD": "10000", "BTC": "10"})
    with running_sandbox(market, config) as first:
        client = client_of(first, venue)
        client.create_order(VENUES[venue], "market", "buy", 1, 100)
        placed = client.create_order(VENUES[venue], "limit", "buy", 0.5, 96.5)
        before = totals(client, venue)
    with running_sandbox(market, config) as second:
        client = client_of(second, venue)
        assert totals(client, venue) == before
        assert [order["id"] for order in client.fetch_open_orders(VENUES[venue])] == [placed["id"]]
        second.control.advance(90)  # the dip that the first server never saw
        assert client.fetch_order(placed["id"], VENUES[venue])["status"] == "closed"


@EVERY
@pytest.mark.parametrize(
    ("rule", "raised"),
    [({"status": 503, "body": "<html></html>"}, ccxt.ExchangeNotAvailable), ({"status": 429}, ccxt.NetworkError),
     ({"drop": True}, ccxt.NetworkError)],
)  # fmt: skip
def test_a_venue_can_be_told_to_misbehave_alone(
    sandbox: RunningSandbox, venue: str, rule: dict[str, Any], raised: type[Exception]
) -> None:
    clients = {name: client_of(sandbox, name) for name in VENUES}
    for client in clients.values():
        client.load_markets()
    sandbox.control.fault("*", venue=venue, count=None, **rule)
    for name, client in clients.items():
        if name == venue:
            with pytest.raises(raised):
                client.fetch_order_book(VENUES[name])
        else:
            assert client.fetch_order_book(VENUES[name])["bids"]


@EVERY
def test_an_order_whose_answer_was_lost_is_there_all_the_same(sandbox: RunningSandbox, venue: str) -> None:
    endpoint = {"kraken": "AddOrder", "binance": "POST order", "coinbase": "POST orders", "bitstamp": "buy"}[venue]
    client = client_of(sandbox, venue)
    client.load_markets()
    sandbox.control.fault(endpoint, venue=venue, when="after", drop=True)
    with pytest.raises(ccxt.NetworkError):
        client.create_order(VENUES[venue], "limit", "buy", 0.5, 80, {"clientOrderId": "lost-one"})
    assert len(client.fetch_open_orders(VENUES[venue])) == 1
