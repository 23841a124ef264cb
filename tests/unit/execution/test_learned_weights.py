"""A tick decides with what closed trades have taught, and survives when that cannot be learned."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from kracken_tasks.domain.trading import Action
from kracken_tasks.errors import BadData
from kracken_tasks.signals.learning import TOPIC, learn
from kracken_tasks.strategies.proposal import Strategy
from tests.support.bench import Bench, TellingStrategy
from tests.support.market_data import BTC


def test_the_strategy_that_decides_is_the_one_with_the_learned_weights(tmp_path: Path) -> None:
    bench = Bench(tmp_path, symbols=(BTC,))
    surer = TellingStrategy({BTC: Action.BUY}, confidence=0.97)
    report = bench.tick(retuner=lambda now: lambda strategy: surer)
    assert [decision.confidence for decision in report.decisions] == [0.97]
    bench.require_truth()


def test_the_tick_after_a_trade_closed_has_learned_from_it(tmp_path: Path) -> None:
    bench = Bench(tmp_path, symbols=(BTC,))

    def retuner(now: datetime) -> Callable[[Strategy], Strategy]:
        learn(bench.ledger, ts=now)
        return lambda strategy: strategy

    bench.tick({BTC: Action.BUY}, retuner=retuner)
    bench.tick({BTC: Action.SELL}, retuner=retuner)
    assert bench.ledger.notes(TOPIC) == ()
    bench.tick(retuner=retuner)
    assert [note.key for note in bench.ledger.notes(TOPIC)] == ["trades:0:1"]
    bench.require_truth()


def test_weights_that_cannot_be_read_leave_the_configured_ones_and_are_told(tmp_path: Path) -> None:
    bench = Bench(tmp_path, symbols=(BTC,))

    def broken(now: datetime) -> Callable[[Strategy], Strategy]:
        raise BadData("note trades:0:1 of signal_weights cannot be read")

    report = bench.tick({BTC: Action.BUY}, retuner=broken)
    assert [decision.action for decision in report.decisions] == [Action.BUY]
    assert "cannot be read" in report.problems["signal weights"]
    bench.require_truth()
