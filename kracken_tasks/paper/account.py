"""The account behind the bot: one tick at a time, one word at a time, on the market it stands on.

In: settings, a seed or a venue.  Out: ticks, positions, quotes, marks.  Never: a real order; a rule that the tick does not have.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

import pandas as pd

from kracken_tasks import wiring
from kracken_tasks.domain.clock import iso
from kracken_tasks.domain.market import Quote, SeriesKey
from kracken_tasks.domain.trading import Action, Position, SizeReceipt
from kracken_tasks.errors import Misconfigured, RetryLater
from kracken_tasks.execution.marks import last_mark, profits_since_release
from kracken_tasks.execution.report import TickReport
from kracken_tasks.execution.tick import run_tick
from kracken_tasks.execution.tick_deps import TickDeps, TickSlot
from kracken_tasks.ledger import RoundTrip
from kracken_tasks.paper.figures import PaperPosition
from kracken_tasks.paper.markets import Stand, VenueStand
from kracken_tasks.paper.spoken import Spoken
from kracken_tasks.risk.equity import UnitMark
from kracken_tasks.settings import Settings

__all__ = ["SANDBOX", "Acted", "PaperAccount"]

_log = logging.getLogger(__name__)

SANDBOX: Final = "sandbox"
_DEFAULT_SYMBOLS: Final = ("BTC/USD", "ETH/USD", "ADA/USD")
_EVENTS_IN_MEMORY: Final = 10_000
_KEEP: Final = Spoken(Action.HOLD, 0.0, "held")  # its candles are looked at, for how alike a newcomer is


@dataclass(frozen=True, slots=True)
class Acted:
    """What became of a word: the position it opened, or why it opened none; the size receipt where one was made."""

    position: PaperPosition | None
    problem: str = ""
    receipt: SizeReceipt | None = None


class PaperAccount:
    """See the module docstring.  ``home``: a folder in which account and ledger outlive the process; None keeps them in memory."""

    def __init__(self, settings: Settings, *, seed: int, home: Path | None) -> None:
        self.settings = settings
        self.symbols = settings.symbols or _DEFAULT_SYMBOLS
        self.home = home
        self.events: deque[dict[str, Any]] = deque(maxlen=_EVENTS_IN_MEMORY)
        self.ledger = wiring.paper_ledger(settings, home)
        last = self.ledger.last_equity()
        began = None if last is None else last.ts + timedelta(seconds=1)
        self._embedded = wiring.embedded_market(self.symbols, seed, not_before=began)
        self._calls = len(self.ledger.ticks())
        self.market = ""
        self.ground: Stand = self._embedded
        self.stand_on(None, SANDBOX)

    def stand_on(self, stand: VenueStand | None, name: str) -> None:
        """Take prices from there from now on; None: the embedded market.

        Raises: Misconfigured once something was traded (one account knows one market), or for symbols that are not listed there.
        """
        if self.ledger.fills() and self.market not in ("", name):
            raise Misconfigured(
                f"this account has traded on {self.market}; open another bot for another market", key="exchange"
            )
        ground: Stand = self._embedded if stand is None else stand
        if self.market and ground is self.ground:
            return  # a new broker would not know what rests with the old one
        missing = [symbol for symbol in self.symbols if symbol not in ground.instruments()]
        if missing:
            raise Misconfigured(f"{name} does not list {', '.join(missing)}", key="symbols", venue=name)
        self.ground, self.market = ground, name
        self.tools: TickDeps = wiring.paper_tools(self.settings, self.ledger, ground, lambda: ground, self.home).deps
        if stand is None:
            self.look()

    # -- time ----------------------------------------------------------------------------------------------------------------

    @property
    def embedded(self) -> bool:
        return self.ground is self._embedded

    def now(self) -> datetime:
        """Market time."""
        return self.ground.now()

    def advance(self, by: timedelta) -> TickReport:
        """Let the embedded market go on, minute by minute where anything is open, so that stops, targets and limits are met on the way.

        Raises: Misconfigured on a venue, whose time nobody moves, or for no time at all.
        """
        if not self.embedded:
            raise Misconfigured(f"{self.market} has its own time; run_live_trading waits for it", key="market")
        if by <= timedelta(0):
            raise Misconfigured(f"advance by {by}: allowed is more than nothing", key="minutes")
        while by > timedelta(0):
            idle = not self.positions() and not self.ledger.open_orders()
            step = by if idle else min(by, timedelta(minutes=1))
            self._embedded.advance(step)
            by -= step
            report = self.look()
        return report

    # -- acting --------------------------------------------------------------------------------------------------------------

    def act(self, symbol: str, word: Spoken) -> Acted:
        """One tick in which ``symbol`` has this strategy, beside all that a tick does anyway."""
        report = self._tick(dict.fromkeys(self.positions(), _KEEP) | {symbol: word})
        decided = next((one for one in report.decisions if one.symbol == symbol), None)
        receipt = None if decided is None else decided.receipt
        position = self.positions().get(symbol)
        entered = any(sent.key.symbol == symbol and sent.fills for sent in report.sent)
        if not entered or position is None:
            return Acted(None, _why_not(report, symbol), receipt)
        shown = PaperPosition.open_one(position, self.quotes((symbol,)).get(symbol))
        self._note("OPEN", shown)
        return Acted(shown, receipt=receipt)

    def look(self) -> TickReport:
        """Reconcile, mark, leave what is due, protect: a tick without entries."""
        return self._tick({})

    def slot(self) -> TickSlot:
        """The next tick's; no two are the same, however little time has passed."""
        self._calls += 1
        now = self.now()
        return TickSlot("toolkit", now, key=f"{iso(now)}#{self._calls}")

    def note_closed(self, before: Mapping[str, Position]) -> dict[str, PaperPosition]:
        """Positions of ``before`` (by symbol) that are closed by now, by id; each is noted."""
        trips = {trip.position_id: trip for trip in self.ledger.round_trips()}
        closed = {
            held.position_id: PaperPosition.closed_one(trips[held.position_id], held)
            for held in before.values()
            if held.position_id in trips
        }
        for one in closed.values():
            self._note("CLOSE", one)
        return closed

    # -- reading -------------------------------------------------------------------------------------------------------------

    def positions(self) -> dict[str, Position]:
        """Open positions by symbol."""
        return self.ledger.positions()

    def closed_trips(self) -> tuple[RoundTrip, ...]:
        """Closed positions, oldest first, exact."""
        return self.ledger.round_trips()

    def profits_since_release(self) -> list[float]:
        """What the trips closed since the last release brought, as limits judge it."""
        return profits_since_release(self.ledger, self.tools.broker.instruments(), self.tools.config.costs)

    def quotes(self, symbols: Iterable[str]) -> dict[str, Quote]:
        wanted = sorted(symbols)
        return self.ground.quotes(wanted) if wanted else {}

    def series(self, symbols: Iterable[str]) -> dict[str, SeriesKey]:
        """The candles that are traded on, by symbol."""
        width = self.settings.trading.timeframe
        return {symbol: SeriesKey(self.settings.exchange, symbol, width) for symbol in symbols}

    def candles(self, symbol: str, last: int = 200) -> pd.DataFrame:
        """The newest closed candles of the traded width (``domain.market.CANDLE_COLUMNS``)."""
        return self.ground.candles(self.series((symbol,))[symbol], last=last)

    def mark(self) -> UnitMark:
        """The account marked to market now.  Raises: RetryLater if a held coin has no price."""
        report = self.look()
        found = last_mark(self.ledger, self.tools.limits)
        if found is None or report.equity is None:
            raise RetryLater(f"the account could not be marked: {dict(report.problems)}")
        return replace(found, equity=report.equity)  # the ledger rounds it; sizes are cut from the whole figure

    # -- inside --------------------------------------------------------------------------------------------------------------

    def _tick(self, words: Mapping[str, Spoken]) -> TickReport:
        before = self.positions()
        report = run_tick(replace(self.tools, series=self.series(words), strategies=dict(words)), self.slot())
        if not report.done:
            _log.warning("tick %s ended as %s", report.tick_id, report.result)
        self.note_closed(before)  # by a stop, a target, a limit
        return report

    def _note(self, action: str, position: PaperPosition) -> None:
        stamp = iso(self.now())
        self.events.append({"timestamp": stamp, "action": action, "position": position, "market": self.market})
        _log.info("%s %s %s", action, position.symbol, position.position_id)


def _why_not(report: TickReport, symbol: str) -> str:
    for decision in report.decisions:
        if decision.symbol == symbol and decision.blocked_by is not None:
            return f"{decision.blocked_by.guard}: {decision.blocked_by.reason}"
    for sent in report.sent:
        if sent.key.symbol == symbol:
            return f"the order did not fill: {sent.reason}"
    if symbol in report.problems:
        return report.problems[symbol]
    if symbol in report.unknown:
        return report.unknown[symbol]
    told = next((decision.reason for decision in report.decisions if decision.symbol == symbol), "")
    return told or "; ".join(report.problems.values()) or f"the tick ended as {report.result}"
