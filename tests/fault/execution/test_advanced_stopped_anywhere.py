"""Stop the process after every commit and around every call while a bracket, a stop, a target or a trail is asked for or carried out.

Without ``--every-step`` it is stopped once at each kind of step, by its name.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import pytest

from kracken_tasks.domain.trading import OrderKind, Purpose
from kracken_tasks.execution.advanced import AdvancedOrders
from tests.support.advanced import AdvancedBench
from tests.support.ledger import sqlite_url
from tests.support.market_data import BTC
from tests.support.stopping import Stopped, Stopper, StoppingBroker, StoppingLedger

Life = Callable[[AdvancedOrders], object]
D = Decimal


def bracket(bench: AdvancedBench) -> Life:
    return lambda orders: orders.bracket(BTC, "0.1", key="first", stop_price="49000", take_profit_price="52000")


def bracket_without_conditional_close(bench: AdvancedBench) -> Life:
    bench.venue.supports_conditional_close = False
    return bracket(bench)


def resting_entry_filled_in_part(bench: AdvancedBench) -> Life:
    bench.bought("0.1", entry_price="49900")
    bench.traded("49890", "0.04")
    return lambda orders: orders.watch()


def target_reached(bench: AdvancedBench) -> Life:
    bench.bought()
    bench.moved(52100.0)
    return lambda orders: orders.watch()


def target_reached_where_nothing_is_amended(bench: AdvancedBench) -> Life:
    bench.bought()
    bench.moved(52100.0)
    bench.venue.amend_faults = ["refused"]
    return lambda orders: orders.watch()


def stop_hit_with_the_entry_half_open(bench: AdvancedBench) -> Life:
    bench.bought("0.1", entry_price="49900")
    bench.traded("49890", "0.04")
    bench.orders.watch()
    bench.moved(48900.0)
    return lambda orders: orders.watch()


def both_exits_for_a_position(bench: AdvancedBench) -> Life:
    bench.bought(take_profit_price=None)
    return lambda orders: orders.oco(BTC, stop_price="48500", take_profit_price="53000")


def another_kind_of_stop(bench: AdvancedBench) -> Life:
    bench.bought()
    return lambda orders: orders.stop_limit(BTC, "49000", "48900")


def another_kind_of_stop_that_is_refused(bench: AdvancedBench) -> Life:
    bench.bought()
    bench.venue.submit_faults = ["refused"]
    return lambda orders: orders.stop_limit(BTC, "49000", "48900")


def lone_target(bench: AdvancedBench) -> Life:
    bench.bought()
    return lambda orders: orders.take_profit(BTC, "52000", without_stop=True)


def trail_carried_up(bench: AdvancedBench) -> Life:
    bench.bought(take_profit_price=None)
    bench.orders.trailing_stop(BTC, distance=1000)
    bench.moved(51500.0)
    return lambda orders: orders.watch()


SCENES = [
    bracket, bracket_without_conditional_close, resting_entry_filled_in_part, target_reached, target_reached_where_nothing_is_amended,
    stop_hit_with_the_entry_half_open, both_exits_for_a_position, another_kind_of_stop, another_kind_of_stop_that_is_refused, lone_target,
    trail_carried_up,
]  # fmt: skip
BY_TRADES = (resting_entry_filled_in_part, stop_hit_with_the_entry_half_open)


@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: str(scene.__name__))
def test_stopped_at_any_step_it_ends_with_one_exit_of_the_right_size(
    tmp_path: Path, scene: Callable[[AdvancedBench], Life], every_step: bool
) -> None:
    (tmp_path / "opened").mkdir()
    AdvancedBench(tmp_path / "opened").ledger.close()
    whole, names = ended(tmp_path / "whole", scene, stop_at=0)
    assert len(names) > 3
    for step in range(1, len(names) + 1) if every_step else first_of_each_kind(names):
        cut, done = ended(tmp_path / str(step), scene, stop_at=step)
        assert len(done) == step
        if scene is another_kind_of_stop_that_is_refused:
            assert cut.held == whole.held  # who asks again may be granted what was refused before
            continue
        assert cut == whole, f"stopped at step {step} ({done[-1]}): {cut} instead of {whole}"


@dataclass(frozen=True)
class Ending:
    """How many orders make up the stops does not matter; what they cover, their kind and where they stand does."""

    held: Decimal
    sold: tuple[tuple[Purpose, Decimal], ...]
    resting: frozenset[tuple[OrderKind, Decimal | None, Decimal | None]]
    entries: int


def ended(folder: Path, scene: Callable[[AdvancedBench], Life], stop_at: int) -> tuple[Ending, list[str]]:
    """One life: the call that stops at a step, the same call by the next process, two looks.  How it ended, and the steps begun."""
    shutil.copytree(folder.parent / "opened", folder)  # a book that is open: opening one takes longer than all the rest
    bench = AdvancedBench(folder, by_trades=scene in BY_TRADES)
    life = scene(bench)
    stopper = Stopper(at=stop_at)
    dying = StoppingLedger.with_stopper(sqlite_url(folder), stopper)
    try:
        life(bench.opened(StoppingBroker(bench.venue, stopper), dying))
    except Stopped:
        bench.require_never_sold_twice()
        bench.pass_time(150)  # the dead process's lease runs out
        life(bench.opened())
    for _ in range(2):
        bench.pass_time(30)
        bench.opened().watch()
    bench.require_kept()
    sold = tuple((trip.exit_purpose, trip.amount) for trip in bench.ledger.round_trips())
    resting = frozenset((order.kind, order.trigger_price, order.limit_price) for order in bench.resting())
    ending = Ending(bench.held, sold, resting, len(bench.entries_open()))
    dying.close()
    bench.ledger.close()
    return ending, stopper.names


def first_of_each_kind(names: list[str]) -> Iterable[int]:
    kinds: dict[str, int] = {}
    for step, kind in enumerate(names, 1):
        kinds.setdefault(kind, step)
    return kinds.values()


def test_a_stop_that_was_refused_in_its_new_kind_is_a_plain_stop_in_the_end(tmp_path: Path) -> None:
    (tmp_path / "opened").mkdir()
    AdvancedBench(tmp_path / "opened").ledger.close()
    ending, _ = ended(tmp_path / "whole", another_kind_of_stop_that_is_refused, stop_at=0)
    assert ending.held == D("0.1")
    assert ending.resting == {(OrderKind.STOP_LOSS, D("49000"), None)}
