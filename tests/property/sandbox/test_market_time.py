"""Whatever the moment and the width: candles are the trades, and the future changes nothing."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from kracken_tasks.sandbox.market.aggregate import DAY_S, NS, candles_from, coarsen
from kracken_tasks.sandbox.market.protocol import Candles
from kracken_tasks.sandbox.market.synthetic import SyntheticMarket

START_S = 1_735_689_600
MARKET = SyntheticMarket(23, ["BTC/USD", "ADA/USD"])
DECIMALS = {"BTC/USD": 1, "ADA/USD": 6}

symbols = st.sampled_from(["BTC/USD", "ADA/USD"])
widths = st.sampled_from([1, 5, 15, 30, 60, 240, 720, 1440])
moments = st.integers(START_S * NS, (START_S + 10 * DAY_S) * NS)
few = settings(max_examples=40, deadline=None, derandomize=True)


def assert_same(left: Candles, right: Candles) -> None:
    for name in ("open_s", "open", "high", "low", "close", "lots", "count"):
        np.testing.assert_array_equal(getattr(left, name), getattr(right, name), err_msg=name)
    np.testing.assert_allclose(left.vwap, right.vwap, rtol=1e-12)


@few
@given(symbol=symbols, minutes=widths, now=moments, back=st.integers(0, 3 * DAY_S))
def test_candles_are_the_trades_until_now(symbol: str, minutes: int, now: int, back: int) -> None:
    width = minutes * 60
    start = (now // NS - back) // width * width
    got = MARKET.candles(symbol, minutes, start, now // NS + 1, now)
    assert_same(got, candles_from(MARKET.trades(symbol, start * NS, now + 1), width, DECIMALS[symbol]))


@few
@given(symbol=symbols, finer=widths, coarser=widths, now=moments)
def test_coarser_candles_are_finer_ones_together(symbol: str, finer: int, coarser: int, now: int) -> None:
    finer, coarser = sorted((finer, coarser))
    start = (now // NS - 2 * DAY_S) // 86_400 * 86_400
    if coarser % finer:
        finer = 1
    fine = MARKET.candles(symbol, finer, start, now // NS + 1, now)
    assert_same(MARKET.candles(symbol, coarser, start, now // NS + 1, now), coarsen(fine, coarser * 60))


@few
@given(symbol=symbols, minutes=widths, now=moments, later=st.integers(0, 2 * DAY_S * NS))
def test_a_later_now_changes_no_closed_candle(symbol: str, minutes: int, now: int, later: int) -> None:
    width = minutes * 60
    closed_end = now // NS // width * width
    window = (closed_end - 20 * width, closed_end)
    assert_same(MARKET.candles(symbol, minutes, *window, now), MARKET.candles(symbol, minutes, *window, now + later))


@few
@given(symbol=symbols, start=moments, spans=st.lists(st.integers(1, 3600 * NS * 20), min_size=1, max_size=5))
def test_trades_piece_by_piece_are_trades_at_once(symbol: str, start: int, spans: list[int]) -> None:
    edges = np.cumsum([start, *spans]).tolist()
    pieces = [MARKET.trades(symbol, a, b).trade_id for a, b in pairwise(edges)]
    whole = MARKET.trades(symbol, edges[0], edges[-1]).trade_id
    np.testing.assert_array_equal(np.concatenate(pieces), whole)
    assert np.all(np.diff(whole) == 1)


@few
@given(symbol=symbols, at=moments, depth=st.integers(1, 120))
def test_books_are_never_crossed(symbol: str, at: int, depth: int) -> None:
    book: Any = MARKET.book(symbol, at, depth)
    assert book.bids[0][0] < book.asks[0][0]
    assert book.ts_ns <= at
    assert len(book.bids) == len(book.asks) == depth
