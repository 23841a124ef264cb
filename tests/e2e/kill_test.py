"""kill -9 of everything ``kracken up`` has started, at the worst moments of its ticks, as a user's machine would: ``make kill-test``.

    python -m tests.e2e.kill_test [FOLDER]

In: nothing but this machine.  Out: a line a round with what was measured; exit code 1 and a sentence at the first broken promise.
Never: the network, a process left behind.

After every kill the next start must bring: a tick within half a minute, no order twice, every fill booked once, every position under
its stops, and no flow run that stays Running or Pending.
"""

from __future__ import annotations

import random
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

import psutil

from kracken_tasks.domain.clock import WallClock, utc
from kracken_tasks.domain.trading import Purpose
from kracken_tasks.ledger import Ledger
from tests.support.running_stack import RunningStack, running_stack

NEXT_TICK_SECONDS = 30.0
LEASE = "trading:kraken:main"
LOOK_SECONDS = 1.0
ENDED = ("COMPLETED", "FAILED", "CRASHED", "CANCELLED")
MARKET_ENDS = utc(2025, 3, 1)

# A market of waves, one symbol after the other at its bottom, and opinions that ride them: orders in almost every tick.
WAVES = {"XBTUSD": 60_000.0, "ETHUSD": 3_000.0, "SOLUSD": 150.0, "ADAUSD": 0.5, "XRPUSD": 0.6}
WAVE_MINUTES, WAVE_HEIGHT = 10, 0.012
DAYS = 62  # `kracken up --data` begins thirty days before the end; what lies before is history
EAGER = {
    "KRACKEN_ML_INTEGRATION__SIGNAL_WEIGHTS": "{rsi: 0.5, bollinger_bands: 0.5}",
    "KRACKEN_ML_INTEGRATION__CONFIDENCE_THRESHOLD": "0.05",
    "KRACKEN_ML_INTEGRATION__COOLDOWN_MINUTES": "0",
    "KRACKEN_RISK_MANAGEMENT__TAKE_PROFIT_PCT": "0.004",
    "KRACKEN_RISK_MANAGEMENT__MAX_CONSECUTIVE_LOSSES": "50",
    "KRACKEN_RISK_MANAGEMENT__CORRELATION_THRESHOLD": "0.99",
    "KRACKEN_TRADING__MAX_DAILY_TURNOVER": "100",
    "KRACKEN_TRADING__MAX_ORDERS_PER_MINUTE": "120",
    "KRACKEN_FORECAST__EPOCHS": "1",
}


class Broken(Exception):
    """A promise that did not hold."""


@dataclass(frozen=True)
class Moment:
    """When to kill.  ``fault``: how the exchange stretches the moment; ``reached``: whether it is now, asked many times a second."""

    name: str
    reached: Callable[[Ledger], bool]
    fault: dict[str, Any] | None = None
    then_seconds: float = 0.0


def lease_is_held(ledger: Ledger) -> bool:
    return ledger.leases.current(LEASE, WallClock().now()) is not None


def entry_is_open(ledger: Ledger) -> bool:
    return lease_is_held(ledger) and any(one.purpose is Purpose.ENTRY for one in ledger.open_intents())


def any_intent_is_open(ledger: Ledger) -> bool:
    return lease_is_held(ledger) and bool(ledger.open_intents())


MOMENTS = (
    Moment("the lease has just been taken", lease_is_held),
    Moment(
        "an entry is accepted and its answer is still on the way",
        entry_is_open, {"endpoint": "AddOrder", "when": "after", "delay_ms": 2500, "count": None}, 1.0,
    ),
    Moment(
        "an order is on its way and has not arrived",
        any_intent_is_open, {"endpoint": "*Order*", "when": "before", "delay_ms": 2500, "count": None}, 0.3,
    ),
    Moment("in the middle of a tick", lease_is_held, None, 0.5),
)  # fmt: skip


def main(folder: Path, seed: int = 7) -> int:
    dice = random.Random(seed)
    began = time.monotonic()
    with running_stack(folder, **EAGER) as stack:
        write_market(folder / "market")
        try:
            start(stack)
            stack.wait_for("done .*Deploy flows and schedules", 120)
            for moment in MOMENTS:
                one_round(stack, moment, dice)
            by_signal(stack)
        except (Broken, TimeoutError, AssertionError, OSError) as problem:
            say(f"broken after {time.monotonic() - began:.0f} s: {problem}")
            say(stack.logs())
            return 1
    say(f"all promises held, {time.monotonic() - began:.0f} s")
    return 0


def start(stack: RunningStack) -> float:
    return stack.start("--data", str(stack.home / "market"))


def one_round(stack: RunningStack, moment: Moment, dice: random.Random) -> None:
    """Ticks, scheduled ones and asked for, until the moment is there; then the end of everything, and a new start."""
    stack.control.settings(tier="unlimited")
    if moment.fault:
        stack.control.fault(**moment.fault)
    began, asked = time.monotonic(), AskedTicks(stack)
    with stack.ledger() as ledger:
        stack.wait_until(lambda: asked.keep_one_going() and moment.reached(ledger), 190, moment.name)
    waited = time.monotonic() - began
    time.sleep(moment.then_seconds)
    say(f"{moment.name}: after {waited:.1f} s killed {kill(stack, dice)} processes")
    restarted(stack)


@dataclass
class AskedTicks:
    """One tick after the other beside the scheduled ones, so that no minute is waited for."""

    stack: RunningStack
    run: str = ""
    looked: float = 0.0

    def keep_one_going(self) -> bool:
        if time.monotonic() - self.looked > LOOK_SECONDS:
            self.looked = time.monotonic()
            if not self.run or self.stack.prefect(f"flow_runs/{self.run}")["state_type"] in ENDED:
                self.run = self.stack.run_flow("trading_tick/sandbox", timeframe="1m")
        return True


def kill(stack: RunningStack, dice: random.Random) -> int:
    def shuffled(processes: list[psutil.Process]) -> list[psutil.Process]:
        return dice.sample(processes, len(processes))

    return stack.kill_everything(shuffled)


def restarted(stack: RunningStack) -> None:
    """Start again and hold everything against its promise."""
    with stack.ledger() as ledger:
        before, doubts = len(ledger.ticks()), len(ledger.open_intents())
    killed_at = WallClock().now()
    started = start(stack)
    with stack.ledger() as ledger:
        stack.wait_until(lambda: len(ledger.ticks()) > before, 3 * NEXT_TICK_SECONDS, "a tick after the start")
        seconds = time.monotonic() - started
        require_single_orders(stack, ledger)
        stack.wait_until(lambda: books_agree(stack, ledger) == "", 80, "agreement of ledger and venue")
        agreed = time.monotonic() - started
        stack.wait_for("done .*Start the worker", 90)
        stack.wait_until(lambda: not stack.unfinished_runs(killed_at), 60, "an end of the killed flow runs")
        orders, fills = len(ledger.intents()), len(ledger.fills())
    say(
        f"    next tick after {seconds:.1f} s, {doubts} in doubt, books agree after {agreed:.1f} s; {orders} orders, {fills} fills"
    )
    if seconds > NEXT_TICK_SECONDS:
        raise Broken(f"the next tick came {seconds:.1f} s after the start, not within {NEXT_TICK_SECONDS:.0f} s")


def by_signal(stack: RunningStack) -> None:
    """Ctrl-C while it runs, SIGTERM and a closed terminal while it starts: an orderly end, nothing left."""
    for number, stage in (
        (signal.SIGINT, ""),
        (signal.SIGTERM, "done .*Start the Prefect server"),
        (signal.SIGHUP, "done .*Start the worker"),
    ):
        if stage:
            start(stack)
            stack.wait_for(stage, 90)
        code, seconds = stack.end_with(number)
        left = stack.processes()
        say(f"{number.name}: exit code {code} after {seconds:.1f} s, {len(left)} processes left")
        if code not in (0, 130) or left or "Traceback" in stack.output:
            raise Broken(f"{number.name} ended with {code}, left {left}:\n{stack.output}")


def require_single_orders(stack: RunningStack, ledger: Ledger) -> None:
    """No intent has two orders at the venue, and no order of ours lacks its intent."""
    account = stack.account()
    orders = [*account["open"].values(), *account["closed"].values()]
    ours = Counter(order["cl_ord_id"] for order in orders if order.get("cl_ord_id"))
    twice = [name for name, count in ours.items() if count > 1]
    strangers = set(ours) - {intent.client_order_id for intent in ledger.intents()}
    if twice or strangers:
        raise Broken(f"orders sent twice: {twice}; orders without intent: {sorted(strangers)}")


def books_agree(stack: RunningStack, ledger: Ledger) -> str:
    """What is still different between ledger and venue; empty when nothing is.  Stops may fill between two ticks."""
    account = stack.account()
    booked = Counter(entry.trade_id for entry in ledger.fills())
    if doubled := [name for name, count in booked.items() if count > 1]:
        raise Broken(f"fills booked twice: {doubled}")
    if set(booked) != set(account["trades"]):
        return f"fills: {sorted(set(booked) ^ set(account['trades']))}"
    if ledger.open_intents():
        return "intents without an outcome"
    held = {symbol: position.amount for symbol, position in ledger.positions().items()}
    return "" if held == resting_stops(account["open"].values()) else f"stops: {held}"


def resting_stops(orders: Iterable[dict[str, Any]]) -> dict[str, Decimal]:
    """What rests as stop-loss sells, by symbol."""
    rests: dict[str, Decimal] = {}
    for order in orders:
        if order["descr"]["ordertype"].startswith("stop-loss") and order["descr"]["type"] == "sell":
            symbol = symbol_of(order["descr"]["pair"])
            rests[symbol] = rests.get(symbol, Decimal(0)) + Decimal(order["vol"]) - Decimal(order["vol_exec"])
    return rests


def symbol_of(altname: str) -> str:
    base = altname.removesuffix("USD")
    return f"{base.replace('XBT', 'BTC')}/USD"


def write_market(
    folder: Path, days: int = DAYS, *, waves: Mapping[str, float] | None = None, height: float = WAVE_HEIGHT
) -> datetime:
    """Minute candles in the form of Kraken's archive, in triangle waves, each symbol a fifth of a wave behind the last.

    No two have one volume: candles that repeat others word for word are no market, and the contract refuses them.  Returns their end.
    """
    folder.mkdir(parents=True, exist_ok=True)
    first = int(MARKET_ENDS.timestamp()) // 60 - days * 1440
    for number, (name, price) in enumerate((waves or WAVES).items()):
        shift = number * WAVE_MINUTES // len(waves or WAVES)
        closes = [price * (1 + height * triangle(minute + shift)) for minute in range(-1, days * 1440)]
        lines = [
            f"{(first + minute) * 60},{opens:.6f},{max(opens, closes_at):.6f},{min(opens, closes_at):.6f},{closes_at:.6f},"
            f"{25 + minute / 100_000:.5f},20\n"
            for minute, (opens, closes_at) in enumerate(pairwise(closes))
        ]
        (folder / f"{name}_1.csv").write_text("".join(lines), encoding="utf-8")
    return MARKET_ENDS


def triangle(minute: int) -> float:
    """From -1 at the bottom to 1 at the top and back, every ``WAVE_MINUTES``."""
    return 1 - 4 * abs(minute % WAVE_MINUTES / WAVE_MINUTES - 0.5)


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    if len(sys.argv) > 1:
        sys.exit(main(Path(sys.argv[1])))
    with tempfile.TemporaryDirectory(prefix="kracken-kill-") as temporary:
        sys.exit(main(Path(temporary)))
