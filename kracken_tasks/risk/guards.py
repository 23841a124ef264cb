"""The guards: one named rule each, asked once per planned entry, without side effects.

In: a frozen ``EntryContext`` of plain facts, so that a stored one can be judged again.  Out: ``GuardOutcome``.  Never: an exception
for a blocked trade, or a pass for a figure that is not a number.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from kracken_tasks.domain.clock import iso
from kracken_tasks.domain.market import Quote
from kracken_tasks.domain.trading import GuardOutcome, TradingState
from kracken_tasks.risk.drawdown import reached
from kracken_tasks.risk.limits import RiskLimits

__all__ = [
    "EntryContext",
    "Guard",
    "armed",
    "cash_enough",
    "cleanness",
    "cluster_cap",
    "confidence_reached",
    "cooldown",
    "daily_loss",
    "daily_turnover",
    "data_fresh",
    "drawdown_limit",
    "exposure_cap",
    "feed_live",
    "freshness",
    "kill_switch",
    "largest_order",
    "no_unknown_intent",
    "one_position",
    "order_rate",
    "position_cap",
    "position_size",
    "price_collar",
    "quote_fresh",
    "rows_clean",
    "size_above_zero",
    "spread_bound",
    "streak_limit",
    "trading_state",
    "venue_online",
]


@dataclass(frozen=True, slots=True)
class EntryContext:
    """All facts an entry is judged by.

    Time: ``bar_ts`` is the open time of the newest closed candle seen (or of the end of known coverage), ``now`` market time.
    Units: equity, cash, exposure, order_notional, turnover_today in quote currency; drawdown and daily_loss fractions of equity.
    ``row_findings``: what the row rules or the quarantine hold against this symbol; empty is clean.  ``reference_price``: a second
    source for the price collar, named by ``reference_source`` (another venue, else the last close); None blocks.  ``kill_switch``: who
    holds it and why, empty where nobody does; ``not_armed``: why real money may not be spent, empty where it may.
    ``cluster_exposure``: market value of ``cluster``, the holdings that move with this symbol.  ``order_cost``: cash the order may take,
    cap and fee included.
    ``feed_age``: seconds since the stream of this symbol was known to be whole, None where none is recorded; ``feed_note`` who says so.
    """

    symbol: str
    now: datetime
    limits: RiskLimits
    state: TradingState
    state_reason: str
    unknown_intent: str
    bar_ts: datetime | None
    bar_seconds: int
    row_findings: tuple[str, ...]
    venue_status: str
    quote: Quote
    reference_price: float | None
    reference_source: str
    kill_switch: str
    not_armed: str
    confidence: float
    last_entry_at: datetime | None
    last_exit_at: datetime | None
    position_open: bool
    open_positions: int
    equity: float
    cash: float
    exposure: float
    cluster: tuple[str, ...]
    cluster_exposure: float
    drawdown: float
    daily_loss: float
    losing_streak: int
    lots: int
    order_notional: float
    order_cost: float
    orders_last_minute: int
    turnover_today: float
    feed_age: float | None = None
    feed_note: str = ""


Guard = Callable[[EntryContext], GuardOutcome]


def kill_switch(context: EntryContext) -> GuardOutcome:
    """Nobody holds the kill switch: neither the file, nor the setting."""
    return _outcome("kill_switch", not context.kill_switch, context.kill_switch or "nobody holds it")


def armed(context: EntryContext) -> GuardOutcome:
    """Where money is real, a named person has armed the account, and the time has not run out."""
    return _outcome("armed", not context.not_armed, context.not_armed or "armed, or no real money")


def trading_state(context: EntryContext) -> GuardOutcome:
    """Only a normal account opens positions."""
    return _outcome(
        "trading_state", context.state is TradingState.NORMAL, f"{context.state.value} {context.state_reason}".strip()
    )


def no_unknown_intent(context: EntryContext) -> GuardOutcome:
    """No order of ours on this symbol whose fate is unknown."""
    return _outcome(
        "no_unknown_intent", not context.unknown_intent, context.unknown_intent or "every order's fate is known"
    )


def data_fresh(context: EntryContext) -> GuardOutcome:
    """The newest closed candle is the one that just closed."""
    return freshness(context.bar_ts, context.bar_seconds, context.now, context.limits)


def freshness(bar_ts: datetime | None, bar_seconds: int, now: datetime, limits: RiskLimits) -> GuardOutcome:
    """``data_fresh`` from its bare facts, for decisions that no order could follow anyway."""
    if bar_ts is None:
        return _outcome("data_fresh", False, "stale, not entered: there is no closed candle")
    age = (now - bar_ts).total_seconds() - bar_seconds
    allowed = limits.max_bar_age_bars * bar_seconds
    bar = f"last candle {iso(bar_ts)} closed {age:.0f} s ago, allowed {allowed:.0f} s"
    if age < 0.0:
        return _outcome("data_fresh", False, f"candle {iso(bar_ts)} is still running, not entered")
    return _outcome("data_fresh", age <= allowed, bar if age <= allowed else f"stale, not entered: {bar}")


def rows_clean(context: EntryContext) -> GuardOutcome:
    """Neither the row rules nor the quarantine hold anything against the candles."""
    return cleanness(context.row_findings)


def cleanness(row_findings: Sequence[str]) -> GuardOutcome:
    """``rows_clean`` from its bare facts, for decisions that no entry could follow anyway."""
    return _outcome("rows_clean", not row_findings, "; ".join(row_findings) or "no findings")


def venue_online(context: EntryContext) -> GuardOutcome:
    """The venue trades this pair without restriction."""
    return _outcome("venue_online", context.venue_status == "online", f"pair is {context.venue_status}")


def quote_fresh(context: EntryContext) -> GuardOutcome:
    """The quote is of now."""
    age, allowed = (context.now - context.quote.ts).total_seconds(), context.limits.max_quote_age_seconds
    return _outcome("quote_fresh", -allowed <= age <= allowed, f"quote is {age:.1f} s old, allowed {allowed:g} s")


def feed_live(context: EntryContext) -> GuardOutcome:
    """Where this symbol's stream is recorded, it is alive: a market that nobody sees move is not entered."""
    if context.feed_age is None:
        return _outcome("feed_live", True, context.feed_note or "no stream of it is recorded")
    allowed = context.limits.max_feed_age_seconds
    return _outcome("feed_live", -allowed <= context.feed_age <= allowed, f"{context.feed_note}, allowed {allowed:g} s")


def spread_bound(context: EntryContext) -> GuardOutcome:
    """Crossing the spread does not cost more than allowed."""
    spread, allowed = context.quote.spread_fraction, context.limits.max_spread_fraction
    return _outcome("spread_bound", 0.0 <= spread <= allowed, f"spread {_pct(spread)}, allowed {_pct(allowed)}")


def price_collar(context: EntryContext) -> GuardOutcome:
    """The ask is where a second source says the price is."""
    reference, allowed = context.reference_price, context.limits.price_collar_fraction
    if reference is None or not reference > 0.0:
        why = f": {context.reference_source}" if context.reference_source else ""
        return _outcome("price_collar", False, f"no second source for the price{why}")
    off = abs(context.quote.ask / reference - 1.0)
    return _outcome(
        "price_collar",
        off <= allowed,
        f"ask {context.quote.ask:g} is {_pct(off)} from {reference:g} ({context.reference_source}), allowed {_pct(allowed)}",
    )


def confidence_reached(context: EntryContext) -> GuardOutcome:
    """The decision is sure enough."""
    least = context.limits.confidence_threshold
    return _outcome(
        "confidence_reached",
        least <= context.confidence <= 1.0,
        f"confidence {context.confidence:.3f}, at least {least:.3f}",
    )


def cooldown(context: EntryContext) -> GuardOutcome:
    """Enough time since the last entry or exit on this symbol."""
    moments = [moment for moment in (context.last_entry_at, context.last_exit_at) if moment is not None]
    if not moments:
        return _outcome("cooldown", True, "no trade on this symbol before")
    minutes = (context.now - max(moments)).total_seconds() / 60.0
    allowed = context.limits.cooldown_minutes
    if minutes < 0.0:  # the venue dates its fills by a clock of its own
        return _outcome("cooldown", False, f"the last trade is {-60.0 * minutes:.3f} s ahead of this moment")
    if allowed == 0.0:
        return _outcome(
            "cooldown", True, f"{minutes:.1f} min since the last trade; cooldown_minutes is 0, none is kept"
        )
    return _outcome("cooldown", minutes >= allowed, f"{minutes:.1f} min since the last trade, at least {allowed:g} min")


def one_position(context: EntryContext) -> GuardOutcome:
    """One position a symbol."""
    return _outcome(
        "one_position",
        not context.position_open,
        "a position is open" if context.position_open else "no position is open",
    )


def position_cap(context: EntryContext) -> GuardOutcome:
    """Not more positions than allowed."""
    most = context.limits.max_open_positions
    return _outcome("position_cap", context.open_positions < most, f"{context.open_positions} open, at most {most}")


def position_size(context: EntryContext) -> GuardOutcome:
    """No single position beyond its share of equity, whatever sizing said."""
    # There is no position yet (see ``one_position``): what is ordered is what it will be.
    most = context.limits.max_position_size * context.equity
    return _within("position_size", context.order_notional, most, "position")


def drawdown_limit(context: EntryContext) -> GuardOutcome:
    """Equity per unit is not too far below its best."""
    return _below("drawdown_limit", context.drawdown, context.limits.max_drawdown_limit, "drawdown")


def daily_loss(context: EntryContext) -> GuardOutcome:
    """The trading day has not lost too much."""
    return _below("daily_loss", context.daily_loss, context.limits.daily_loss_limit, "day's loss")


def streak_limit(context: EntryContext) -> GuardOutcome:
    """Not too many losses in a row."""
    most = context.limits.max_consecutive_losses
    return _outcome(
        "streak_limit", context.losing_streak < most, f"{context.losing_streak} losses in a row, stop at {most}"
    )


def size_above_zero(context: EntryContext) -> GuardOutcome:
    """Sizing left something to buy."""
    enough = context.lots > 0 and context.order_notional > 0.0
    return _outcome(
        "size_above_zero", enough, f"{context.lots} lots" if enough else "sized to nothing, see the receipt"
    )


def largest_order(context: EntryContext) -> GuardOutcome:
    """No single order beyond a fraction of equity, whatever sizing said."""
    return _within("largest_order", context.order_notional, context.limits.max_order_fraction * context.equity, "order")


def exposure_cap(context: EntryContext) -> GuardOutcome:
    """All holdings with this order stay under the cap."""
    total, most = context.exposure + context.order_notional, context.limits.max_total_exposure * context.equity
    return _within("exposure_cap", total, most, "exposure with this order")


def cluster_cap(context: EntryContext) -> GuardOutcome:
    """What moves together stays, with this order, under its cap."""
    if not context.cluster:
        return _outcome("cluster_cap", True, "nothing held moves with it")
    total = context.cluster_exposure + context.order_notional
    most = context.limits.max_cluster_exposure * context.equity
    return _within("cluster_cap", total, most, f"moves with {', '.join(context.cluster)}, together")


def cash_enough(context: EntryContext) -> GuardOutcome:
    """Free cash pays for the order at its worst allowed price, fee included."""
    return _within("cash_enough", context.order_cost, context.cash, "cost at most")


def order_rate(context: EntryContext) -> GuardOutcome:
    """Not more orders a minute than allowed."""
    most = context.limits.max_orders_per_minute
    return _outcome(
        "order_rate",
        context.orders_last_minute < most,
        f"{context.orders_last_minute} orders in a minute, at most {most}",
    )


def daily_turnover(context: EntryContext) -> GuardOutcome:
    """The day's turnover with this order stays under a multiple of equity."""
    total, most = context.turnover_today + context.order_notional, context.limits.max_daily_turnover * context.equity
    return _within("daily_turnover", total, most, "turnover with this order")


def _outcome(guard: str, passed: bool, reason: str) -> GuardOutcome:
    return GuardOutcome(guard, bool(passed), reason)


def _below(guard: str, value: float, limit: float, what: str) -> GuardOutcome:
    return _outcome(guard, not reached(value, limit), f"{what} {_pct(value)}, stop at {_pct(limit)}")


def _within(guard: str, value: float, most: float, what: str) -> GuardOutcome:
    # Sizing goes up to exactly these bounds; a billionth is the room floats need to agree with themselves.
    return _outcome(guard, value <= most + 1e-9 * abs(most), f"{what} {value:.2f}, at most {most:.2f}")


def _pct(fraction: float) -> str:
    return f"{100.0 * fraction:.2f} %"
