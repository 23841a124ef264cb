"""Other venues see the same market: a little off, a little later, in their own money; the differences come back."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from kracken_tasks.domain.clock import to_ns, utc
from kracken_tasks.sandbox.market.basis import CELL_NS, CELLS, Breaks, break_path, wander_path
from kracken_tasks.sandbox.market.protocol import Market
from kracken_tasks.sandbox.market.synthetic import DEFAULT_SYMBOLS, SyntheticMarket
from kracken_tasks.sandbox.profiles import BINANCE, BITSTAMP, COINBASE, KRAKEN, PROFILES, market_of

NS = 10**9
KEY = "synthetic:7"
START = to_ns(utc(2025, 1, 6))
DAY = 86_400
TAKER = {"kraken": 0.004, "binance": 0.001, "coinbase": 0.006, "bitstamp": 0.004}


@pytest.fixture(scope="module")
def market() -> SyntheticMarket:
    return SyntheticMarket(7, (*DEFAULT_SYMBOLS, "USDT/USD"))


@pytest.fixture(scope="module")
def seen(market: SyntheticMarket) -> dict[str, Market]:
    return {name: market_of(profile, market, KEY) for name, profile in PROFILES.items()}


@dataclass(frozen=True)
class Quotes:
    """Best bid and ask in dollars through a day (shape: [N])."""

    bid: np.ndarray
    ask: np.ndarray


def quotes_of(market: Market, symbol: str, moments: range) -> Quotes:
    """``symbol`` in its own money."""
    decimals = next(spec.price_decimals for spec in market.pairs if spec.symbol == symbol)
    books = [market.book(symbol, at, 1) for at in moments]
    scale = 10.0**decimals
    return Quotes(
        np.array([book.bids[0][0] for book in books]) / scale, np.array([book.asks[0][0] for book in books]) / scale
    )


def dollar_quotes(seen: dict[str, Market], moments: range) -> dict[str, Quotes]:
    """BTC in dollars everywhere: tethers are bought and sold for dollars at Kraken."""
    found = {name: quotes_of(seen[name], "BTC/USD", moments) for name in ("kraken", "coinbase", "bitstamp")}
    tether, coin = quotes_of(seen["kraken"], "USDT/USD", moments), quotes_of(seen["binance"], "BTC/USDT", moments)
    return found | {"binance": Quotes(coin.bid * tether.bid, coin.ask * tether.ask)}


def test_arbitrage_opens_pays_after_both_taker_fees_and_closes_again(seen: dict[str, Market]) -> None:
    """One day, every twenty seconds: buy where it is cheap, sell where it is dear, both at the market."""
    quotes = dollar_quotes(seen, range(START, START + DAY * NS, 20 * NS))
    best = np.full(len(quotes["kraken"].bid), -1.0)
    for cheap in quotes:
        for dear in quotes.keys() - {cheap}:
            spent, got = quotes[cheap].ask * (1 + TAKER[cheap]), quotes[dear].bid * (1 - TAKER[dear])
            best = np.maximum(best, got / spent - 1)
    pays = best > 0
    edges = np.diff(pays.astype(int))
    opened, closed = int((edges == 1).sum()), int((edges == -1).sum())
    assert opened >= 3
    assert closed >= opened - 1
    assert 0.002 < pays.mean() < 0.10  # there, but most of the time not
    longest = max(len(run) for run in "".join("x" if one else " " for one in pays).split())
    assert longest * 20 < 1800  # never open for half an hour


def test_the_difference_between_venues_returns_to_nothing(seen: dict[str, Market]) -> None:
    moments = range(START, START + 10 * DAY * NS, 600 * NS)
    kraken = quotes_of(seen["kraken"], "BTC/USD", moments)
    for name in ("coinbase", "bitstamp"):
        there = quotes_of(seen[name], "BTC/USD", moments)
        apart = (there.bid + there.ask) / (kraken.bid + kraken.ask) - 1
        assert abs(apart.mean()) < 0.0005
        assert np.median(np.abs(apart)) < 0.001


def test_a_tether_moves_around_a_dollar_and_is_not_one(market: SyntheticMarket) -> None:
    days = market.candles("USDT/USD", 60, START // NS, START // NS + 30 * DAY, START + 30 * DAY * NS)
    close = days.close / 1e5
    assert 0.0002 < np.abs(close - 1).mean() < 0.002
    assert close.min() < 1 < close.max()
    assert len(set(close.tolist())) > 50


def test_binance_prices_in_tethers_and_lists_no_dollars(seen: dict[str, Market]) -> None:
    symbols = {spec.symbol for spec in seen["binance"].pairs}
    assert symbols == {"BTC/USDT", "ETH/USDT", "SOL/USDT", "ADA/USDT", "XRP/USDT"}
    moments = range(START, START + DAY * NS, 1800 * NS)
    tether = quotes_of(seen["kraken"], "USDT/USD", moments)
    coin, dollars = quotes_of(seen["binance"], "BTC/USDT", moments), quotes_of(seen["kraken"], "BTC/USD", moments)
    converted = np.abs(coin.bid * tether.bid / dollars.bid - 1)
    assert np.median(converted) < 0.001


@pytest.mark.parametrize("profile", [BINANCE, COINBASE, BITSTAMP], ids=lambda profile: profile.name)
def test_a_venues_trades_stay_within_its_own_quotes(seen: dict[str, Market], profile: object) -> None:
    """A print lies at the touch of the book it happened in, give or take what the price moved since the book was drawn."""
    market = seen[profile.name]  # type: ignore[attr-defined]
    symbol = market.pairs[0].symbol
    tape = market.trades(symbol, START, START + 2 * 3600 * NS)
    assert len(tape) > 500
    off = []
    for ts, price in zip(tape.ts_ns.tolist()[::25], tape.price.tolist()[::25], strict=True):
        book = market.book(symbol, ts, 1)
        middle = (book.bids[0][0] + book.asks[0][0]) / 2
        off.append(abs(price / middle - 1))
    assert np.median(off) < 0.0005
    assert max(off) < 0.01


def test_a_venue_is_late_by_its_lag_and_keeps_the_markets_order(
    seen: dict[str, Market], market: SyntheticMarket
) -> None:
    lag = BITSTAMP.view.lag_ns if BITSTAMP.view else 0
    theirs = market.trades("BTC/USD", START - lag, START + 3600 * NS - lag)
    ours = seen["bitstamp"].trades("BTC/USD", START, START + 3600 * NS)
    assert (ours.ts_ns == theirs.ts_ns + lag).all()
    assert (ours.trade_id == theirs.trade_id).all()
    assert (ours.side == theirs.side).all()


def test_prices_and_volumes_stand_on_the_venues_grid(seen: dict[str, Market]) -> None:
    tape = seen["binance"].trades("ADA/USDT", START, START + 6 * 3600 * NS)
    assert (tape.lots % 10**7 == 0).all()  # a tenth of a coin
    book = seen["binance"].book("ADA/USDT", START, 50)
    assert all(lots % 10**7 == 0 and lots > 0 for _, lots in (*book.bids, *book.asks))
    assert book.bids[0][0] < book.asks[0][0]


def test_kraken_sees_the_market_itself(market: SyntheticMarket) -> None:
    assert market_of(KRAKEN, market, KEY) is market


def test_a_basis_is_unbroken_from_day_to_day() -> None:
    today, tomorrow = wander_path(("k",), 100, 0.001), wander_path(("k",), 101, 0.001)
    assert abs(tomorrow[0] - today[-1]) < 5 * np.abs(np.diff(today)).max()
    assert today.shape == (CELLS,)
    assert CELLS * CELL_NS == DAY * NS


def test_breaks_are_over_before_midnight() -> None:
    for day in range(200):
        path = break_path(("k",), day, Breaks(5.0, 0.005, 0.02))
        assert path[0] == 0
        assert abs(path[-1]) < 1e-4
