"""A backfill killed again and again, or run twice at once, leaves the very bytes of one that nothing disturbed.

``make test`` takes a week; ``make backfill-kill-test`` a month with ten kills.  The processes are the command itself, on a sandbox that is
a real server with a standing clock.
"""

from __future__ import annotations

import hashlib
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from kracken_tasks.domain.clock import iso, utc
from kracken_tasks.domain.market import SeriesKey, Tape, TapeKey, Timeframe
from kracken_tasks.lake import HoleCause, Lake, LocalStore
from tests.support.sandbox import REPOSITORY, RunningSandbox, running_sandbox

NOW = utc(2025, 1, 6)  # where the sandbox's clock stands
SYMBOL = "ADA/USD"
WIDTHS = (Timeframe.M1, Timeframe.H1, Timeframe.D1, Timeframe.W1)
PATIENCE = 300


@dataclass(frozen=True, slots=True)
class Scale:
    days: int
    kills: int


Begin = Callable[..., "subprocess.Popen[bytes]"]


@dataclass(frozen=True, slots=True)
class Undisturbed:
    """``tree`` of one run from beginning to end; seconds it took to begin, and to work."""

    tree: dict[str, str]
    to_begin: float
    to_work: float


@pytest.fixture(scope="module")
def sandbox() -> Iterator[RunningSandbox]:
    with running_sandbox() as running:
        yield running


@pytest.fixture(scope="module")
def scale(request: pytest.FixtureRequest) -> Scale:
    return Scale(31, 10) if request.config.getoption("--month") else Scale(7, 3)


@pytest.fixture(scope="module")
def homes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("homes")


@pytest.fixture(scope="module")
def begin(sandbox: RunningSandbox, scale: Scale, homes: Path) -> Begin:
    """Start ``kracken backfill`` of the whole span in a home of its own."""
    (homes / "config").mkdir()
    start = iso(NOW - timedelta(days=scale.days))
    words = [SYMBOL, "--from", start, "--source", "trades", "--timeframes", ",".join(WIDTHS)]

    def started(home: str, *more: str) -> subprocess.Popen[bytes]:
        port = sandbox.base_url.rpartition(":")[2]
        environment = {
            **os.environ, "PYTHONPATH": str(REPOSITORY), "KRACKEN_HOME": str(homes / home),
            "KRACKEN_CONFIG_DIR": str(homes / "config"), "KRACKEN_SANDBOX__PORT": port,
        }  # fmt: skip
        return subprocess.Popen(
            [sys.executable, "-m", "kracken_tasks.cli", "backfill", *words, *more], cwd=homes, env=environment,
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        )  # fmt: skip

    return started


@pytest.fixture(scope="module")
def undisturbed(begin: Begin, homes: Path) -> Undisturbed:
    begun = time.monotonic()
    finished(begin("undisturbed", "--dry-run"))
    ready = time.monotonic()
    finished(begin("undisturbed"))
    to_begin = ready - begun
    return Undisturbed(tree(homes / "undisturbed"), to_begin, time.monotonic() - ready - to_begin)


def finished(process: subprocess.Popen[bytes]) -> None:
    _, complaint = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, complaint.decode()


def tree(home: Path) -> dict[str, str]:
    """Every file of the lake by name, with the hash of its bytes; what a kill leaves of a file being written has no name yet."""
    lake = home / "lake"
    files = (path for path in lake.rglob("*") if path.is_file() and not path.name.startswith(".tmp-"))
    return {path.relative_to(lake).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def lake_of(home: Path) -> Lake:
    return Lake(LocalStore(home / "lake"))


def test_a_backfill_killed_at_random_moments_equals_an_unbroken_one_byte_for_byte(
    begin: Begin, scale: Scale, homes: Path, undisturbed: Undisturbed
) -> None:
    draw, killed = random.Random(20_250_106), 0
    for _ in range(scale.kills):
        process = begin("killed")
        try:
            process.wait(undisturbed.to_begin + draw.uniform(-0.2, 0.8 * undisturbed.to_work / scale.kills))
        except subprocess.TimeoutExpired:
            process.kill()
            killed += 1
        process.communicate()
    finished(begin("killed"))
    sys.stdout.write(f"\n{killed} of {scale.kills} kills hit a running process\n")
    assert killed >= scale.kills / 2
    assert tree(homes / "killed") == undisturbed.tree
    assert not list((homes / "killed" / "spool").rglob("*.parquet"))


def test_two_backfills_of_one_pair_at_once_equal_one_alone_byte_for_byte(
    begin: Begin, homes: Path, undisturbed: Undisturbed
) -> None:
    both = [begin("together"), begin("together")]
    for process in both:
        finished(process)
    assert tree(homes / "together") == undisturbed.tree


def test_what_came_of_it_has_every_trade_once_and_no_hole_without_a_cause(
    scale: Scale, homes: Path, undisturbed: Undisturbed
) -> None:
    snapshot = lake_of(homes / "undisturbed").snapshot()
    trades = snapshot.tape(TapeKey("kraken", SYMBOL, Tape.TRADES))
    assert (trades["trade_id"].diff().dropna() == 1).all()
    start = NOW - timedelta(days=scale.days)
    for width in WIDTHS[:3]:
        key = SeriesKey("kraken", SYMBOL, width)
        assert snapshot.candles(key)["trades"].sum() == len(trades)
        assert {hole.cause for hole in snapshot.holes(key, start, NOW)} <= {HoleCause.NO_TRADES}


def test_a_backfill_in_bad_weather_equals_one_in_good_byte_for_byte(
    request: pytest.FixtureRequest, sandbox: RunningSandbox, begin: Begin, homes: Path, undisturbed: Undisturbed
) -> None:
    if not request.config.getoption("--month"):
        pytest.skip("waits between its tries: part of make backfill-kill-test")
    weather = {
        "Trades": {"drop": True}, "T*": {"status": 503, "body": "<html>"}, "Time": {"error": "EService:Busy"},
        "O*": {"error": "EAPI:Rate limit exceeded"},
    }  # fmt: skip
    for seed, (endpoint, fault) in enumerate(weather.items()):
        sandbox.control.fault(endpoint, count=None, probability=0.15, seed=seed, **fault)
    try:
        for _ in range(10):  # the venue's patience may be used up; the next run goes on
            process = begin("weather")
            process.communicate(timeout=PATIENCE)
            if process.returncode == 0:
                break
    finally:
        sandbox.control.clear_faults()
    assert tree(homes / "weather") == undisturbed.tree
