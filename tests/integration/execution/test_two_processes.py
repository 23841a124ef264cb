"""Two processes that want to trade on one account: at once, and one long after it should be dead."""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from kracken_tasks.domain.clock import utc
from kracken_tasks.domain.trading import Purpose
from kracken_tasks.ledger import Ledger
from tests.support.ledger import sqlite_url
from tests.support.sandbox import REPOSITORY, running_sandbox, sandbox_config
from tests.support.sandbox_tick import connect, tick


@contextmanager
def process(module: str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", f"tests.support.{module}", *arguments]
    with subprocess.Popen(
        command, cwd=REPOSITORY, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as started:
        try:
            yield started
        finally:
            if started.poll() is None:
                started.kill()


def line_of(started: subprocess.Popen[str]) -> str:
    assert started.stdout is not None
    line = started.stdout.readline().strip()
    assert line or started.stderr is None, started.stderr.read()
    return line


def tell(started: subprocess.Popen[str]) -> None:
    assert started.stdin is not None
    started.stdin.write("go on\n")
    started.stdin.flush()


def first_to_speak(rivals: list[subprocess.Popen[str]]) -> subprocess.Popen[str]:
    with selectors.DefaultSelector() as ears:
        for rival in rivals:
            assert rival.stdout is not None
            ears.register(rival.stdout, selectors.EVENT_READ, rival)
        ((key, _), *_) = ears.select(60)
        found: subprocess.Popen[str] = key.data
        return found


def test_of_two_ticks_that_start_at_once_one_acts_and_the_other_says_who_holds_the_lease(tmp_path: Path) -> None:
    with (
        running_sandbox(config=sandbox_config(opening_balances={"USD": "50000"})) as sandbox,
        process("racing_tick", sandbox.base_url, str(tmp_path), "one") as one,
        process("racing_tick", sandbox.base_url, str(tmp_path), "two") as two,
    ):
        rivals = {"one": one, "two": two}
        assert [line_of(rival) for rival in rivals.values()] == ["ready", "ready"]
        for rival in rivals.values():
            tell(rival)
        turned_away = first_to_speak([one, two])
        (holder, winner) = next(item for item in rivals.items() if item[1] is not turned_away)
        assert line_of(turned_away).startswith(f"skipped: lease held by tick {holder} until ")
        assert turned_away.wait(60) == 0
        tell(winner)
        assert line_of(winner) == "done"
        assert winner.wait(60) == 0
        with Ledger.open(sqlite_url(tmp_path), account="main", exchange="kraken") as ledger:
            assert [intent.tick_id for intent in ledger.intents()] == [f"sandbox@{holder}"]
            assert [entry.tick_id for entry in ledger.ticks()] == [f"sandbox@{holder}"]
        orders = connect(sandbox.base_url).closed_orders(utc(2020, 1, 1))
        assert len([order for order in orders if order.client_order_id is not None]) == 1


@pytest.mark.parametrize(
    ("step", "ended"),
    [
        ("after record_intent", "lease lost"),  # it wakes, looks at its lease and sends nothing
        ("before submit", "lease lost"),  # it had looked: it sends, and the venue refuses for the deadline
    ],
)
def test_tick_frozen_between_intent_and_send_trades_no_more_when_it_wakes_after_its_successor(
    tmp_path: Path, step: str, ended: str
) -> None:
    with (
        running_sandbox(config=sandbox_config(opening_balances={"USD": "50000"})) as sandbox,
        process("sandbox_tick", sandbox.base_url, str(tmp_path), "zombie", "BUY", step, "SIGSTOP") as zombie,
        Ledger.open(sqlite_url(tmp_path), account="main", exchange="kraken") as ledger,
    ):
        _, status = os.waitpid(zombie.pid, os.WUNTRACED)
        assert os.WIFSTOPPED(status)
        sandbox.control.advance(600)
        venue = connect(sandbox.base_url)
        successor = tick(venue, venue, ledger, "successor", "BUY", minutes=10)
        assert [item.detail[:7] for item in successor.resolved] == ["neither"]
        assert len(successor.sent) == 1
        zombie.send_signal(signal.SIGCONT)
        assert line_of(zombie) == ended
        assert zombie.wait(60) == 0
        sandbox.control.advance(60)
        after = tick(venue, venue, ledger, "after", "HOLD", minutes=20)
        assert (after.unknown, after.differences, after.unprotected) == ({}, (), ())
        entries = {fill.client_order_id for fill in ledger.fills() if fill.purpose is Purpose.ENTRY}
        assert entries == {successor.sent[0].key.client_order_id}
        orders = [*venue.open_orders(), *venue.closed_orders(utc(2020, 1, 1))]
        assert {order.client_order_id for order in orders if order.client_order_id} == entries
        assert ledger.check_balances(venue.balances()) == ()
