"""The small parts: what a request may say, how counters drain, when a fault strikes."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kracken_tasks.sandbox.config import SandboxConfig
from kracken_tasks.sandbox.dialects.kraken.arguments import Arguments
from kracken_tasks.sandbox.engine.orders import PriceTerm, Refused
from kracken_tasks.sandbox.faults import FaultRule, Faults, Moment
from kracken_tasks.sandbox.limits import ONE, Level, amend_cost, cancel_cost, edit_cost

SECOND = 1_000_000_000


def test_form_and_json_bodies_say_the_same() -> None:
    form = Arguments.from_body(b"nonce=7&trades=True&close[price]=90.5", "application/x-www-form-urlencoded")
    body = json.dumps({"nonce": 7, "trades": True, "close": {"price": 90.5}}).encode()
    as_json = Arguments.from_body(body, "application/json")
    for arguments in (form, as_json):
        assert (arguments.whole("nonce"), arguments.flag("trades")) == (7, True)
        assert arguments.price("close[price]", 1) == PriceTerm("", 905)


def test_json_numbers_never_become_floats() -> None:
    arguments = Arguments.from_body(b'{"volume": 0.1234567890123456789}', "application/json")
    assert arguments.text("volume") == "0.1234567890123456789"


@pytest.mark.parametrize(
    ("text", "term"),
    [
        ("54105", PriceTerm("", 541050)),
        ("54105.000", PriceTerm("", 541050)),
        ("+100", PriceTerm("+", 1000)),
        ("-10.5", PriceTerm("-", 105)),
        ("+5%", PriceTerm("+", 50_000, True)),
        ("#0.25%", PriceTerm("#", 2_500, True)),
    ],
)
def test_prices_are_read_absolute_or_relative(text: str, term: PriceTerm) -> None:
    assert Arguments({"price": text}).price("price", 1) == term


@pytest.mark.parametrize("text", ["5%", "--5", "1.2.3", "+", "NaN", "٥"])
def test_a_price_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(Refused, match="Invalid arguments:price"):
        Arguments({"price": text}).price("price", 1)


def test_a_body_that_is_no_object_is_refused() -> None:
    for body in (b"[1]", b"{broken"):
        with pytest.raises(Refused, match="EGeneral:Invalid arguments"):
            Arguments.from_body(body, "application/json")


@pytest.mark.parametrize(
    ("cost", "seconds", "expected"),
    [
        (cancel_cost, [0, 5, 10, 15, 45, 90, 300], [8, 6, 5, 4, 2, 1, 0]),
        (edit_cost, [0, 5, 10, 15, 45, 90], [7, 6, 5, 3, 2, 1]),
        (amend_cost, [0, 5, 10, 15], [4, 3, 2, 1]),
    ],
)
def test_haste_costs_by_krakens_table(cost: Callable[[int], int], seconds: list[int], expected: list[int]) -> None:
    assert [cost(rested * SECOND) for rested in seconds] == expected


@given(st.integers(0, 10**9), st.lists(st.integers(0, 100), max_size=5))
def test_a_counter_drains_alike_in_one_step_or_many_and_never_below_zero(micro: int, pauses: list[int]) -> None:
    stepped, now = Level(micro, 0), 0
    for pause in pauses:
        now += pause * SECOND
        stepped = stepped.decayed(ONE, now)
    assert stepped == Level(max(0, micro - sum(pauses) * ONE), now)


def test_a_ban_ends_however_hard_the_door_was_knocked() -> None:
    level = Level()
    for _ in range(1000):
        level = level.raised(1, 20)
    assert level.decayed(ONE, 40 * SECOND).allows(1, 20)


@pytest.mark.parametrize(
    ("rule", "struck"),
    [
        ({"count": 2}, [True, True, False, False]),
        ({"count": None}, [True, True, True, True]),
        ({"skip": 2}, [False, False, True, False]),
        ({"probability": 0.0, "count": None}, [False] * 4),
        ({"endpoint": "Cancel*", "count": None}, [False] * 4),
        ({"when": "after", "count": None}, [False] * 4),
    ],
)
def test_a_rule_strikes_when_and_where_it_says(rule: dict[str, Any], struck: list[bool]) -> None:
    faults = Faults()
    faults.add(FaultRule.from_json({"endpoint": "AddOrder", "error": "x", **rule}))
    assert [faults.strike("AddOrder", Moment.BEFORE) is not None for _ in struck] == struck


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"tier": "gold"}, "tier"),
        ({"fill_share_percent": 0}, "fill_share_percent"),
        ({"api_keys": ()}, "api_keys"),
        ({"clock_mode": "sideways"}, "sideways"),
    ],
)
def test_a_wrong_setting_is_named_at_the_start(wrong: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        SandboxConfig(**wrong)
