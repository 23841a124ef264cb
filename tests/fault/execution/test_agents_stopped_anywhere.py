"""Stop a tick of several agents at every kind of step: no coin is doubled, lost, naked, or nobody's.

Without ``--every-step`` it is stopped once at each kind of step: a step's name and the name of the one before.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from kracken_tasks.domain.trading import Action, Side
from kracken_tasks.risk.limits import RiskLimits
from kracken_tasks.strategies.seated import Seat
from kracken_tasks.strategies.shares import AgentBook, books_of
from tests.support.bench import Bench, TellingStrategy
from tests.support.ledger import sqlite_url
from tests.support.market_data import BTC
from tests.support.stopping import Stopped, Stopper, StoppingBroker, StoppingLedger

BUY, SELL = Action.BUY, Action.SELL
Says = Mapping[str, Action]

# What stood before the tick, and what the agents say in it.
SCENES: dict[str, tuple[Says, Says]] = {
    "both buy": ({}, {"ada": BUY, "bob": BUY}),
    "one leaves": ({"ada": BUY, "bob": BUY}, {"ada": SELL}),
    "coins change hands": ({"ada": BUY}, {"ada": SELL, "bob": BUY}),
}


def seats(says: Says) -> tuple[Seat, ...]:
    told = {name: TellingStrategy({BTC: says[name]} if name in says else {}) for name in ("ada", "bob")}
    return (Seat("ada", 0.6, {BTC: told["ada"]}), Seat("bob", 0.4, {BTC: told["bob"]}))


def books(bench: Bench) -> dict[str, AgentBook]:
    return books_of(bench.ledger, heir="ada")


def require_shares_add_up(bench: Bench) -> None:
    position = bench.ledger.positions().get(BTC)
    held = sum((book.holds(BTC) for book in books(bench).values()), Decimal(0))
    assert held == (Decimal(0) if position is None else position.amount)
    moved = sum(
        ((fill.cost if fill.side is Side.SELL else -fill.cost) - fill.fee for fill in bench.ledger.fills()), Decimal(0)
    )
    assert sum((book.money.get("USD", Decimal(0)) for book in books(bench).values()), Decimal(0)) == moved
    assert all(book.holds(BTC) >= 0 for book in books(bench).values())


def live(bench: Bench, dying: StoppingLedger, before: Says, says: Says, stop_at: int) -> list[str]:
    """One life: a tick that stops at the step, the ticks after it, the truth.  Returns the steps that were begun."""
    if before:
        bench.tick(seats=seats(before))
    stopper = dying.stopper = Stopper(at=stop_at)
    try:
        bench.tick(seats=seats(says), broker=StoppingBroker(bench.venue, stopper), ledger=dying)
    except Stopped:
        bench.pass_time(200)  # the dead process's lease runs out
        bench.again(seats=seats(says))
        bench.tick(seats=seats({}))
    try:
        bench.require_truth()
        require_shares_add_up(bench)
    except AssertionError as error:
        raise AssertionError(f"stopped at step {stop_at} ({stopper.names[-1]}): {error}") from error
    bench.market.prices[BTC] = 60_000.0  # every life ends well, or Kelly would rightly bet nothing after twenty of them
    bench.tick(seats=seats({"ada": SELL, "bob": SELL}))
    assert bench.ledger.positions() == {}
    bench.market.prices[BTC] = 50_000.0
    return stopper.names


def first_of_each_kind(names: list[str]) -> Iterable[int]:
    kinds: dict[tuple[str, str], int] = {}
    for step, kind in enumerate(itertools.pairwise(["the beginning", *names]), 1):
        kinds.setdefault(kind, step)
    return kinds.values()


@pytest.mark.parametrize("scene", SCENES)
def test_agents_stopped_at_any_step_lose_and_double_nothing(tmp_path: Path, scene: str, every_step: bool) -> None:
    options: dict[str, Any] = {"cash": "100000", "symbols": (BTC,)}
    bench = Bench(tmp_path, **options)
    bench.limits = RiskLimits(
        cooldown_minutes=0, daily_loss_limit=0.5, max_drawdown_limit=0.5, max_consecutive_losses=50,
        max_daily_turnover=100.0,
    )  # fmt: skip
    dying = StoppingLedger.with_stopper(sqlite_url(tmp_path), Stopper())
    names = live(bench, dying, *SCENES[scene], stop_at=0)
    assert len(names) > 10
    for step in itertools.count(1) if every_step else first_of_each_kind(names):
        if len(live(bench, dying, *SCENES[scene], stop_at=step)) < step:
            break  # the tick ended before the step it should stop at
    dying.close()
    bench.ledger.close()
