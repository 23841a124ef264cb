"""What several agents decided can be computed again, each by its own strategy and with the account's answers as they were."""

from __future__ import annotations

from pathlib import Path

from kracken_tasks.domain.market import SeriesKey, Timeframe
from kracken_tasks.domain.trading import Action
from kracken_tasks.explain.replay import replay
from kracken_tasks.risk.limits import RiskLimits
from kracken_tasks.strategies.seated import Seat, Seated
from tests.support.bench import Bench, TellingStrategy
from tests.support.market_data import BTC

KEY = SeriesKey("kraken", BTC, Timeframe.H1)


def test_every_agent_s_decision_is_identical_when_computed_again(tmp_path: Path) -> None:
    bench = Bench(tmp_path, symbols=(BTC,))
    bench.limits = RiskLimits(cooldown_minutes=0, max_total_exposure=0.12)
    ada, bob = TellingStrategy({BTC: Action.BUY}), TellingStrategy({BTC: Action.BUY}, confidence=0.8)
    bench.tick(seats=(Seat("ada", 1.0, {BTC: ada}), Seat("bob", 1.0, {BTC: bob})))
    entries = {entry.strategy: entry for entry in bench.ledger.decisions()}
    assert [entry.decision.blocked_by is None for entry in entries.values()] == [True, False]
    for name, strategy in (("ada", ada), ("bob", bob)):
        again = replay(entries[f"{name}:telling"], Seated(name, strategy), bench.candles, KEY, bench.limits)
        assert again.differences == ()
    other = replay(entries["bob:telling"], Seated("ada", ada), bench.candles, KEY, bench.limits)
    assert {"strategy", "confidence"} <= {item.what for item in other.differences}
