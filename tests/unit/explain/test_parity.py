"""A day against its replay: what was planted stands in its own column, and the columns sum to the cent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pandas as pd
import pytest

from kracken_tasks.domain.market import SeriesKey, Timeframe
from kracken_tasks.domain.trading import Action, Opinion
from kracken_tasks.errors import BadData
from kracken_tasks.execution.flatten import flatten
from kracken_tasks.execution.tick import run_tick
from kracken_tasks.execution.tick_deps import TickSlot
from kracken_tasks.explain.day import DayReport, Replays, hold_against_replay
from kracken_tasks.explain.parity import Column, Row
from kracken_tasks.risk import RiskLimits
from kracken_tasks.strategies.proposal import Proposal
from tests.support.bench import Bench
from tests.support.candles import random_candles
from tests.support.market_data import BTC

KEY = SeriesKey("kraken", BTC, Timeframe.H1)
PAST, HOURS = 300, 24
FEE = Decimal("0.004")
SLIPPAGE = Decimal("0.0005")


@dataclass
class ByHour:
    """Proposes what ``says`` holds for the hour after its newest bar."""

    begins: datetime
    says: dict[int, Action] = field(default_factory=dict)
    name: str = "by hour"
    lookback: int = 30
    modules: tuple[str, ...] = ()

    def propose(self, symbol: str, frame: pd.DataFrame, opinions: Sequence[Opinion]) -> Proposal:
        bar = frame["ts"].iloc[-1].to_pydatetime()
        hour = round((bar + timedelta(hours=1) - self.begins) / timedelta(hours=1))
        action = self.says.get(hour, Action.HOLD)
        return Proposal(symbol, self.name, action, 0.9, f"hour {hour}", bar)


class Frames:
    """The lake with so many rows of a frame in it."""

    def __init__(self, frame: pd.DataFrame, seq: int) -> None:
        self._frame, self.seq = frame, seq

    def candles(
        self, key: SeriesKey, start: datetime | None = None, end: datetime | None = None, last: int | None = None
    ) -> pd.DataFrame:
        rows = self._frame
        if start is not None:
            rows = rows[rows["ts"] >= start]
        if end is not None:
            rows = rows[rows["ts"] < end]
        return rows.tail(last or len(rows)).reset_index(drop=True)

    def in_quarantine(self, key: SeriesKey) -> bool:
        return False


class Day:
    """A day of hourly ticks at prices that each bar opens with; spread none, slippage five basis points."""

    def __init__(self, folder: Path, **says: Action) -> None:
        self.bench = Bench(folder, symbols=(BTC,))
        self.bench.market.spread = 0.0
        self.begins = self.bench.market.now()
        frame = random_candles(PAST + HOURS, seed=3, price=50_000.0).assign(source="ohlc")
        for name in ("open", "high", "low", "close"):
            frame[name] = frame[name].round(1)
        newest = self.begins + timedelta(hours=HOURS - 1)
        self.frame = frame.assign(ts=pd.date_range(end=newest, periods=len(frame), freq="1h").as_unit("ms"))
        self.strategy = ByHour(self.begins, {int(name[1:]): action for name, action in says.items()})
        self.late: dict[int, tuple[float, float]] = {}

    def view(self, hour: int) -> Frames:
        return Frames(self.frame.iloc[: PAST + hour], hour)

    def opens(self, hour: int) -> Decimal:
        return Decimal(str(self.frame["open"].iloc[PAST + hour]))

    def live(self) -> DayReport:
        for hour in range(HOURS):
            slot = self.begins + timedelta(hours=hour)
            self.bench.market.prices[BTC] = float(self.opens(hour))
            seconds, by = self.late.get(hour, (0.0, 0.0))
            self.bench.pass_time(seconds)
            self.bench.market.prices[BTC] = round(float(self.opens(hour)) + by, 1)
            deps = self.bench.deps(snapshot=lambda hour=hour: self.view(hour), strategies={BTC: self.strategy})
            run_tick(deps, TickSlot("bench", slot, key=f"h{hour}"))
            self.bench.pass_time(3600 - seconds)
        return self.report()

    def report(self, limits: RiskLimits | None = None, strategy: ByHour | None = None) -> DayReport:
        tools = Replays(
            series={BTC: KEY},
            deciding=lambda entry: (strategy or self.strategy, self.bench.stops),
            limits=limits or self.bench.limits,
            as_of=self.view,
            now=Frames(self.frame, 99),
            fee=lambda symbol: FEE,
        )
        return hold_against_replay(self.bench.ledger, self.begins, self.begins + timedelta(hours=HOURS), tools)


@pytest.fixture
def day(tmp_path: Path) -> Day:
    return Day(tmp_path, h3=Action.BUY, h9=Action.SELL)


def _cents(amount: Decimal) -> Decimal:
    return amount.quantize(Decimal("0.01"))


def _nonzero(row: Row) -> set[Column]:
    return {column for column, amount in row.columns.items() if abs(amount) > Decimal("0.01")}


def _require_sums(report: DayReport) -> None:
    for row in report.rows:
        assert sum(row.columns.values()) == row.actual - row.replayed
    assert sum(report.totals("USD").values()) == report.difference("USD")


def test_five_basis_points_of_slippage_stand_under_fill_price_and_its_fee_under_fee(day: Day) -> None:
    report = day.live()
    bought, sold = report.rows
    for row, hour, sign in ((bought, 3, 1), (sold, 9, -1)):
        (fill,) = [one for one in day.bench.ledger.fills() if one.ts == row.ts]
        slipped = abs(fill.price - day.opens(hour))
        assert abs(slipped - day.opens(hour) * SLIPPAGE) <= Decimal("0.1"), "the venue fills at its tick"
        assert row.columns[Column.PRICE] == _cents(-slipped * fill.amount)
        assert row.columns[Column.FEE] == _cents(-sign * slipped * fill.amount * FEE)
        assert row.columns[Column.TIMING] == row.columns[Column.SIGNAL] == row.columns[Column.MISSED] == 0
        assert abs(row.columns[Column.ROUNDING]) <= Decimal("0.02")
    assert (report.replayed, report.identical, report.problems) == (HOURS, HOURS, ())
    _require_sums(report)


def test_a_late_tick_s_price_stands_under_timing_and_its_slippage_still_under_fill_price(day: Day) -> None:
    day.late[3] = (1200.0, 40.0)  # twenty minutes late, forty dollars dearer
    report = day.live()
    bought, sold = report.rows
    (fill,) = [one for one in day.bench.ledger.fills() if one.purpose.value == "entry"]
    assert bought.columns[Column.TIMING] == _cents(-40 * fill.amount)
    assert bought.columns[Column.PRICE] == _cents(-(fill.price - day.opens(3) - 40) * fill.amount)
    assert sold.columns[Column.TIMING] == 0
    _require_sums(report)


def test_an_order_the_venue_refused_is_a_missed_fill(day: Day) -> None:
    day.bench.venue.submit_faults = ["refused"]
    (missed,) = day.live().rows
    assert _nonzero(missed) <= {Column.MISSED}
    assert missed.actual == 0
    assert missed.columns[Column.MISSED] == -missed.replayed != 0


def test_a_decision_that_comes_out_otherwise_now_stands_under_signal(day: Day) -> None:
    day.live()
    never = replace(day.strategy, says={9: Action.SELL})
    report = day.report(strategy=never)
    bought = next(row for row in report.rows if row.purpose == "entry")
    assert bought.replayed == 0
    assert _nonzero(bought) == {Column.SIGNAL}
    assert report.identical == report.replayed - 1
    _require_sums(report)


def test_another_size_of_the_replay_stands_under_signal_and_the_rest_stays_where_it_was(day: Day) -> None:
    before = day.live().rows[0]
    after = day.report(limits=replace(day.bench.limits, max_position_size=0.01)).rows[0]
    assert after.columns[Column.SIGNAL] != 0
    assert after.columns[Column.PRICE] == before.columns[Column.PRICE]
    assert after.actual == before.actual


def test_a_stop_that_filled_below_its_trigger_is_told_by_its_fill_price(tmp_path: Path) -> None:
    day = Day(tmp_path, h3=Action.BUY)
    frame = day.frame.copy()
    frame.loc[PAST + 5 :, ["open", "high", "low", "close"]] *= 0.95
    day.frame = frame.round(1)
    report = day.live()
    (stop,) = [row for row in report.rows if row.purpose == "stop"]
    assert "own order" in stop.note
    assert _nonzero(stop) <= {Column.PRICE, Column.FEE, Column.ROUNDING}
    _require_sums(report)


def test_a_sale_that_a_person_ordered_is_no_decision_and_stands_under_signal(day: Day) -> None:
    day.strategy.says = {3: Action.BUY}
    bench = day.bench
    for hour in range(5):
        bench.market.prices[BTC] = float(day.opens(hour))
        deps = bench.deps(snapshot=lambda hour=hour: day.view(hour), strategies={BTC: day.strategy})
        run_tick(deps, TickSlot("bench", bench.market.now(), key=f"h{hour}"))
        bench.pass_time(3600)
    bench.market.prices[BTC] = float(day.opens(5))
    flatten(bench.venue, bench.ledger, bench.wall, holder="bench", by="Ada")
    bench.pass_time(60)
    run_tick(bench.deps(snapshot=lambda: day.view(5)), TickSlot("bench", bench.market.now(), key="h5"))
    report = day.report()
    (sold,) = [row for row in report.rows if row.purpose == "flatten"]
    assert _nonzero(sold) == {Column.SIGNAL}
    _require_sums(report)


def test_a_decision_whose_candles_are_gone_is_told_and_taken_as_recorded(day: Day) -> None:
    day.live()

    class Gone(Frames):
        def candles(self, *args: object, **more: object) -> pd.DataFrame:
            raise BadData("the snapshot is past its retention")

    tools = Replays({BTC: KEY}, lambda entry: (day.strategy, day.bench.stops), day.bench.limits,
                    lambda seq: Gone(day.frame, seq), Frames(day.frame, 99), lambda symbol: FEE)  # fmt: skip
    report = hold_against_replay(day.bench.ledger, day.begins, day.begins + timedelta(hours=HOURS), tools)
    assert len(report.problems) == HOURS
    assert report.replayed == 0
    assert len(report.rows) == 2
    assert f"{HOURS} not replayed" in report.sentence


def test_a_day_without_orders_says_so(tmp_path: Path) -> None:
    report = Day(tmp_path).live()
    assert report.rows == ()
    assert "nothing was traded" in report.sentence


def test_agents_that_share_an_order_are_held_against_it_together(day: Day) -> None:
    """Two agents decide one symbol in one tick; the order is for both."""
    day.live()
    ledger = day.bench.ledger
    (first,) = [entry for entry in ledger.decisions() if entry.decision.receipt is not None]
    assert first.decision.receipt is not None
    report = day.report()
    ledger.record_decision(first.tick_id, replace(first.decision, strategy="second"), ts=first.ts, facts=first.facts)
    shared = day.report()
    bought = [row for row in shared.rows if row.purpose == "entry"]
    assert len(bought) == 1, "one order, one row"
    assert bought[0].actual == report.rows[0].actual
    _require_sums(shared)


def _trigger(day: Day) -> Decimal:
    (stop,) = [order for order in day.bench.ledger.orders().values() if order.trigger_price is not None]
    assert stop.trigger_price is not None
    return stop.trigger_price


def _dip(day: Day, hour: int, to: Decimal) -> None:
    """Only the low: at the opens, which are all that the venue here sees, nothing happened."""
    day.frame.loc[day.frame.index[PAST + hour], "low"] = float(to)


def test_a_stop_that_a_candle_went_through_and_nothing_filled_is_a_missed_fill_at_its_trigger(tmp_path: Path) -> None:
    day = Day(tmp_path, h3=Action.BUY)
    assert [row.purpose for row in day.live().rows] == ["entry"]
    trigger, held = _trigger(day), day.bench.ledger.positions()[BTC].amount
    _dip(day, 6, trigger)
    assert [row.purpose for row in day.report().rows] == ["entry"], "down to the trigger is not through it"
    _dip(day, 6, trigger - 100)
    _dip(day, 8, trigger - 200)
    report = day.report()
    (missed,) = [row for row in report.rows if row.purpose == "stop"]
    assert missed.ts == day.begins + timedelta(hours=6)
    assert _nonzero(missed) == {Column.MISSED}
    assert missed.actual == 0
    mark = Decimal(str(day.frame["close"].iloc[-1]))
    assert missed.replayed == _cents(-held * (mark - trigger) - FEE * held * trigger)
    assert "went through it, nothing filled" in missed.note
    _require_sums(report)


def test_a_candle_in_which_the_stop_did_not_rest_all_the_time_says_nothing_of_it(day: Day) -> None:
    day.late[3] = (1200.0, 0.0)  # it rests from twenty past on
    day.live()
    for hour in (2, 3, 9, 15):  # before, while it was placed, while its coins were sold, after
        _dip(day, hour, _trigger(day) - 1000)
    assert [row.purpose for row in day.report().rows] == ["entry", "exit"]
    _dip(day, 8, _trigger(day) - 1000)
    assert [row.purpose for row in day.report().rows] == ["entry", "stop", "exit"]
