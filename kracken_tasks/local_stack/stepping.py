"""Live through a stretch of market time candle by candle: move the sandbox's clock, ingest, tick.

In: settings, a hand on the clock.  Out: tick reports.  Never: Prefect, the wall's time, a decision of its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime

from kracken_tasks import wiring
from kracken_tasks.candles.ingestion import ingest
from kracken_tasks.domain.clock import iso
from kracken_tasks.domain.market import Timeframe
from kracken_tasks.errors import BadData
from kracken_tasks.execution.report import TickReport
from kracken_tasks.execution.tick import run_tick
from kracken_tasks.execution.tick_deps import TickDeps, TickSlot
from kracken_tasks.local_stack.control import SandboxControl
from kracken_tasks.settings import Settings

__all__ = ["Stepper"]


@dataclass(slots=True)
class Stepper:
    """``width``: how far a step goes, and the candles that ticks look at."""

    settings: Settings
    control: SandboxControl
    width: Timeframe
    _deps: TickDeps | None = field(default=None, init=False)

    def advance(self) -> datetime:
        """One candle further, and into the lake with what closed.  Returns market time."""
        self.control.advance(self.width.delta)
        return self.fetch()

    def fetch(self) -> datetime:
        """Bring the lake up to the market's now."""
        lake, venue = wiring.lake(self.settings), wiring.venue(self.settings)
        ingest(lake, venue, wiring.series(self.settings, timeframes=[self.width]), wiring.judge(self.settings))
        return venue.now()

    def ticks(self, steps: int, deployment: str) -> Iterator[TickReport]:
        """``steps`` candles, each followed by a tick.

        Raises: BadData naming the tick that did not end well.
        """
        for number in range(1, steps + 1):
            report = self.tick(deployment)
            if not report.done or report.problems:
                raise BadData(
                    f"tick at {iso(report.slot)} ended as {report.result!r}: {dict(report.problems)}", tick=number
                )
            yield report

    def tick(self, deployment: str) -> TickReport:
        """One candle further, and a tick."""
        now = self.advance()
        # Nobody else ingests here, so there is no bar to wait for.
        self._deps = self._deps or replace(
            wiring.tick_deps(self.settings, self.width), wait_for_bar=lambda keys, bar: None
        )
        return run_tick(self._deps, TickSlot(deployment, now))
