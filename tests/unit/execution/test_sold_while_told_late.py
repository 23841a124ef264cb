"""A stop that sells while it is being canceled, at a venue that tells its fills late: nothing is sold twice, nothing lies bare for long."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from kracken_tasks.domain.trading import Action, Side
from kracken_tasks.execution.by_hand import close_by_hand
from kracken_tasks.execution.flatten import flatten
from kracken_tasks.execution.paper_matching import PaperBook
from kracken_tasks.execution.report import TickReport
from kracken_tasks.ledger import IntentResult
from tests.support.advanced import AdvancedBench
from tests.support.bench import Bench
from tests.support.lying_venue import LyingVenue
from tests.support.market_data import BTC
from tests.unit.execution.test_several_agents import Table

D = Decimal
LATE = timedelta(seconds=20)


def with_a_dip_before_it(bench: Bench) -> Callable[..., Any]:
    """The price falls through the stop and recovers just before the first cancel arrives."""
    before: list[float] = []

    def cancel(honest: Any, order_id: str) -> None:
        if not before:
            before.append(bench.market.prices[BTC])
            bench.market.prices[BTC] *= 0.9
            bench.venue.inner.open_orders()
            bench.market.prices[BTC] = before[0]
        honest(order_id)

    return cancel


def told_on_time(bench: Bench) -> None:
    """The venue has caught up, and a tick has looked."""
    bench.venue.fill_lag = timedelta(0)
    bench.tick()


def test_what_the_stop_had_sold_was_sold_again_out_of_the_coins_of_the_accounts_owner(tmp_path: Path) -> None:
    bench = Bench(tmp_path, symbols=(BTC,))
    bench.venue.inner.deposit("BTC", D(1))
    bench.tick()
    bench.tick({BTC: Action.BUY})
    bench.venue.fill_lag = LATE
    report = bench.tick({BTC: Action.SELL}, broker=LyingVenue(bench.venue, cancel=with_a_dip_before_it(bench)))
    ((sent,),) = [left.sent for left in report.exits]
    assert sent.result is IntentResult.WITHDRAWN
    assert "not booked yet" in sent.reason
    told_on_time(bench)
    assert bench.ledger.positions() == {}
    assert bench.venue.inner.balances()["BTC"].total == 1
    bench.require_books_agree()
    bench.ledger.close()


def that_sells_half(bench: Bench) -> LyingVenue:
    """A venue whose stop sells half of the position in a thin book before it can be canceled, and which tells of it late."""
    half = bench.ledger.positions()[BTC].amount / 2
    bench.venue.fill_lag = LATE
    bench.venue.books[BTC] = PaperBook(bids=((D("48000"), half),), asks=())
    return LyingVenue(bench.venue, cancel=with_a_dip_before_it(bench))


def half_sold_by_its_stop(bench: Bench, *, pause: Callable[[float], None]) -> TickReport:
    return bench.tick({BTC: Action.SELL}, broker=that_sells_half(bench), pause=pause)


def test_the_half_that_the_stop_left_lay_bare_until_the_next_tick(tmp_path: Path) -> None:
    bench = Bench(tmp_path, symbols=(BTC,))
    bench.tick({BTC: Action.BUY})
    report = half_sold_by_its_stop(bench, pause=bench.pass_time)
    assert report.unprotected == ()
    bench.require_truth()
    bench.ledger.close()


def test_a_venue_that_never_tells_a_fill_holds_no_tick_up_for_ever(tmp_path: Path) -> None:
    bench = Bench(tmp_path, symbols=(BTC,))
    bench.tick({BTC: Action.BUY})
    waited: list[float] = []

    def pause(seconds: float) -> None:
        waited.append(seconds)
        bench.pass_time(seconds)
        bench.venue.fill_lag += timedelta(seconds=seconds)

    report = half_sold_by_its_stop(bench, pause=pause)
    assert [item.symbol for item in report.unprotected] == [BTC]
    assert 60 < sum(waited) < 120
    told_on_time(bench)
    bench.require_truth()
    bench.ledger.close()


def test_what_a_person_closed_by_half_lay_bare_until_the_next_tick(tmp_path: Path) -> None:
    bench = Bench(tmp_path, symbols=(BTC,))
    bench.tick({BTC: Action.BUY})
    bench.pass_time(60)
    held = bench.ledger.positions()[BTC]
    deps = bench.deps(broker=that_sells_half(bench), pause=bench.pass_time)
    left = close_by_hand(deps, bench.slot(), held.position_id, reason="enough")
    assert "still held" in left.problem
    assert bench.ledger.positions()[BTC].amount < held.amount
    bench.require_truth()
    bench.ledger.close()


def with_coins_of_its_owner(folder: Path) -> Bench:
    """An account in which 1 BTC is not the bot's, beside what it has bought."""
    bench = Bench(folder, symbols=(BTC,))
    bench.venue.inner.deposit("BTC", D(1))
    bench.tick()
    bench.tick({BTC: Action.BUY})
    bench.pass_time(60)
    return bench


def test_flattening_left_the_half_that_the_stop_had_not_sold_bare_and_unsold(tmp_path: Path) -> None:
    bench = with_coins_of_its_owner(tmp_path)

    def pause(seconds: float) -> None:
        bench.pass_time(seconds)
        bench.venue.books.clear()  # others have come to buy

    report = flatten(that_sells_half(bench), bench.ledger, bench.wall, holder="cli", by="ada", pause=pause)
    assert report.flat
    assert [(left.problem, [sent.result for sent in left.sent]) for left in report.exits] == [
        ("", [IntentResult.WITHDRAWN]),
        ("", [IntentResult.ACCEPTED]),
    ]
    assert bench.venue.inner.balances()["BTC"].total == 1
    bench.require_truth()
    bench.ledger.close()


def test_flattening_puts_a_stop_back_under_what_nobody_buys_once_the_doubt_is_over(tmp_path: Path) -> None:
    bench = with_coins_of_its_owner(tmp_path)
    venue = that_sells_half(bench)
    report = flatten(venue, bench.ledger, bench.wall, holder="cli", by="ada", pause=bench.pass_time)
    assert [item.protected for item in report.left] == [True]
    assert "still held" in report.problems[BTC]
    assert bench.venue.inner.balances()["BTC"].total == 1 + bench.ledger.positions()[BTC].amount
    bench.require_truth()
    bench.ledger.close()


def test_a_venue_that_never_tells_a_fill_holds_no_flattening_up_for_ever(tmp_path: Path) -> None:
    bench = with_coins_of_its_owner(tmp_path)
    waited: list[float] = []

    def pause(seconds: float) -> None:
        waited.append(seconds)
        bench.pass_time(seconds)
        bench.venue.fill_lag += timedelta(seconds=seconds)

    report = flatten(that_sells_half(bench), bench.ledger, bench.wall, holder="cli", by="ada", pause=pause)
    assert 60 < sum(waited) < 120
    assert "not listed yet" in report.problems[BTC]
    told_on_time(bench)
    assert bench.venue.inner.balances()["BTC"].total == 1 + bench.ledger.positions()[BTC].amount
    bench.ledger.close()


def test_an_agents_part_is_not_sold_on_top_of_what_the_stop_has_just_sold(tmp_path: Path) -> None:
    table = Table(tmp_path, {"ada": 0.5, "bob": 0.5}, symbols=(BTC,))
    table.venue.inner.deposit("BTC", D(1))
    table.tick()
    buy, sell = Action.BUY, Action.SELL
    table.go({"ada": {BTC: buy}, "bob": {BTC: buy}})
    held = table.ledger.positions()[BTC].amount
    table.venue.fill_lag = LATE

    def sells_a_little_first(honest: Any, order_id: str, **changes: Any) -> None:
        price = table.market.prices[BTC]
        table.venue.books[BTC] = PaperBook(bids=((D("48000"), held / 4),), asks=())
        table.market.prices[BTC] *= 0.9
        table.venue.inner.open_orders()
        table.market.prices[BTC] = price
        honest(order_id, **changes)

    report = table.go({"ada": {BTC: sell}}, broker=LyingVenue(table.venue, amend=sells_a_little_first))
    assert [sent.result for sent in report.sent] == [IntentResult.WITHDRAWN]
    del table.venue.books[BTC]
    table.venue.fill_lag = timedelta(0)
    table.tick()
    assert table.venue.inner.balances()["BTC"].total == table.ledger.positions()[BTC].amount + 1
    table.require_books_agree()


def test_a_stop_of_another_kind_is_not_placed_over_coins_that_the_old_one_has_sold(tmp_path: Path) -> None:
    bench = AdvancedBench(tmp_path)
    bench.venue.inner.deposit("BTC", D(1))
    bench.tick()
    bench.bought("0.1")
    bench.venue.fill_lag = LATE
    told_late = LyingVenue(bench.venue, cancel=with_a_dip_before_it(bench))
    exits = bench.opened(broker=told_late).stop_limit(BTC, 48_500, 48_400)
    assert "not listed yet" in exits.problem
    assert [order for order in bench.venue.inner.open_orders() if order.side is Side.SELL] == []
    told_on_time(bench)
    assert bench.venue.inner.balances()["BTC"].total == 1
    bench.require_books_agree()
    bench.ledger.close()


def test_a_stop_that_sold_before_anybody_saw_it_rest_is_not_sold_after(tmp_path: Path) -> None:
    """The entry's fill is told, its stop has come and gone between two looks, and the stop's own fill is told later."""
    bench = Bench(tmp_path, symbols=(BTC,))
    bench.venue.inner.deposit("BTC", D(1))
    bench.tick()
    bench.venue.fill_lag = LATE
    bench.tick({BTC: Action.BUY}, broker=_before_its_stop(bench))
    bench.pass_time(50)
    price = bench.market.prices[BTC]
    bench.market.prices[BTC] *= 0.95
    bench.venue.inner.open_orders()
    bench.market.prices[BTC] = price
    report = bench.tick({BTC: Action.SELL}, seconds=10)
    assert "not listed yet" in report.unknown[BTC]
    told_on_time(bench)
    assert bench.ledger.positions() == {}
    assert bench.venue.inner.balances()["BTC"].total == 1
    bench.require_truth()
    bench.ledger.close()


def _before_its_stop(bench: Bench) -> LyingVenue:
    """The venue's listing of what rests leaves conditional closes out for a while."""

    def open_orders(honest: Any) -> Any:
        return [order for order in honest() if order.parent_id is None]

    return LyingVenue(bench.venue, open_orders=open_orders)


def test_a_stop_that_was_seen_is_not_looked_for_among_the_closed(tmp_path: Path) -> None:
    bench = Bench(tmp_path, symbols=(BTC,))
    bench.tick({BTC: Action.BUY})
    bench.venue.calls.clear()
    bench.tick(seconds=60)
    assert "closed_orders" not in bench.venue.calls
    bench.ledger.close()
