"""Whatever is asked of another venue, and in whatever order: its candles are its trades, and the answer is always the same."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from kracken_tasks.sandbox.market.aggregate import DAY_S, NS, candles_from
from kracken_tasks.sandbox.market.protocol import Candles, Market
from kracken_tasks.sandbox.market.synthetic import SyntheticMarket
from kracken_tasks.sandbox.profiles import PROFILES, market_of

START_S = 1_735_689_600
SYMBOLS = {"binance": "ADA/USDT", "coinbase": "ADA/USD", "bitstamp": "ADA/USD"}


def made(name: str) -> Market:
    return market_of(PROFILES[name], SyntheticMarket(23, ["ADA/USD", "USDT/USD"]), "synthetic:23")


VENUES = {name: made(name) for name in SYMBOLS}
names = st.sampled_from(sorted(SYMBOLS))
widths = st.sampled_from([1, 5, 60, 240, 1440])
moments = st.integers(START_S * NS, (START_S + 6 * DAY_S) * NS)
few = settings(max_examples=25, deadline=None, derandomize=True)


def assert_same(left: Candles, right: Candles) -> None:
    for name in ("open_s", "open", "high", "low", "close", "lots", "count"):
        np.testing.assert_array_equal(getattr(left, name), getattr(right, name), err_msg=name)


@few
@given(name=names, minutes=widths, now=moments, back=st.integers(0, 2 * DAY_S))
def test_candles_of_a_venue_are_its_trades_until_now(name: str, minutes: int, now: int, back: int) -> None:
    market, symbol, width = VENUES[name], SYMBOLS[name], minutes * 60
    decimals = market.pairs[0].price_decimals
    start = (now // NS - back) // width * width
    got = market.candles(symbol, minutes, start, now // NS + 1, now)
    assert_same(got, candles_from(market.trades(symbol, start * NS, now + 1), width, decimals))


@few
@given(name=names, moments_asked=st.lists(moments, min_size=1, max_size=6))
def test_asked_in_any_order_a_venue_answers_the_same(name: str, moments_asked: list[int]) -> None:
    fresh, symbol = made(name), SYMBOLS[name]
    for at in moments_asked:
        assert fresh.book(symbol, at, 5) == VENUES[name].book(symbol, at, 5)
        ours, theirs = fresh.last_trade_before(symbol, at), VENUES[name].last_trade_before(symbol, at)
        assert (ours.ts_ns.tolist(), ours.price.tolist(), ours.lots.tolist()) == (
            theirs.ts_ns.tolist(), theirs.price.tolist(), theirs.lots.tolist(),
        )  # fmt: skip


@few
@given(name=names, at=moments)
def test_the_newest_trade_is_the_last_of_the_tape(name: str, at: int) -> None:
    market, symbol = VENUES[name], SYMBOLS[name]
    last = market.last_trade_before(symbol, at)
    tape = market.trades(symbol, at - DAY_S * NS, at + 1)
    assert int(last.trade_id[0]) == int(tape.trade_id[-1])
    assert int(last.price[0]) == int(tape.price[-1])


@few
@given(name=names, at=moments)
def test_a_book_is_never_crossed_and_a_shallow_one_is_the_top_of_a_deep_one(name: str, at: int) -> None:
    deep, shallow = VENUES[name].book(SYMBOLS[name], at, 30), VENUES[name].book(SYMBOLS[name], at, 5)
    assert 0 < deep.bids[0][0] < deep.asks[0][0]
    assert (deep.bids[:5], deep.asks[:5]) == (shallow.bids, shallow.asks)
    assert deep.ts_ns <= at
