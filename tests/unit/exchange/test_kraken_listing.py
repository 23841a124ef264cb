"""What Kraken lists, and what of it is a market: dark pools are none, steps are the coarser of two places, a status keeps its word."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from kracken_tasks.domain.market import MarketStatus
from kracken_tasks.errors import Misconfigured, RetryLater
from kracken_tasks.exchange.kraken_listing import KrakenListing
from tests.support.scripted_client import ScriptedClient


def market(key: str, altname: str, base: str, quote: str, **pair: Any) -> dict[str, Any]:
    info = {
        "altname": altname, "wsname": f"{base}/{quote}", "pair_decimals": "1", "lot_decimals": "8", "ordermin": "0.0001",
        "costmin": "0.5", "fees": [[0, "0.4"], [10000, "0.35"]], "fees_maker": [[0, "0.25"]], "status": "online", **pair,
    }  # fmt: skip
    return {"id": key, "base": base, "quote": quote, "info": info}


def listing(markets: dict[str, dict[str, Any]], decimals: dict[str, int] | None = None) -> KrakenListing:
    client = ScriptedClient({"load_markets": markets}, exchange="kraken")
    told = {"BTC": 10, "ETH": 10} if decimals is None else decimals
    client.api.currencies = {code: {"info": {"decimals": places}} for code, places in told.items()}
    client.api.safe_currency_code = lambda asset: asset
    return KrakenListing(client)  # type: ignore[arg-type]  # obeys what a listing uses of the client


BTC = market("XXBTZUSD", "XBTUSD", "BTC", "USD")


def test_every_name_of_a_pair_leads_to_one_symbol() -> None:
    told = listing({"BTC/USD": BTC})
    assert {told.symbol(name) for name in ("XXBTZUSD", "XBTUSD", "BTC/USD")} == {"BTC/USD"}
    assert (told.pair("BTC/USD"), told.key("BTC/USD"), told.key("OLD/USD")) == ("XXBTZUSD", "XXBTZUSD", "OLD/USD")
    assert told.symbol("DELISTEDUSD") == "DELISTEDUSD"
    with pytest.raises(Misconfigured, match="lists no ETH/USD"):
        told.pair("ETH/USD")


def test_dark_pools_are_not_taken_for_markets() -> None:
    dark = market("XXBTZUSD.d", "XBTUSD.d", "BTC", "USD")
    nameless = market("XETHZUSD", "ETHUSD", "ETH", "USD")
    del nameless["info"]["wsname"]
    told = listing({"BTC/USD": BTC, "BTC/USD.D": dark, "ETH/USD": nameless})
    assert list(told.instruments()) == ["BTC/USD"]


def test_a_lot_is_the_coarser_of_the_pairs_and_the_assets_places() -> None:
    assert listing({"BTC/USD": BTC}, {"BTC": 5}).instruments()["BTC/USD"].lot_step == Decimal("0.00001")
    coarse = market("XXBTZUSD", "XBTUSD", "BTC", "USD", lot_decimals="3")
    assert listing({"BTC/USD": coarse}, {"BTC": 5}).instruments()["BTC/USD"].lot_step == Decimal("0.001")


def test_a_price_step_is_the_coarser_of_tick_size_and_places() -> None:
    stepped = market("XXBTZUSD", "XBTUSD", "BTC", "USD", tick_size="0.5")
    assert listing({"BTC/USD": stepped}).instruments()["BTC/USD"].price_tick == Decimal("0.5")


@pytest.mark.parametrize("status", ["cancel_only", "post_only", "limit_only", "reduce_only", "maintenance"])
def test_a_status_is_known_by_its_word(status: str) -> None:
    told = listing({"BTC/USD": market("XXBTZUSD", "XBTUSD", "BTC", "USD", status=status)}).instruments()["BTC/USD"]
    assert told.status is MarketStatus(status)
    assert not told.tradable


def test_a_status_nobody_knows_is_not_taken_for_online() -> None:
    told = listing({"BTC/USD": market("XXBTZUSD", "XBTUSD", "BTC", "USD", status="frozen")}).instruments()["BTC/USD"]
    assert (told.status, told.tradable) == ("frozen", False)


def test_a_listing_without_assets_is_asked_for_again() -> None:
    with pytest.raises(RetryLater):
        listing({"BTC/USD": BTC}, {}).instruments()
