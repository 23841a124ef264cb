"""Several venues in one sandbox: one clock, purses and files of their own."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from kracken_tasks.domain.clock import to_ns
from kracken_tasks.sandbox.config import SandboxConfig
from kracken_tasks.sandbox.faults import FaultRule, Faults, Moment
from kracken_tasks.sandbox.server import open_venues
from kracken_tasks.sandbox.venue import Venue
from tests.support.sandbox import sandbox_config
from tests.support.scripted_market import START, ScriptedMarket, quiet

MARKET = ScriptedMarket({"BTC/USD": quiet(), "USDT/USD": quiet("0.9995")})


@pytest.fixture
def venues(tmp_path: Path) -> Iterator[dict[str, Venue]]:
    config = sandbox_config(
        state_path=tmp_path / "state.sqlite",
        opening_balances={"USD": "500", "BTC": "2"},
        venue_balances={"bitstamp": {"EUR": "70"}},
    )
    opened = open_venues(config, MARKET)
    yield opened
    for venue in opened.values():
        venue.close()


def balances(venue: Venue) -> dict[str, int]:
    return {asset: amount for (_, asset), amount in venue.state.balances.items()}


def test_every_venue_goes_by_krakens_clock(venues: dict[str, Venue]) -> None:
    later = to_ns(START + timedelta(hours=3))
    venues["kraken"].move_to(later)
    assert {venue.now_ns() for venue in venues.values()} == {later}
    for venue in venues.values():
        venue.catch_up()
    assert {venue.state.processed_ns for venue in venues.values()} == {later}


def test_a_purse_opens_in_the_venues_own_money(venues: dict[str, Venue]) -> None:
    assert balances(venues["kraken"]) == {"ZUSD": 500 * 10**4, "XXBT": 2 * 10**10}
    assert balances(venues["binance"]) == {"USDT": 500 * 10**8, "XXBT": 2 * 10**10}
    assert balances(venues["bitstamp"]) == {"ZEUR": 70 * 10**4}


def test_every_venue_writes_a_file_of_its_own(venues: dict[str, Venue], tmp_path: Path) -> None:
    names = {path.name for path in tmp_path.iterdir() if path.suffix == ".sqlite"}
    assert names == {"state.sqlite", "state.binance.sqlite", "state.coinbase.sqlite", "state.bitstamp.sqlite"}


def test_a_pair_goes_by_the_venues_own_name(venues: dict[str, Venue]) -> None:
    assert [spec.key for spec in venues["binance"].market.pairs] == ["BTCUSDT"]
    assert [spec.key for spec in venues["coinbase"].market.pairs] == ["BTC-USD", "USDT-USD"]
    assert [spec.key for spec in venues["bitstamp"].market.pairs] == ["btcusd", "usdtusd"]


def test_a_binance_price_is_the_dollar_price_over_the_tethers(venues: dict[str, Venue]) -> None:
    at = to_ns(START + timedelta(hours=1))
    price = int(venues["binance"].market.last_trade_before("BTC/USDT", at).price[0]) / 100
    assert price == pytest.approx(100.0 / 0.9995, rel=0.02)


@pytest.mark.parametrize("venues", [("binance",), ("kraken", "mtgox")])
def test_a_sandbox_without_kraken_or_with_a_stranger_is_refused(venues: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="venues"):
        SandboxConfig(venues=venues)


def test_only_the_venues_asked_for_are_opened() -> None:
    opened = open_venues(sandbox_config(venues=("kraken", "bitstamp")), MARKET)
    assert list(opened) == ["kraken", "bitstamp"]
    for venue in opened.values():
        venue.close()


def test_a_fault_strikes_the_venue_it_names() -> None:
    faults = Faults()
    faults.add(FaultRule("klines", venue="binance", count=None, drop=True))
    assert faults.strike("klines", Moment.BEFORE, "binance") is not None
    assert faults.strike("klines", Moment.BEFORE, "bitstamp") is None
    assert faults.strike("OHLC", Moment.BEFORE) is None
