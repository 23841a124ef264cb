"""Signals by command: weights and what was learned, learning begun anew, what is in the news."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from kracken_tasks import wiring
from kracken_tasks.domain.market import SeriesKey, Timeframe
from kracken_tasks.settings import load_settings
from kracken_tasks.signals.learning import learn
from kracken_tasks.strategies import SmaCrossStrategy, TrendVolStrategy
from tests.support.command_line import Kracken
from tests.support.decisions import opinion
from tests.support.ledger import at
from tests.support.sandbox import running_sandbox
from tests.support.traded import trade


@pytest.fixture
def sandbox_url(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    with running_sandbox() as running:
        monkeypatch.setenv("KRACKEN_SANDBOX__PORT", running.base_url.rpartition(":")[2])
        yield running.base_url


def test_weights_show_what_trades_have_made_of_them_and_a_reset_forgets_it(kracken: Kracken, sandbox_url: str) -> None:
    ledger = wiring.ledger(load_settings())
    trade(ledger, 1, "110", (opinion("rsi", 0.8), opinion("macd", -0.4)))
    assert "0 closed positions looked at, 1 wait for the next tick" in kracken("signals", "weights").words
    learn(ledger, ts=at(20))
    shown = kracken("signals", "weights")
    assert "1 (100 %)" in shown.out
    assert "1 closed positions looked at, 0 wait" in shown.words
    assert kracken("signals", "reset", "--by", "Ada", "--reason", "new market").code == 0
    assert "learned since the reset at" in kracken("signals", "weights").words
    assert "1 (100 %)" not in kracken("signals", "weights").out


def test_a_reset_without_a_reason_is_refused(kracken: Kracken) -> None:
    assert kracken("signals", "reset", "--by", "Ada").code == 2


def test_without_a_source_the_news_are_silent_and_it_says_what_to_set(kracken: Kracken) -> None:
    said = kracken("signals", "sentiment", "--read")
    assert (said.code, "set sentiment.feeds" in said.words) == (0, True)


def test_the_sandbox_s_news_are_read_and_shown_as_the_next_tick_hears_them(
    kracken: Kracken, sandbox_url: str, home: Path
) -> None:
    config = home.parent / "config"
    config.mkdir(exist_ok=True)
    (config / "kracken.yaml").write_text(
        f"sentiment:\n  feeds: {{wire: {sandbox_url}/news/feed.xml, gone: {sandbox_url}/nowhere}}\n"
        f"  fear_greed_url: {sandbox_url}/news/fear-greed.json\n"
    )
    assert "no fresh word" in kracken("signals", "sentiment").words
    said = kracken("signals", "sentiment", "--read")
    assert said.code == 1
    assert "gone: source gone answered 404" in said.words
    assert "fear" in said.words  # and greed: a narrow table breaks its cells
    settings = load_settings()
    now = wiring.market_now(settings)
    heard = wiring.tick_deps(settings).sentiment("BTC/USD", now)
    assert heard is not None
    assert "headlines at" in heard.told


def test_a_rehearsal_uses_the_parameters_of_the_agent_that_runs_the_strategy(
    kracken: Kracken, sandbox_url: str, home: Path
) -> None:
    config = home.parent / "config"
    config.mkdir(exist_ok=True)
    (config / "agents.yaml").write_text(
        "agents:\n  - {name: ada, strategy: sma_cross, parameters: {fast: 3, slow: 9}, stops: {stop_loss_pct: 0.01}}\n"
    )
    key = SeriesKey("kraken", "BTC/USD", Timeframe.H1)
    setting = wiring.rehearsal(load_settings(), key, "sma_cross")
    assert (setting.strategy, setting.stops.stop_loss_pct) == (SmaCrossStrategy(3, 9), 0.01)
    assert wiring.rehearsal(load_settings(), key, "trend_vol").strategy == TrendVolStrategy()
