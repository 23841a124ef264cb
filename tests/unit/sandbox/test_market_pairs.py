"""Kraken's names for pairs, and the way back to symbols."""

from __future__ import annotations

import pytest

from kracken_tasks.sandbox.market.opening import open_market
from kracken_tasks.sandbox.market.pairs import LISTED, kraken_asset, pair_spec, symbol_of


@pytest.mark.parametrize(
    ("symbol", "key", "altname", "wsname"),
    [
        ("BTC/USD", "XXBTZUSD", "XBTUSD", "XBT/USD"),
        ("ETH/USD", "XETHZUSD", "ETHUSD", "ETH/USD"),
        ("ADA/USD", "ADAUSD", "ADAUSD", "ADA/USD"),
        ("SOL/USD", "SOLUSD", "SOLUSD", "SOL/USD"),
        ("XRP/USD", "XXRPZUSD", "XRPUSD", "XRP/USD"),
        ("LTC/USD", "XLTCZUSD", "LTCUSD", "LTC/USD"),
        ("DOGE/USD", "XDGUSD", "XDGUSD", "XDG/USD"),
        ("BTC/EUR", "XXBTZEUR", "XBTEUR", "XBT/EUR"),
        ("USDT/USD", "USDTZUSD", "USDTUSD", "USDT/USD"),
        ("BCH/EUR", "BCHEUR", "BCHEUR", "BCH/EUR"),
        ("BTC/USDT", "XBTUSDT", "XBTUSDT", "XBT/USDT"),
        ("ETH/BTC", "XETHXXBT", "ETHXBT", "ETH/XBT"),
    ],
)
def test_pairs_carry_krakens_names(symbol: str, key: str, altname: str, wsname: str) -> None:
    spec = pair_spec(symbol)
    assert (spec.key, spec.altname, spec.wsname) == (key, altname, wsname)
    for name in (key, altname, wsname, symbol):
        assert symbol_of(name) == symbol


def test_every_listed_name_leads_back() -> None:
    for spec in LISTED:
        assert {symbol_of(name) for name in (spec.key, spec.altname, spec.wsname)} == {spec.symbol}
        assert spec.base == kraken_asset(spec.symbol.split("/")[0])


def test_names_outside_the_list_are_taken_apart() -> None:
    assert symbol_of("TRXXBT") == "TRX/BTC"
    assert symbol_of("ATOMUSD") == "ATOM/USD"
    assert symbol_of("XXMRZUSD") == "XMR/USD"
    assert symbol_of("BTC-USD") == "BTC/USD"
    with pytest.raises(KeyError):
        symbol_of("NONSENSE")


def test_decimals_are_krakens() -> None:
    assert [pair_spec(s).price_decimals for s in ("BTC/USD", "ETH/USD", "ADA/USD", "XRP/USD")] == [1, 2, 6, 5]
    assert pair_spec("BTC/USD", 5).price_decimals == 5


def test_a_market_opens_by_name() -> None:
    market = open_market("synthetic:3", symbols=["BTC/USD"])
    assert [spec.key for spec in market.pairs] == ["XXBTZUSD"]
    for wrong in ("synthetic:x", "replay:", "live:1", ""):
        with pytest.raises(ValueError, match="synthetic:SEED"):
            open_market(wrong)
    with pytest.raises(ValueError, match="no such folder"):
        open_market("replay:/does/not/exist")
    with pytest.raises(KeyError):
        open_market("synthetic:1", symbols=["NOPE/USD"])
