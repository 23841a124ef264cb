"""The stage of the crash matrix: a sandbox process, a ledger, and lives that are struck by kill -9, frozen, or robbed of their venue.

In: a folder and the ledger's address.  Out: ``Life``: the points one act passed, struck at one of them, healed, and held against the venue.
Never: a thread of its own, so that a fork is a process like any other.
"""

from __future__ import annotations

import os
import signal
import subprocess
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from kracken_tasks.domain.clock import utc
from kracken_tasks.domain.trading import Action, TradingState
from kracken_tasks.exchange.venue import CcxtVenue
from kracken_tasks.execution.marks import release
from kracken_tasks.ledger import AlertKind, IntentResult, Ledger
from kracken_tasks.sandbox.client_config import DEMO_KEY, kraken_options
from tests.support.crash_market import ROUND_MINUTES
from tests.support.crash_point import Recorder
from tests.support.crash_scenes import Act, Scene, tick, ticking
from tests.support.sandbox import sandbox_process
from tests.support.sandbox_tick import connect

__all__ = ["Blow", "Life", "Stage", "aims_at"]

_SERVER = "tests.support.crash_market"
_LONG_AGO = utc(2020, 1, 1)
_ENDED_BY = "! "
# How long PostgreSQL lets a process of the freezing blow be silent in its transaction: short, and longer than a busy machine takes.
_FROZEN_SECONDS = 1.0
_CHANGING = ("AddOrder", "AmendOrder", "CancelOrder")


class Blow(StrEnum):
    """What strikes."""

    NONE = "undisturbed"
    KILL = "SIGKILL of the trading process"
    FREEZE = "SIGSTOP, revived after a successor"
    VENUE = "SIGKILL of the exchange"


def aims_at(blow: Blow, point: str, database: str) -> bool:
    """Whether this blow is dealt at a point of this name.

    A process frozen inside a transaction holds the database's lock: PostgreSQL takes it away from it, a SQLite file lets no successor write
    until it wakes, and there is nothing to show.  Outside one the database makes no difference.  The exchange is killed around what changes
    it, and around one look.
    """
    if blow is Blow.FREEZE:
        return point.startswith("before commit") == (database == "postgresql")
    if blow is Blow.VENUE:
        return point.endswith((*_CHANGING, "OpenOrders"))
    return blow is Blow.KILL


@dataclass(frozen=True, slots=True)
class Life:
    """One act: every point it passed, in order; the last one is where it was struck, if it died of it."""

    scene: str
    blow: Blow
    at: int
    points: tuple[str, ...]

    @property
    def struck(self) -> bool:
        return self.blow is Blow.NONE or len(self.points) >= self.at


class Stage:
    """``live`` is the only thing that happens here, again and again."""

    def __init__(self, folder: Path, ledger_url: str) -> None:
        self._folder, self._url = folder, ledger_url
        self._round = 0
        self._minutes = 0.0  # of wall time, since the beginning
        self._open = ExitStack()
        self.sandbox = self._open.enter_context(sandbox_process(_SERVER, folder / "venue.db"))
        self.venue = connect(self.sandbox.base_url)
        self.ledger = Ledger.open(ledger_url, account="main", exchange="kraken")
        self.quietly(ticking())  # the first tick of a book reads the account's history: later ones are all alike

    def close(self) -> None:
        self.venue.close()
        self.ledger.close()
        self._open.close()

    def quietly(self, act: Act) -> None:
        """Do it in this process, undisturbed, ten minutes of wall time later."""
        self._minutes += 10
        act(self.venue, self.ledger, self._minutes)

    def live(self, scene: Scene, blow: Blow = Blow.NONE, at: int = 0) -> Life:
        """One life: prepare, act and be struck, heal, tell the truth, sell everything.

        Raises: AssertionError naming scene, blow and point for whatever is not in order afterwards.
        """
        self._to_minute(5)
        self._to_minute(scene.prepare(self))
        points = self._struck(scene.act, blow, at)
        life = Life(scene.name, blow, at, points)
        try:
            self.sandbox.control.advance(60)
            self.quietly(lambda venue, ledger, minutes: _require_healed(tick(venue, ledger, minutes)))
            self.require_truth()
            self._clear()
        except AssertionError as error:
            where = points[at - 1] if 0 < at <= len(points) else "the end"
            raise AssertionError(f"{scene.name}, {blow} at point {at} ({where}): {error}") from error
        self._round += 1
        return life

    # -- the blow --------------------------------------------------------------------------------------------------------------

    def _struck(self, act: Act, blow: Blow, at: int) -> tuple[str, ...]:
        """Every point that was passed.  Raises: AssertionError if an undisturbed act failed."""
        self._minutes += 10
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(reading)
            self._act(act, blow, at, writing)
        os.close(writing)
        if blow is Blow.FREEZE:
            self._revive_after_successor(child)
        told = b""
        while chunk := os.read(reading, 65536):
            told += chunk
        os.close(reading)
        with suppress(ChildProcessError):
            os.waitpid(child, 0)
        if blow is Blow.VENUE:
            self._venue_again()
        lines = told.decode().splitlines()
        errors = [line for line in lines if line.startswith(_ENDED_BY)]
        assert not errors or blow in (Blow.FREEZE, Blow.VENUE), f"the act failed: {errors}"
        return tuple(line for line in lines if not line.startswith(_ENDED_BY))

    def _act(self, act: Act, blow: Blow, at: int, pipe: int) -> None:
        """The forked process: it opens its own connections and never returns."""
        try:
            # The venue's clock is carried on, as it is in use: a question for the time before each step would hide the steps.
            venue = CcxtVenue(
                "kraken", {**kraken_options(self.sandbox.base_url, DEMO_KEY), "rateLimit": 1}, timeout_seconds=20
            )
            venue.instruments()
            limits = {"frozen_seconds": _FROZEN_SECONDS} if blow is Blow.FREEZE else {}
            ledger = Ledger.open(self._url, account="main", exchange="kraken", **limits)
            ledger.positions()
            recorder = Recorder(pipe, at, lambda: self._strike(blow))
            recorder.watch_venue(venue)
            recorder.watch_ledger(ledger)
            act(venue, ledger, self._minutes)
        except BaseException as error:  # robbed of its venue an act ends in its own error: the next tick heals it
            os.write(pipe, f"{_ENDED_BY}{type(error).__name__}: {str(error)[:200]}\n".encode())
            os._exit(3)
        os._exit(0)

    def _strike(self, blow: Blow) -> None:
        if blow is Blow.KILL:
            os.kill(os.getpid(), signal.SIGKILL)
        elif blow is Blow.FREEZE:
            os.kill(os.getpid(), signal.SIGSTOP)
        elif blow is Blow.VENUE:
            self.sandbox.kill_only()

    def _revive_after_successor(self, child: int) -> None:
        _, status = os.waitpid(child, os.WUNTRACED)
        if not os.WIFSTOPPED(status):
            return  # it ended before the point
        self.sandbox.control.advance(600)
        self.quietly(ticking())
        os.kill(child, signal.SIGCONT)

    def _venue_again(self) -> None:
        """Start the exchange again where it died, or leave it if it lives."""
        process = self.sandbox.process
        assert process is not None
        with suppress(subprocess.TimeoutExpired):
            process.wait(timeout=0.2)
        if process.poll() is None:
            return
        self._open.close()
        self.venue.close()
        self.sandbox = self._open.enter_context(sandbox_process(_SERVER, self._folder / "venue.db"))
        self.venue = connect(self.sandbox.base_url)

    # -- afterwards ------------------------------------------------------------------------------------------------------------

    def _to_minute(self, minute: int) -> None:
        """Let the market's clock stand at this minute of the present round."""
        target = (self._round * ROUND_MINUTES + minute) * 60
        now = self.sandbox.control.now_ms() // 1000 - int(utc(2025, 1, 6).timestamp())
        if target > now:
            self.sandbox.control.advance(target - now)

    def _clear(self) -> None:
        """Sell what is held and take back what rests, in a deep and quiet book, for the next life."""
        self._to_minute(100)
        if self._round % 30 == 29:  # every life loses its fees; a release begins the count of losses in a row anew
            self.ledger.set_state(TradingState.HALTED, "operator: the matrix", ts=self.venue.now())
        if self.ledger.state().state is not TradingState.NORMAL:
            release(self.ledger, "the matrix", now=self.venue.now())
        for order in self.venue.open_orders():
            if order.trigger_price is None:
                self.venue.cancel(order.order_id)
        self.quietly(ticking(Action.SELL))
        assert self.ledger.positions() == {}, "the life did not end flat"
        assert self.venue.open_orders() == [], "something still rests"

    def require_truth(self) -> None:
        """Ledger = venue, one order per intent, each fill once and told, nothing naked, nothing in doubt."""
        venue, ledger = self.venue, self.ledger
        assert ledger.check_balances(venue.balances()) == (), "balances differ"
        assert ledger.open_intents() == (), "an intent is still in doubt"
        told = sorted(fill.trade_id for fill in venue.fills(_LONG_AGO))
        booked = sorted(entry.trade_id for entry in ledger.fills())
        assert told == booked, "the fills differ"
        resting = venue.open_orders()
        orders = [*resting, *venue.closed_orders(_LONG_AGO)]
        ids = [order.client_order_id for order in orders if order.client_order_id]
        assert len(ids) == len(set(ids)), "an intent became two orders"
        arrived = {order.client_order_id: order.order_id for order in orders if order.client_order_id}
        for outcome in ledger.outcomes():
            if outcome.result.final:
                named = outcome.order_id if outcome.result is IntentResult.ACCEPTED else None
                assert named == arrived.get(outcome.client_order_id), f"{outcome.result} of {outcome.client_order_id}"
        under_stops = sum(order.remaining for order in resting if order.trigger_price is not None)
        held = sum(position.amount for position in ledger.positions().values())
        assert under_stops == held, f"{held} held, {under_stops} under stops"
        news = [
            a for a in ledger.alerts() if a.kind in (AlertKind.TRADE_OPENED, AlertKind.TRADE_CLOSED, AlertKind.STOPPED)
        ]
        traded = {entry.order_id for entry in ledger.fills()}
        assert len(news) >= len(traded), "a trade that nobody was told of"
        assert len({alert.dedup_key for alert in news}) == len(news), "one piece of news under two ids"


def _require_healed(report: object) -> None:
    assert getattr(report, "done", False), f"the healing tick ended as {getattr(report, 'result', report)}"
