"""Decision arithmetic on bare floats: the one definition behind the tick's receipts and the compiled backtester.

In: floats.  Out: floats, then integers (lots, ticks), rounded by one stated rule.  Never: objects, or anything numba cannot compile;
each function stands alone, so that ``numba.njit`` takes it as it is.  Every cut returns at most what it was given, and zero rather
than a negative or undefined notional.
"""

from __future__ import annotations

import math

__all__ = [
    "STEP_TOLERANCE",
    "cap_amount",
    "cap_cash",
    "cap_kelly",
    "cap_risk",
    "cap_room",
    "full_size",
    "scale_confidence",
    "scale_correlation",
    "scale_volatility",
    "steps_at_or_above",
    "steps_at_or_below",
    "trailed_ticks",
    "venue_lots",
]

# The rule of domain.money: what misses a whole number of steps by less than this many steps is that number.
STEP_TOLERANCE = 1e-9


def steps_at_or_below(value: float, step: float) -> int:
    """Whole steps in ``value``, rounded down."""
    return math.floor(value / step + STEP_TOLERANCE)


def steps_at_or_above(value: float, step: float) -> int:
    """Whole steps that hold ``value``, rounded up."""
    return math.ceil(value / step - STEP_TOLERANCE)


def full_size(equity: float, max_position_size: float) -> float:
    """The notional before any cut: a fraction of equity."""
    wanted = equity * max_position_size
    return wanted if wanted > 0.0 else 0.0


def cap_kelly(notional: float, equity: float, kelly_fraction: float) -> float:
    """Never more than the Kelly fraction of equity."""
    cap = equity * kelly_fraction
    # Here and below: a cap that is not a number fails both comparisons and gives zero; what cannot be judged is not bought.
    if cap >= notional:
        return notional
    return cap if cap > 0.0 else 0.0


def cap_risk(notional: float, equity: float, max_risk_per_trade: float, stop_pct: float) -> float:
    """Never more than what loses ``max_risk_per_trade`` of equity when the stop is hit."""
    if not stop_pct > 0.0:
        return 0.0
    cap = equity * max_risk_per_trade / stop_pct
    if cap >= notional:
        return notional
    return cap if cap > 0.0 else 0.0


def scale_volatility(notional: float, volatility: float, reference: float) -> float:
    """Smaller in proportion once volatility exceeds the reference; never larger below it."""
    if not volatility >= 0.0:
        return 0.0
    if volatility <= reference:
        return notional
    return notional * (reference / volatility)


def scale_confidence(notional: float, confidence: float) -> float:
    """In proportion to confidence in [0, 1]."""
    if not confidence > 0.0:
        return 0.0
    return notional * confidence if confidence < 1.0 else notional


def scale_correlation(notional: float, factor: float) -> float:
    """Smaller by the correlation factor in [0, 1]."""
    if not factor > 0.0:
        return 0.0
    return notional * factor if factor < 1.0 else notional


def cap_room(notional: float, equity: float, max_total_exposure: float, exposure: float) -> float:
    """Never more than the room left under the total exposure cap."""
    cap = equity * max_total_exposure - exposure
    if cap >= notional:
        return notional
    return cap if cap > 0.0 else 0.0


def cap_amount(notional: float, cap: float) -> float:
    """Never more than ``cap``."""
    if cap >= notional:
        return notional
    return cap if cap > 0.0 else 0.0


def cap_cash(notional: float, cash: float, price_cap_fraction: float, fee_fraction: float) -> float:
    """Never more than cash pays for at the worst allowed price, fee included."""
    cap = cash / ((1.0 + price_cap_fraction) * (1.0 + fee_fraction))
    if cap >= notional:
        return notional
    return cap if cap > 0.0 else 0.0


def venue_lots(
    notional: float,
    price: float,
    stop_pct: float,
    fee_fraction: float,
    lot_step: float,
    min_amount: float,
    min_cost: float,
) -> int:
    """Whole lots the venue takes, or 0.

    What is bought must be sellable again: it is the amount left after a fee taken in coin that must reach the minimum amount, and
    its worth at the stop that must reach the minimum cost.
    """
    if not (notional > 0.0 and price > 0.0 and stop_pct < 1.0):
        return 0
    lots = math.floor(notional / price / lot_step + STEP_TOLERANCE)
    kept = lots * lot_step * (1.0 - fee_fraction)
    if kept < min_amount or kept * price * (1.0 - stop_pct) < min_cost:
        return 0
    return lots


def trailed_ticks(current_ticks: int, best_price: float, trailing_pct: float, price_tick: float) -> int:
    """The stop moved up behind the best price seen; never down."""
    moved = math.floor(best_price * (1.0 - trailing_pct) / price_tick + STEP_TOLERANCE)
    return moved if moved > current_ticks else current_ticks
