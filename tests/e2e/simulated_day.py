"""A day of the sandbox's schedules by market time, in bad weather: ``make simulated-day``.

    python -m tests.e2e.simulated_day [--hours 24] [--seed 1] [--database sqlite|postgres] [--folder FOLDER]

In: nothing but this machine.  What the sandbox deployments of ``prefect.yaml`` do (ingest, ticks, exports, books, upkeep) is driven
without Prefect, at the moments their schedules name, by a market clock that is moved by hand; the exchange is a process of its own,
reached by the real ccxt, and the ledger lies in a real database.  Meanwhile, seeded: connections cut before and after an order was
accepted, 429, 5xx, HTML for JSON, executions listed twice, a venue clock half a minute off, databases restarted, and two schedulers at
once.  Out: what happened and what was held against what; exit code 1 and a sentence a broken promise.  Never: the network.

Promises: the ledger equals the venue's own ledger to the last decimal; no order without an intent, no intent with two orders; every
position lies under its stops; every limit held, at every entry.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import yaml
from prefect.server.schemas.schedules import CronSchedule, IntervalSchedule

from kracken_tasks import wiring
from kracken_tasks.candles.ingestion import ingest
from kracken_tasks.domain.clock import WallClock, iso, monotonic_seconds, parse_utc, utc
from kracken_tasks.domain.market import Timeframe
from kracken_tasks.domain.trading import Purpose, TradingState
from kracken_tasks.errors import KrackenError, RetryLater, StateUnknown
from kracken_tasks.execution.tick import run_tick
from kracken_tasks.execution.tick_deps import TickDeps, TickSlot
from kracken_tasks.journal import build_journal, cut_off, write_journal
from kracken_tasks.ledger import Ledger
from kracken_tasks.ledger.books import check_books
from kracken_tasks.settings import Settings, load_settings
from kracken_tasks.tax.exports import export_ledger
from kracken_tasks.wiring.books import venue_books
from tests.e2e.kill_test import EAGER, resting_stops, write_market
from tests.e2e.weather import ToldTwice, Weather
from tests.support.databases import database
from tests.support.sandbox import RunningSandbox, sandbox_process
from tests.support.source_tree import ROOT

MARKET_DAYS = 3
FEE_PPM = 200
CALM_MINUTES = 10


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


# -- the day's programme --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, order=True)
class Due:
    """One scheduled run.  ``flow`` as ``prefect.yaml`` names it."""

    at: datetime
    flow: str
    parameters: tuple[tuple[str, Any], ...] = ()


def programme(begin: datetime, end: datetime) -> list[Due]:
    """Everything the sandbox deployments have scheduled in [begin, end), by time."""
    told = yaml.safe_load((ROOT / "prefect.yaml").read_text(encoding="utf-8"))
    found: list[Due] = []
    for deployment in told["deployments"]:
        if "sandbox" not in deployment["tags"]:
            continue
        flow, parameters = deployment["entrypoint"].rsplit(".", 1)[1], deployment.get("parameters", {})
        frozen = tuple(sorted((name, str(value)) for name, value in parameters.items()))
        for schedule in deployment["schedules"]:
            found += [Due(at, flow, frozen) for at in _moments(schedule, begin, end)]
    return sorted(found)


def _moments(schedule: dict[str, Any], begin: datetime, end: datetime) -> list[datetime]:
    """When Prefect's own arithmetic lets it run; it tells at most a thousand moments at once."""
    kind = CronSchedule if "cron" in schedule else IntervalSchedule
    told = kind.model_validate({name: value for name, value in schedule.items() if name != "slug"})
    found: list[datetime] = []
    while True:
        after = found[-1] + timedelta(seconds=1) if found else begin
        dates = asyncio.run(told.get_dates(n=500, start=after, end=end))
        fresh = [datetime.fromtimestamp(date.timestamp(), UTC) for date in dates]
        fresh = [date for date in fresh if after <= date < end]
        if not fresh:
            return found
        found += fresh


# -- the day --------------------------------------------------------------------------------------------------------------


@dataclass
class Day:
    """What drives it: two schedulers with connections of their own, one lake, one exchange."""

    settings: Settings
    sandbox: RunningSandbox
    weather: Weather
    schedulers: tuple[TickDeps, TickDeps]
    told: Counter[str] = field(default_factory=Counter)
    naked: list[str] = field(default_factory=list)
    unexcused: list[str] = field(default_factory=list)
    _ended_well: set[str] = field(default_factory=set)
    in_doubt: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def ledger(self) -> Ledger:
        return self.schedulers[0].ledger

    def run(self, due: Due) -> None:
        parameters = dict(due.parameters)
        work: Callable[[], None] | None = {
            "ingest_ohlcv": lambda: self._ingest(parameters),
            "trading_tick": lambda: self._ticks(due),
            "nightly_exports": self._exports,
            "check_day": self._books,
            "maintain_lake": self._upkeep,
        }.get(due.flow)
        if work is None:
            self.told[f"{due.flow} left out"] += 1  # research: a training run proves nothing about orders
            return
        try:
            work()
            self.told[due.flow] += 1
        except (RetryLater, StateUnknown) as later:  # what a flow would end Failed for, and the next one mends
            self.told[f"{due.flow} put off ({type(later).__name__})"] += 1

    def _ingest(self, parameters: dict[str, str]) -> None:
        widths = [Timeframe(one) for one in yaml.safe_load(parameters.get("timeframes", "[1m]").replace("'", ""))]
        keys = wiring.series(self.settings, timeframes=widths)
        ingest(wiring.lake(self.settings), wiring.venue(self.settings), keys, wiring.judge(self.settings))

    def _ticks(self, due: Due) -> None:
        """One scheduler, or both at the same moment, or the second one late with the same slot."""
        self._ended_well.clear()
        slot, dice = TickSlot("trading_tick/sandbox", due.at), self.weather.dice
        how = dice.choices(["one", "both", "late"], [6, 3, 1])[0]
        first, second = dice.sample(self.schedulers, 2)
        if how == "one":
            self._tick(first, slot)
        elif how == "late":
            self._tick(first, slot)
            self._tick(second, slot)
        else:
            threads = [threading.Thread(target=self._tick, args=(deps, slot)) for deps in (first, second)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        self._look_at_stops(due.at)

    def _tick(self, deps: TickDeps, slot: TickSlot) -> None:
        try:
            report = run_tick(deps, slot)
        except (RetryLater, StateUnknown) as later:
            self._count(f"tick ended by {type(later).__name__}")
            return
        self._count(f"tick {report.result.partition(':')[0]}")
        for problem in report.problems.values():
            self._count(f"problem: {problem[:60]}")
        if report.unknown:
            self.in_doubt += 1
        if report.done:
            self._ended_well |= {symbol for symbol in deps.series if symbol not in {*report.unknown, *report.problems}}

    def _count(self, name: str) -> None:
        with self._lock:
            self.told[name] += 1

    def _look_at_stops(self, at: datetime) -> None:
        account = self.sandbox.control.account()
        held = {symbol: position.amount for symbol, position in self.ledger.positions().items()}
        rests = resting_stops(account["open"].values())
        for symbol, amount in held.items():
            missing = amount - rests.get(symbol, Decimal(0))
            if missing > 0:
                self.naked.append(f"{iso(at)} {symbol} {missing:f}")
                if symbol in self._ended_well:  # a tick could look, and says that nothing is in doubt
                    self.unexcused.append(self.naked[-1])

    def _exports(self) -> None:
        end = cut_off(self.ledger)
        if end is None:
            return
        export_ledger(self.ledger, self.settings.paths.exports, until=end, choices=wiring.tax_choices(self.settings))
        journal = build_journal(self.ledger, period_end=end, mode="sandbox", version="simulated")
        write_journal(journal, self.settings.paths.exports)

    def _books(self) -> None:
        report = check_books(self.ledger, venue_books(self.settings), at=wiring.market_now(self.settings))
        self.told["books agreed" if report.agrees else "books differed"] += 1

    def _upkeep(self) -> None:
        wiring.lake(self.settings).maintain(
            known_at=wiring.market_now(self.settings), wall_now=WallClock().now(), keep_replaced=timedelta(hours=1),
            keep_staged=timedelta(hours=1),
        )  # fmt: skip


# -- judgement ------------------------------------------------------------------------------------------------------------


def judged(day: Day) -> list[str]:
    """Promises that did not hold."""
    ledger, venue, account = day.ledger, wiring.venue(day.settings, private=True), day.sandbox.control.account()
    day.sandbox.control.settings(tier="unlimited")  # the clock stands: a counter would never fall
    broken: list[str] = []
    if day.unexcused:
        broken.append(f"ended well, and yet without a whole stop: {day.unexcused[:5]}")
    booked = Counter(entry.trade_id for entry in ledger.fills())
    if twice := [name for name, count in booked.items() if count > 1]:
        broken.append(f"fills booked twice: {twice[:5]}")
    if apart := set(booked) ^ set(account["trades"]):
        broken.append(f"fills that only one side knows: {sorted(apart)[:5]} of {len(apart)}")
    orders = [*account["open"].values(), *account["closed"].values()]
    names = Counter(order["cl_ord_id"] for order in orders if order.get("cl_ord_id"))
    if sent_twice := [name for name, count in names.items() if count > 1]:
        broken.append(f"intents with two orders: {sent_twice[:5]}")
    if strangers := set(names) - {intent.client_order_id for intent in ledger.intents()}:
        broken.append(f"orders without an intent: {sorted(strangers)[:5]}")
    if ledger.open_intents():
        broken.append(f"{len(ledger.open_intents())} intents are still in doubt")
    told = {asset: balance.total for asset, balance in venue.balances().items() if balance.total}
    held = {asset: amount for asset, amount in ledger.cash().items() if amount}
    if told != held:
        broken.append(f"balances: venue {told}, ledger {held}")
    broken += _venue_ledger(venue, held)
    positions = {symbol: position.amount for symbol, position in ledger.positions().items()}
    if (rests := resting_stops(account["open"].values())) != positions:
        broken.append(f"stops {rests} for positions {positions}")
    books = check_books(ledger, venue, at=venue.now())
    if not books.agrees:
        broken.append(f"the nightly check says: {books.sentence}")
    verified = ledger.verify()
    if verified.problems:
        broken.append(f"the ledger does not verify: {verified.problems[:3]}")
    return broken + _limits(day)


def _venue_ledger(venue: Any, held: dict[str, Decimal]) -> list[str]:
    """The venue's own ledger lines, summed by asset, are what our fold holds."""
    sums: dict[str, Decimal] = {}
    for line in venue.ledger_lines(utc(2000, 1, 1)):
        sums[line.asset] = sums.get(line.asset, Decimal(0)) + line.amount - line.fee
    left = {asset: amount for asset, amount in sums.items() if amount}
    return [] if left == held else [f"the venue's ledger sums to {left}, ours to {held}"]


def _limits(day: Day) -> list[str]:
    """Every entry that went out was within its limits when it did."""
    ledger, limits = day.ledger, day.schedulers[0].limits
    broken: list[str] = []
    states = ledger.states()
    equity = {mark.tick_id: float(mark.equity) for mark in ledger.equity()}
    entries = [intent for intent in ledger.intents() if intent.purpose is Purpose.ENTRY]
    for intent in entries:
        before = [state for state in states if state.seq < intent.seq]
        if before and before[-1].state is not TradingState.NORMAL:
            broken.append(f"{intent.symbol} was entered at {iso(intent.ts)} in state {before[-1].state}")
        decided = ledger.decision(intent.tick_id, intent.symbol)
        receipt = None if decided is None else decided.decision.receipt
        if decided is None or receipt is None or decided.decision.blocked_by is not None:
            broken.append(f"{intent.symbol} was entered at {iso(intent.ts)} without a decision that allows it")
            continue
        worth = equity.get(intent.tick_id)
        if worth is not None and float(receipt.notional) > 1.02 * limits.max_position_size * worth:
            broken.append(f"{intent.symbol} at {iso(intent.ts)}: {receipt.notional} of {worth:.2f}")
    minutes = Counter(intent.ts.replace(second=0, microsecond=0) for intent in entries)
    if busy := [iso(minute) for minute, count in minutes.items() if count > limits.max_orders_per_minute]:
        broken.append(f"more than {limits.max_orders_per_minute} entries a minute: {busy[:3]}")
    return broken


# -- the whole ------------------------------------------------------------------------------------------------------------


def _settings(folder: Path, port: int, url: str) -> Settings:
    env = {
        **EAGER,
        "KRACKEN_HOME": str(folder / "home"),
        "KRACKEN_SANDBOX__PORT": str(port),
        "KRACKEN_LEDGER__URL": url,
        "KRACKEN_RATES__URL": "",
        "KRACKEN_TIMEFRAMES": "[1m, 1h]",
        "KRACKEN_EXCHANGES": "{kraken: {timeout_seconds: 5}}",
    }
    return load_settings(folder / "config", env={name: value for name, value in env.items() if value})


@contextmanager
def _day(folder: Path, hours: float, seed: int, kind: str) -> Iterator[tuple[Day, list[Due]]]:
    market = folder / "market"
    ends = write_market(market, days=MARKET_DAYS)
    begin = ends - timedelta(days=1, hours=12)
    begin = begin.replace(hour=0, minute=0, second=0, microsecond=0)
    end = begin + timedelta(hours=hours)
    with (
        database(kind, folder) as base,
        sandbox_process(
            "tests.support.sandbox_by_hand", folder / "sandbox.sqlite", str(market), iso(begin), str(FEE_PPM)
        ) as sandbox,
    ):
        settings = _settings(folder, int(sandbox.base_url.rsplit(":", 1)[1]), base.url)
        dice = random.Random(seed)
        weather = Weather(dice, sandbox.control, base)
        deps = wiring.tick_deps(settings, Timeframe.M1)
        venue = ToldTwice(deps.broker, random.Random(seed + 1))

        def pause(seconds: float) -> None:
            sandbox.control.advance(seconds)

        def scheduler(name: str, ledger: Ledger) -> TickDeps:
            return replace(
                deps, broker=venue, ledger=ledger, holder=name, wait_for_bar=lambda keys, bar: None,
                pause=pause,
            )  # fmt: skip

        second = Ledger.open(base.url, account=settings.trading.account, exchange=settings.exchange)
        day = Day(settings, sandbox, weather, (scheduler("first", deps.ledger), scheduler("second", second)))
        yield day, programme(begin, end)
        second.close()


def run(folder: Path, hours: float, seed: int, kind: str) -> list[str]:
    """Live through it; the promises that were broken."""
    with _day(folder, hours, seed, kind) as (day, dues):
        begun, next_line = monotonic_seconds(), 0.0
        calm_from = dues[-1].at - timedelta(minutes=CALM_MINUTES)
        _say(f"{len(dues)} scheduled runs from {iso(dues[0].at)} to {iso(dues[-1].at)}, seed {seed}, {kind}")
        day._ingest({"timeframes": "[1m, 1h]"})
        for due in dues:
            if due.flow == "trading_tick":
                if due.at >= calm_from and not day.weather.calm:
                    day.weather.clear_up()
                day.weather.minute(day.sandbox)
            now = parse_utc(str(day.sandbox.control.health()["now"]))
            if due.at > now:
                day.sandbox.control.advance((due.at - now).total_seconds())
            day.run(due)
            if monotonic_seconds() - begun >= next_line:
                next_line = monotonic_seconds() - begun + 30.0
                _say(f"  {monotonic_seconds() - begun:5.0f} s: {iso(due.at)}, {len(day.ledger.fills())} fills")
        try:
            broken = judged(day)
        except KrackenError as error:
            broken = [f"could not be judged: {error}"]
        ledger = day.ledger
        trips = ledger.round_trips()
        _say(f"\n{monotonic_seconds() - begun:.0f} s for {hours:g} hours of market time")
        _say("faults: " + ", ".join(f"{name} {count}" for name, count in sorted(day.weather.happened.items())))
        _say("runs: " + ", ".join(f"{name} {count}" for name, count in sorted(day.told.items())))
        _say(
            f"{len(ledger.intents())} intents, {len(ledger.fills())} fills, {len(trips)} round trips, net "
            f"{sum((trip.net for trip in trips), Decimal(0)):.2f}; ticks that ended with a symbol in doubt: {day.in_doubt}; "
            f"looks that found a position without its whole stop while the exchange could not be asked: {len(day.naked)}"
        )
        for line in day.naked[:10]:
            _say(f"  {line}")
        return broken


def main() -> int:
    parser = argparse.ArgumentParser(description="a day of the sandbox's schedules in bad weather")
    parser.add_argument("--hours", type=float, default=24.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--database", choices=("sqlite", "postgres"), default="postgres")
    parser.add_argument("--folder", type=Path)
    told = parser.parse_args()
    if told.folder is not None:
        told.folder.mkdir(parents=True, exist_ok=True)
        broken = run(told.folder, told.hours, told.seed, told.database)
    else:
        with tempfile.TemporaryDirectory(prefix="kracken-day-") as folder:
            broken = run(Path(folder), told.hours, told.seed, told.database)
    _say("\n" + ("\n".join(f"BROKEN: {one}" for one in broken) if broken else "every promise held"))
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
