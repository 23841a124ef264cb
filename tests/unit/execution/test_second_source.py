"""The price collar's second source: another venue where there is one, the newest candle where there is none, and it is said which."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

from kracken_tasks.domain.market import Instrument, Quote
from kracken_tasks.domain.trading import Action
from kracken_tasks.errors import RetryLater
from kracken_tasks.execution.entries import Elsewhere
from kracken_tasks.execution.second_source import ask_elsewhere
from tests.support.bench import Bench
from tests.support.market_data import BTC, ETH, HandMovedMarket, instrument

MINUTE = timedelta(minutes=1)


@dataclass
class AnotherVenue:
    """Another venue with a market of its own; obeys ``OtherVenue``."""

    market: HandMovedMarket
    lists: tuple[str, ...] = (BTC, ETH)
    silent: bool = False
    behind: timedelta = timedelta(0)
    asked: list[tuple[str, ...]] = field(default_factory=list)

    def now(self) -> datetime:
        return self.market.now()

    def instruments(self) -> Mapping[str, Instrument]:
        return {symbol: instrument(symbol) for symbol in self.lists}

    def quotes(self, symbols: Iterable[str]) -> Mapping[str, Quote]:
        self.asked.append(tuple(symbols))
        if self.silent:
            raise RetryLater("no answer")
        told = self.market.quotes(self.asked[-1])
        return {s: Quote(q.symbol, q.bid, q.ask, q.last, q.ts - self.behind) for s, q in told.items()}


def ask(*venues: AnotherVenue) -> dict[str, Elsewhere]:
    return ask_elsewhere(_named(venues), [BTC, ETH], max_age=MINUTE)


def _named(venues: Iterable[AnotherVenue]) -> dict[str, Callable[[], AnotherVenue]]:
    return {f"v{number}": partial(_same, one) for number, one in enumerate(venues)}


def _same(venue: AnotherVenue) -> AnotherVenue:
    return venue


def test_without_other_venues_nobody_is_asked() -> None:
    assert ask() == {}


def test_the_first_venue_that_lists_it_is_the_second_source() -> None:
    first, second = AnotherVenue(HandMovedMarket(), lists=(BTC,)), AnotherVenue(HandMovedMarket())
    found = ask(first, second)
    assert {symbol: one.source for symbol, one in found.items()} == {BTC: "v0", ETH: "v1"}
    assert second.asked == [(ETH,)]


def test_a_silent_venue_and_a_stale_one_are_told_and_not_believed() -> None:
    found = ask(AnotherVenue(HandMovedMarket(), silent=True), AnotherVenue(HandMovedMarket(), behind=2 * MINUTE))
    assert found[BTC] == Elsewhere(None, "v0 did not answer (RetryLater), v1 has no usable quote of it")


def collar(bench: Bench, *venues: AnotherVenue) -> str:
    named = _named(venues)
    report = bench.tick({BTC: Action.BUY}, elsewhere=lambda symbols: ask_elsewhere(named, symbols, max_age=MINUTE))
    decided = next(decision for decision in report.decisions if decision.symbol == BTC)
    return next(outcome.reason for outcome in decided.guards if outcome.guard == "price_collar")


def test_a_price_that_only_this_venue_has_is_not_bought(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    other = HandMovedMarket(at=bench.market.at)
    other.prices[BTC] = bench.market.prices[BTC] * 0.9
    reason = collar(bench, AnotherVenue(other))
    assert "% from" in reason
    assert "(v0)" in reason
    assert bench.venue.submitted == []


def test_with_every_other_venue_silent_the_last_close_stands_in_and_it_is_said(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    assert "(last close; v0 did not answer (RetryLater))" in collar(bench, AnotherVenue(HandMovedMarket(), silent=True))
    assert len(bench.venue.submitted) == 1


def test_a_venue_that_cannot_even_be_reached_for_is_told_and_keeps_nobody_from_the_next(tmp_path: Path) -> None:
    def broken() -> AnotherVenue:
        raise ZeroDivisionError("a bug in somebody's adapter")

    fine = AnotherVenue(HandMovedMarket())
    found = ask_elsewhere({"odd": broken, "fine": lambda: fine}, [BTC], max_age=MINUTE)
    assert found[BTC].source == "fine"
    alone = ask_elsewhere({"odd": broken}, [BTC], max_age=MINUTE)
    assert alone[BTC] == Elsewhere(None, "odd did not answer (ZeroDivisionError)")
    report = Bench(tmp_path).tick(elsewhere=lambda symbols: ask_elsewhere({"odd": broken}, symbols, max_age=MINUTE))
    assert report.done


def test_after_its_time_no_further_venue_is_begun_with() -> None:
    ticking = iter([0.0, 0.0, 9.0])
    slow, never = AnotherVenue(HandMovedMarket(), silent=True), AnotherVenue(HandMovedMarket())
    found = ask_elsewhere(
        {"slow": lambda: slow, "never": lambda: never}, [BTC], max_age=MINUTE, seconds=8.0, steady=lambda: next(ticking)
    )
    assert found[BTC] == Elsewhere(None, "slow did not answer (RetryLater), never was not asked any more")
    assert never.asked == []


def test_a_second_source_that_outlasts_the_lease_sends_nothing(tmp_path: Path) -> None:
    bench = Bench(tmp_path)

    def slow(symbols: object) -> dict[str, Elsewhere]:
        bench.wall.advance(timedelta(minutes=10))
        return {}

    report = bench.tick({BTC: Action.BUY}, elsewhere=slow)
    assert report.result == "lease lost"
    assert bench.venue.submitted == []
