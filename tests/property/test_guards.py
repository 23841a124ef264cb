"""The entry policy and the account state: worse never means more freedom."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from kracken_tasks.domain.trading import TradingState
from kracken_tasks.risk import (
    ENTRY_POLICY,
    AccountFacts,
    AccountState,
    EntryContext,
    RiskLimits,
    evaluate,
    first_block,
    next_state,
)
from tests.support.decisions import NOW, context

LIMITS = RiskLimits()
MONEY = st.floats(0.0, 20_000.0)


@st.composite
def contexts(draw: st.DrawFn) -> EntryContext:
    return context(
        drawdown=draw(st.floats(0.0, 0.3)), daily_loss=draw(st.floats(0.0, 0.1)), losing_streak=draw(st.integers(0, 8)),
        cash=draw(MONEY), exposure=draw(MONEY), order_notional=draw(MONEY), order_cost=draw(MONEY),
        cluster=("ETH/USD",), cluster_exposure=draw(MONEY), turnover_today=draw(MONEY),
        confidence=draw(st.floats(0.0, 1.0)), open_positions=draw(st.integers(0, 12)), orders_last_minute=draw(st.integers(0, 12)),
        bar_ts=NOW - timedelta(seconds=draw(st.integers(3600, 9000))),
    )  # fmt: skip


def allowed(facts: EntryContext) -> bool:
    return first_block(evaluate(ENTRY_POLICY, facts)) is None


GROW = st.sampled_from(
    ["drawdown", "daily_loss", "exposure", "cluster_exposure", "order_notional", "order_cost", "turnover_today"]
)
COUNT = st.sampled_from(["losing_streak", "open_positions", "orders_last_minute"])
SHRINK = st.sampled_from(["cash", "confidence"])


@settings(deadline=None)
@given(facts=contexts(), field=GROW, by=st.floats(0.0, 5000.0))
def test_more_loss_exposure_or_turnover_never_allows_what_was_refused(
    facts: EntryContext, field: str, by: float
) -> None:
    worse = replace(facts, **{field: getattr(facts, field) + by})
    assert allowed(facts) or not allowed(worse)


@settings(deadline=None)
@given(facts=contexts(), field=COUNT, by=st.integers(0, 10))
def test_more_losses_positions_or_orders_never_allow_what_was_refused(facts: EntryContext, field: str, by: int) -> None:
    worse = replace(facts, **{field: getattr(facts, field) + by})
    assert allowed(facts) or not allowed(worse)


@settings(deadline=None)
@given(facts=contexts(), field=SHRINK, by=st.floats(0.0, 1.0))
def test_less_cash_or_confidence_never_allows_what_was_refused(facts: EntryContext, field: str, by: float) -> None:
    worse = replace(facts, **{field: getattr(facts, field) * by})
    assert allowed(facts) or not allowed(worse)


@settings(deadline=None)
@given(facts=contexts(), seconds=st.integers(0, 7200))
def test_older_candles_never_allow_what_was_refused(facts: EntryContext, seconds: int) -> None:
    assert facts.bar_ts is not None
    worse = replace(facts, bar_ts=facts.bar_ts - timedelta(seconds=seconds))
    assert allowed(facts) or not allowed(worse)


@settings(deadline=None)
@given(facts=contexts(), state=st.sampled_from([TradingState.REDUCE_ONLY, TradingState.HALTED]))
def test_an_account_that_is_not_normal_never_enters(facts: EntryContext, state: TradingState) -> None:
    assert not allowed(replace(facts, state=state))


WORSE_WORDS = st.sampled_from(
    [
        {"kill_switch": "held"}, {"not_armed": "expired"}, {"unknown_intent": "one"}, {"row_findings": ("one",)},
        {"venue_status": "cancel_only"},
        {"reference_price": None}, {"position_open": True}, {"feed_age": 1e6}, {"bar_ts": None}, {"lots": 0},
    ]
)  # fmt: skip


@settings(deadline=None)
@given(facts=contexts(), words=WORSE_WORDS)
def test_what_speaks_against_an_entry_is_never_outvoted(facts: EntryContext, words: dict[str, Any]) -> None:
    assert not allowed(replace(facts, **words))


@settings(deadline=None)
@given(facts=contexts(), off=st.floats(0.0, 0.5), more=st.floats(0.0, 0.5), up=st.booleans())
def test_a_price_farther_from_the_second_source_never_passes_where_a_nearer_one_did_not(
    facts: EntryContext, off: float, more: float, up: bool
) -> None:
    ask, sign = facts.quote.ask, 1.0 if up else -1.0
    near, far = (replace(facts, reference_price=ask / (1.0 + sign * part / 2.0)) for part in (off, off + more))
    assert allowed(near) or not allowed(far)


LIMIT_DIRECTIONS = st.sampled_from(
    [
        ("max_position_size", 0.5), ("max_drawdown_limit", 0.5), ("daily_loss_limit", 0.5), ("max_total_exposure", 0.5),
        ("max_cluster_exposure", 0.5), ("max_order_fraction", 0.5), ("max_spread_fraction", 0.5), ("max_daily_turnover", 0.5),
        ("price_collar_fraction", 0.5), ("max_bar_age_bars", 0.5), ("max_quote_age_seconds", 0.5),
    ]
)  # fmt: skip


@settings(deadline=None)
@given(facts=contexts(), tighter=LIMIT_DIRECTIONS)
def test_a_tighter_limit_never_allows_what_a_wider_one_refused(facts: EntryContext, tighter: tuple[str, float]) -> None:
    name, share = tighter
    strict = replace(facts, limits=replace(LIMITS, **{name: getattr(LIMITS, name) * share}))
    assert allowed(facts) or not allowed(strict)


SEVERITY = {TradingState.NORMAL: 0, TradingState.REDUCE_ONLY: 1, TradingState.HALTED: 2}


@st.composite
def account_facts(draw: st.DrawFn) -> AccountFacts:
    return AccountFacts(
        day=date(2024, 3, 1), drawdown=draw(st.floats(0.0, 0.3)), daily_loss=draw(st.floats(0.0, 0.1)),
        losing_streak=draw(st.integers(0, 8)), mismatch=draw(st.sampled_from(["", "BTC: venue 1.0, ledger 1.1"])),
    )  # fmt: skip


@settings(deadline=None)
@given(facts=account_facts(), more=st.floats(0.0, 0.2), losses=st.integers(0, 5))
def test_a_worse_account_is_never_in_a_freer_state(facts: AccountFacts, more: float, losses: int) -> None:
    worse = AccountFacts(
        facts.day, facts.drawdown + more, facts.daily_loss + more, facts.losing_streak + losses, facts.mismatch
    )
    before, after = (next_state(AccountState(), each, LIMITS).state for each in (facts, worse))
    assert SEVERITY[after] >= SEVERITY[before]


@settings(deadline=None)
@given(path=st.lists(account_facts(), max_size=12))
def test_nothing_but_a_release_leaves_a_halt(path: list[AccountFacts]) -> None:
    state, halted = AccountState(), False
    for facts in path:
        state = next_state(state, facts, LIMITS)
        halted = halted or state.state is TradingState.HALTED
        assert (state.state is TradingState.HALTED) == halted


@settings(deadline=None)
@given(path=st.lists(account_facts(), max_size=6))
def test_the_same_facts_twice_change_nothing_the_second_time(path: list[AccountFacts]) -> None:
    state = AccountState()
    for facts in path:
        state = next_state(state, facts, LIMITS)
        assert next_state(state, facts, LIMITS) is state
