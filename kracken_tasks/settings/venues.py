"""Settings of the venues, real and local, and of how fast they are called."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Literal

from pydantic import AwareDatetime, Field, SecretStr

from kracken_tasks.domain.market import Timeframe
from kracken_tasks.settings.fields import Group, Port, Symbol

__all__ = ["ExchangeSettings", "RateSettings", "SandboxSettings"]


class ExchangeSettings(Group):
    """One venue of ``config/exchanges.yaml``."""

    enabled: bool = True
    api_key: SecretStr | None = Field(None, description="Key with query and trade rights, never withdrawal.")
    secret: SecretStr | None = Field(None, description="The key's secret, as the venue shows it.")
    password: SecretStr | None = Field(None, description="The key's passphrase, on venues that have one.")
    uid: SecretStr | None = Field(None, description="The account's number, on venues that ask for it.")
    symbols: tuple[Symbol, ...] = Field((), description="Symbols on this venue; empty: those of pairs.yaml.")
    timeframes: tuple[Timeframe, ...] = Field((), description="Candles of this venue; empty: those of pairs.yaml.")
    tier: Literal["starter", "intermediate", "pro"] | None = Field(
        None, description="Kraken's tier of the account, which sets its rate limits; null: starter, the slowest."
    )
    rate_limit_ms: float | None = Field(
        None, ge=1, le=60_000, description="Milliseconds a call of weight 1 takes; null: as ccxt has it for the venue."
    )
    timeout_seconds: float = Field(20.0, gt=0, le=120, description="How long one request may take.")
    base_url: str | None = Field(
        None,
        pattern=r"^https?://[^/]+$",
        description="Another server that speaks the venue's dialect under its name, as /kraken: a sandbox.",
    )


class RateSettings(Group):
    """Where all processes count their calls to venues together."""

    url: SecretStr | None = Field(
        None,
        description="SQLAlchemy URL of a PostgreSQL; null: the ledger's where that is one, else a file in the home folder.",
    )


class SandboxSettings(Group):
    """The local exchange."""

    host: Literal["127.0.0.1", "localhost", "0.0.0.0"] = Field("127.0.0.1", description="Address to listen on.")
    port: Port = Field(8765, description="Port of the REST dialects and the control endpoint.")
    seed: int = Field(7, ge=0, lt=2**32, description="Seed of the market model; another seed is another world.")
    data: Path | None = Field(None, description="Replay this folder or file instead of the model.")
    start: AwareDatetime | None = Field(None, description="Market time to begin at when it should not follow the wall.")
    opening_balance: Decimal = Field(Decimal(10_000), gt=0, description="Deposit in USD booked when the account opens.")
    warm_up_minutes: int = Field(
        180, ge=0, le=1440, description="What a new market's first `kracken up` lives through, minute by minute."
    )
