"""Settings into the toolkit's paper account: a market to stand on, a paper broker on it, a ledger, and what a tick works with.

In: ``Settings``, a market, perhaps a folder.  Out: ``PaperTools``.  Never: a way to a real order; a server, unless somebody brings a venue.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from kracken_tasks.domain import clock
from kracken_tasks.domain.market import Instrument, OrderBook, Quote
from kracken_tasks.errors import Misconfigured
from kracken_tasks.settings import Settings
from kracken_tasks.wiring.limits import execution_config, risk_limits, stop_rules
from kracken_tasks.wiring.venues import fill_rules

if TYPE_CHECKING:
    from kracken_tasks.execution.broker import Broker
    from kracken_tasks.execution.kill_switch import KillSwitch
    from kracken_tasks.execution.paper_matching import PaperBook
    from kracken_tasks.execution.tick_deps import CandleView, TickDeps
    from kracken_tasks.ledger import Ledger
    from kracken_tasks.sandbox.embedded import EmbeddedMarket

__all__ = ["PaperSource", "PaperTools", "embedded_market", "paper_ledger", "paper_tools"]

_BOOK_DEPTH = 100


class PaperSource(Protocol):
    """A market as the paper account needs it: prices and its clock."""

    def now(self) -> datetime: ...
    def instruments(self) -> Mapping[str, Instrument]: ...
    def quotes(self, symbols: Iterable[str]) -> dict[str, Quote]: ...
    def order_book(self, symbol: str, depth: int = 10) -> OrderBook: ...


@dataclass(frozen=True, slots=True)
class PaperTools:
    """One paper account and what acts on it.  ``deps`` trade nothing yet: series and strategies are the caller's."""

    ledger: Ledger
    broker: Broker
    deps: TickDeps


def embedded_market(symbols: Sequence[str], seed: int, *, not_before: datetime | None = None) -> EmbeddedMarket:
    """The seeded market in this process; ``not_before``: what an account that is opened again has lived through already.

    Raises: Misconfigured for a symbol that market does not have.
    """
    from kracken_tasks.sandbox.embedded import EMBEDDED_SYMBOLS, EmbeddedMarket

    unknown = [symbol for symbol in symbols if symbol not in EMBEDDED_SYMBOLS]
    if unknown:
        allowed = ", ".join(EMBEDDED_SYMBOLS)
        raise Misconfigured(
            f"symbols: the embedded market has no {', '.join(unknown)}; allowed: {allowed}",
            key="symbols",
            allowed=allowed,
        )
    market = EmbeddedMarket(seed, symbols)
    if not_before is not None and not_before > market.now():
        market.advance(not_before - market.now())
    return market


def paper_ledger(settings: Settings, home: Path | None) -> Ledger:
    """The paper account's book: a file under ``home``, or in memory."""
    from kracken_tasks.ledger import Ledger

    url = "sqlite://" if home is None else f"sqlite:///{home / 'ledger.sqlite'}"
    return Ledger.open(url, account=settings.trading.account, exchange=settings.exchange)


def paper_tools(
    settings: Settings, ledger: Ledger, market: PaperSource, view: Callable[[], CandleView], home: Path | None
) -> PaperTools:
    """A paper account on ``market``, with the fills, limits and stops of the settings."""
    from kracken_tasks.contracts import row_findings
    from kracken_tasks.execution.paper import PaperBroker
    from kracken_tasks.execution.tick_deps import TickDeps

    paper = settings.paper_trading
    broker = PaperBroker(
        exchange=settings.exchange, clock=market.now, instruments=market.instruments, quotes=market.quotes,
        deposit={settings.tax.base_currency: settings.initial_capital}, path=None if home is None else home / "paper.sqlite",
        rules=fill_rules(paper), book=_book_of(market) if paper.simulate_depth else None,
    )  # fmt: skip
    deps = TickDeps(
        broker=broker,
        ledger=ledger,
        wall=clock.WallClock(),
        holder="toolkit",
        snapshot=view,
        series={},
        strategies={},
        row_findings=row_findings,
        limits=risk_limits(settings),
        stops=stop_rules(settings),
        config=execution_config(settings),
        kill_switch=_kill_switch(settings, home).holder,
        currency=settings.tax.base_currency,
    )
    return PaperTools(ledger, broker, deps)


def _kill_switch(settings: Settings, home: Path | None) -> KillSwitch:
    """The file under the account's own folder, else under the settings' home; or the setting."""
    from kracken_tasks.execution.kill_switch import KillSwitch

    own = settings if home is None else settings.model_copy(update={"home": home})
    return KillSwitch(own.paths.kill_switch, always=settings.trading.kill_switch)


def _book_of(market: PaperSource) -> Callable[[str], PaperBook]:
    from kracken_tasks.execution.paper_matching import PaperBook

    def exact(levels: Iterable[tuple[float, float]]) -> tuple[tuple[Decimal, Decimal], ...]:
        return tuple((Decimal(repr(price)), Decimal(repr(amount))) for price, amount in levels)

    def told(symbol: str) -> PaperBook:
        book = market.order_book(symbol, _BOOK_DEPTH)
        return PaperBook(exact(book.bids), exact(book.asks))

    return told
