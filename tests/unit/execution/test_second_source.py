"""The price collar's second source: another venue where there is one, the newest candle where there is none, and it is said which."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
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
    return ask_elsewhere({f"v{n}": one for n, one in enumerate(venues)}, [BTC, ETH], max_age=MINUTE)


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
    named = {f"v{n}": one for n, one in enumerate(venues)}
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
