"""Digits in, integers inside, digits out: nothing is lost on the way."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kracken_tasks.sandbox.amounts import rescale_down, rescale_up, scaled, text_of


@pytest.mark.parametrize(
    ("text", "decimals", "value"),
    [
        ("1.5", 3, 1500),
        ("54105", 1, 541050),
        ("1e-05", 8, 1000),
        ("-0.10", 1, -1),
        (".5", 1, 5),
        ("5.", 0, 5),
        ("2.500", 1, 25),
    ],
)
def test_decimal_text_is_read_exactly(text: str, decimals: int, value: int) -> None:
    assert scaled(text, decimals) == value


@pytest.mark.parametrize(
    ("text", "decimals"), [("1.55", 1), ("", 1), (".", 1), ("abc", 1), ("1,5", 1), ("1e-9", 8), ("nan", 2)]
)
def test_what_does_not_fit_is_refused(text: str, decimals: int) -> None:
    with pytest.raises(ValueError, match=r"is not a number|more than"):
        scaled(text, decimals)


@given(st.integers(-(10**20), 10**20), st.integers(0, 12))
def test_printing_and_reading_are_inverse(value: int, decimals: int) -> None:
    assert scaled(text_of(value, decimals), decimals) == value


@given(st.integers(0, 10**18), st.integers(0, 12), st.integers(0, 12))
def test_cutting_never_exceeds_and_holding_never_falls_short(value: int, decimals: int, to: int) -> None:
    down, up = rescale_down(value, decimals, to), rescale_up(value, decimals, to)
    assert down * 10**decimals <= value * 10**to <= up * 10**decimals
    assert up - down <= 1
