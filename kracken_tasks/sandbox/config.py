"""What a sandbox server is started with.

In: plain values, from a command line or a test.  Out: one frozen value, checked.  Never: the environment, files.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from kracken_tasks.sandbox.client_config import DEMO_KEYS, DEMO_SECRET
from kracken_tasks.sandbox.clock import ClockMode
from kracken_tasks.sandbox.engine.fees import FeeTier
from kracken_tasks.sandbox.limits import TIERS
from kracken_tasks.sandbox.profiles import KRAKEN, PROFILES

__all__ = ["TRADING_RIGHTS", "ApiKey", "SandboxConfig"]

_DEMO_ACCOUNT = "demo"
# What trading needs, and no more: no withdrawal.
TRADING_RIGHTS = (
    "query-funds", "query-open-trades", "query-closed-trades", "modify-trades", "close-trades", "query-ledger-entries",
    "access-websockets",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key pair, the account it opens and what it may do there; ``secret`` is base64, as Kraken's are.

    ``rights``: the permissions as Kraken names them.  The sandbox asks for them on its Kraken side only.
    """

    key: str
    secret: str = field(repr=False)
    account: str = _DEMO_ACCOUNT
    rights: tuple[str, ...] = TRADING_RIGHTS


@dataclass(frozen=True, slots=True)
class SandboxConfig:
    """Everything the sandbox can be told at its start.

    ``state_path`` None keeps the state in memory.  ``clock_start`` matters only for a new state: None means the wall's now
    for a synthetic market that follows the wall, 2025-01-06 for a manual clock, and the data's first trade for a replay.
    ``opening_balances`` are deposits booked when an account is first seen, by asset (``USD``, ``BTC``), as decimal text.
    ``venue_balances`` replaces them on the venues it names (kraken, binance, coinbase, bitstamp); elsewhere USD opens as the
    venue's money, which is USDT on binance.  ``venues`` are the dialects served; Kraken leads the clock and is always there.
    ``fee_tiers`` replaces Kraken's schedule for all pairs.  ``public_calls_per_second`` 0 is no limit.
    ``listing_lag_ms`` None means 0 with a manual clock and 200 following the wall.
    """

    market: str = "synthetic:7"
    host: str = "127.0.0.1"
    port: int = 8765
    state_path: Path | None = None
    clock_mode: ClockMode = ClockMode.WALL
    clock_start: datetime | None = None
    opening_balances: Mapping[str, str] = field(default_factory=lambda: {"USD": "10000"})
    venue_balances: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    venues: tuple[str, ...] = tuple(PROFILES)
    api_keys: tuple[ApiKey, ...] = tuple(ApiKey(key, DEMO_SECRET) for key in DEMO_KEYS)
    tier: str = "pro"
    fee_tiers: tuple[FeeTier, ...] | None = None
    fill_share_percent: int = 50
    listing_lag_ms: int | None = None
    public_calls_per_second: int = 0
    control_token: str | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "clock_mode", ClockMode(self.clock_mode))
        if self.tier not in TIERS:
            raise ValueError(f"tier {self.tier!r}: one of {', '.join(TIERS)}")
        if not 0 < self.fill_share_percent <= 100:
            raise ValueError(f"fill_share_percent {self.fill_share_percent}: from 1 to 100")
        if self.clock_start is not None and self.clock_start.tzinfo is None:
            raise ValueError(f"clock_start {self.clock_start!r}: times carry their zone here")
        unknown = (set(self.venues) | set(self.venue_balances)) - set(PROFILES)
        if unknown:
            raise ValueError(f"venues {', '.join(sorted(unknown))}: of {', '.join(PROFILES)}")
        if KRAKEN.name not in self.venues:
            raise ValueError("venues: kraken leads the clock and cannot be left out")
        if not self.api_keys:
            raise ValueError("api_keys: at least one")

    @property
    def base_url(self) -> str:
        return f"http://{self.host}:{self.port}"
