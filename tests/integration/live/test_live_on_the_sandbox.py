"""Profile live through ccxt, against the sandbox exchange: refused until everything agrees, and small at first."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from kracken_tasks import wiring
from kracken_tasks.backtest.rehearsal import rehearse
from kracken_tasks.candles.ingestion import ingest
from kracken_tasks.domain.market import SeriesKey, Timeframe
from kracken_tasks.domain.trading import Action, IntentKey, OrderKind, OrderRequest, Purpose, Side
from kracken_tasks.errors import Misconfigured, TradeRefused
from kracken_tasks.execution.tick import run_tick
from kracken_tasks.execution.tick_deps import TickSlot
from kracken_tasks.live import arm, disarm
from kracken_tasks.live.rehearsals import find_rehearsed, rehearsal_name
from kracken_tasks.sandbox.client_config import DEMO_SECRET
from kracken_tasks.sandbox.clock import ClockMode
from kracken_tasks.sandbox.config import TRADING_RIGHTS, ApiKey
from kracken_tasks.settings import Settings, load_settings
from kracken_tasks.wiring.live import preflight
from kracken_tasks.wiring.trading import kill_switch
from tests.support.bench import TellingStrategy
from tests.support.sandbox import RunningSandbox, running_sandbox, sandbox_config

SYMBOL = "BTC/USD"
KEYS = (
    ApiKey("a-key-that-trades", DEMO_SECRET),
    ApiKey("a-key-that-withdraws", DEMO_SECRET, rights=(*TRADING_RIGHTS, "withdraw-funds")),
    ApiKey("a-key-that-reads", DEMO_SECRET, rights=tuple(r for r in TRADING_RIGHTS if r != "modify-trades")),
    ApiKey("a-key-without-ledger", DEMO_SECRET, rights=tuple(r for r in TRADING_RIGHTS if "ledger" not in r)),
)


@pytest.fixture
def sandbox() -> Iterator[RunningSandbox]:
    with running_sandbox(config=sandbox_config(clock_mode=ClockMode.WALL, api_keys=KEYS)) as running:
        yield running


def live(sandbox: RunningSandbox, home: Path, *, key: str = KEYS[0].key, **overrides: Any) -> Settings:
    told = {
        "profile": "live", "home": home, "pairs": [SYMBOL], "timeframes": ["1h"], "live": {"confirm_account": "main"},
        "trading": {"bar_wait_seconds": 0},
        "exchanges": {"kraken": {"base_url": sandbox.base_url, "api_key": key, "secret": DEMO_SECRET, "tier": "pro"}},
    }  # fmt: skip
    return load_settings(home / "no-config", env={}, overrides=told | overrides)


def rehearsed(settings: Settings) -> None:
    """Candles as ingest brings them, and the backtest that live asks for."""
    key = SeriesKey("kraken", SYMBOL, Timeframe.H1)
    ingest(wiring.lake(settings), wiring.venue(settings), wiring.series(settings), wiring.judge(settings))
    snapshot = wiring.lake(settings).snapshot()
    folder = settings.paths.reports / "backtests" / rehearsal_name("ensemble", key)
    rehearse(snapshot.candles(key), wiring.rehearsal(settings, key, "ensemble"), folder=folder, commit_seq=snapshot.seq)


def failed(settings: Settings) -> list[str]:
    return [check.name for check in preflight(settings).failed]


def armed(settings: Settings) -> None:
    arm(
        wiring.ledger(settings), account="main", by="ada", reason="the first day", duration=timedelta(hours=1),
        now=wiring.market_now(settings),
    )  # fmt: skip


def bought(settings: Settings, number: int) -> Any:
    deps = wiring.tick_deps(settings, Timeframe.H1)
    deps = replace(deps, strategies={SYMBOL: TellingStrategy(says={SYMBOL: Action.BUY})})
    return run_tick(deps, TickSlot("test", deps.broker.now(), f"t{number}"))


def test_it_is_refused_until_everything_agrees_then_the_first_order_is_small(
    sandbox: RunningSandbox, tmp_path: Path
) -> None:
    settings = live(sandbox, tmp_path)
    assert failed(settings) == ["backtests", "armed"]
    with pytest.raises(Misconfigured, match=r"not ready: backtests: main \(ensemble\) on BTC/USD: none .*; armed:"):
        wiring.tick_deps(settings)
    rehearsed(settings)
    assert failed(settings) == ["armed"]
    with pytest.raises(Misconfigured, match=r"not ready: armed: account main was never armed .*kracken arm"):
        wiring.tick_deps(settings)
    armed(settings)
    assert failed(settings) == []
    report = bought(settings, 1)
    assert report.result == "done"
    (fill,) = wiring.ledger(settings).fills()
    assert 0 < fill.cost <= 51  # live.first_order_cap and the way to the tick
    assert set(sandbox.control.account()["trades"]) == {fill.trade_id}


def test_disarmed_it_buys_nothing_and_goes_on_looking_after_what_is_held(
    sandbox: RunningSandbox, tmp_path: Path
) -> None:
    settings = live(sandbox, tmp_path)
    rehearsed(settings)
    armed(settings)
    bought(settings, 1)
    ledger = wiring.ledger(settings)
    (position,) = ledger.positions().values()
    disarm(ledger, by="ada", reason="enough", now=wiring.market_now(settings))
    report = bought(settings, 2)  # something is held: the tick runs
    assert report.result == "done"
    assert [outcome.guard for d in report.decisions if (outcome := d.blocked_by) is not None] == ["armed"]
    stops = [order for order in wiring.broker(settings).open_orders() if order.trigger_price is not None]
    assert [stop.amount for stop in stops] == [position.amount]
    key = IntentKey("main", "by hand", SYMBOL, Purpose.ENTRY)
    with pytest.raises(TradeRefused, match="disarmed by ada"):
        wiring.broker(settings).submit(
            OrderRequest(key.client_order_id, SYMBOL, Side.BUY, OrderKind.MARKET, position.amount)
        )
    from kracken_tasks.execution.flatten import flatten

    tools = wiring.flatten_tools(settings)
    flat = flatten(
        tools.broker, tools.ledger, wiring.tick_deps(settings).wall, holder="ada", by="ada", config=tools.config
    )
    assert flat.flat
    with pytest.raises(Misconfigured, match="disarmed by ada"):  # nothing is held any more: it does not start
        wiring.tick_deps(settings)


def test_the_kill_switch_stops_a_purchase_whoever_sends_it_and_however_late(
    sandbox: RunningSandbox, tmp_path: Path
) -> None:
    settings = live(sandbox, tmp_path)
    armed(settings)
    broker = wiring.broker(settings)
    switch = kill_switch(settings)
    switch.hold("ada", "the news", wiring.market_now(settings))  # while a tick is between its decision and its order
    key = IntentKey("main", "by hand", SYMBOL, Purpose.ENTRY)
    order = OrderRequest(key.client_order_id, SYMBOL, Side.BUY, OrderKind.MARKET, Decimal("0.01"))
    with pytest.raises(TradeRefused, match="the kill switch is held by ada"):
        broker.submit(order)
    switch.let_go()
    assert broker.submit(order)


@pytest.mark.parametrize(
    ("key", "check"),
    [("a-key-that-withdraws", "no withdrawal"), ("a-key-that-reads", "ordering"), ("a-key-without-ledger", "reading")],
)
def test_a_key_with_a_right_too_many_or_too_few_is_refused(
    sandbox: RunningSandbox, tmp_path: Path, key: str, check: str
) -> None:
    settings = live(sandbox, tmp_path, key=key)
    assert failed(settings) == [check, "backtests", "armed"]


def test_a_venue_whose_clock_is_off_is_refused(sandbox: RunningSandbox, tmp_path: Path) -> None:
    sandbox.control.settings(clock_skew_ms=-30_000)
    assert "clock" in failed(live(sandbox, tmp_path))


def test_other_limits_than_those_that_were_rehearsed_are_refused(sandbox: RunningSandbox, tmp_path: Path) -> None:
    rehearsed(live(sandbox, tmp_path))
    wider = live(sandbox, tmp_path, risk_management={"max_position_size": 0.2})
    found = preflight(wider)
    assert "with other parameters, limits or stops" in found.sentence()


def test_another_parameter_of_the_strategy_than_the_one_that_was_rehearsed_is_refused(
    sandbox: RunningSandbox, tmp_path: Path
) -> None:
    rehearsed(live(sandbox, tmp_path))
    bolder = live(sandbox, tmp_path, agents=[{"name": "main", "parameters": {"threshold": 0.01}}])
    found = preflight(bolder)
    assert "with other parameters, limits or stops" in found.sentence()
    heavier = live(sandbox, tmp_path, ml_integration={"signal_weights": {"rsi": 1.0}})
    assert "with other parameters, limits or stops" in preflight(heavier).sentence()


def test_a_rehearsal_on_another_venue_s_candles_is_none(tmp_path: Path) -> None:
    key = SeriesKey("binance", SYMBOL, Timeframe.H1)
    folder = tmp_path / rehearsal_name("ensemble", key)
    folder.mkdir()
    of = {"last": "2024-03-01T00:00:00Z", "rules": "r1", "series": str(key)}
    (folder / "figures.json").write_text(json.dumps({"of": of}))
    assert find_rehearsed(tmp_path, "ensemble", key) is not None
    assert find_rehearsed(tmp_path, "ensemble", replace(key, exchange="kraken")) is None


def test_play_money_does_not_go_on_in_the_book_of_real_money(sandbox: RunningSandbox, tmp_path: Path) -> None:
    armed(live(sandbox, tmp_path))
    with pytest.raises(Misconfigured, match="has been armed for real money; profile paper needs a home or an account"):
        wiring.tick_deps(live(sandbox, tmp_path, profile="paper"))


def test_without_a_key_nothing_is_sent_and_it_says_so(tmp_path: Path) -> None:
    settings = load_settings(
        tmp_path / "no", env={}, overrides={"profile": "live", "home": tmp_path, "live": {"confirm_account": "main"}}
    )
    with pytest.raises(Misconfigured, match="profile live and its API key are needed"):
        wiring.broker(settings)
