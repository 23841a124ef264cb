"""Who may call, and how often: signatures, nonces, and Kraken's two counters on the venue's own clock."""

from __future__ import annotations

import base64

import ccxt
import pytest

from kracken_tasks.sandbox.client_config import DEMO_KEYS, kraken_options
from tests.support.sandbox import RunningSandbox

PAIR = "BTC/USD"


def test_a_wrong_secret_is_an_invalid_signature(sandbox: RunningSandbox) -> None:
    stranger = ccxt.kraken(kraken_options(sandbox.base_url, secret=base64.b64encode(b"not the secret").decode()))
    with pytest.raises(ccxt.ExchangeError, match="EAPI:Invalid signature"):
        stranger.fetch_balance()


def test_an_unknown_key_is_an_authentication_error(sandbox: RunningSandbox) -> None:
    with pytest.raises(ccxt.AuthenticationError, match="EAPI:Invalid key"):
        ccxt.kraken(kraken_options(sandbox.base_url, key="nobody")).fetch_balance()


def test_a_nonce_must_rise(sandbox: RunningSandbox, client: ccxt.kraken) -> None:
    client.fetch_balance()
    client.incrementing_nonce = lambda: 1
    with pytest.raises(ccxt.InvalidNonce):
        client.fetch_balance()


def test_every_key_has_a_nonce_of_its_own_and_all_open_one_account(sandbox: RunningSandbox) -> None:
    first, second = (ccxt.kraken(sandbox.ccxt_options(key)) for key in DEMO_KEYS[:2])
    placed = first.create_order(PAIR, "limit", "buy", 1, 90)
    second.incrementing_nonce = lambda: 1
    assert [order["id"] for order in second.fetch_open_orders()] == [placed["id"]]


@pytest.mark.parametrize(("tier", "calls"), [("starter", 15), ("intermediate", 20), ("pro", 20)])
def test_the_rest_counter_fills_up_and_drains_with_market_time(
    sandbox: RunningSandbox, client: ccxt.kraken, tier: str, calls: int
) -> None:
    client.load_markets()
    sandbox.control.settings(tier=tier)
    for _ in range(calls):
        client.fetch_balance()
    with pytest.raises(ccxt.DDoSProtection, match="EAPI:Rate limit exceeded"):
        client.fetch_balance()
    client.create_order(PAIR, "limit", "buy", 1, 90)  # orders have a counter of their own
    sandbox.control.advance(60)
    assert client.fetch_balance()


def test_history_counts_double(sandbox: RunningSandbox, client: ccxt.kraken) -> None:
    client.load_markets()
    sandbox.control.settings(tier="starter")
    for _ in range(7):
        client.fetch_my_trades()
    with pytest.raises(ccxt.DDoSProtection):
        client.fetch_my_trades()


def test_hasty_cancels_use_up_the_engines_patience(sandbox: RunningSandbox, client: ccxt.kraken) -> None:
    client.load_markets()
    sandbox.control.settings(tier="starter")
    for _ in range(6):  # each costs 1 to place and 8 to cancel at once; the seventh finds 54 of 60, then 62
        client.cancel_order(client.create_order(PAIR, "limit", "buy", 1, 90)["id"])
    client.cancel_order(client.create_order(PAIR, "limit", "buy", 1, 90)["id"])
    with pytest.raises(ccxt.DDoSProtection, match="EOrder:Rate limit exceeded"):
        client.create_order(PAIR, "limit", "buy", 1, 90)
    assert client.create_order("ETH/USD", "limit", "buy", 1, 40)["id"], "the counter is per pair"
    sandbox.control.advance(10)
    assert client.create_order(PAIR, "limit", "buy", 1, 90)["id"]


def test_a_rested_order_is_cancelled_for_nothing(sandbox: RunningSandbox, client: ccxt.kraken) -> None:
    placed = client.create_order(PAIR, "limit", "buy", 1, 90)
    sandbox.control.advance(301)
    client.cancel_order(placed["id"])
    assert sandbox.server is not None
    counters = sandbox.server.venue.state.counters
    assert [level.micro for scope, level in counters.items() if scope.startswith("engine:")] == [0]


def test_public_calls_are_limited_when_told_to(sandbox: RunningSandbox, client: ccxt.kraken) -> None:
    client.load_markets()
    sandbox.control.settings(public_calls_per_second=3)
    for _ in range(3):
        client.fetch_ticker(PAIR)
    with pytest.raises(ccxt.DDoSProtection, match="EGeneral:Too many requests"):
        client.fetch_ticker(PAIR)
    sandbox.control.advance(1)
    assert client.fetch_ticker(PAIR)


def test_a_refused_request_keeps_its_nonce_but_changes_nothing_else(
    sandbox: RunningSandbox, client: ccxt.kraken
) -> None:
    before = sandbox.control.account()
    with pytest.raises(ccxt.InsufficientFunds):
        client.create_order(PAIR, "limit", "buy", 1000, 90)
    assert sandbox.control.account() == before
