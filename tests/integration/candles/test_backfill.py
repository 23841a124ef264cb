"""History through the real client and the real gate: to the last digit the venue's own, done once, and honest about what is not there."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest

from kracken_tasks.candles.aggregate import aggregate
from kracken_tasks.candles.backfill import Backfill, Progress
from kracken_tasks.candles.backfill_plan import BackfillPlan, plan_backfill
from kracken_tasks.candles.fetch import fetch
from kracken_tasks.candles.ingestion import Judge, decimals_from
from kracken_tasks.candles.sources import Source
from kracken_tasks.candles.windows import GapCause, Window, plan
from kracken_tasks.contracts import check_batch
from kracken_tasks.domain.clock import utc
from kracken_tasks.domain.market import SeriesKey, Tape, TapeKey, Timeframe
from kracken_tasks.errors import Misconfigured
from kracken_tasks.exchange.venue import CcxtVenue
from kracken_tasks.lake import HoleCause, Lake, LocalStore
from tests.support.candle_source import CandleVenue, candles_between, trades_at
from tests.support.sandbox import RunningSandbox, running_sandbox

CONTRACTS = Path(__file__).parents[3] / "data_contracts"
NOW = utc(2025, 1, 6)  # where the sandbox's clock stands
ADA = "ADA/USD"
DAY = timedelta(days=1)
FIGURES = ["ts", "open", "high", "low", "close", "volume", "vwap", "trades"]
OFFERED = [Timeframe.M1, Timeframe.M5, Timeframe.M15, Timeframe.M30, Timeframe.H1, Timeframe.H4, Timeframe.D1]
TRADES_ONLY = frozenset({Source.TRADES})


@pytest.fixture(scope="module")
def sandbox() -> Iterator[RunningSandbox]:
    with running_sandbox() as running:
        yield running


@pytest.fixture(scope="module")
def venue(sandbox: RunningSandbox) -> CcxtVenue:
    return CcxtVenue("kraken", {**sandbox.ccxt_options(), "rateLimit": 1}, clock_keeps_seconds=0)


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(LocalStore(tmp_path / "lake"))


def judging(lake: Lake) -> Judge:
    return lambda batch, now: check_batch(lake, batch, now=now, contracts_dir=CONTRACTS)


def carried_out(lake: Lake, venue: CcxtVenue, plan: BackfillPlan, folder: Path) -> list[Progress]:
    decimals = decimals_from(venue.instruments)
    return list(Backfill(lake, venue, judging(lake), folder / "spool", decimals=decimals).run(plan))


@pytest.mark.parametrize("symbol", ["BTC/USD", "ADA/USD"])
def test_candles_built_from_trades_are_the_venues_own_to_the_last_digit_at_every_width(
    venue: CcxtVenue, lake: Lake, tmp_path: Path, symbol: str
) -> None:
    start = NOW - DAY
    told = plan_backfill(lake, venue, symbol, OFFERED, start, allowed=TRADES_ONLY)
    steps = carried_out(lake, venue, told, tmp_path)
    snapshot = lake.snapshot()
    for width in OFFERED:
        key = SeriesKey("kraken", symbol, width)
        reach = NOW - 719 * width.delta
        asked = max(start, reach)
        own = fetch(venue, plan(key, asked_from=asked, now=NOW, missing=[(asked, NOW)], reach=720), NOW).frame
        built = snapshot.candles(key, asked, NOW)
        assert set(built["source"]) == {"trades"}
        pd.testing.assert_frame_equal(built[FIGURES], own[FIGURES], check_exact=True)
    tape = snapshot.tape(TapeKey("kraken", symbol, Tape.TRADES))
    assert (
        len(tape)
        == sum(step.trades for step in steps)
        == snapshot.candles(SeriesKey("kraken", symbol, Timeframe.D1))["trades"].sum()
    )
    assert (tape["trade_id"].diff().dropna() == 1).all()
    assert not list((tmp_path / "spool").rglob("*.parquet"))


def test_widths_the_venue_does_not_offer_are_made_of_those_it_does(
    venue: CcxtVenue, lake: Lake, tmp_path: Path
) -> None:
    widths = [Timeframe.H1, Timeframe.H6, Timeframe.W1]
    monday = utc(2024, 12, 30)
    carried_out(lake, venue, plan_backfill(lake, venue, ADA, widths, monday, allowed=TRADES_ONLY), tmp_path)
    snapshot = lake.snapshot()
    hours = snapshot.candles(SeriesKey("kraken", ADA, Timeframe.H1))
    for width in (Timeframe.H6, Timeframe.W1):
        made = snapshot.candles(SeriesKey("kraken", ADA, width))
        again = aggregate(hours, Timeframe.H1, width, [(monday, NOW)]).frame
        pd.testing.assert_frame_equal(made.drop(columns="vwap"), again.drop(columns="vwap"), check_exact=True)
    assert snapshot.candles(SeriesKey("kraken", ADA, Timeframe.W1))["ts"].tolist() == [pd.Timestamp(monday)]


def test_auto_takes_candles_where_they_reach_and_trades_before(venue: CcxtVenue, lake: Lake, tmp_path: Path) -> None:
    start = NOW - 2 * DAY
    told = plan_backfill(lake, venue, ADA, [Timeframe.M1, Timeframe.H1], start)
    assert [(leg.key.timeframe, leg.source) for leg in told.legs] == [
        (Timeframe.M1, Source.TRADES), (Timeframe.M1, Source.OHLC), (Timeframe.H1, Source.OHLC),
    ]  # fmt: skip
    assert told.days == (Window(start, NOW - DAY), Window(NOW - DAY, NOW))
    carried_out(lake, venue, told, tmp_path)
    for width in (Timeframe.M1, Timeframe.H1):
        causes = {hole.cause for hole in lake.snapshot().holes(SeriesKey("kraken", ADA, width), start, NOW)}
        assert causes <= {HoleCause.NO_TRADES}


def test_candles_lost_in_an_outage_are_filled_like_any_that_nobody_fetched(
    venue: CcxtVenue, lake: Lake, tmp_path: Path
) -> None:
    minutes, since = SeriesKey("kraken", ADA, Timeframe.M1), NOW - 2 * DAY
    lake.mark_outage(minutes, since, since + timedelta(hours=1), "503 Service Unavailable", known_at=since)
    told = plan_backfill(lake, venue, ADA, [Timeframe.M1], since, since + timedelta(hours=1))
    assert [leg.window for leg in told.legs] == [Window(since, since + timedelta(hours=1))]
    carried_out(lake, venue, told, tmp_path)
    assert len(lake.snapshot().candles(minutes)) > 0
    left = lake.snapshot().holes(minutes, since, since + timedelta(hours=1))
    assert {hole.cause for hole in left} <= {HoleCause.NO_TRADES}


def test_a_second_run_has_nothing_to_do_and_asks_for_no_trade(venue: CcxtVenue, lake: Lake, tmp_path: Path) -> None:
    wanted = ([Timeframe.H1], NOW - 2 * DAY, NOW - DAY)
    carried_out(lake, venue, plan_backfill(lake, venue, ADA, *wanted, allowed=TRADES_ONLY), tmp_path)
    seq = lake.snapshot().seq
    again = plan_backfill(lake, venue, ADA, *wanted, allowed=TRADES_ONLY)
    assert (again.legs, again.days, again.calls) == ((), (), 0)
    assert [step.commit for step in carried_out(lake, venue, again, tmp_path)] == []
    assert lake.snapshot().seq == seq == 1


def test_trades_that_were_not_kept_are_kept_when_they_are_asked_for_and_candles_stay_as_they_are(
    venue: CcxtVenue, lake: Lake, tmp_path: Path
) -> None:
    wanted = ([Timeframe.H1], NOW - 2 * DAY, NOW - DAY)
    first = plan_backfill(lake, venue, ADA, *wanted, allowed=TRADES_ONLY)
    list(Backfill(lake, venue, judging(lake), tmp_path / "spool", False, decimals_from(venue.instruments)).run(first))
    hours, tape = SeriesKey("kraken", ADA, Timeframe.H1), TapeKey("kraken", ADA, Tape.TRADES)
    before = lake.snapshot().candles(hours)
    assert (len(before), len(lake.snapshot().tape(tape))) == (24, 0)
    told = plan_backfill(lake, venue, ADA, *wanted, tape=True)
    assert (told.legs, told.days, told.tape) == ((), (Window(NOW - 2 * DAY, NOW - DAY),), told.days)
    assert told.calls > 0
    [step] = carried_out(lake, venue, told, tmp_path)
    snapshot = lake.snapshot()
    assert len(snapshot.tape(tape)) == step.trades == snapshot.candles(hours)["trades"].sum()
    pd.testing.assert_frame_equal(snapshot.candles(hours), before)
    again = plan_backfill(lake, venue, ADA, *wanted, tape=True)
    assert (again.legs, again.days, again.calls) == ((), (), 0)


def test_a_run_killed_after_the_commit_of_trades_asked_for_finds_them_there(
    venue: CcxtVenue, lake: Lake, tmp_path: Path
) -> None:
    wanted = ([Timeframe.H1], NOW - 2 * DAY, NOW - DAY)
    told = plan_backfill(lake, venue, ADA, *wanted, tape=True)
    carried_out(lake, venue, told, tmp_path)
    seq = lake.snapshot().seq
    step = carried_out(lake, venue, told, tmp_path)[0]
    assert (step.what, step.commit, lake.snapshot().seq) == ("there already", None, seq)


def test_a_day_without_a_trade_whose_trades_are_wanted_is_read_once(lake: Lake, tmp_path: Path) -> None:
    market, start = quiet_venue(), utc(2026, 1, 10)
    for days in ([10, 11, 12], []):
        told = plan_backfill(lake, market, "BTC/USD", [Timeframe.D1], start, utc(2026, 1, 13), tape=True)
        assert [day.start.day for day in told.days] == days
        list(Backfill(lake, market, judging(lake), tmp_path / "spool").run(told))
    assert len(lake.snapshot().tape(TapeKey("kraken", "BTC/USD", Tape.TRADES))) == 4


def test_a_minute_without_its_trades_is_filled_though_no_candle_has_closed_in_it(
    venue: CcxtVenue, lake: Lake, tmp_path: Path
) -> None:
    start, end = NOW - timedelta(minutes=90, seconds=10), NOW - timedelta(minutes=89, seconds=5)
    told = plan_backfill(lake, venue, "BTC/USD", [Timeframe.H1], start, end, tape=True)
    assert (told.legs, told.days) == ((), (Window(start, end),))
    [step] = carried_out(lake, venue, told, tmp_path)
    tape = TapeKey("kraken", "BTC/USD", Tape.TRADES)
    assert len(lake.snapshot().tape(tape)) == step.trades
    assert lake.snapshot().missing(tape, start, end) == []
    recent = plan_backfill(lake, venue, "BTC/USD", [Timeframe.H1], start, tape=True)
    carried_out(lake, venue, recent, tmp_path)
    snapshot = lake.snapshot()
    assert snapshot.missing(tape, start, NOW) == []
    assert snapshot.candles(SeriesKey("kraken", "BTC/USD", Timeframe.H1))["ts"].tolist() == [
        pd.Timestamp(NOW) - timedelta(hours=1)
    ]


def test_trades_wanted_where_nobody_may_be_asked_for_them_are_refused(venue: CcxtVenue, lake: Lake) -> None:
    with pytest.raises(Misconfigured, match="trades are to be kept, but only ohlc may be asked"):
        plan_backfill(lake, venue, ADA, [Timeframe.H1], NOW - DAY, allowed=frozenset({Source.OHLC}), tape=True)


def test_the_estimate_is_near_what_it_takes(venue: CcxtVenue, lake: Lake, tmp_path: Path) -> None:
    told = plan_backfill(lake, venue, "BTC/USD", [Timeframe.H1], NOW - 3 * DAY, allowed=TRADES_ONLY, seconds_a_call=1.2)
    calls = sum(step.calls for step in carried_out(lake, venue, told, tmp_path))
    assert told.seconds == pytest.approx(told.calls * 1.2)
    assert 0.5 < told.calls / calls < 2.0


def test_a_span_in_which_nothing_has_closed_is_refused(venue: CcxtVenue, lake: Lake) -> None:
    with pytest.raises(Misconfigured, match="no 1h candle has closed in between"):
        plan_backfill(lake, venue, ADA, [Timeframe.H1], NOW)


# -- a venue in memory: what a venue can be like ----------------------------------------------------------------------

FIRST = utc(2026, 1, 10, 10)
HERE = utc(2026, 1, 13, 0, 5)
KEY = SeriesKey("kraken", "BTC/USD", Timeframe.H1)


def quiet_venue() -> CandleVenue:
    """Three trades on the first day, none on the second, one on the third; candles reach six hours."""
    moments = [FIRST, FIRST + timedelta(hours=1), FIRST + timedelta(hours=5), utc(2026, 1, 12, 3)]
    return CandleVenue(trades=trades_at(moments, [100.0, 101.0, 99.0, 98.0], [1.0] * 4), now=HERE, reach=6)


def filled(lake: Lake, venue: CandleVenue, start: datetime, folder: Path) -> BackfillPlan:
    told = plan_backfill(lake, venue, "BTC/USD", [Timeframe.H1, Timeframe.D1], start, allowed=TRADES_ONLY)
    for _ in Backfill(lake, venue, judging(lake), folder / "spool").run(told):
        pass
    return told


def test_what_lies_before_the_venues_first_trade_is_a_typed_gap_and_is_not_asked_for_day_by_day(
    lake: Lake, tmp_path: Path
) -> None:
    market = quiet_venue()
    told = filled(lake, market, utc(2025, 12, 1), tmp_path)
    assert [gap.cause for gap in told.gaps] == [GapCause.LATE_START, GapCause.LATE_START]
    assert told.gaps[0].window == Window(utc(2025, 12, 1), utc(2026, 1, 10))
    assert "tells of no trade before 2026-01-10T10:00:00Z" in told.gaps[0].detail
    assert [day.start.day for day in told.days] == [10, 11, 12]
    [hole] = lake.snapshot().holes(KEY, utc(2025, 12, 1), utc(2026, 1, 10))
    assert hole.cause is HoleCause.NO_TRADES
    assert filled(lake, market, utc(2025, 12, 1), tmp_path).legs == ()


def test_a_quiet_start_is_not_taken_for_the_venues_first_trade(lake: Lake, tmp_path: Path) -> None:
    told = filled(lake, quiet_venue(), utc(2026, 1, 11), tmp_path)
    assert told.gaps == ()
    assert [day.start.day for day in told.days] == [11, 12]
    assert {hole.cause for hole in lake.snapshot().holes(KEY, utc(2026, 1, 11), utc(2026, 1, 12, 3))} == {
        HoleCause.NO_TRADES
    }


def test_a_venue_that_pages_its_candles_gives_all_of_them_stretch_by_stretch(lake: Lake, tmp_path: Path) -> None:
    candles = candles_between(utc(2025, 12, 1), HERE, Timeframe.M1)
    market = CandleVenue(candles, now=HERE, page=1000)
    told = plan_backfill(lake, market, "BTC/USD", [Timeframe.M1], utc(2025, 12, 1))
    assert {leg.source for leg in told.legs} == {Source.OHLC}
    steps = list(Backfill(lake, market, judging(lake), tmp_path / "spool").run(told))
    minutes = SeriesKey("kraken", "BTC/USD", Timeframe.M1)
    assert len(lake.snapshot().candles(minutes)) == len(candles)
    assert [step.commit is not None for step in steps] == [True] * 7
    assert plan_backfill(lake, market, "BTC/USD", [Timeframe.M1], utc(2025, 12, 1)).legs == ()


def test_a_day_without_a_trade_is_known_to_have_had_none_and_costs_no_call_of_its_own(
    lake: Lake, tmp_path: Path
) -> None:
    market = quiet_venue()
    filled(lake, market, utc(2026, 1, 10), tmp_path)
    snapshot = lake.snapshot()
    assert snapshot.candles(KEY)["ts"].tolist() == [
        pd.Timestamp(moment)
        for moment in (FIRST, FIRST + timedelta(hours=1), FIRST + timedelta(hours=5), utc(2026, 1, 12, 3))
    ]
    assert {hole.cause for hole in snapshot.holes(KEY, utc(2026, 1, 10), utc(2026, 1, 13))} == {HoleCause.NO_TRADES}
    days = SeriesKey("kraken", "BTC/USD", Timeframe.D1)
    assert [hole.start for hole in snapshot.holes(days, utc(2026, 1, 10), utc(2026, 1, 13))] == [utc(2026, 1, 11)]
    # Three pages to count trades, then one for all three days and two for the end of what there is.
    assert market.trade_calls == 6


def test_pages_that_a_killed_run_left_are_not_asked_for_again(lake: Lake, tmp_path: Path) -> None:
    class Broken(CandleVenue):
        def trades(
            self, symbol: str, cursor: str | None = None, since: datetime | None = None
        ) -> tuple[pd.DataFrame, str]:
            if cursor is not None and self.trade_calls > 6:
                raise SystemExit("killed")
            return super().trades(symbol, cursor, since)

    moments = [FIRST + timedelta(minutes=at) for at in range(600)]
    trades = trades_at(moments, [100.0] * 600, [1.0] * 600)
    first = Broken(trades=trades, now=HERE, page=50)
    with pytest.raises(SystemExit):
        filled(lake, first, utc(2026, 1, 10), tmp_path)
    assert lake.snapshot().seq == 0
    second = CandleVenue(trades=trades, now=HERE, page=50)
    filled(lake, second, utc(2026, 1, 10), tmp_path)
    whole, elsewhere = CandleVenue(trades=trades, now=HERE, page=50), Lake(LocalStore(tmp_path / "elsewhere"))
    filled(elsewhere, whole, utc(2026, 1, 10), tmp_path / "other")
    assert second.trade_calls == whole.trade_calls - 4
    assert lake.snapshot().content_hash == elsewhere.snapshot().content_hash
