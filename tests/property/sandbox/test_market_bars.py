"""Any bar, however odd, comes back from its trades."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kracken_tasks.sandbox.market.aggregate import candles_from
from kracken_tasks.sandbox.market.bars import Bars, BarTape

prices = st.one_of(st.integers(1, 40), st.integers(1, 7_000_000_000))


@st.composite
def bars(draw: st.DrawFn) -> Bars:
    rows = []
    for _ in range(draw(st.integers(1, 6))):
        four = sorted(draw(st.lists(prices, min_size=4, max_size=4)))
        first, second = draw(st.sampled_from([(0, 0), (0, 3), (3, 0), (3, 3), (1, 2), (2, 1), (1, 1), (0, 1), (3, 1)]))
        lots = draw(st.one_of(st.integers(4, 60), st.integers(4, 2 * 10**15)))
        rows.append((four[first], four[3], four[0], four[second], lots, draw(st.integers(0, 700))))
    columns = [np.array(column, np.int64) for column in zip(*rows, strict=True)]
    gaps = draw(st.lists(st.integers(1, 5), min_size=len(rows), max_size=len(rows)))
    return Bars(3600, 3600 * (400_000 + np.cumsum(gaps, dtype=np.int64)), *columns)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(bars())
def test_a_bar_comes_back_from_its_trades(given_bars: Bars) -> None:
    tape = BarTape(given_bars, 2)
    trades = tape.trades(0, len(given_bars))
    got, said = candles_from(trades, 3600, 2), tape.candles()
    for name in ("open_s", "open", "high", "low", "close", "lots"):
        np.testing.assert_array_equal(getattr(got, name), getattr(given_bars, name), err_msg=name)
    np.testing.assert_array_equal(got.count, said.count)
    np.testing.assert_allclose(got.vwap, said.vwap, rtol=1e-12)
    assert np.all(np.diff(trades.ts_ns) > 0)
    assert trades.lots.min() > 0
    assert trades.trade_id.tolist() == list(range(1, len(trades) + 1))


# A bar in which the sum of floats once depended on where it began, by one lot in 7e11.
LARGE = Bars(
    3600, 3600 * np.arange(400_001, 400_006), *(np.array(column, np.int64) for column in (
        [1, 1, 1, 1, 1], [1, 1, 2, 1, 1], [1, 1, 1, 1, 1], [1, 1, 1, 1, 1], [4, 4, 11, 50018404189580, 4], [0, 0, 0, 89, 0],
    ))
)  # fmt: skip


@pytest.mark.parametrize("low", range(5))
def test_a_large_bar_is_the_same_alone_and_among_others(low: int) -> None:
    _require_one_by_one_as_at_once(LARGE, low)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(bars(), st.data())
def test_bars_one_by_one_are_bars_at_once(given_bars: Bars, data: st.DataObject) -> None:
    _require_one_by_one_as_at_once(given_bars, data.draw(st.integers(0, len(given_bars) - 1)))


def _require_one_by_one_as_at_once(given_bars: Bars, low: int) -> None:
    tape = BarTape(given_bars, 2)
    whole = tape.trades(0, len(given_bars))
    part = tape.trades(low, low + 1)
    rows = np.isin(whole.trade_id, part.trade_id)
    for name in ("ts_ns", "price", "lots", "side", "market"):
        np.testing.assert_array_equal(getattr(whole, name)[rows], getattr(part, name))
