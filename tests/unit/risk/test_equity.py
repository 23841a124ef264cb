"""Unitised equity and the trading day."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kracken_tasks.domain.clock import utc
from kracken_tasks.risk import UnitMark, day_of, day_start, mark_equity

UTC_ZONE, BERLIN = ZoneInfo("UTC"), ZoneInfo("Europe/Berlin")
NOON = utc(2024, 3, 1, 12)


def mark(previous: UnitMark | None, equity: float, flow: float = 0.0, hours: float = 0.0) -> UnitMark:
    return mark_equity(previous, equity=equity, net_flow=flow, now=NOON + timedelta(hours=hours), zone=UTC_ZONE)


def test_the_first_mark_is_one_a_unit() -> None:
    first = mark(None, 10_000.0)
    assert (first.units, first.unit_price, first.drawdown, first.daily_loss) == (10_000.0, 1.0, 0.0, 0.0)


def test_a_deposit_does_not_hide_a_loss() -> None:
    after = mark(mark(None, 10_000.0), 9_000.0 + 5_000.0, flow=5_000.0, hours=1)
    assert after.unit_price == pytest.approx(0.9)
    assert after.drawdown == pytest.approx(0.1)
    assert after.units == pytest.approx(14_000 / 0.9)


def test_a_withdrawal_is_not_a_loss() -> None:
    after = mark(mark(None, 10_000.0), 4_000.0, flow=-6_000.0, hours=1)
    assert after.unit_price == pytest.approx(1.0)
    assert after.drawdown == pytest.approx(0.0)


def test_taking_everything_out_and_coming_back_keeps_the_record() -> None:
    lost = mark(mark(None, 10_000.0), 9_000.0, hours=1)
    empty = mark(lost, 0.0, flow=-9_000.0, hours=2)
    back = mark(empty, 2_000.0, flow=2_000.0, hours=3)
    assert back.unit_price == pytest.approx(0.9)
    assert back.drawdown == pytest.approx(0.1)


def test_the_day_opens_with_the_last_price_of_the_day_before() -> None:
    evening = mark(mark(None, 10_000.0), 9_800.0, hours=11)
    morning = mark(evening, 9_310.0, hours=13)
    assert morning.day == date(2024, 3, 2)
    assert morning.daily_loss == pytest.approx(0.05)
    assert morning.drawdown == pytest.approx(0.069)


def test_nothing_left_is_a_full_drawdown() -> None:
    assert mark(mark(None, 10_000.0), 0.0, hours=1).drawdown == 1.0


def test_after_a_release_drawdown_is_measured_from_there() -> None:
    released = mark(mark(None, 10_000.0), 8_000.0, hours=1).released()
    assert (released.drawdown, released.daily_loss) == (0.0, 0.0)
    assert mark(released, 7_600.0, hours=2).drawdown == pytest.approx(0.05)


def test_after_total_loss_a_release_starts_a_new_series() -> None:
    broke = mark(mark(None, 10_000.0), 0.0, hours=1)
    refilled = mark(broke, 500.0, flow=500.0, hours=2)
    assert refilled.drawdown == 1.0
    assert refilled.released().unit_price == 1.0
    assert refilled.released().units == 500.0


def test_a_mark_that_goes_back_in_time_is_refused() -> None:
    with pytest.raises(ValueError, match="older than the last"):
        mark(mark(None, 1.0), 1.0, hours=-1)


@pytest.mark.parametrize(("equity", "flow"), [(float("nan"), 0.0), (1.0, float("inf"))])
def test_an_equity_that_is_not_a_number_is_refused(equity: float, flow: float) -> None:
    with pytest.raises(ValueError, match="not a finite number"):
        mark(None, equity, flow)


@settings(deadline=None)
@given(flows=st.lists(st.floats(-5_000.0, 5_000.0), max_size=20))
def test_money_in_and_out_alone_never_moves_the_price(flows: list[float]) -> None:
    equity, current = 10_000.0, mark(None, 10_000.0)
    for flow in flows:
        moved = max(flow, 100.0 - equity)
        equity += moved
        current = mark(current, equity, flow=moved)
    assert current.unit_price == pytest.approx(1.0)
    assert current.drawdown == pytest.approx(0.0, abs=1e-9)


@pytest.mark.parametrize(
    ("moment", "start", "hours"),
    [
        (utc(2024, 3, 31, 10), utc(2024, 3, 30, 23), 23),  # clocks go forward
        (utc(2024, 10, 27, 10), utc(2024, 10, 26, 22), 25),  # clocks go back
        (utc(2024, 7, 1, 10), utc(2024, 6, 30, 22), 24),
    ],
)
def test_days_of_23_and_25_hours_begin_at_local_midnight(moment: datetime, start: datetime, hours: int) -> None:
    assert day_start(moment, BERLIN) == start
    following = day_start(moment + timedelta(days=1), BERLIN)
    assert following - start == timedelta(hours=hours)


def test_the_day_is_the_zones_not_the_machines() -> None:
    assert day_of(utc(2024, 4, 5, 23, 30), ZoneInfo("Europe/London")) == date(2024, 4, 6)
    assert day_of(utc(2024, 4, 5, 23, 30), UTC_ZONE) == date(2024, 4, 5)
