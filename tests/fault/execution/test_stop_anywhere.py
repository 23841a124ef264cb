"""Stop the process after every commit and around every call to the venue; the next ticks bring everything in order.

Without ``--every-step`` it is stopped once at each kind of step: a step's name and the name of the one before.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from kracken_tasks.domain.trading import Action, TradingState
from kracken_tasks.execution.marks import release
from kracken_tasks.risk.limits import RiskLimits
from tests.support.bench import Bench
from tests.support.ledger import sqlite_url
from tests.support.market_data import BTC, ETH
from tests.support.stopping import Stopped, Stopper, StoppingBroker, StoppingLedger


def before_entry(bench: Bench) -> dict[str, Action]:
    return {BTC: Action.BUY, ETH: Action.BUY}


def before_target(bench: Bench) -> dict[str, Action]:
    bench.tick({BTC: Action.BUY, ETH: Action.BUY})
    bench.market.prices[BTC] *= 1.08
    return {}


def before_signal_exit(bench: Bench) -> dict[str, Action]:
    bench.tick({BTC: Action.BUY, ETH: Action.BUY})
    return {BTC: Action.SELL}


def before_stopped_out(bench: Bench) -> dict[str, Action]:
    bench.tick({BTC: Action.BUY, ETH: Action.BUY})
    bench.market.prices[BTC] *= 0.9
    return {}


def before_naked_entry(bench: Bench) -> dict[str, Action]:
    bench.venue.supports_conditional_close = False
    bench.tick({BTC: Action.BUY})
    for order in bench.venue.inner.open_orders():  # somebody took the stop away
        bench.venue.inner.cancel(order.order_id)
    return {ETH: Action.BUY}


def before_lost_answer(bench: Bench) -> dict[str, Action]:
    bench.venue.submit_faults = ["lost_after"]
    return {BTC: Action.BUY}


def before_halt(bench: Bench) -> dict[str, Action]:
    bench.tick({BTC: Action.BUY, ETH: Action.BUY})
    bench.market.prices.update({BTC: 51_500.0, ETH: 2_575.0})
    bench.ledger.set_state(bench.ledger.state().state.HALTED, "operator: enough", ts=bench.market.now())
    return {}


SCENES = [
    before_entry, before_target, before_signal_exit, before_stopped_out, before_naked_entry, before_lost_answer, before_halt,
]  # fmt: skip


def restore(bench: Bench) -> None:
    """Back to an account without positions in a quiet market, for the next life."""
    bench.venue.supports_conditional_close = True
    bench.venue.submit_faults = []
    # Every life ends well: after twenty bad ones Kelly would rightly bet nothing.
    bench.market.prices.update({BTC: 60_000.0, ETH: 3_000.0})
    if bench.ledger.state().state is not TradingState.NORMAL:
        release(bench.ledger, "the test", now=bench.market.now())
    bench.tick({BTC: Action.SELL, ETH: Action.SELL})
    assert bench.ledger.positions() == {}
    bench.market.prices.update({BTC: 50_000.0, ETH: 2_500.0})


@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: str(scene.__name__))
def test_stopped_at_any_step_nothing_is_doubled_lost_or_naked(
    tmp_path: Path, scene: Callable[[Bench], dict[str, Action]], every_step: bool
) -> None:
    bench = Bench(tmp_path, cash="100000")
    bench.limits = RiskLimits(
        cooldown_minutes=0,
        daily_loss_limit=0.5,
        max_drawdown_limit=0.5,
        max_consecutive_losses=50,
        max_daily_turnover=100.0,
    )
    dying = StoppingLedger.with_stopper(sqlite_url(tmp_path), Stopper())
    names = live(bench, dying, scene, stop_at=0)
    assert len(names) > 15
    for step in itertools.count(1) if every_step else first_of_each_kind(names):
        if len(live(bench, dying, scene, stop_at=step)) < step:
            break  # the tick ended before the step it should stop at
    dying.close()
    bench.ledger.close()


def live(bench: Bench, dying: StoppingLedger, scene: Callable[[Bench], dict[str, Action]], stop_at: int) -> list[str]:
    """One life: a tick that stops at the step, the ticks after it, the truth.  Returns the steps that were begun."""
    says = scene(bench)
    stopper = dying.stopper = Stopper(at=stop_at)
    try:
        bench.tick(says, broker=StoppingBroker(bench.venue, stopper), ledger=dying)
    except Stopped:
        bench.pass_time(200)  # the dead process's lease runs out
        bench.again(says)
        bench.tick()
    try:
        bench.require_truth()
    except AssertionError as error:
        raise AssertionError(f"stopped at step {stop_at} ({stopper.names[-1]}): {error}") from error
    restore(bench)
    return stopper.names


def first_of_each_kind(names: list[str]) -> Iterable[int]:
    kinds: dict[tuple[str, str], int] = {}
    for step, kind in enumerate(itertools.pairwise(["the beginning", *names]), 1):
        kinds.setdefault(kind, step)
    return kinds.values()
