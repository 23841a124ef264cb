"""Settings into concrete adapters; with ``venue_wiring``, the only place that knows sandbox from paper from live.

In: ``Settings``.  Out: venues, brokers, lake, ledger, channels and what a tick works with.  Never: a decision, a network call that
nobody asked for.  Only doors, hooks, the command line and the local stack import this.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from kracken_tasks.domain import clock
from kracken_tasks.domain.market import SeriesKey, Timeframe
from kracken_tasks.domain.refs import StagedBatch, Verdict
from kracken_tasks.errors import BadData, Misconfigured
from kracken_tasks.feed_wiring import feed_age, holder_name, recorder_rules, streams
from kracken_tasks.lake import Lake, Store, open_store
from kracken_tasks.settings import Settings
from kracken_tasks.trading_wiring import execution_config, risk_limits, stop_rules
from kracken_tasks.venue_wiring import access, broker, enabled, not_enabled, rate_budget, venue

if TYPE_CHECKING:
    import pandas as pd

    from kracken_tasks.alerts.channel import Channel
    from kracken_tasks.backtest.rehearsal import Setting
    from kracken_tasks.exchange.streams import Channel as FeedChannel
    from kracken_tasks.exchange.streams import FeedKey, WebSocketManager
    from kracken_tasks.execution.broker import Broker
    from kracken_tasks.execution.desk import ExecutionConfig
    from kracken_tasks.execution.entries import ForecastSource
    from kracken_tasks.execution.tick_deps import TickDeps
    from kracken_tasks.feeds import FeedBoard, Recorder
    from kracken_tasks.forecast.plan import TrainingConfig
    from kracken_tasks.forecast.registry import Registry
    from kracken_tasks.ledger import Ledger
    from kracken_tasks.strategies import Strategy
    from kracken_tasks.tax.exports import TaxChoices

__all__ = [
    "access", "broker", "candle_judge", "channel", "code_version", "contracts_dir", "execution_config", "feed_board", "feeds",
    "flatten_tools", "lake", "ledger", "market_now", "rate_budget", "recorder", "registry", "rehearsal", "risk_limits", "series",
    "stop_rules", "streams", "tax_choices", "tick_deps", "training_config", "venue",
]  # fmt: skip

_PROJECT = Path(__file__).resolve().parents[1]


def lake(settings: Settings) -> Lake:
    return _lake(settings.lake.url or str(settings.paths.lake), settings.lake.endpoint, settings.lake.region)


@cache
def _lake(url: str, endpoint: str | None, region: str | None) -> Lake:
    # One per process: its cache of decoded files is what makes a tick's reads cheap.
    return Lake(_store(url, endpoint, region))


@cache
def _store(url: str, endpoint: str | None, region: str | None) -> Store:
    return open_store(url, endpoint=endpoint, region=region)


def contracts_dir() -> Path:
    """Raises: Misconfigured if the data contracts are not where the distribution puts them."""
    folder = _PROJECT / "data_contracts"
    if not folder.is_dir():
        raise Misconfigured(f"no data contracts at {folder}", folder=str(folder))
    return folder


def candle_judge(settings: Settings) -> Callable[[StagedBatch, datetime], Verdict]:
    """The contracts' gate, for candles and for tapes."""
    from kracken_tasks.contracts import check_batch

    store, folder = lake(settings), contracts_dir()
    return lambda batch, now: check_batch(store, batch, now=now, contracts_dir=folder)


def series(
    settings: Settings,
    exchanges: Sequence[str] | None = None,
    symbols: Sequence[str] | None = None,
    timeframes: Sequence[Timeframe] | None = None,
) -> list[SeriesKey]:
    """Venues x symbols x timeframes; what is left out comes from the settings.

    Raises: Misconfigured for a venue that is not enabled.
    """
    names = enabled(settings)
    for name in exchanges or ():
        if name not in names:
            raise not_enabled(settings, name)
    return [
        SeriesKey(name, symbol, Timeframe(timeframe))
        for name in exchanges or names
        for symbol in symbols or settings.exchanges[name].symbols or settings.pairs
        for timeframe in timeframes or settings.exchanges[name].timeframes or settings.timeframes
    ]


def market_now(settings: Settings) -> datetime:
    """Market time: the traded venue's clock."""
    return venue(settings).now()


def ledger(settings: Settings) -> Ledger:
    """The account's ledger; SQLite under the home folder unless another URL is set."""
    return _ledger(settings.ledger_url(), settings.trading.account, settings.exchange)


@cache
def _ledger(url: str, account: str, exchange: str) -> Ledger:
    from kracken_tasks.ledger import Ledger

    if url.startswith("sqlite:///"):
        Path(url.removeprefix("sqlite:///")).parent.mkdir(parents=True, exist_ok=True)
    return Ledger.open(url, account=account, exchange=exchange)


def registry(settings: Settings) -> Registry:
    from kracken_tasks.forecast.registry import Registry

    return Registry(settings.paths.registry)


def training_config(settings: Settings) -> TrainingConfig:
    from kracken_tasks.forecast.plan import TrainingConfig

    wanted = settings.forecast
    return TrainingConfig(
        lookback=wanted.lookback,
        hidden=wanted.hidden_size,
        epochs=wanted.epochs,
        max_rows=wanted.train_rows,
        cost_fraction=settings.backtest.commission,
        seed=wanted.seed,
    )


@cache
def code_version() -> str:
    """Version of the installed distribution."""
    return version("kracken")


def _forecast_source(settings: Settings) -> ForecastSource:
    """The champion's forecast for a series; None where there is no champion or it cannot forecast.  Needs no torch."""
    from kracken_tasks.forecast.inference import Forecaster
    from kracken_tasks.signals import ForecastValue

    models = registry(settings)
    loaded: dict[SeriesKey, Forecaster | None] = {}

    def forecast(key: SeriesKey, frame: pd.DataFrame, now: datetime) -> ForecastValue | None:
        if key not in loaded:
            champion = models.champion(key)
            loaded[key] = None if champion is None else Forecaster(champion)
        forecaster = loaded[key]
        if forecaster is None:
            return None
        try:
            close = forecaster.next_close(frame)
        except BadData:
            return None  # a hole in the newest window: no forecast, and the signal says so
        bar = frame["ts"].iloc[-1].to_pydatetime()
        return ForecastValue(close, True, forecaster.bundle.model_id, bar, "champion")

    return forecast


def channel(settings: Settings) -> Channel:
    """Telegram where a token and a chat are set, else the log."""
    from kracken_tasks.alerts.channel import LogChannel

    alerts = settings.alerts
    if alerts.telegram_token is None or alerts.telegram_chat_id is None:
        return LogChannel()
    from kracken_tasks.alerts.telegram import TelegramAlerts, TelegramChannel

    token = alerts.telegram_token.get_secret_value()
    return TelegramChannel(TelegramAlerts(token, alerts.telegram_chat_id, base_url=alerts.telegram_base_url))


def tax_choices(settings: Settings) -> TaxChoices:
    from kracken_tasks.tax.exports import TaxChoices

    tax = settings.tax
    return TaxChoices(currency=tax.base_currency, timezone=tax.tax_timezone, method=tax.method, scope=tax.scope)


def tick_deps(settings: Settings, timeframe: Timeframe | None = None) -> TickDeps:
    """Everything a trading tick works with.

    Raises: Misconfigured for settings that do not fit together.
    """
    from kracken_tasks.contracts import row_findings
    from kracken_tasks.execution.tick_deps import TickDeps

    width, agent = timeframe or settings.trading.timeframe, settings.agents[0]
    keys = {symbol: SeriesKey(settings.exchange, symbol, width) for symbol in settings.traded_symbols}
    return TickDeps(
        broker=broker(settings),
        ledger=ledger(settings),
        wall=clock.WallClock(),
        holder=_holder(),
        snapshot=lake(settings).snapshot,
        series=keys,
        strategies={symbol: _strategy(settings, agent.strategy) for symbol in keys},
        row_findings=row_findings,
        limits=risk_limits(settings),
        stops=stop_rules(settings),
        config=execution_config(settings),
        forecast=_forecast_source(settings),
        wait_for_bar=_bar_waiter(settings),
        feed=feed_age(settings, feed_board(settings)),
        journal=settings.paths.emergency_journal,
        currency=settings.tax.base_currency,
    )


@dataclass(frozen=True, slots=True)
class FlattenTools:
    """What flattening works with: no strategy, no candles, no model."""

    broker: Broker
    ledger: Ledger
    holder: str
    config: ExecutionConfig
    journal: Path


def flatten_tools(settings: Settings) -> FlattenTools:
    """Broker, ledger and how to send; needs no strategy that can be built."""
    journal = settings.paths.emergency_journal
    return FlattenTools(broker(settings), ledger(settings), _holder(), execution_config(settings), journal)


def _holder() -> str:
    return f"{socket.gethostname()}:{os.getpid()}"


def feed_board(settings: Settings) -> FeedBoard:
    """Where recorders tell the pulse of their feeds: beside the lake, in the same store."""
    from kracken_tasks.feeds.board import FeedBoard

    return FeedBoard(
        _store(settings.lake.url or str(settings.paths.lake), settings.lake.endpoint, settings.lake.region)
    )


def recorder(
    settings: Settings, manager: WebSocketManager, feeds: Sequence[FeedKey], *, record: bool = True
) -> Recorder:
    """A recorder of feeds into the lake, by the contract's gate.  Its holder name is this machine and process."""
    from kracken_tasks.feeds import Recorder

    return Recorder(
        manager, feeds, lake(settings), candle_judge(settings), feed_board(settings), holder=holder_name(),
        rules=recorder_rules(settings), record=record,
    )  # fmt: skip


def feeds(
    settings: Settings,
    exchanges: Sequence[str] | None,
    symbols: Sequence[str] | None,
    channels: Sequence[FeedChannel],
    timeframes: Sequence[Timeframe] | None = None,
) -> list[FeedKey]:
    """Venues x symbols x channels; candles once for each timeframe.  What is left out comes from the settings.

    Raises: Misconfigured for a venue that is not enabled.
    """
    from kracken_tasks.exchange.streams import Channel, FeedKey

    found = []
    for key in series(settings, exchanges, symbols, timeframes):
        for channel in channels:
            width = key.timeframe if channel is Channel.CANDLES else None
            found.append(FeedKey(key.exchange, key.symbol, channel, width))
    return list(dict.fromkeys(found))


def rehearsal(settings: Settings, key: SeriesKey, strategy: str) -> Setting:
    """What a backtest of a strategy on a series works with: the same strategy, limits and stops as a tick's."""
    from kracken_tasks.backtest.rehearsal import Setting

    return Setting(
        key=key,
        instrument=venue(settings, key.exchange).instruments()[key.symbol],
        strategy=_strategy(settings, strategy),
        limits=risk_limits(settings),
        stops=stop_rules(settings),
        cash=settings.backtest.initial_cash,
        commission=settings.backtest.commission,
        slippage=settings.backtest.slippage,
    )


def _strategy(settings: Settings, name: str) -> Strategy:
    from kracken_tasks.strategies import build_strategy

    signals = settings.ml_integration
    if name == "ensemble":
        return build_strategy(
            name, {"weights": dict(signals.signal_weights), "threshold": signals.confidence_threshold}
        )
    return build_strategy(name)


def _bar_waiter(settings: Settings) -> Callable[[Sequence[SeriesKey], datetime], None]:
    """Wait, within the bound of the settings, until ingest has brought the bar that just closed.

    One ingest run is one commit, so the bar of any series shows that the run for it is through; a series that still lacks it
    had no trades, or has ended.
    """
    store, bound = lake(settings), settings.trading.bar_wait_seconds

    def wait(keys: Sequence[SeriesKey], bar_ts: datetime) -> None:
        give_up = clock.monotonic_seconds() + bound
        while clock.monotonic_seconds() < give_up:
            snapshot = store.snapshot()
            newest = [snapshot.last_ts(key) for key in keys]
            if any(ts is not None and ts >= bar_ts for ts in newest):
                return
            clock.sleep(0.25)

    return wait
