"""Sizes: never beyond a cap, never beyond what the venue takes, and never larger for a worse account."""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal
from itertools import pairwise

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from kracken_tasks.domain.money import amount_of, price_of, ticks_at_or_above
from kracken_tasks.domain.trading import SizeReceipt
from kracken_tasks.ledger.codec import encode, from_plain
from kracken_tasks.risk import (
    ENTRY_POLICY,
    KellyEstimate,
    RiskLimits,
    SizingInput,
    computed_again,
    evaluate,
    first_block,
    size_entry,
)
from tests.support.decisions import PAIR, context

LIMITS = RiskLimits()
SLACK = 1.0 + 1e-6


# Lot step and the prices it is listed at: a lot is worth cents, as on venues, so that most draws end in an order.
LISTINGS = st.sampled_from([("0.00000001", "0.1", 1e3, 1e5), ("0.0001", "0.01", 1.0, 1e3), ("1", "0.00001", 1e-4, 0.5)])


@st.composite
def facts(draw: st.DrawFn) -> SizingInput:
    lot, tick, low, high = draw(LISTINGS)
    pair = replace(
        PAIR, lot_step=Decimal(lot), price_tick=Decimal(tick), min_amount=Decimal(lot) * draw(st.integers(1, 1000)),
        min_cost=Decimal(draw(st.sampled_from(["0.5", "5", "10"]))),
    )  # fmt: skip
    # Zeros have their own tests; drawn here they would leave most examples without an order.
    equity = draw(st.floats(500.0, 1e7))
    fraction = draw(st.none() | st.floats(0.01, 0.5))
    return SizingInput(
        instrument=pair, equity=equity, cash=equity * draw(st.floats(0.05, 1.0)), price=draw(st.floats(low, high)),
        stop_pct=draw(st.floats(0.001, 0.5)), confidence=draw(st.floats(0.1, 1.0)), volatility=draw(st.floats(0.0, 0.3)),
        exposure=equity * draw(st.floats(0.0, 0.85)), cluster=("ETH/USD",), cluster_exposure=equity * draw(st.floats(0.0, 0.3)),
        first_order_cap=draw(st.none() | st.floats(10.0, 1e6)), correlation_factor=draw(st.floats(0.1, 1.0)),
        kelly=KellyEstimate(fraction, 50, 0.5, 1.5, "drawn"),
    )  # fmt: skip


@settings(deadline=None)
@given(given_facts=facts())
def test_a_size_never_exceeds_any_cap(given_facts: SizingInput) -> None:
    receipt = size_entry(given_facts, LIMITS)
    worth = float(receipt.amount) * given_facts.price
    assert worth <= LIMITS.max_position_size * given_facts.equity * SLACK
    assert worth * given_facts.stop_pct <= LIMITS.max_risk_per_trade * given_facts.equity * SLACK
    assert worth * (1 + LIMITS.price_cap_fraction) * (1 + given_facts.fee) <= given_facts.cash * SLACK
    if given_facts.first_order_cap is not None:
        assert worth <= given_facts.first_order_cap * SLACK
    if receipt.lots:
        assert worth + given_facts.cluster_exposure <= LIMITS.max_cluster_exposure * given_facts.equity * SLACK
        assert worth + given_facts.exposure <= LIMITS.max_total_exposure * given_facts.equity * SLACK
        if given_facts.kelly is not None and given_facts.kelly.fraction is not None:
            assert worth <= given_facts.kelly.fraction * given_facts.equity * SLACK


@settings(deadline=None)
@given(given_facts=facts())
def test_a_size_is_whole_lots_within_the_venue_minimums_or_nothing(given_facts: SizingInput) -> None:
    receipt, pair = size_entry(given_facts, LIMITS), given_facts.instrument
    assert receipt.amount == amount_of(receipt.lots, pair)
    assert receipt.amount % pair.lot_step == 0
    if receipt.lots:
        assert receipt.amount >= pair.min_amount
        assert receipt.notional >= pair.min_cost


@settings(deadline=None)
@given(given_facts=facts())
def test_a_size_is_computed_again_from_the_receipt_alone_to_the_last_digit(given_facts: SizingInput) -> None:
    receipt = size_entry(given_facts, LIMITS)
    written = from_plain(SizeReceipt, json.loads(encode(receipt)))  # as the ledger keeps it
    assert computed_again(written) == receipt


@settings(deadline=None)
@given(given_facts=facts())
def test_no_cut_ever_grows(given_facts: SizingInput) -> None:
    cuts = size_entry(given_facts, LIMITS).cuts
    assert all(0.0 <= cut.after <= cut.before * (1.0 + 1e-9) + 1e-9 for cut in cuts)
    assert all(later.before == earlier.after for earlier, later in pairwise(cuts))


@settings(deadline=None)
@given(
    given_facts=facts(),
    by=st.floats(0.0, 1.0),
    worse=st.sampled_from(["equity", "cash", "confidence", "correlation_factor"]),
)
def test_less_never_buys_more(given_facts: SizingInput, by: float, worse: str) -> None:
    poorer = replace(given_facts, **{worse: getattr(given_facts, worse) * by})
    assert size_entry(poorer, LIMITS).lots <= size_entry(given_facts, LIMITS).lots


@settings(deadline=None)
@given(
    given_facts=facts(),
    by=st.floats(1.0, 10.0),
    worse=st.sampled_from(["volatility", "exposure", "cluster_exposure", "stop_pct"]),
)
def test_more_danger_never_buys_more(given_facts: SizingInput, by: float, worse: str) -> None:
    riskier = replace(given_facts, **{worse: getattr(given_facts, worse) * by})
    assume(riskier.stop_pct < 1.0)
    assert size_entry(riskier, LIMITS).lots <= size_entry(given_facts, LIMITS).lots


@settings(deadline=None)
@given(given_facts=facts(), by=st.floats(0.0, 1.0))
def test_a_smaller_kelly_fraction_never_buys_more(given_facts: SizingInput, by: float) -> None:
    assert given_facts.kelly is not None
    assume(given_facts.kelly.fraction is not None)
    poorer = replace(given_facts, kelly=replace(given_facts.kelly, fraction=(given_facts.kelly.fraction or 0.0) * by))
    assert size_entry(poorer, LIMITS).lots <= size_entry(given_facts, LIMITS).lots


@settings(deadline=None)
@given(given_facts=facts())
def test_the_guards_accept_every_size_that_sizing_gives(given_facts: SizingInput) -> None:
    pair = given_facts.instrument
    # Quotes are on the venue's ticks.
    on_tick = replace(given_facts, price=float(price_of(max(1, ticks_at_or_above(given_facts.price, pair)), pair)))
    receipt = size_entry(on_tick, LIMITS)
    if not receipt.lots:
        return
    notional = float(receipt.notional)
    judged = context(
        lots=receipt.lots, order_notional=notional, equity=on_tick.equity, cash=on_tick.cash, exposure=on_tick.exposure,
        order_cost=notional * (1.0 + LIMITS.price_cap_fraction) * (1.0 + on_tick.fee),
    )  # fmt: skip
    assert first_block(evaluate(ENTRY_POLICY, judged)) is None
