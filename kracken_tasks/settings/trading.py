"""Settings of a trading tick: how it is run, and what it may risk."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Literal

from pydantic import Field, model_validator

from kracken_tasks.domain.market import Timeframe
from kracken_tasks.settings.fields import Fraction, Group, Zone

__all__ = ["AgentStops", "RiskSettings", "TradingSettings"]


# Stops of the account and of one agent have the same kinds and bounds.
StopKind = Literal["fixed", "volatility"]
StopDistance = Annotated[float, Field(ge=0.001, le=0.5)]
TargetDistance = Annotated[float, Field(ge=0.001, le=10)]
AtrMultiple = Annotated[float, Field(ge=0.1, le=20)]
HoldingHours = Annotated[float, Field(gt=0, le=87_600)]


class TradingSettings(Group):
    """What a trading tick does."""

    account: str = Field(
        "main", pattern=r"^[a-z0-9][a-z0-9_-]{0,30}$", description="Name of the account in the ledger."
    )
    timeframe: Timeframe = Field(Timeframe.H1, description="Candles that signals look at.")
    lease_seconds: float = Field(20.0, ge=2, le=300, description="How long a silent tick keeps others out (wall time).")
    bar_wait_seconds: float = Field(
        12.0, ge=0, le=240, description="How long a tick waits for the bar that just closed."
    )
    max_bar_age_bars: float = Field(
        1.0, ge=0.01, le=5, description="Bar lengths after its close at which the newest bar counts as stale."
    )
    price_cap_fraction: float = Field(
        0.005, gt=0, le=0.05, description="A marketable limit pays at most this beyond the touch."
    )
    order_deadline_seconds: float = Field(
        10.0, ge=2, le=60, description="The venue must refuse an order or an amend that arrives later."
    )
    clock_skew_seconds: float = Field(2.0, ge=0, le=60, description="How far venue and local clocks may differ.")
    listing_lag_seconds: float = Field(5.0, ge=0, le=60, description="How late an accepted order may show in listings.")
    unknown_orders: Literal["report", "adopt"] = Field(
        "report",
        description="Orders on the venue that Kracken never recorded: reported and left alone, or made its own, with a stop.",
    )
    max_spread_fraction: float = Field(0.01, ge=0.00001, le=0.05, description="Wider spreads are not entered.")
    price_collar_fraction: float = Field(
        0.03,
        ge=0.0001,
        le=0.2,
        description="Farthest the ask may stand from another enabled venue's mid price; where none tells one, from the last close.",
    )
    max_quote_age_seconds: float = Field(60.0, ge=1, le=600, description="Older quotes are not traded on.")
    max_order_fraction: Fraction = Field(0.2, ge=0.001, description="Largest single order, as a fraction of equity.")
    max_open_positions: int = Field(10, ge=1, le=100, description="Positions held at once.")
    max_total_exposure: Fraction = Field(0.8, ge=0.01, description="All positions together, as a fraction of equity.")
    max_daily_turnover: float = Field(3.0, ge=0.01, le=100, description="Traded notional a day, in equities.")
    max_orders_per_minute: int = Field(
        10, ge=1, le=120, description="More orders than this within a minute are not sent."
    )
    kill_switch: bool = Field(
        False, description="Whether nothing is entered for now; the file of `kracken kill-switch on` does the same."
    )
    dead_man_seconds: int = Field(
        0,
        ge=0,
        le=86_400,
        description="The venue cancels every order if no tick comes for this long; longer than the time between ticks. 0: off.",
    )
    dead_man_cancels_stops: bool = Field(
        False, description="Whether it is armed while stops rest, too: it would cancel them and leave positions bare."
    )
    risk_timezone: Zone = Field("UTC", description="Zone in which the day of the daily loss begins.")
    parity_bound_fraction: Decimal = Field(
        Decimal("0.005"), gt=0, le=1,
        description="A day whose orders differ from their replay by more than this share of equity is told.",
    )  # fmt: skip


class AgentStops(Group):
    """The stops of one agent; a key that is left out is `risk_management`'s."""

    stop_kind: StopKind | None = Field(None, description="See risk_management.stop_kind.")
    stop_loss_pct: StopDistance | None = Field(None, description="See risk_management.stop_loss_pct.")
    take_profit_pct: TargetDistance | None = Field(None, description="See risk_management.take_profit_pct.")
    atr_multiple: AtrMultiple | None = Field(None, description="See risk_management.atr_multiple.")
    min_stop_pct: StopDistance | None = Field(None, description="See risk_management.min_stop_pct.")
    max_stop_pct: StopDistance | None = Field(None, description="See risk_management.max_stop_pct.")
    trailing_pct: StopDistance | None = Field(None, description="See risk_management.trailing_pct.")
    max_holding_hours: HoldingHours | None = Field(None, description="See risk_management.max_holding_hours.")


class RiskSettings(Group):
    """``risk_management`` of kraken_paper_trading.yaml.  Nothing here can be switched off."""

    max_position_size: Fraction = Field(0.10, ge=0.001, description="Largest position, as a fraction of capital.")
    max_risk_per_trade: float = Field(
        0.02, ge=0.0001, le=0.1, description="Largest loss at the stop, as a fraction of capital."
    )
    correlation_threshold: float = Field(
        0.7,
        ge=0,
        le=0.99,
        description="Holdings correlated above this make a new position smaller, and count as one cluster.",
    )
    max_drawdown_limit: float = Field(
        0.15, ge=0.01, le=0.5, description="Fall from the peak at which all is closed and halted."
    )
    daily_loss_limit: float = Field(0.05, ge=0.001, le=0.5, description="Loss of the day at which entries stop.")
    max_consecutive_losses: int = Field(5, ge=1, le=50, description="Losing trades in a row at which entries stop.")
    stop_kind: StopKind = Field(
        "fixed", description="Stop at a fixed distance, or at a multiple of the average true range."
    )
    stop_loss_pct: StopDistance = Field(0.03, description="Distance of a fixed stop below the entry, as a fraction.")
    take_profit_pct: TargetDistance = Field(
        0.06, description="Distance of the target above the entry; a volatility stop keeps its ratio."
    )
    atr_multiple: AtrMultiple = Field(3.0, description="Average true ranges to a volatility stop.")
    min_stop_pct: StopDistance = Field(0.005, description="A volatility stop is never nearer, as a fraction.")
    max_stop_pct: StopDistance = Field(0.15, description="A volatility stop is never farther, as a fraction.")
    trailing_pct: StopDistance | None = Field(
        None,
        description="The stop follows the best bid at this distance (in a backtest the best close); null: it stays.",
    )
    max_holding_hours: HoldingHours | None = Field(
        None, description="A position older than this is closed; null: no limit."
    )
    reference_volatility: float = Field(
        0.03, ge=0.001, le=1, description="Daily volatility up to which a position is not made smaller."
    )
    kelly_min_trades: int = Field(30, ge=1, le=10_000, description="Closed trades before Kelly cuts a position.")
    kelly_window_days: float = Field(30.0, ge=1, le=3650, description="Older trades than this are forgotten by Kelly.")
    kelly_multiplier: float = Field(0.25, ge=0.01, le=1, description="Share of full Kelly that is bet.")
    kelly_shrink_trades: int = Field(
        20,
        ge=0,
        le=10_000,
        description="An estimate from n trades is weighted n / (n + this): few trades are trusted little.",
    )
    kelly_max_fraction: float = Field(
        0.25, ge=0.01, le=1, description="Kelly never asks for more, as a fraction of equity."
    )
    max_cluster_exposure: float = Field(
        0.30,
        ge=0.01,
        le=1,
        description="Holdings that move together, with the new one, as a fraction of equity; together means correlated above "
        "correlation_threshold, also by way of a third.",
    )

    def with_stops(self, stops: AgentStops) -> RiskSettings:
        """The same with an agent's own stops; what it leaves out stays.  Raises: ValueError where the two do not fit together."""
        own = {name: value for name, value in stops.model_dump().items() if value is not None}
        return RiskSettings.model_validate({**self.model_dump(), **own})

    @model_validator(mode="after")
    def _stops_have_room(self) -> RiskSettings:
        if self.min_stop_pct > self.max_stop_pct:
            raise ValueError(f"min_stop_pct {self.min_stop_pct} is above max_stop_pct {self.max_stop_pct}")
        return self
