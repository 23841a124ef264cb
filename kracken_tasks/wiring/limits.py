"""Settings into the rules of trading: limits, stops, how orders are sent; all numbers.

In: ``Settings``.  Out: frozen rules.  Never: a venue, a file, a network call.
"""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

from kracken_tasks.settings import AgentSettings, Profile, Settings

if TYPE_CHECKING:
    from kracken_tasks.execution.desk import ExecutionConfig
    from kracken_tasks.risk import RiskLimits, StopRules

__all__ = ["execution_config", "risk_limits", "stop_rules"]


def risk_limits(settings: Settings) -> RiskLimits:
    from kracken_tasks.risk import RiskLimits

    risk, trading, signals = settings.risk_management, settings.trading, settings.ml_integration
    return RiskLimits(
        max_position_size=risk.max_position_size,
        max_risk_per_trade=risk.max_risk_per_trade,
        correlation_threshold=risk.correlation_threshold,
        max_drawdown_limit=risk.max_drawdown_limit,
        daily_loss_limit=risk.daily_loss_limit,
        max_consecutive_losses=risk.max_consecutive_losses,
        confidence_threshold=signals.confidence_threshold,
        cooldown_minutes=signals.cooldown_minutes,
        max_open_positions=trading.max_open_positions,
        max_total_exposure=trading.max_total_exposure,
        max_order_fraction=trading.max_order_fraction,
        max_spread_fraction=trading.max_spread_fraction,
        price_collar_fraction=trading.price_collar_fraction,
        max_quote_age_seconds=trading.max_quote_age_seconds,
        max_feed_age_seconds=settings.price_feed.max_feed_age_seconds,
        max_bar_age_bars=trading.max_bar_age_bars,
        max_orders_per_minute=trading.max_orders_per_minute,
        max_daily_turnover=trading.max_daily_turnover,
        price_cap_fraction=trading.price_cap_fraction,
        reference_volatility=risk.reference_volatility,
        kelly_min_trades=risk.kelly_min_trades,
        kelly_window_days=risk.kelly_window_days,
        kelly_multiplier=risk.kelly_multiplier,
        kelly_shrink_trades=risk.kelly_shrink_trades,
        kelly_max_fraction=risk.kelly_max_fraction,
        max_cluster_exposure=risk.max_cluster_exposure,
        day_zone=trading.risk_timezone,
    )


def stop_rules(settings: Settings, agent: AgentSettings | None = None) -> StopRules:
    """The stops of ``risk_management``, with an agent's own where it has some."""
    from kracken_tasks.risk import StopKind, StopRules

    risk = settings.risk_management if agent is None else settings.risk_management.with_stops(agent.stops)
    holding = None if risk.max_holding_hours is None else timedelta(hours=risk.max_holding_hours)
    return StopRules(
        kind=StopKind(risk.stop_kind),
        stop_loss_pct=risk.stop_loss_pct,
        take_profit_pct=risk.take_profit_pct,
        atr_multiple=risk.atr_multiple,
        min_stop_pct=risk.min_stop_pct,
        max_stop_pct=risk.max_stop_pct,
        trailing_pct=risk.trailing_pct,
        max_holding=holding,
    )


def execution_config(settings: Settings) -> ExecutionConfig:
    """How orders are sent, looked for and protected."""
    from kracken_tasks.execution.costs import CostModel
    from kracken_tasks.execution.desk import ExecutionConfig
    from kracken_tasks.execution.orders import SendRules

    trading = settings.trading
    paper = settings.profile is Profile.PAPER and settings.paper_trading.simulate_fees
    commission = settings.paper_trading.commission_bps if paper else None
    return ExecutionConfig(
        send=SendRules(
            entry_cap_fraction=trading.price_cap_fraction, deadline=timedelta(seconds=trading.order_deadline_seconds)
        ),
        costs=CostModel(
            slippage_bps=float(settings.paper_trading.slippage_bps),
            commission_bps=None if commission is None else float(commission),
        ),
        clock_skew=timedelta(seconds=trading.clock_skew_seconds),
        listing_lag=timedelta(seconds=trading.listing_lag_seconds),
        adopt_unknown_orders=trading.unknown_orders == "adopt",
        lease_ttl=timedelta(seconds=trading.lease_seconds),
        default_stop_fraction=Decimal(str(settings.risk_management.stop_loss_pct)),
    )
