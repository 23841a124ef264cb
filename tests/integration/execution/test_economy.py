"""What a tick costs at the venue's own counter, in Kraken's tier ``pro`` (20 counts) while its clock stands still and nothing decays."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from kracken_tasks.domain.trading import Action
from kracken_tasks.exchange.venue import CcxtVenue
from kracken_tasks.execution.report import TickReport
from kracken_tasks.ledger import IntentResult, Ledger
from kracken_tasks.risk.stops import StopRules
from kracken_tasks.sandbox.client_config import DEMO_KEY
from kracken_tasks.sandbox.limits import ONE
from tests.support.ledger import sqlite_url
from tests.support.sandbox import RunningSandbox, running_sandbox, sandbox_config
from tests.support.sandbox_tick import connect, tick_of

FIVE = ("ADA/USD", "BTC/USD", "ETH/USD", "SOL/USD", "XRP/USD")
THREE = FIVE[:3]


@dataclass
class Account:
    sandbox: RunningSandbox
    venue: CcxtVenue
    ledger: Ledger
    ticks: int = 0

    def tick(self, says: dict[str, Action], stops: StopRules | None = None) -> tuple[TickReport, int]:
        """An hour later, when the counter is empty again, one tick; its report and what it cost."""
        self.sandbox.control.advance(3600)
        self.ticks += 1
        told = dict.fromkeys(FIVE, Action.HOLD) | says
        report = tick_of(self.venue, self.ledger, str(self.ticks), told, self.ticks, stops=stops or StopRules())
        cost = self.spent()
        assert report.done
        assert report.problems == {}
        assert report.unknown == {}
        assert report.unprotected == ()
        assert self.ledger.check_balances(self.venue.balances()) == ()
        return report, cost

    def spent(self) -> int:
        server = self.sandbox.server
        assert server is not None
        return server.venue.state.counters[f"rest:{DEMO_KEY}"].micro // ONE


@pytest.fixture
def account(tmp_path: Path) -> Iterator[Account]:
    config = sandbox_config(opening_balances={"USD": "50000"}, tier="pro")
    with (
        running_sandbox(config=config) as sandbox,
        Ledger.open(sqlite_url(tmp_path), account="main", exchange="kraken") as ledger,
    ):
        made = Account(sandbox, connect(sandbox.base_url), ledger)
        made.tick({})  # the first tick of a book also reads where its money came from
        yield made


def test_ticks_stay_far_below_the_venues_limit_even_at_one_instant(account: Account) -> None:
    report, cost = account.tick(dict.fromkeys(FIVE, Action.BUY))
    assert [sent.result for sent in report.sent] == [IntentResult.ACCEPTED] * 5
    assert all(sent.fills for sent in report.sent)
    assert len(account.ledger.positions()) == 5
    assert cost <= 14, "a tick with five entries"

    report, cost = account.tick({})
    assert report.fills == ()
    assert cost <= 5, "a quiet tick"

    report, cost = account.tick(dict.fromkeys(THREE, Action.SELL))
    assert [left.problem for left in report.exits] == [""] * 3
    assert len(account.ledger.positions()) == 2
    assert cost <= 20, "a tick with three exits by signal"

    account.tick(dict.fromkeys(THREE, Action.BUY), StopRules(max_holding=timedelta(minutes=30)))
    report, cost = account.tick({})
    assert [left.reason.partition(":")[0] for left in report.exits] == ["max_holding"] * 3
    assert all(left.sent[0].fills for left in report.exits)
    assert len(account.ledger.positions()) == 2
    assert cost <= 20, "a tick with three exits by their plan"


def test_tick_that_leaves_three_and_enters_two_passes_at_one_instant(account: Account) -> None:
    account.tick(dict.fromkeys(THREE, Action.BUY))
    report, cost = account.tick(dict.fromkeys(THREE, Action.SELL) | dict.fromkeys(FIVE[3:], Action.BUY))
    assert set(account.ledger.positions()) == set(FIVE[3:])
    assert len(report.exits) == 3
    assert cost <= 20
