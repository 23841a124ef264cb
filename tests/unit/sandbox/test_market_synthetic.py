"""The seeded market: access in any order, plausible moves, and nothing to win from them."""

from __future__ import annotations

import numpy as np
import pytest

from kracken_tasks.sandbox.market.aggregate import DAY_NS, DAY_S, NS, candles_from
from kracken_tasks.sandbox.market.daily import GENESIS_DAY
from kracken_tasks.sandbox.market.protocol import Candles, Market
from kracken_tasks.sandbox.market.synthetic import COINS, DEFAULT_SYMBOLS, SyntheticMarket

START_S = 1_735_689_600  # 2025-01-01
DAY = START_S // DAY_S
SEED = 11


@pytest.fixture(scope="module")
def market() -> SyntheticMarket:
    return SyntheticMarket(SEED)


@pytest.fixture(scope="module")
def hours(market: SyntheticMarket) -> dict[str, Candles]:
    """A year and more of hours for every coin."""
    start, end = START_S - 400 * DAY_S, START_S
    return {symbol: market.candles(symbol, 60, start, end, end * NS) for symbol in DEFAULT_SYMBOLS}


def same(left: object, right: object) -> bool:
    return all(np.array_equal(getattr(left, f), getattr(right, f)) for f in type(left).__slots__)  # type: ignore[attr-defined]


def test_order_of_asking_changes_nothing(market: SyntheticMarket) -> None:
    late_first = SyntheticMarket(SEED, ["ADA/USD"])
    late_first.trades("ADA/USD", (DAY + 900) * DAY_NS, (DAY + 900) * DAY_NS + NS)
    for day in (DAY + 3, DAY, DAY + 1):
        asked = (day * DAY_NS, (day + 1) * DAY_NS)
        assert same(late_first.trades("ADA/USD", *asked), market.trades("ADA/USD", *asked))
    at = START_S * NS + 12_345_678_901
    assert late_first.book("ADA/USD", at, 10) == market.book("ADA/USD", at, 10)


def test_other_pairs_and_other_seeds() -> None:
    window = (DAY * DAY_NS, DAY * DAY_NS + 3600 * NS)
    alone = SyntheticMarket(SEED, ["SOL/USD"]).trades("SOL/USD", *window)
    among = SyntheticMarket(SEED, ["BTC/USD", "SOL/USD"]).trades("SOL/USD", *window)
    other = SyntheticMarket(SEED + 1, ["SOL/USD"]).trades("SOL/USD", *window)
    assert same(alone, among)
    assert len(alone) != len(other) or not same(alone, other)


@pytest.mark.parametrize("symbol", ["BTC/USD", "ADA/USD"])
def test_trades_run_on_over_midnight(market: SyntheticMarket, symbol: str) -> None:
    trades = market.trades(symbol, (DAY - 1) * DAY_NS, (DAY + 2) * DAY_NS)
    assert np.all(np.diff(trades.ts_ns) > 0)
    assert np.all(np.diff(trades.trade_id) == 1)
    assert set(np.unique(trades.side)) == {-1, 1}
    assert trades.lots.min() > 0
    assert trades.price.min() > 0


def test_the_first_trade_has_number_one(market: SyntheticMarket) -> None:
    first = market.first_trade_ns("BTC/USD")
    assert first // DAY_NS == GENESIS_DAY
    assert market.last_trade_before("BTC/USD", first).trade_id.tolist() == [1]
    assert len(market.last_trade_before("BTC/USD", first - 1)) == 0
    assert market.book("BTC/USD", first - 10 * NS, 5).bids == ()
    assert len(market.candles("BTC/USD", 60, 0, START_S, first - 1)) == 0


def test_unknown_symbols_and_widths(market: SyntheticMarket) -> None:
    with pytest.raises(KeyError):
        market.trades("NOPE/USD", 0, 1)
    with pytest.raises(ValueError, match="divide a day"):
        market.candles("BTC/USD", 7, 0, 1, START_S * NS)


def test_a_limit_keeps_the_oldest_across_days(market: SyntheticMarket) -> None:
    start = (DAY + 1) * DAY_NS - 3600 * NS
    everything = market.trades("ADA/USD", start, start + 2 * DAY_NS)
    some = market.trades("ADA/USD", start, start + 2 * DAY_NS, limit=1000)
    assert some.trade_id.tolist() == everything.trade_id[:1000].tolist()


def test_last_trade_before_is_the_newest(market: SyntheticMarket) -> None:
    trades = market.trades("XRP/USD", DAY * DAY_NS, DAY * DAY_NS + 3600 * NS)
    at = int(trades.ts_ns[5])
    assert market.last_trade_before("XRP/USD", at).trade_id[0] == trades.trade_id[5]
    assert market.last_trade_before("XRP/USD", at - 1).trade_id[0] == trades.trade_id[4]
    midnight = market.last_trade_before("XRP/USD", DAY * DAY_NS)
    assert midnight.trade_id[0] == trades.trade_id[0] - 1


@pytest.mark.parametrize("minutes", [10_080, 21_600])
def test_wide_candles_follow_from_days(market: SyntheticMarket, minutes: int) -> None:
    now = START_S * NS + 5 * 3600 * NS
    wide = market.candles("ADA/USD", minutes, START_S - 60 * DAY_S, START_S + DAY_S, now)
    days = market.candles("ADA/USD", 1440, int(wide.open_s[0]), START_S + DAY_S, now)
    assert wide.count.sum() == days.count.sum()
    assert wide.lots.sum() == days.lots.sum()
    assert wide.close[-1] == days.close[-1] == market.last_trade_before("ADA/USD", now).price[0]
    assert wide.high.max() == days.high.max()
    assert np.all(wide.open_s % (minutes * 60) == 0)


def test_a_window_may_jump_about(market: SyntheticMarket) -> None:
    fresh = SyntheticMarket(SEED, ["ADA/USD"])
    for start in (START_S, START_S - 90 * DAY_S, START_S + 2 * DAY_S, START_S - 3 * DAY_S):
        end = start + 3 * DAY_S
        got = fresh.candles("ADA/USD", 15, start, end, (end + DAY_S) * NS)
        want = candles_from(market.trades("ADA/USD", start * NS, end * NS), 900, 6)
        assert same(got, want)


def test_what_is_handed_out_cannot_be_spoilt(market: SyntheticMarket) -> None:
    candles = market.candles("BTC/USD", 60, START_S - 5 * DAY_S, START_S, START_S * NS)
    with pytest.raises(ValueError, match="read-only"):
        candles.close[0] = 1


# Moves


def returns(candles: Candles) -> np.ndarray:
    return np.diff(np.log(candles.close.astype(float)))


def test_volatility_is_plausible(hours: dict[str, Candles]) -> None:
    for symbol, candles in hours.items():
        hourly = returns(candles)
        daily = hourly[: len(hourly) // 24 * 24].reshape(-1, 24).sum(axis=1)
        low, high = (0.020, 0.040) if symbol == "BTC/USD" else (0.025, 0.065)
        assert low < daily.std() < high
        assert 0.15 < hourly.std() / daily.std() < 0.26  # about one over the root of 24
        assert np.mean(hourly**4) / np.mean(hourly**2) ** 2 > 3.2  # wilder tails than a bell curve
        assert np.abs(hourly).max() > 3 * hourly.std()
        assert len(candles) == 400 * 24


def test_wild_days_come_in_runs(hours: dict[str, Candles]) -> None:
    sizes = np.abs(returns(hours["BTC/USD"]))
    daily = sizes[: len(sizes) // 24 * 24].reshape(-1, 24).mean(axis=1)
    assert np.corrcoef(daily[1:], daily[:-1])[0, 1] > 0.3


def test_prices_are_plausible_at_any_date() -> None:
    for seed in range(4):
        market = SyntheticMarket(seed)
        for symbol in DEFAULT_SYMBOLS:
            decimals = next(p.price_decimals for p in market.pairs if p.symbol == symbol)
            for year, factor in ((-8, 1000.0), (-2, 15.0), (1, 8.0), (2, 15.0), (12, 1000.0)):
                price = market.last_trade_before(symbol, (START_S + year * 365 * DAY_S) * NS).price[0] / 10**decimals
                assert COINS[symbol].usual_price / factor < price < COINS[symbol].usual_price * factor
            near = market.last_trade_before(symbol, (START_S + 3600) * NS).price[0] / 10**decimals
            assert near == pytest.approx(COINS[symbol].usual_price, rel=0.2)


def test_no_lag_of_hourly_returns_tells_the_next(hours: dict[str, Candles]) -> None:
    for candles in hours.values():
        moves = returns(candles)
        scaled = moves / np.sqrt(np.convolve(moves**2, np.ones(49) / 49, "same"))  # so that storms do not rule
        bound = 4.0 / np.sqrt(len(scaled))
        for lag in (1, 2, 3, 6, 12, 24, 48, 168):
            assert abs(np.corrcoef(scaled[lag:], scaled[:-lag])[0, 1]) < bound, lag


def test_coins_move_together_and_none_leads(hours: dict[str, Candles]) -> None:
    btc = returns(hours["BTC/USD"])
    bound = 4.0 / np.sqrt(len(btc))
    for symbol in DEFAULT_SYMBOLS[1:]:
        other = returns(hours[symbol])
        assert np.corrcoef(btc, other)[0, 1] > 0.4
        assert abs(np.corrcoef(btc[:-1], other[1:])[0, 1]) < bound
        assert abs(np.corrcoef(btc[1:], other[:-1])[0, 1]) < bound


def test_following_or_fading_the_last_move_loses_after_costs(hours: dict[str, Candles]) -> None:
    cost = 0.0026
    for candles in hours.values():
        moves = returns(candles)
        for span in (1, 4, 24, 168):
            known = np.convolve(moves, np.ones(span), "full")[: len(moves) - 1]
            for direction in (1.0, -1.0):
                position = (direction * known > 0).astype(float)
                changes = np.abs(np.diff(position, prepend=0.0))
                assert np.sum(position * moves[1:]) - cost * changes.sum() < 3.0 * np.sqrt(np.sum(moves**2))


# Books


@pytest.mark.parametrize("symbol", DEFAULT_SYMBOLS)
def test_books_stand_around_the_last_trade(market: SyntheticMarket, symbol: str) -> None:
    rng = np.random.default_rng(5)
    spreads, distances = [], []
    for at in (START_S * NS + rng.integers(0, 20 * DAY_NS, 300)).tolist():
        book = market.book(symbol, at, 10)
        bid, ask = book.bids[0][0], book.asks[0][0]
        last = int(market.last_trade_before(symbol, at).price[0])
        assert bid < ask
        spreads.append((ask - bid) / bid)
        distances.append(max(0, bid - last, last - ask) / bid)
    assert np.median(spreads) > (0.00005 if symbol == "BTC/USD" else 0.0001)
    assert np.median(spreads) < 0.0015
    assert np.median(distances) < 0.0005
    assert max(distances) < 0.02


def test_a_book_stands_for_one_epoch(market: SyntheticMarket) -> None:
    at = START_S * NS + 100 * NS
    first = market.book("ETH/USD", at, 25)
    assert market.book("ETH/USD", at + 4 * NS, 25) == first
    assert market.book("ETH/USD", at + 5 * NS, 25).epoch == first.epoch + 1
    assert market.book("ETH/USD", at + 5 * NS, 25).asks != first.asks


def test_a_deep_book_starts_as_the_shallow_one(market: SyntheticMarket) -> None:
    at = START_S * NS
    deep = market.book("SOL/USD", at, 500)
    assert len(deep.bids) == len(deep.asks) == 500
    for depth in (1, 10, 25, 100):
        assert market.book("SOL/USD", at, depth).bids == deep.bids[:depth]
    bids, asks = np.array(deep.bids), np.array(deep.asks)
    assert np.all(np.diff(bids[:, 0]) < 0)
    assert np.all(np.diff(asks[:, 0]) > 0)
    assert min(bids.min(), asks.min()) > 0


def test_ten_thousand_dollars_take_a_few_levels(market: SyntheticMarket) -> None:
    for spec in market.pairs:
        levels = []
        for step in range(60):
            book = market.book(spec.symbol, (START_S + 3600 * step) * NS, 50)
            value = np.cumsum([float(p) * q for p, q in book.asks]) / 10.0 ** (8 + spec.price_decimals)
            levels.append(int(np.searchsorted(value, 10_000.0)) + 1)
        assert 1 <= np.median(levels) <= 3


def test_it_is_a_market() -> None:
    market: Market = SyntheticMarket(1, ["BTC/USD"])
    assert market.pairs[0].symbol == "BTC/USD"
