"""The settings: one frozen root, groups named after what they govern, units in the names.

Keys of ``risk_management``, ``ml_integration``, ``price_feed``, ``paper_trading`` and ``logging`` are the announced ones of
``config/kraken_paper_trading.yaml`` and keep their announced defaults.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import Literal

from pydantic import (
    AwareDatetime,
    Field,
    SecretStr,
    model_validator,
)

from kracken_tasks.domain.market import Timeframe
from kracken_tasks.settings.fields import Fraction, Group, Port, Symbol, Zone
from kracken_tasks.settings.paper import PaperSettings
from kracken_tasks.settings.signals import SentimentSettings, SignalSettings
from kracken_tasks.settings.trading import AgentStops, RiskSettings, TradingSettings
from kracken_tasks.settings.venues import ExchangeSettings, RateSettings, SandboxSettings

__all__ = ["AgentSettings", "ExchangeSettings", "HomePaths", "PaperSettings", "Profile", "Settings"]


class Profile(StrEnum):
    """Which market data and which orders: one code for all three."""

    SANDBOX = "sandbox"
    PAPER = "paper"
    LIVE = "live"


class PriceFeedSettings(Group):
    """Streams: how patient a feed is, when what it brought is committed, and when its silence blocks entries."""

    backup_polling_interval: float = Field(
        5.0, gt=0, le=3600, description="Seconds between polls while a stream is down."
    )
    quiet_seconds: float = Field(
        5.0, ge=0.5, le=300, description="Without a message for so long, REST is asked whether anything was missed."
    )
    silence_seconds: float = Field(
        10.0, ge=1, le=300, description="Without a frame of any kind for so long, a connection counts as dead."
    )
    patience_seconds: float = Field(
        120.0, ge=1, le=3600, description="How long a hole is tried to be filled before it is committed as one."
    )
    batch_seconds: float = Field(15.0, ge=1, le=600, description="What has come is committed at least so often.")
    batch_rows: int = Field(5000, ge=100, le=100_000, description="Or when so many rows have come.")
    most_rows_waiting: int = Field(
        200_000,
        ge=100_000,
        le=10_000_000,
        description="While the lake cannot be written so many rows wait in memory (0.6 kB each); older ones leave a gap.",
    )
    resume_hours: float = Field(
        24.0,
        gt=0,
        le=720,
        description="A recording that ended longer ago begins afresh; the hole is left to a backfill.",
    )
    max_feed_age_seconds: float = Field(
        15.0,
        ge=2,
        le=600,
        description="A recorded symbol whose feed was not known to be whole for so long is not entered.",
    )
    required: bool = Field(False, description="Whether a symbol without a recorded stream is not entered either.")


class LoggingSettings(Group):
    level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    log_to_file: bool = True
    log_file: Path = Path("logs/kraken_paper_trading.log")
    log_rotation: Literal["daily", "hourly", "never"] = "daily"


class ForecastSettings(Group):
    """Training of the LSTM."""

    timeframe: Timeframe = Field(Timeframe.H1, description="Candles the model is trained on.")
    lookback: int = Field(60, ge=8, le=512, description="Window of candles the model sees.")
    epochs: int = Field(15, ge=1, le=500, description="Most passes over the training windows.")
    train_rows: int = Field(4000, ge=300, le=1_000_000, description="Newest candles used for training.")
    hidden_size: int = Field(32, ge=4, le=512, description="Width of the LSTM.")
    seed: int = Field(7, ge=0, lt=2**32, description="Seed of initial weights and batch order.")


class BacktestSettings(Group):
    timeframe: Timeframe = Field(Timeframe.H1, description="Candles that are rehearsed on.")
    max_candles: int = Field(5000, ge=300, le=10_000_000, description="Newest candles rehearsed at most.")
    initial_cash: float = Field(10_000.0, gt=0, description="Quote currency at the start.")
    commission: float = Field(
        0.004, ge=0, lt=0.1, description="Fee per fill; Kraken's first taker tier (2026) is 0.40 %."
    )
    slippage: float = Field(0.0005, ge=0, lt=0.1, description="Price paid beyond the open, as a fraction.")


class LakeSettings(Group):
    """Where candles and tapes lie.  Credentials of a bucket come from the environment, a profile or a role, never from here."""

    url: str | None = Field(
        None, pattern=r"^(s3://[a-z0-9][a-z0-9.-]+(/.*)?|[^:]+)$",
        description="A folder, or `s3://bucket/prefix`; null: the folder `lake` in home.",
    )  # fmt: skip
    endpoint: str | None = Field(
        None, pattern=r"^https?://[^@\s]+$", description="Address of an S3 server other than AWS, without credentials."
    )
    region: str | None = Field(None, pattern=r"^[a-z0-9-]+$", description="Region of the bucket; null: boto3's own.")
    keep_replaced_hours: float = Field(
        24.0, ge=0, description="How long files that newer ones replaced stay for readers at work."
    )
    keep_staged_hours: float = Field(72.0, ge=0, description="How long fetched and judged rows stay in staging.")


class LedgerSettings(Group):
    url: SecretStr | None = Field(None, description="SQLAlchemy URL; null: SQLite in the home folder.")


class AlertSettings(Group):
    """Telegram; without a token alerts are logged."""

    telegram_token: SecretStr | None = None
    telegram_chat_id: str | None = None
    telegram_base_url: str | None = Field(None, description="Another Bot API server than Telegram's own.")


class TaxSettings(Group):
    tax_timezone: Zone = Field("UTC", description="Zone of tax days and years.")
    method: Literal["fifo"] = Field("fifo", description="Lot matching.")
    scope: Literal["per_wallet", "universal"] = Field("per_wallet", description="Pool of lots.")
    base_currency: str = Field("USD", pattern=r"^[A-Z]{3}$", description="Reporting currency.")
    costs: dict[str, Decimal] = Field(
        default_factory=dict,
        description="What coins that were deposited had cost, by the movement's id in the ledger, for the whole of it.",
    )


class LiveSettings(Group):
    """Live trading needs the profile and this name to agree, every check of `kracken preflight`, and `kracken arm`."""

    confirm_account: str | None = Field(None, description="The account's name, typed out; there is no default for it.")
    first_order_cap: float = Field(
        50.0, gt=0, le=1_000_000, description="Largest entry of the first days, in the base currency."
    )
    first_days: int = Field(
        7, ge=1, le=365, description="Days, counted from the first entry that filled, in which first_order_cap holds."
    )
    max_backtest_age_days: float = Field(
        7.0, gt=0, le=90, description="A backtest whose newest candle is older than this does not count as fresh."
    )
    preflight_hours: float = Field(
        6.0, gt=0, le=24, description="How long a passed preflight holds for the ticks after it."
    )


@dataclass(frozen=True, slots=True)
class HomePaths:
    """Where things lie under ``home`` (absolute)."""

    home: Path

    @property
    def lake(self) -> Path:
        return self.home / "lake"

    @property
    def ledger_file(self) -> Path:
        return self.home / "ledger" / "ledger.sqlite"

    @property
    def registry(self) -> Path:
        return self.home / "models"

    @property
    def reports(self) -> Path:
        return self.home / "reports"

    @property
    def exports(self) -> Path:
        return self.home / "exports"

    @property
    def sandbox_state(self) -> Path:
        return self.home / "sandbox" / "state.sqlite"

    @property
    def paper_state(self) -> Path:
        return self.home / "paper" / "state.sqlite"

    @property
    def emergency_journal(self) -> Path:
        return self.home / "emergency" / "flatten.jsonl"

    @property
    def kill_switch(self) -> Path:
        return self.home / "emergency" / "KILL"

    @property
    def rate_counters(self) -> Path:
        return self.home / "rates" / "counters.sqlite"

    @property
    def prefect(self) -> Path:
        return self.home / "prefect"


class PrefectSettings(Group):
    port: Port = Field(4200, description="Port of the Prefect server that `kracken up` starts.")
    host: Literal["127.0.0.1", "0.0.0.0"] = "127.0.0.1"


class AgentSettings(Group):
    """One strategy with its symbols and share of capital (``config/agents.yaml``)."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,30}$")
    strategy: Literal["ensemble", "sma_cross", "lstm", "rsi_ml", "trend_vol"] = "ensemble"
    parameters: dict[str, float | int] = Field(
        default_factory=dict, description="The strategy's own parameters where they differ from its defaults."
    )
    stops: AgentStops = Field(
        default_factory=lambda: AgentStops.model_validate({}),
        description="Its own stops where they differ from risk_management's.",
    )
    symbols: tuple[Symbol, ...] = ()
    share: Fraction = Field(1.0, description="Share of the account's capital.")


DEFAULT_SYMBOLS = ("BTC/USD", "ETH/USD", "SOL/USD", "ADA/USD", "XRP/USD")


class Settings(Group):
    """The root.  ``home`` holds everything Kracken writes: lake, ledger, registry, reports, exports, logs."""

    profile: Profile = Profile.SANDBOX
    home: Path = Field(Path(".kracken"), description="Folder of everything Kracken writes.")
    exchange: str = Field("kraken", description="Venue that is traded on.")
    initial_capital: Decimal = Field(Decimal("10000.0"), gt=0, description="Opening cash of the paper account.")
    symbols: tuple[Symbol, ...] = Field((), description="Symbols to trade; empty: those of pairs.yaml.")

    exchanges: dict[str, ExchangeSettings] = Field(
        default_factory=lambda: {"kraken": ExchangeSettings.model_validate({})}
    )
    pairs: tuple[Symbol, ...] = Field(DEFAULT_SYMBOLS, min_length=1, description="Symbols to ingest.")
    timeframes: tuple[Timeframe, ...] = Field(
        (Timeframe.H1, Timeframe.D1), min_length=1, description="Candles to ingest."
    )
    history_start: AwareDatetime | None = Field(
        None, description="Where history begins; null: as deep as the venue gives."
    )
    agents: tuple[AgentSettings, ...] = Field(
        (AgentSettings.model_validate({"name": "main"}),), min_length=1, max_length=20
    )

    rates: RateSettings = RateSettings.model_validate({})
    sandbox: SandboxSettings = SandboxSettings.model_validate({})
    trading: TradingSettings = TradingSettings.model_validate({})
    risk_management: RiskSettings = RiskSettings.model_validate({})
    ml_integration: SignalSettings = SignalSettings.model_validate({})
    price_feed: PriceFeedSettings = PriceFeedSettings.model_validate({})
    paper_trading: PaperSettings = PaperSettings.model_validate({})
    logging: LoggingSettings = LoggingSettings.model_validate({})
    sentiment: SentimentSettings = SentimentSettings.model_validate({})
    forecast: ForecastSettings = ForecastSettings.model_validate({})
    backtest: BacktestSettings = BacktestSettings.model_validate({})
    lake: LakeSettings = LakeSettings.model_validate({})
    ledger: LedgerSettings = LedgerSettings.model_validate({})
    alerts: AlertSettings = AlertSettings.model_validate({})
    tax: TaxSettings = TaxSettings.model_validate({})
    live: LiveSettings = LiveSettings.model_validate({})
    prefect: PrefectSettings = PrefectSettings.model_validate({})

    @model_validator(mode="after")
    def _live_is_armed_twice(self) -> Settings:
        if self.profile is Profile.LIVE and self.live.confirm_account != self.trading.account:
            raise ValueError(
                f"profile live needs live.confirm_account to be the account's name typed out ({self.trading.account!r})"
            )
        return self

    @model_validator(mode="after")
    def _every_agent_s_stops_have_room(self) -> Settings:
        for agent in self.agents:
            self.risk_management.with_stops(agent.stops)
        return self

    @model_validator(mode="after")
    def _lease_outlasts_the_wait(self) -> Settings:
        if self.trading.bar_wait_seconds >= self.trading.lease_seconds:
            raise ValueError(
                "trading.bar_wait_seconds must be shorter than trading.lease_seconds, or a waiting tick loses its lease"
            )
        return self

    @model_validator(mode="after")
    def _rates_are_shared_in_postgres(self) -> Settings:
        if self.rates.url is not None and not self.rates.url.get_secret_value().startswith("postgres"):
            raise ValueError("rates.url is the address of a PostgreSQL; leave it out for a file in the home folder")
        return self

    @model_validator(mode="after")
    def _exchange_is_listed(self) -> Settings:
        if self.exchange not in self.exchanges or not self.exchanges[self.exchange].enabled:
            enabled = sorted(name for name, venue in self.exchanges.items() if venue.enabled)
            raise ValueError(f"exchange {self.exchange!r} is not among the enabled exchanges {enabled}")
        return self

    @property
    def paths(self) -> HomePaths:
        return HomePaths(self.home.resolve())

    @model_validator(mode="after")
    def _agents_share_one_account(self) -> Settings:
        names = [agent.name for agent in self.agents]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"agents {', '.join(twice)} are named twice; each needs a name of its own")
        total = sum(agent.share for agent in self.agents)
        if total > 1.0 + 1e-9:
            raise ValueError(f"the agents' shares add up to {total:g}; allowed is up to 1")
        return self

    @property
    def traded_symbols(self) -> tuple[str, ...]:
        """What any agent trades, in order of the agents."""
        return tuple(dict.fromkeys(symbol for agent in self.agents for symbol in self.symbols_of(agent)))

    def symbols_of(self, agent: AgentSettings) -> tuple[str, ...]:
        """An agent's own symbols, else the traded ones, else all ingested ones."""
        return agent.symbols or self.symbols or self.pairs

    @property
    def shared(self) -> bool:
        """Whether agents share the account: several of them, or one that may use only a part of it."""
        return len(self.agents) > 1 or self.agents[0].share < 1.0

    def ledger_url(self) -> str:
        """SQLAlchemy URL of the ledger; SQLite under ``home`` unless one is set."""
        if self.ledger.url is not None:
            return self.ledger.url.get_secret_value()
        return f"sqlite:///{self.paths.ledger_file}"

    def without_databases(self) -> Settings:
        """The same, with the rate counters in a file under ``home``: for the way out while every database is away."""
        return self.model_copy(
            update={
                "ledger": LedgerSettings.model_validate({}),
                "rates": self.rates.model_copy(update={"url": None}),
            }
        )

    def rates_url(self) -> str | None:
        """SQLAlchemy URL of the PostgreSQL that holds the rate counters; None: a file under ``home``."""
        if self.rates.url is not None:
            return self.rates.url.get_secret_value()
        ledger = self.ledger_url()
        return ledger if ledger.startswith("postgres") else None

    def history_from(self, now: datetime, timeframe: Timeframe, reach: int) -> datetime:
        """Where ingestion of a series begins: the configured start, else ``reach`` candles back."""
        return self.history_start or timeframe.floor(now) - reach * timeframe.delta
