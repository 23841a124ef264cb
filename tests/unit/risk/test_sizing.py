"""Sizing: the named cuts, their order, their receipts."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from kracken_tasks.domain.trading import SizeReceipt
from kracken_tasks.ledger.codec import encode, from_plain
from kracken_tasks.risk import RiskLimits, computed_again, kelly_estimate, size_entry
from kracken_tasks.risk.sizing import CUTS
from tests.support.decisions import PAIR, sizing

LIMITS = RiskLimits()
GOLDEN = Path(__file__).parents[2] / "golden" / "size_receipts.json"


def after(receipt: SizeReceipt, rule: str) -> float:
    return next(cut.after for cut in receipt.cuts if cut.rule == rule)


def test_the_cuts_come_in_the_stated_order() -> None:
    assert [cut.rule for cut in CUTS] == [
        "max_position_size", "kelly", "risk_per_trade", "volatility", "confidence", "correlation", "cluster", "exposure",
        "first_orders", "cash", "venue",
    ]  # fmt: skip
    assert [cut.rule for cut in size_entry(sizing(), LIMITS).cuts] == [cut.rule for cut in CUTS]


def test_a_size_worked_out_by_hand() -> None:
    # 10,000 x 10 % = 1000; daily volatility 4 % against 3 %: 750; confidence 0.75: 562.50; factor 0.8: 450 = 0.009 BTC at 50,000
    receipt = size_entry(sizing(correlation_factor=0.8), LIMITS)
    assert [cut.after for cut in receipt.cuts] == pytest.approx([1000, 1000, 1000, 750, 562.5, *[450] * 6])
    assert receipt.lots == 900_000
    assert receipt.amount == Decimal("0.00900000")
    assert receipt.notional == Decimal("450")


def test_risk_per_trade_binds_where_the_stop_is_far() -> None:
    receipt = size_entry(sizing(stop_pct=0.40), LIMITS)
    assert after(receipt, "risk_per_trade") == pytest.approx(10_000 * 0.02 / 0.40)


def test_kelly_cuts_once_there_is_an_estimate() -> None:
    poor = kelly_estimate([10.0] * 11 + [-10.0] * 9)
    receipt = size_entry(sizing(kelly=poor), LIMITS)
    # full Kelly 10 %, a quarter of it, half for twenty trades
    assert after(receipt, "kelly") == pytest.approx(10_000 * 0.10 * 0.25 * 0.5)


def test_too_few_trades_cut_nothing_and_say_so() -> None:
    receipt = size_entry(sizing(kelly=kelly_estimate([5.0, -1.0])), LIMITS)
    assert after(receipt, "kelly") == 1000.0
    assert receipt.cuts[1].reason == "2 of 10 closed trades: no estimate yet"


def test_a_negative_edge_sizes_to_nothing() -> None:
    receipt = size_entry(sizing(kelly=kelly_estimate([1.0] * 5 + [-2.0] * 15)), LIMITS)
    assert receipt.lots == 0
    assert receipt.amount == 0
    assert receipt.notional == 0
    assert "negative edge" in receipt.cuts[1].reason


def test_a_quiet_market_does_not_make_a_position_larger() -> None:
    assert after(size_entry(sizing(volatility=0.001), LIMITS), "volatility") == 1000.0


def test_cash_pays_for_the_worst_allowed_price_and_the_fee() -> None:
    receipt = size_entry(sizing(cash=100.0), LIMITS)
    cost = float(receipt.amount) * 50_000 * (1 + LIMITS.price_cap_fraction) * 1.004
    assert 99.99 < cost <= 100.0


def test_no_room_under_the_exposure_cap_is_no_size() -> None:
    assert size_entry(sizing(exposure=8_000.0), LIMITS).lots == 0
    assert after(size_entry(sizing(exposure=7_900.0), LIMITS), "exposure") == pytest.approx(100.0)


def test_below_the_venue_minimum_the_size_is_zero_and_the_reason_names_it() -> None:
    receipt = size_entry(sizing(equity=60.0), LIMITS)
    assert receipt.lots == 0
    assert receipt.cuts[-1].reason == (
        "below what the venue takes: at least 0.0001 BTC and 5 USD, sellable again at the stop"
    )


def test_what_could_not_be_sold_again_at_its_stop_is_not_bought() -> None:
    pair = replace(PAIR, min_amount=Decimal("0.00000001"))
    # 5.05 USD would pass the minimum of 5 now, and fail it at a stop 3 % lower
    small = sizing(instrument=pair, equity=50.5, confidence=1.0, volatility=0.01)
    assert size_entry(small, LIMITS).lots == 0
    assert size_entry(replace(small, equity=53.0), LIMITS).lots > 0


def test_coarse_lots_are_rounded_down() -> None:
    pair = replace(PAIR, lot_step=Decimal("0.005"), min_amount=Decimal("0.005"))
    receipt = size_entry(sizing(instrument=pair, fee_fraction=0.0), LIMITS)
    assert (receipt.lots, receipt.amount) == (2, Decimal("0.010"))


@pytest.mark.parametrize(
    "field", ["equity", "cash", "price", "stop_pct", "confidence", "volatility", "exposure", "correlation_factor"]
)
def test_a_figure_that_is_not_a_number_buys_nothing(field: str) -> None:
    receipt = size_entry(sizing(**{field: math.nan}), LIMITS)
    assert receipt.lots == 0


@pytest.mark.parametrize(
    "changes", [{"equity": -5.0}, {"equity": 0.0}, {"cash": -1.0}, {"confidence": -0.2}, {"price": 0.0}]
)
def test_nothing_to_spend_or_believe_buys_nothing(changes: dict[str, float]) -> None:
    receipt = size_entry(sizing(**changes), LIMITS)
    assert (receipt.lots, receipt.amount) == (0, 0)


def test_what_moves_together_is_capped_together() -> None:
    held = sizing(cluster=("ETH/USD", "SOL/USD"), cluster_exposure=2_900.0)
    receipt = size_entry(held, LIMITS)
    assert after(receipt, "cluster") == pytest.approx(100.0)  # 30 % of 10,000, less what is there
    assert size_entry(replace(held, cluster_exposure=3_000.0), LIMITS).lots == 0


def test_a_cap_on_first_orders_binds_whatever_the_account_is_worth() -> None:
    receipt = size_entry(sizing(first_order_cap=25.0, first_order_reason="day 2 of 7"), LIMITS)
    assert after(receipt, "first_orders") == 25.0
    assert next(cut.reason for cut in receipt.cuts if cut.rule == "first_orders") == "day 2 of 7"


def test_a_cap_of_nothing_is_no_order_and_not_no_cap() -> None:
    assert size_entry(sizing(first_order_cap=0.0), LIMITS).lots == 0


def test_a_receipt_that_was_tampered_with_is_noticed() -> None:
    receipt = size_entry(sizing(), LIMITS)
    for at, cut in enumerate(receipt.cuts):
        spoiled = (*receipt.cuts[:at], replace(cut, after=cut.after + 1.0), *receipt.cuts[at + 1 :])
        tampered = replace(receipt, cuts=spoiled)
        assert computed_again(tampered) != tampered, cut.rule
    for changed in ({"lots": 1}, {"amount": Decimal(1)}, {"notional": Decimal(1)}, {"price": 1.0}):
        tampered = replace(receipt, **changed)
        assert computed_again(tampered) != tampered
    with pytest.raises(ValueError, match="not those of this version"):
        computed_again(replace(receipt, cuts=receipt.cuts[1:]))


def test_a_receipt_of_the_first_version_cannot_be_computed_again_and_says_why() -> None:
    receipt = size_entry(sizing(), LIMITS)
    bare = replace(receipt, cuts=tuple(replace(cut, given={}) for cut in receipt.cuts))
    with pytest.raises(ValueError, match="max_position_size does not say its max_position_size"):
        computed_again(bare)


def test_a_receipt_read_back_from_the_ledger_s_text_is_computed_again_to_the_last_digit() -> None:
    receipt = size_entry(EXAMPLES["several cuts bite"], LIMITS)
    read = from_plain(SizeReceipt, json.loads(encode(receipt)))
    assert computed_again(read) == receipt


def told(receipt: SizeReceipt) -> dict[str, Any]:
    return {
        "symbol": receipt.symbol,
        "price": receipt.price,
        "lots": receipt.lots,
        "amount": str(receipt.amount),
        "notional": str(receipt.notional),
        "cuts": [[cut.rule, round(cut.before, 6), round(cut.after, 6), cut.reason] for cut in receipt.cuts],
    }


EXAMPLES = {
    "a plain entry": sizing(),
    "several cuts bite": sizing(
        stop_pct=0.25, correlation_factor=0.7, correlation_reason="moves with ETH/USD 0.88: factor 0.700", exposure=7_700.0, cash=150.0,
        kelly=kelly_estimate([12.0] * 18 + [-8.0] * 14),
    ),
    "too small for the venue": sizing(equity=60.0, cash=60.0),
    "a negative edge": sizing(kelly=kelly_estimate([1.0] * 5 + [-2.0] * 15)),
}  # fmt: skip


def test_receipts_read_as_reviewed() -> None:
    assert {name: told(size_entry(facts, LIMITS)) for name, facts in EXAMPLES.items()} == json.loads(GOLDEN.read_text())
