"""Wiring: one code for sandbox and paper, and a refusal for live."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from kracken_tasks import wiring
from kracken_tasks.candles.ingestion import ingest
from kracken_tasks.domain.clock import utc
from kracken_tasks.domain.market import SeriesKey, Timeframe
from kracken_tasks.errors import Misconfigured
from kracken_tasks.execution.paper import PaperBroker
from kracken_tasks.execution.tick import run_tick
from kracken_tasks.execution.tick_deps import TickSlot
from kracken_tasks.settings import Settings, load_settings
from tests.support.sandbox import RunningSandbox, running_sandbox

HOUR = timedelta(hours=1)


def _settings(home: Path, **overrides: Any) -> Settings:
    return load_settings(
        home / "no-config",
        env={},
        overrides={
            "home": home,
            "pairs": ["BTC/USD", "ETH/USD"],
            "ml_integration": {"confidence_threshold": 0.3},  # the default would wait for days on this market
            **overrides,
        },
    )


def _tick(settings: Settings, number: int) -> str:
    keys = wiring.series(settings, timeframes=[Timeframe.H1])
    market = wiring.venue(settings)
    ingest(wiring.lake(settings), market, keys, wiring.judge(settings))
    return run_tick(wiring.tick_deps(settings, Timeframe.H1), TickSlot("test", market.now(), f"t{number}")).result


def _trade(settings: Settings, sandbox: RunningSandbox) -> None:
    """Hour by hour until something was bought, and a few hours more."""
    hours_after = 0
    for number in range(60):
        assert _tick(settings, number) == "done"
        sandbox.control.advance(HOUR.total_seconds())
        hours_after += bool(wiring.ledger(settings).fills())
        if hours_after > 3:
            return


def test_paper_trades_on_public_prices_with_money_of_its_own(tmp_path: Path) -> None:
    with running_sandbox() as sandbox:
        settings = _settings(tmp_path, profile="paper", exchanges={"kraken": {"base_url": sandbox.base_url}})
        assert isinstance(wiring.broker(settings), PaperBroker)
        _trade(settings, sandbox)
        ledger = wiring.ledger(settings)
        assert ledger.fills()
        assert all(mark.equity > 0 for mark in ledger.equity())
        assert sandbox.control.account()["trades"] == {}


def test_the_same_settings_in_the_sandbox_send_orders_to_the_sandbox(tmp_path: Path) -> None:
    with running_sandbox() as sandbox:
        settings = _settings(tmp_path, sandbox={"port": int(sandbox.base_url.rsplit(":", 1)[1])})
        _trade(settings, sandbox)
        booked = {fill.trade_id for fill in wiring.ledger(settings).fills()}
        assert booked
        assert booked == set(sandbox.control.account()["trades"])


def test_live_without_a_key_is_refused_in_a_sentence(tmp_path: Path) -> None:
    settings = _settings(tmp_path, profile="live", live={"confirm_account": "main"})
    with pytest.raises(Misconfigured, match="profile live and its API key are needed"):
        wiring.broker(settings)


def test_a_venue_that_is_not_enabled_names_those_that_are(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match=r"'binance' is not enabled; allowed: kraken"):
        wiring.series(_settings(tmp_path), exchanges=["binance"])


def test_a_lake_of_the_sandbox_is_not_fed_with_the_real_venues_candles(tmp_path: Path) -> None:
    sandbox, paper = _settings(tmp_path), _settings(tmp_path, profile="paper")
    elsewhere = _settings(tmp_path, profile="paper", exchanges={"kraken": {"base_url": "http://127.0.0.1:9"}})
    lake = wiring.lake_fed_by(paper, "kraken")
    assert wiring.lake_fed_by(sandbox, "kraken") is lake  # nothing is in it yet: it is nobody's
    moment = utc(2025, 1, 1)
    lake.mark_outage(SeriesKey("kraken", "BTC/USD", Timeframe.H1), moment, moment + HOUR, "down", known_at=moment)
    assert wiring.lake_fed_by(elsewhere, "kraken") is lake
    with pytest.raises(Misconfigured, match=r"holds what a local exchange told as kraken.*a home of its own"):
        wiring.lake_fed_by(paper, "kraken")
    assert wiring.lake(paper) is lake  # reading is free
