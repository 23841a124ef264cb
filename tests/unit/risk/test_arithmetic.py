"""One definition, two run times: compiled, the decision arithmetic gives the same figures."""

from __future__ import annotations

import inspect
import math
from dataclasses import replace
from decimal import Decimal

import numba
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kracken_tasks.domain.money import lots_within, ticks_at_or_above, ticks_at_or_below
from kracken_tasks.risk import arithmetic
from tests.support.decisions import PAIR

FUNCTIONS = [
    function for name, function in inspect.getmembers(arithmetic, inspect.isfunction) if name in arithmetic.__all__
]
STEPS = st.sampled_from(["0.1", "0.01", "0.00000001", "0.5", "5", "0.0003"])


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda f: f.__name__)
def test_compiled_arithmetic_equals_interpreted(function: object) -> None:
    compiled = numba.njit(function)
    count = len(inspect.signature(function).parameters)  # type: ignore[arg-type]  # every member is a function
    rng = np.random.default_rng(5)
    for _ in range(200):
        arguments = [float(value) for value in rng.lognormal(-1.0, 2.0, count)]
        if function is arithmetic.trailed_ticks:
            arguments[0] = int(arguments[0])  # type: ignore[call-overload]  # the stop now, in whole ticks
        assert compiled(*arguments) == function(*arguments)  # type: ignore[operator]  # as above


@settings(deadline=None)
@given(value=st.floats(1e-9, 1e9), step=STEPS)
def test_rounding_is_the_rule_of_money(value: float, step: str) -> None:
    pair = replace(PAIR, lot_step=Decimal(step), price_tick=Decimal(step))
    assert (
        arithmetic.steps_at_or_below(value, float(step)) == lots_within(value, pair) == ticks_at_or_below(value, pair)
    )
    assert arithmetic.steps_at_or_above(value, float(step)) == ticks_at_or_above(value, pair)


def test_three_tenths_are_three_lots() -> None:
    assert arithmetic.steps_at_or_below(0.3, 0.1) == 3
    assert arithmetic.steps_at_or_above(0.1 + 0.2, 0.1) == 3


def test_a_trailed_stop_never_moves_down() -> None:
    assert arithmetic.trailed_ticks(490_000, 50_000.0, 0.01, 0.1) == 495_000
    assert arithmetic.trailed_ticks(496_000, 50_000.0, 0.01, 0.1) == 496_000


@pytest.mark.parametrize("cap", [math.nan, -1.0, -math.inf])
def test_a_cap_that_is_none_leaves_nothing(cap: float) -> None:
    assert arithmetic.cap_kelly(100.0, 1.0, cap) == 0.0
    assert arithmetic.cap_cash(100.0, cap, 0.0, 0.0) == 0.0
