"""Every bound a trader sets, with the promised defaults.

In: numbers.  Out: a frozen value that cannot hold nonsense.  Never: a flag that switches a guard off; the widest value a limit
may take is still a limit.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from kracken_tasks.errors import Misconfigured

__all__ = ["RiskLimits"]

# (lowest, highest) allowed, both included.  Fractions are of equity unless the field says otherwise.
_BOUNDS: Final[dict[str, tuple[float, float]]] = {
    "max_position_size": (0.001, 1.0),
    "max_risk_per_trade": (0.0001, 0.10),
    "correlation_threshold": (0.0, 0.99),
    "max_drawdown_limit": (0.01, 0.50),
    "daily_loss_limit": (0.001, 0.50),
    "max_consecutive_losses": (1, 50),
    "confidence_threshold": (0.01, 1.0),
    "cooldown_minutes": (0.0, 10_080.0),
    "max_open_positions": (1, 100),
    "max_total_exposure": (0.01, 1.0),
    "max_cluster_exposure": (0.01, 1.0),
    "max_order_fraction": (0.001, 1.0),
    "max_spread_fraction": (0.00001, 0.05),
    "price_collar_fraction": (0.0001, 0.20),
    "max_quote_age_seconds": (1.0, 600.0),
    "max_feed_age_seconds": (2.0, 600.0),
    "max_bar_age_bars": (0.01, 5.0),
    "max_orders_per_minute": (1, 120),
    "max_daily_turnover": (0.01, 100.0),
    "price_cap_fraction": (0.0, 0.05),
    "reference_volatility": (0.001, 1.0),
    "kelly_min_trades": (1, 10_000),
    "kelly_window_days": (1.0, 3650.0),
    "kelly_multiplier": (0.01, 1.0),
    "kelly_shrink_trades": (0, 10_000),
    "kelly_max_fraction": (0.01, 1.0),
}

_COUNTS: Final = frozenset(
    {"max_consecutive_losses", "max_open_positions", "max_orders_per_minute", "kelly_min_trades", "kelly_shrink_trades"}
)


@dataclass(frozen=True, slots=True)
class RiskLimits:
    """Bounds of one account.

    Units: ``*_size``, ``*_limit``, ``max_total_exposure``, ``max_cluster_exposure`` (of holdings that move together: correlated
    above ``correlation_threshold``, also by way of a third), ``max_order_fraction`` and ``max_daily_turnover`` are fractions of
    equity; ``max_risk_per_trade`` the fraction of equity lost when the stop is hit; ``reference_volatility`` the daily standard
    deviation of log returns up to which a position is not made smaller; ``price_cap_fraction`` how far above the ask an entry
    may be filled; ``max_bar_age_bars`` how many bar lengths after its close the newest bar still counts as fresh (1.0: the bar
    that just closed, and no older); ``kelly_min_trades`` and ``kelly_window_days`` how many closed trades of how recent a past a
    Kelly estimate is made from, ``kelly_multiplier`` what of full Kelly is bet, weighted n / (n + ``kelly_shrink_trades``) for n
    trades, never above ``kelly_max_fraction`` of equity; ``day_zone`` the IANA zone whose midnight starts the trading day.
    Raises: Misconfigured naming the key, its value and the allowed range.
    """

    max_position_size: float = 0.10
    max_risk_per_trade: float = 0.02
    correlation_threshold: float = 0.7
    max_drawdown_limit: float = 0.15
    daily_loss_limit: float = 0.05
    max_consecutive_losses: int = 5
    confidence_threshold: float = 0.6
    cooldown_minutes: float = 30.0
    max_open_positions: int = 10
    max_total_exposure: float = 0.80
    max_cluster_exposure: float = 0.30
    max_order_fraction: float = 0.20
    max_spread_fraction: float = 0.005
    price_collar_fraction: float = 0.02
    max_quote_age_seconds: float = 60.0
    max_feed_age_seconds: float = 15.0
    max_bar_age_bars: float = 1.0
    max_orders_per_minute: int = 10
    max_daily_turnover: float = 3.0
    price_cap_fraction: float = 0.002
    reference_volatility: float = 0.03
    kelly_min_trades: int = 30
    kelly_window_days: float = 30.0
    kelly_multiplier: float = 0.25
    kelly_shrink_trades: int = 20
    kelly_max_fraction: float = 0.25
    day_zone: str = "UTC"

    def __post_init__(self) -> None:
        for item in fields(self):
            if item.name != "day_zone":
                self._check_bound(item.name)
        try:
            ZoneInfo(self.day_zone)
        except (ZoneInfoNotFoundError, ValueError) as error:
            raise Misconfigured(
                f"day_zone {self.day_zone!r} is no IANA time zone",
                key="day_zone", value=self.day_zone, allowed="an IANA zone, for example Europe/Berlin",
            ) from error  # fmt: skip

    def _check_bound(self, name: str) -> None:
        value, (low, high) = getattr(self, name), _BOUNDS[name]
        number = isinstance(value, int | float) and not isinstance(value, bool) and low <= value <= high
        if not number or (name in _COUNTS and not isinstance(value, int)):
            allowed = f"{'a whole number, ' if name in _COUNTS else ''}{low} to {high}"
            raise Misconfigured(f"{name} = {value!r}: allowed is {allowed}", key=name, value=value, allowed=allowed)

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.day_zone)
