"""One bad answer of the venue costs no position its exit or its stop, and no symbol its trading for ever."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from kracken_tasks.domain.market import Quote
from kracken_tasks.domain.trading import Action, Side, TradingState
from kracken_tasks.errors import BadData, Misconfigured, RetryLater
from kracken_tasks.execution.advanced import AdvancedOrders
from kracken_tasks.execution.flatten import flatten
from kracken_tasks.execution.flatten_direct import flatten_direct
from kracken_tasks.execution.marks import release
from kracken_tasks.execution.paper_matching import PaperBook
from tests.support.bench import Bench
from tests.support.lying_venue import LyingVenue
from tests.support.market_data import BTC, ETH

Ask = Callable[..., dict[str, Quote]]


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    made = Bench(tmp_path)
    made.tick({BTC: Action.BUY})
    assert BTC in made.ledger.positions()
    return made


def _drop_the_stop(bench: Bench) -> None:
    for order in bench.venue.open_orders():
        bench.venue.cancel(order.order_id)


def _delisted(ask: Ask, symbols: Iterable[str]) -> dict[str, Quote]:
    if ETH in set(symbols):
        raise Misconfigured("kraken does not list ETH/USD")
    return ask(symbols)


def _silent(ask: Ask, symbols: Iterable[str]) -> dict[str, Quote]:
    return {name: quote for name, quote in ask(symbols).items() if name != ETH}


def _nonsense(ask: Ask, symbols: Iterable[str]) -> dict[str, Quote]:
    return {name: replace(quote, bid=float("nan")) if name == ETH else quote for name, quote in ask(symbols).items()}


@pytest.mark.parametrize("lie", [_delisted, _nonsense])
def test_a_symbol_without_a_quote_costs_another_neither_its_stop_nor_its_exit(bench: Bench, lie: Ask) -> None:
    _drop_the_stop(bench)
    report = bench.tick(broker=LyingVenue(bench.venue, quotes=lie))
    assert report.done
    assert ETH in report.problems
    bench.require_truth()
    bench.market.prices[BTC] *= 1.10
    assert bench.tick(broker=LyingVenue(bench.venue, quotes=lie)).exits
    assert BTC not in bench.ledger.positions()


def test_a_held_coin_without_a_price_is_no_loss_and_nothing_is_sold_for_it(bench: Bench) -> None:
    def gone(ask: Ask, symbols: Iterable[str]) -> dict[str, Quote]:
        return {name: quote for name, quote in ask(symbols).items() if name != BTC}

    report = bench.tick({ETH: Action.BUY}, broker=LyingVenue(bench.venue, quotes=gone))
    assert "account" in report.problems
    assert not report.sent
    assert not report.exits
    assert bench.ledger.state().state is TradingState.NORMAL
    bench.require_truth()


def test_an_unreadable_balance_stops_entries_but_not_stops(bench: Bench) -> None:
    def broken(ask: Any) -> Any:
        raise BadData("a balance that is no number")

    _drop_the_stop(bench)
    report = bench.tick({ETH: Action.BUY}, broker=LyingVenue(bench.venue, balances=broken))
    assert "account" in report.problems
    assert not any(sent.key.symbol == ETH for sent in report.sent)
    bench.require_truth()


def test_a_clock_a_second_behind_the_last_mark_does_not_stop_the_tick(bench: Bench) -> None:
    def late(ask: Any) -> Any:
        return ask() - timedelta(seconds=1)

    bench.tick()
    report = bench.tick(seconds=0, broker=LyingVenue(bench.venue, now=late))
    assert report.done
    assert not report.problems


def test_a_fill_listed_a_look_late_locks_its_symbol_for_that_look_only(bench: Bench, tmp_path: Path) -> None:
    bench.venue.books[ETH] = PaperBook(
        bids=((Decimal("1999"), Decimal(50)),),
        asks=((Decimal("2000.5"), Decimal("0.05")), (Decimal("2001"), Decimal(50))),
    )

    def first_only(ask: Any, start: Any, known: Any = ()) -> Any:
        fills = sorted(ask(start, known), key=lambda fill: fill.trade_id)
        eth = [fill for fill in fills if fill.symbol == ETH and fill.side is Side.BUY]
        return [fill for fill in fills if fill.symbol != ETH] + eth[:1]

    bench.tick({ETH: Action.BUY}, broker=LyingVenue(bench.venue, fills=first_only))
    bench.tick()
    report = bench.tick()
    assert not report.unknown
    bench.require_truth()


def test_a_stop_missing_from_the_listing_for_a_moment_is_not_placed_twice(bench: Bench) -> None:
    bench.tick(broker=LyingVenue(bench.venue, open_orders=lambda ask: []))
    resting = [order for order in bench.venue.open_orders() if order.symbol == BTC]
    assert sum((order.remaining for order in resting), Decimal(0)) == bench.ledger.positions()[BTC].amount


def test_a_release_counts_although_the_account_is_stopped_again_before_the_next_mark(bench: Bench) -> None:
    bench.ledger.set_state(TradingState.HALTED, "drawdown: -16 % of -15 %", ts=bench.market.now())
    release(bench.ledger, "ada", now=bench.market.now() + timedelta(seconds=1))
    bench.ledger.set_state(
        TradingState.REDUCE_ONLY, "mismatch: USD by 0.01", ts=bench.market.now() + timedelta(seconds=2)
    )
    report = bench.tick()
    assert report.drawdown == 0.0


def test_no_quotes_at_all_still_leaves_every_position_its_stop(bench: Bench) -> None:
    def away(ask: Ask, symbols: Iterable[str]) -> dict[str, Quote]:
        raise RetryLater("kraken does not answer")

    _drop_the_stop(bench)
    with pytest.raises(RetryLater):
        bench.tick(broker=LyingVenue(bench.venue, quotes=away))
    assert any(order.symbol == BTC for order in bench.venue.open_orders())


@pytest.mark.parametrize("lie", [_delisted, _nonsense, _silent])
def test_a_symbol_without_a_quote_does_not_keep_a_flatten_from_selling_the_others(tmp_path: Path, lie: Ask) -> None:
    bench = Bench(tmp_path)
    bench.tick({BTC: Action.BUY, ETH: Action.BUY})
    report = flatten(LyingVenue(bench.venue, quotes=lie), bench.ledger, bench.wall, holder="cli", by="ada")
    assert BTC not in bench.ledger.positions()
    assert list(report.problems) == [ETH]
    bench.require_truth()  # what could not be sold lies under its stop
    bench.ledger.close()


def _away(ask: Ask, symbols: Iterable[str]) -> dict[str, Quote]:
    raise RetryLater("503")


@pytest.mark.parametrize("lie", [_delisted, _nonsense, _silent, _away])
def test_a_direct_flatten_sells_without_a_quote_too_for_it_has_canceled_the_stops(tmp_path: Path, lie: Ask) -> None:
    bench = Bench(tmp_path)
    bench.tick({BTC: Action.BUY, ETH: Action.BUY})
    venue = LyingVenue(bench.venue, quotes=lie)
    report = flatten_direct(venue, tmp_path / "journal.jsonl", account="main", by="ada")
    assert set(report.sold) == {BTC, ETH}
    assert not bench.venue.inner.open_orders()
    assert all(balance.total == 0 for asset, balance in bench.venue.inner.balances().items() if asset != "USD")
    bench.ledger.close()


@pytest.mark.parametrize("lie", [_delisted, _nonsense, _silent])
def test_a_watch_sells_at_a_target_although_another_position_has_no_quote(tmp_path: Path, lie: Ask) -> None:
    bench = Bench(tmp_path)
    bench.tick({BTC: Action.BUY, ETH: Action.BUY})
    bench.market.prices[BTC] = 55_000.0
    orders = AdvancedOrders(LyingVenue(bench.venue, quotes=lie), bench.ledger, wall=bench.wall)
    assert ETH in orders.watch().problems  # the stop of the other becomes the sale
    orders.watch()
    assert list(bench.ledger.positions()) == [ETH]
    bench.require_truth()
    bench.ledger.close()
