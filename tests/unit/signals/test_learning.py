"""Weights learned from the ledger's closed trades: stored, told twice, begun anew."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kracken_tasks.domain.trading import Purpose
from kracken_tasks.errors import Misconfigured
from kracken_tasks.ledger import Booking, IntentResult, Ledger
from kracken_tasks.signals import corrected_weights
from kracken_tasks.signals.learning import TOPIC, correction_of, learn, learned_before, outcome_of, reset
from tests.support.decisions import opinion
from tests.support.ledger import at, entry_key, fill, request_for, temporary_ledger
from tests.support.traded import trade

BASE = {"rsi": 0.25, "macd": 0.30, "lstm": 0.25}


def test_nothing_closed_is_nothing_learned_and_nothing_written(tmp_path: Path) -> None:
    with temporary_ledger(tmp_path) as ledger:
        assert correction_of(BASE, learn(ledger, ts=at(0))).weights == BASE
        assert ledger.notes(TOPIC) == ()


def test_a_module_that_leaned_up_before_a_winner_gains_weight(tmp_path: Path) -> None:
    with temporary_ledger(tmp_path) as ledger:
        trade(ledger, 1, "110", (opinion("rsi", 0.8), opinion("macd", -0.4)))
        found = correction_of(BASE, learn(ledger, ts=at(99)))
    assert found.weights["rsi"] > 0.25
    assert found.weights["macd"] < 0.30
    assert found.weights["lstm"] == 0.25
    assert found.records["rsi"].pnl == 10.0


def test_what_was_learned_is_there_after_a_restart(tmp_path: Path) -> None:
    with temporary_ledger(tmp_path) as ledger:
        trade(ledger, 1, "110", (opinion("rsi", 0.8),))
        before = learn(ledger, ts=at(99))
    with temporary_ledger(tmp_path) as again:
        assert learned_before(again) == before
        assert learn(again, ts=at(100)) == before
        assert len(again.notes(TOPIC)) == 1


def test_two_that_learn_at_once_leave_one_note(tmp_path: Path) -> None:
    with temporary_ledger(tmp_path) as one, temporary_ledger(tmp_path) as other:
        trade(one, 1, "110", (opinion("rsi", 0.8),))
        assert learn(one, ts=at(99)) == learn(other, ts=at(99.5))
        assert len(one.notes(TOPIC)) == 1


def test_a_reset_forgets_and_learns_only_from_what_closes_after_it(tmp_path: Path) -> None:
    with temporary_ledger(tmp_path) as ledger:
        trade(ledger, 1, "110", (opinion("rsi", 0.8),))
        learn(ledger, ts=at(10))
        reset(ledger, by="Ada", reason="another market", ts=at(11))
        assert correction_of(BASE, learned_before(ledger)).weights == BASE
        trade(ledger, 2, "90", (opinion("macd", 0.8),))
        found = learn(ledger, ts=at(99))
    assert found.tallies.keys() == {"macd"}
    assert (found.run, found.trips, found.since) == (1, 2, at(11))


def test_a_trade_that_nobody_learned_from_before_the_reset_is_forgotten_too(tmp_path: Path) -> None:
    with temporary_ledger(tmp_path) as ledger:
        trade(ledger, 1, "110", (opinion("rsi", 0.8),))
        reset(ledger, by="Ada", reason="another market", ts=at(11))
        assert learn(ledger, ts=at(12)).tallies == {}


def test_a_reset_without_a_name_is_refused(tmp_path: Path) -> None:
    with temporary_ledger(tmp_path) as ledger, pytest.raises(Misconfigured, match="a name and a reason"):
        reset(ledger, by=" ", reason="why not", ts=at(1))


def test_what_was_known_at_an_earlier_entry_can_be_told(tmp_path: Path) -> None:
    with temporary_ledger(tmp_path) as ledger:
        trade(ledger, 1, "110", (opinion("rsi", 0.8),))
        first = learn(ledger, ts=at(10))
        seq = ledger.notes(TOPIC)[-1].seq
        trade(ledger, 2, "90", (opinion("rsi", 0.8),))
        learn(ledger, ts=at(20))
        assert learned_before(ledger, seq).tallies == {}
        assert learned_before(ledger, seq + 1) == first


def test_a_position_whose_decision_is_not_known_teaches_nothing_but_is_counted(tmp_path: Path) -> None:
    with temporary_ledger(tmp_path) as ledger:
        key = entry_key("by-hand")
        ledger.record_intent(key, request_for(key), ts=at(0))
        ledger.record_outcome(key.client_order_id, IntentResult.ACCEPTED, ts=at(0), order_id="O-b")
        ledger.book_fills([Booking(fill("b", "buy", "1", "100", ts=at(0)), Purpose.ENTRY, key.client_order_id)])
        ledger.book_fills([Booking(fill("s", "sell", "1", "120", ts=at(1)), Purpose.EXIT)])
        found = learn(ledger, ts=at(2))
    assert (found.trips, found.tallies) == (1, {})


LEANS = st.lists(
    st.tuples(st.sampled_from(["90", "100", "110.5"]), st.floats(-1, 1), st.floats(-1, 1)), min_size=1, max_size=6
)


@settings(max_examples=15, deadline=None)
@given(trades=LEANS, stops=st.sets(st.integers(0, 5)))
def test_learning_trade_by_trade_equals_learning_all_at_once(
    tmp_path_factory: pytest.TempPathFactory, trades: list[tuple[str, float, float]], stops: set[int]
) -> None:
    def book(ledger: Ledger, *, often: bool) -> dict[str, float]:
        for number, (price, rsi, macd) in enumerate(trades):
            trade(ledger, number, price, (opinion("rsi", rsi), opinion("macd", macd)))
            if often and number in stops:
                learn(ledger, ts=at(10 * number + 9))
        return dict(correction_of(BASE, learn(ledger, ts=at(1000))).weights)

    with temporary_ledger(tmp_path_factory.mktemp("a")) as one, temporary_ledger(tmp_path_factory.mktemp("b")) as two:
        learned, at_once = book(one, often=True), book(two, often=False)
        outcomes = [outcome_of(two, trip) for trip in two.round_trips()]
    assert learned == at_once == corrected_weights(BASE, outcomes).weights


def test_amounts_are_kept_to_the_last_digit(tmp_path: Path) -> None:
    with temporary_ledger(tmp_path) as ledger:
        for number in range(3):
            trade(ledger, number, "100.0000000001", (opinion("rsi", 0.8),))
            learn(ledger, ts=at(10 * number + 9))
        assert learned_before(ledger).tallies["rsi"].pnl == Decimal("0.0000000003")
