"""Values survive the ledger's text exactly."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import numpy as np
import pytest

from kracken_tasks.domain.trading import Action, Decision, GuardOutcome, Opinion, SizeCut, SizeReceipt
from kracken_tasks.ledger.codec import decode, encode, micros, moment
from kracken_tasks.ledger.entries import Plan
from tests.support.ledger import NOON


def _decision(**values: float) -> Decision:
    opinion = Opinion("rsi", 0.5, 0.1 + 0.2, "oversold", values)
    silent = Opinion("lstm", None, 0.0, "not champion")
    cuts = (SizeCut("kelly", 1000.0, 400.0, "fraction 0.4"),)
    receipt = SizeReceipt("BTC/USD", 30000.1, cuts, 125, Decimal("0.01250000"), Decimal("375.00"))
    return Decision(
        "BTC/USD",
        Action.BUY,
        0.7,
        "ensemble",
        NOON,
        17,
        (opinion, silent),
        (GuardOutcome("state", True, "normal"),),
        receipt,
        "agreed",
    )


def test_a_decision_reads_back_equal_to_the_last_bit() -> None:
    decision = _decision(rsi=27.123456789012345)
    assert decode(Decision, encode(decision)) == decision


def test_the_same_value_always_has_the_same_text() -> None:
    assert encode(_decision(a=1.0, b=2.0)) == encode(_decision(b=2.0, a=1.0))


def test_undefined_figures_stay_undefined_and_json_stays_json() -> None:
    text = encode(_decision(nothing=math.nan, much=math.inf))
    assert "NaN" not in text
    assert "Infinity" not in text
    values = decode(Decision, text).opinions[0].values
    assert math.isnan(values["nothing"])
    assert values["much"] == math.inf


def test_numpy_scalars_from_frames_become_plain_numbers() -> None:
    text = encode(_decision(wide=np.float64(0.1), narrow=np.float32(0.5)))  # type: ignore[arg-type]
    assert decode(Decision, text).opinions[0].values == {"wide": 0.1, "narrow": 0.5}


def test_an_amount_keeps_its_digits_and_never_shows_an_exponent() -> None:
    plan = Plan(stop_price=Decimal("1E-8"), take_profit_price=Decimal("30000.10"), max_holding=timedelta(hours=4))
    assert '"stop_price":"0.00000001"' in encode(plan)
    assert decode(Plan, encode(plan)) == plan


def test_times_are_kept_to_the_microsecond_whatever_their_zone() -> None:
    berlin = datetime(2024, 3, 31, 3, 0, 0, 123457, tzinfo=timezone(timedelta(hours=2)))
    assert moment(micros(berlin)) == berlin
    assert moment(micros(berlin)).tzinfo is UTC


def test_a_naive_time_is_refused() -> None:
    with pytest.raises(ValueError, match="naive"):
        micros(datetime(2024, 1, 1))  # noqa: DTZ001
    with pytest.raises(ValueError, match="naive"):
        encode(datetime(2024, 1, 1))  # noqa: DTZ001


def test_a_value_without_a_place_in_a_document_is_refused() -> None:
    with pytest.raises(TypeError, match="set"):
        encode({"symbols": {"BTC/USD"}})
