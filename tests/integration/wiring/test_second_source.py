"""The price collar through real ccxt clients: another enabled venue of the sandbox is asked, and a dead one is told."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from kracken_tasks import wiring
from kracken_tasks.candles.ingestion import ingest
from kracken_tasks.domain.market import Timeframe
from kracken_tasks.domain.trading import Action
from kracken_tasks.execution.tick import run_tick
from kracken_tasks.execution.tick_deps import TickSlot
from kracken_tasks.settings import Settings, load_settings
from tests.support.bench import TellingStrategy
from tests.support.sandbox import RunningSandbox, running_sandbox

SYMBOL = "BTC/USD"


def trading(sandbox: RunningSandbox, home: Path, other: str, symbol: str) -> Settings:
    told = {
        "home": home, "pairs": [SYMBOL], "timeframes": ["1h"], "trading": {"bar_wait_seconds": 0},
        "sandbox": {"port": int(sandbox.base_url.rsplit(":", 1)[1])},
        "exchanges": {"kraken": {}, other: {"symbols": [symbol]}},
    }  # fmt: skip
    return load_settings(home / "no-config", env={}, overrides=told)


def collar(settings: Settings, number: int) -> str:
    deps = wiring.tick_deps(settings, Timeframe.H1)
    deps = replace(deps, strategies={SYMBOL: TellingStrategy(says={SYMBOL: Action.BUY})})
    report = run_tick(deps, TickSlot("test", deps.broker.now(), f"t{number}"))
    assert report.result == "done"
    (decision,) = report.decisions
    return next(outcome.reason for outcome in decision.guards if outcome.guard == "price_collar")


def test_another_venue_in_the_same_money_is_the_second_source_and_one_in_other_money_is_not(tmp_path: Path) -> None:
    with running_sandbox() as sandbox:
        settings = trading(sandbox, tmp_path / "a", "coinbase", SYMBOL)
        series = wiring.series(settings, exchanges=["kraken"])
        ingest(wiring.lake(settings), wiring.venue(settings), series, wiring.judge(settings))
        assert "(coinbase), allowed" in collar(settings, 1)
        tether = trading(sandbox, tmp_path / "b", "binance", "BTC/USDT")
        ingest(wiring.lake(tether), wiring.venue(tether), series, wiring.judge(tether))
        assert "(last close; binance does not list it), allowed" in collar(tether, 1)
