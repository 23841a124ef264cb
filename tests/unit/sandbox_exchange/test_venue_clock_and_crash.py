"""The venue's clock through restarts, and requests that fail half-way."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from kracken_tasks.domain.clock import to_ns
from kracken_tasks.sandbox.clock import ClockMode
from kracken_tasks.sandbox.engine.orders import Status
from kracken_tasks.sandbox.market.protocol import Book
from kracken_tasks.sandbox.venue import Venue
from tests.support.sandbox import sandbox_config
from tests.support.scripted_market import START, ScriptedMarket, quiet
from tests.support.trader import Trader

SECOND = 1_000_000_000
NOON = to_ns(START + timedelta(days=600))  # some moment on the wall, nowhere near the market's dates


@dataclass
class Wall:
    at_ns: int

    def __call__(self) -> int:
        return self.at_ns


def wall_venue(path: Path, wall: Wall, mode: ClockMode = ClockMode.WALL) -> Venue:
    config = sandbox_config(clock_mode=mode, clock_start=START, state_path=path)
    return Venue(ScriptedMarket({"BTC/USD": quiet()}), config, wall)


def test_market_time_follows_the_wall_from_its_anchor_and_downtime_counts(tmp_path: Path) -> None:
    wall, path = Wall(NOON), tmp_path / "state.sqlite"
    venue = wall_venue(path, wall)
    assert venue.now_ns() == to_ns(START)
    wall.at_ns += 90 * SECOND
    assert venue.now_ns() == to_ns(START) + 90 * SECOND
    venue.close()
    wall.at_ns += 3600 * SECOND
    venue = wall_venue(path, wall)
    assert venue.now_ns() == to_ns(START) + 3690 * SECOND
    venue.close()


def test_a_clock_that_is_let_go_jumps_to_the_wall_and_follows_it_through_restarts(tmp_path: Path) -> None:
    wall, path = Wall(NOON), tmp_path / "state.sqlite"
    venue = wall_venue(path, wall, ClockMode.MANUAL)
    wall.at_ns += 3600 * SECOND
    assert venue.now_ns() == to_ns(START)
    venue.follow_wall()
    assert venue.now_ns() == wall.at_ns
    wall.at_ns += 60 * SECOND
    venue.close()
    venue = wall_venue(path, wall)
    assert venue.now_ns() == wall.at_ns
    venue.close()


def test_the_venue_never_goes_back_when_the_wall_does(tmp_path: Path) -> None:
    wall = Wall(NOON)
    venue = wall_venue(tmp_path / "state.sqlite", wall)
    wall.at_ns += 90 * SECOND
    with venue.request() as now_ns:
        pass
    wall.at_ns -= 60 * SECOND
    assert venue.now_ns() == now_ns
    venue.close()


def test_a_clock_taken_over_by_hand_stands_where_it_was(tmp_path: Path) -> None:
    wall, path = Wall(NOON), tmp_path / "state.sqlite"
    wall_venue(path, wall).close()
    wall.at_ns += 60 * SECOND
    venue = wall_venue(path, wall, ClockMode.MANUAL)
    assert venue.now_ns() == to_ns(START) + 60 * SECOND
    wall.at_ns += 60 * SECOND
    assert venue.now_ns() == to_ns(START) + 60 * SECOND
    with pytest.raises(ValueError, match="does not go back"):
        venue.move_to(to_ns(START))
    venue.close()


class BreakingMarket(ScriptedMarket):
    """A market whose book fails after so many looks."""

    looks_left = 10**9

    def book(self, symbol: str, at_ns: int, depth: int) -> Book:
        self.looks_left -= 1
        if self.looks_left < 0:
            raise OSError("the market file is gone")
        return super().book(symbol, at_ns, depth)


@pytest.mark.parametrize("looks", range(5))
def test_a_request_that_breaks_half_way_leaves_nothing_behind(looks: int) -> None:
    market = BreakingMarket({"BTC/USD": quiet()})
    trader = Trader(market)
    trader.place("buy", "limit", "1", "90.0")
    before, numbers = trader.snapshot(), dict(trader.venue.state.numbers)
    market.looks_left = looks
    broken = False
    try:
        trader.place("buy", "market", "5", close_ordertype="stop-loss", close_price="90.0")
    except OSError:
        broken = True
    if broken:
        assert trader.snapshot() == before
        assert trader.venue.state.numbers == numbers
    market.looks_left = 10**9
    assert trader.place("buy", "market", "1").status is Status.CLOSED


def test_a_deposit_opens_the_account_once(tmp_path: Path) -> None:
    market, path = ScriptedMarket({"BTC/USD": quiet()}), tmp_path / "state.sqlite"
    for _ in range(3):
        trader = Trader(market, path, opening_balances={"USD": "250.5"})
        (row,) = trader.ledger()
        trader.venue.close()
    assert (row.type, row.asset, row.amount, row.balance) == ("deposit", "ZUSD", 2_505_000, 2_505_000)
