"""Settings into what a trading tick, and a flatten, work with.

In: ``Settings``.  Out: broker, ledger, strategies, limits together.  Never: a decision.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from kracken_tasks.domain import clock
from kracken_tasks.domain.market import SeriesKey, Timeframe
from kracken_tasks.settings import Profile, Settings
from kracken_tasks.wiring.feeds import feed_age, feed_board
from kracken_tasks.wiring.limits import execution_config, risk_limits, stop_rules
from kracken_tasks.wiring.live import entries_allowed, first_orders, require_ready
from kracken_tasks.wiring.money import require_one_money
from kracken_tasks.wiring.research import forecast_source, strategy
from kracken_tasks.wiring.signals import learned_strategy, retuner, sentiment_board
from kracken_tasks.wiring.stores import lake, ledger
from kracken_tasks.wiring.venues import broker, enabled, venue

if TYPE_CHECKING:
    from kracken_tasks.execution.broker import Broker
    from kracken_tasks.execution.dead_man import DeadManSwitch
    from kracken_tasks.execution.desk import ExecutionConfig
    from kracken_tasks.execution.entries import Elsewhere
    from kracken_tasks.execution.kill_switch import KillSwitch
    from kracken_tasks.execution.second_source import OtherVenue
    from kracken_tasks.execution.tick_deps import TickDeps
    from kracken_tasks.ledger import Ledger
    from kracken_tasks.risk import StopRules
    from kracken_tasks.signals.learning import Learned
    from kracken_tasks.strategies import Strategy
    from kracken_tasks.strategies.seated import Seat

_SECOND_SOURCE_SECONDS = 3.0

__all__ = [
    "FlattenTools",
    "agent_seats",
    "around_tick",
    "dead_man",
    "deciding",
    "flatten_tools",
    "kill_switch",
    "tick_deps",
]


def tick_deps(settings: Settings, timeframe: Timeframe | None = None, *, acting: bool = True) -> TickDeps:
    """Everything a trading tick works with.

    ``acting`` False: for who only looks and computes again.
    Raises: Misconfigured for settings that do not fit together, and for live trading that is not ready while nothing is held.
    """
    if acting:
        require_ready(settings)
    from kracken_tasks.contracts import row_findings
    from kracken_tasks.execution.tick_deps import TickDeps

    require_one_money(settings)

    width, agent = timeframe or settings.trading.timeframe, settings.agents[0]
    keys = {symbol: SeriesKey(settings.exchange, symbol, width) for symbol in settings.traded_symbols}
    champions, seats = forecast_source(settings), agent_seats(settings)
    return TickDeps(
        broker=broker(settings),
        ledger=ledger(settings),
        wall=clock.WallClock(),
        holder=_holder(),
        snapshot=lake(settings).snapshot,
        series=keys,
        strategies=_longest(seats),
        seats=seats if settings.shared else (),
        row_findings=row_findings,
        limits=risk_limits(settings),
        stops=stop_rules(settings, agent),
        config=execution_config(settings),
        forecast=champions,
        forecast_rows=champions.rows,
        sentiment=sentiment_board(settings).reading,
        retuner=retuner(settings),
        wait_for_bar=_bar_waiter(settings),
        feed=feed_age(settings, feed_board(settings)),
        elsewhere=_second_source(settings),
        kill_switch=kill_switch(settings).holder,
        not_armed=entries_allowed(settings),
        first_orders=_first_orders(settings),
        pause=clock.sleep,
        journal=settings.paths.emergency_journal,
        currency=settings.tax.base_currency,
    )


def _first_orders(settings: Settings) -> Callable[[datetime], tuple[float, str] | None]:
    """The cap on the first real orders; none where the money is not real."""
    if settings.profile is not Profile.LIVE:
        return lambda now: None
    cap = first_orders(settings)
    return lambda now: cap.cap(ledger(settings), now)


def kill_switch(settings: Settings) -> KillSwitch:
    """The file under ``home`` that stops entries, or the setting that does."""
    from kracken_tasks.execution.kill_switch import KillSwitch

    return KillSwitch(settings.paths.kill_switch, always=settings.trading.kill_switch)


def around_tick(settings: Settings) -> AbstractContextManager[None]:
    """What has to be around a tick: the dead-man switch, where one is asked for.  A paper account has nobody to cancel for it, and none."""
    if settings.profile is Profile.PAPER or not settings.trading.dead_man_seconds:
        return nullcontext()
    return dead_man(settings).around()


def dead_man(settings: Settings) -> DeadManSwitch:
    """The traded venue's dead-man switch.  Raises: Misconfigured for a profile that sends no orders there."""
    from kracken_tasks.execution.dead_man import DeadManSwitch

    return DeadManSwitch(
        venue(settings, private=True),
        ledger(settings),
        clock.WallClock(),
        seconds=settings.trading.dead_man_seconds,
        cancels_stops=settings.trading.dead_man_cancels_stops,
        holder=_holder(),
    )


def _second_source(settings: Settings) -> Callable[[Sequence[str]], Mapping[str, Elsewhere]]:
    """Prices of every other enabled venue, in order of their names."""
    from kracken_tasks.execution.second_source import ask_elsewhere

    max_age = timedelta(seconds=settings.trading.max_quote_age_seconds)
    venues = {name: _quickly(settings, name) for name in enabled(settings) if name != settings.exchange}
    return lambda symbols: ask_elsewhere(venues, symbols, max_age=max_age)


def _quickly(settings: Settings, name: str) -> Callable[[], OtherVenue]:
    """Another venue that is given up soon: a tick that asks it holds the lease, and has a last close to fall back on."""
    listed = settings.exchanges[name]
    soon = listed.model_copy(update={"timeout_seconds": min(listed.timeout_seconds, _SECOND_SOURCE_SECONDS)})
    asked = settings.model_copy(update={"exchanges": {**settings.exchanges, name: soon}})
    return lambda: venue(asked, name)


def agent_seats(settings: Settings) -> tuple[Seat, ...]:
    """Every agent with its share, its stops, and its strategy for each of its symbols."""
    from kracken_tasks.strategies.seated import Seat

    return tuple(
        Seat(
            agent.name, agent.share,
            dict.fromkeys(settings.symbols_of(agent), strategy(settings, agent.strategy, agent.parameters)),
            stop_rules(settings, agent),
        )
        for agent in settings.agents
    )  # fmt: skip


def deciding(settings: Settings, symbol: str, recorded: str, learned: Learned) -> tuple[Strategy, StopRules] | None:
    """The strategy and stops behind a recorded decision (``recorded``: its strategy's name, ``agent:strategy`` where agents share the
    account), with the weights that were ``learned`` by then; None if today's settings have no such agent on the symbol."""
    from kracken_tasks.strategies.seated import Seated

    agent, _, _ = recorded.rpartition(":")
    for seat in agent_seats(settings):
        if symbol in seat.strategies and agent in ("", seat.agent):
            own = learned_strategy(settings, seat.strategies[symbol], learned)
            return Seated(seat.agent, own) if agent else own, seat.rules or stop_rules(settings)
    return None


def _longest(seats: Sequence[Seat]) -> dict[str, Strategy]:
    """For each symbol the strategy that looks back furthest: of one agent, its own."""
    found: dict[str, Strategy] = {}
    for seat in seats:
        for symbol, one in seat.strategies.items():
            if symbol not in found or one.lookback > found[symbol].lookback:
                found[symbol] = one
    return found


@dataclass(frozen=True, slots=True)
class FlattenTools:
    """What flattening works with: no strategy, no candles, no model."""

    broker: Broker
    ledger: Ledger
    holder: str
    config: ExecutionConfig
    journal: Path


def flatten_tools(settings: Settings) -> FlattenTools:
    """Broker, ledger and how to send; needs no strategy that can be built."""
    journal = settings.paths.emergency_journal
    return FlattenTools(broker(settings), ledger(settings), _holder(), execution_config(settings), journal)


def _holder() -> str:
    return f"{socket.gethostname()}:{os.getpid()}"


def _bar_waiter(settings: Settings) -> Callable[[Sequence[SeriesKey], datetime], None]:
    """Wait, within the bound of the settings, until ingest has brought the bar that just closed.

    One ingest run is one commit, so the bar of any series shows that the run for it is through; a series that still lacks it
    had no trades, or has ended.
    """
    store, bound = lake(settings), settings.trading.bar_wait_seconds

    def wait(keys: Sequence[SeriesKey], bar_ts: datetime) -> None:
        give_up = clock.monotonic_seconds() + bound
        while clock.monotonic_seconds() < give_up:
            snapshot = store.snapshot()
            newest = [snapshot.last_ts(key) for key in keys]
            if any(ts is not None and ts >= bar_ts for ts in newest):
                return
            clock.sleep(0.25)

    return wait
