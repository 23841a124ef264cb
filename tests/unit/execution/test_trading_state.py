"""A person's word over the account: what it stops, what takes it back, and what it never loosens."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from kracken_tasks.domain.trading import Action, TradingState
from kracken_tasks.execution.marks import account_state, release
from kracken_tasks.execution.trading_state import last_known, order, resume
from kracken_tasks.ledger import Ledger
from kracken_tasks.risk.state import Cause
from tests.support.bench import Bench
from tests.support.ledger import sqlite_url
from tests.support.market_data import BTC


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path)
    made.tick()
    yield made
    made.ledger.close()


def say(bench: Bench, wanted: TradingState, *, by: str = "ada", reason: str = "the news") -> TradingState:
    return order(bench.ledger, wanted, by=by, reason=reason, now=bench.market.now()).state


def go_on(bench: Bench) -> TradingState:
    return resume(bench.ledger, by="ada", reason="all is well", now=bench.market.now()).state


def fall(bench: Bench) -> None:
    """The next mark finds the account at half of its best."""
    last = bench.ledger.last_equity()
    assert last is not None
    bench.ledger.mark_equity(replace(last, ts=last.ts + timedelta(seconds=1), peak=Decimal(2), seq=0))


def test_halted_by_a_person_everything_is_sold_and_nothing_bought_until_resumed(bench: Bench) -> None:
    bench.tick({BTC: Action.BUY})
    assert say(bench, TradingState.HALTED) is TradingState.HALTED
    assert bench.tick({BTC: Action.BUY}).sent == ()
    assert bench.ledger.positions() == {}
    assert go_on(bench) is TradingState.NORMAL
    assert len(bench.tick({BTC: Action.BUY}).sent) == 1
    bench.require_truth()


def test_reduce_only_by_a_person_keeps_what_is_held_and_buys_nothing(bench: Bench) -> None:
    bench.tick({BTC: Action.BUY})
    say(bench, TradingState.REDUCE_ONLY)
    assert bench.tick({BTC: Action.BUY}).sent == ()
    assert set(bench.ledger.positions()) == {BTC}
    bench.require_protected()


def test_a_word_survives_a_restart_with_its_name_and_reason(bench: Bench) -> None:
    say(bench, TradingState.HALTED, reason="the  news\nare bad")
    bench.ledger.close()
    bench.ledger = Ledger.open(sqlite_url(bench.folder), account="main", exchange="kraken")
    held = account_state(bench.ledger.state())
    assert (held.state, held.cause) == (TradingState.HALTED, Cause.OPERATOR)
    assert held.reason == "halted by ada: the news are bad"


def test_a_word_is_told_by_an_alert_and_said_twice_it_is_one(bench: Bench) -> None:
    before = len(bench.ledger.alerts())
    say(bench, TradingState.HALTED)
    say(bench, TradingState.HALTED)
    assert len(bench.ledger.alerts()) == before + 1


def test_reduce_only_never_loosens_a_halt(bench: Bench) -> None:
    say(bench, TradingState.HALTED)
    assert say(bench, TradingState.REDUCE_ONLY) is TradingState.HALTED


def test_halt_after_reduce_only_is_taken_back_whole(bench: Bench) -> None:
    say(bench, TradingState.REDUCE_ONLY)
    say(bench, TradingState.HALTED)
    assert go_on(bench) is TradingState.NORMAL


def test_what_a_limit_stopped_is_not_resumed(bench: Bench) -> None:
    fall(bench)
    assert bench.tick().state is TradingState.HALTED
    assert go_on(bench) is TradingState.HALTED


def test_drawdown_is_not_forgotten_by_halting_and_resuming(bench: Bench) -> None:
    say(bench, TradingState.HALTED)
    fall(bench)
    bench.tick()
    go_on(bench)
    assert account_state(bench.ledger.state()).state is TradingState.NORMAL
    assert bench.tick().state is TradingState.HALTED
    assert account_state(bench.ledger.state()).cause is Cause.DRAWDOWN


def test_day_that_was_lost_stays_lost_when_a_halt_during_it_is_taken_back(bench: Bench) -> None:
    day = bench.market.now().date()
    bench.ledger.set_state(TradingState.REDUCE_ONLY, f"daily_loss@{day}: day -6.00 %", ts=bench.market.now())
    say(bench, TradingState.HALTED)
    assert go_on(bench) is TradingState.REDUCE_ONLY
    held = account_state(bench.ledger.state())
    assert (held.cause, held.day) == (Cause.DAILY_LOSS, day)
    assert bench.tick().state is TradingState.REDUCE_ONLY


def test_reason_of_a_halt_that_speaks_of_a_release_is_no_release(bench: Bench) -> None:
    say(bench, TradingState.HALTED, reason="coins released by the exchange")
    fall(bench)
    go_on(bench)
    report = bench.tick()
    assert report.drawdown == pytest.approx(0.5)
    release(bench.ledger, "ada", now=bench.market.now())
    assert bench.tick().drawdown == 0.0


@pytest.mark.parametrize(("by", "reason"), [(" ", "the news"), ("ada", "\n")])
def test_nobody_stops_or_resumes_an_account_without_a_name_and_a_reason(bench: Bench, by: str, reason: str) -> None:
    for wanted in (TradingState.HALTED, TradingState.REDUCE_ONLY):
        with pytest.raises(ValueError, match="a name and a reason"):
            say(bench, wanted, by=by, reason=reason)
    with pytest.raises(ValueError, match="a name and a reason"):
        resume(bench.ledger, by=by, reason=reason, now=bench.market.now())
    assert bench.ledger.state().state is TradingState.NORMAL


def test_while_the_venue_does_not_answer_a_word_is_given_at_the_newest_time_the_ledger_knows(bench: Bench) -> None:
    now = last_known(bench.ledger)
    mark = bench.ledger.last_equity()
    assert mark is not None
    assert now == mark.ts
    for _ in range(3):  # the clock stands, and every word counts
        assert order(bench.ledger, TradingState.HALTED, by="ada", reason="dark", now=now).state is TradingState.HALTED
        assert bench.ledger.state().state is TradingState.HALTED
        resume(bench.ledger, by="ada", reason="light", now=now)
        assert bench.ledger.state().state is TradingState.NORMAL
