"""Stops, targets and the reasons to leave.

In: an entry price or a position, the rules, a quote, ``now``.  Out: whole ticks, or a named exit with its level.  Never: a stop that
moves down, or an exit that depends on candles, a model or the lake.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from kracken_tasks.domain.clock import iso
from kracken_tasks.domain.market import Instrument, Quote
from kracken_tasks.domain.trading import Position
from kracken_tasks.errors import Misconfigured
from kracken_tasks.risk import arithmetic

__all__ = [
    "ExitName",
    "ExitSignal",
    "StopKind",
    "StopPlan",
    "StopRules",
    "exit_reason",
    "plan_stops",
    "trailed_stop_ticks",
]

_TICK_SLACK: Final = 1e-4


class StopKind(StrEnum):
    FIXED = "fixed"
    VOLATILITY = "volatility"


class ExitName(StrEnum):
    """Why a position is left by the tick.  The resting stop itself is the venue's doing and not in this list."""

    STOP_MISSED = "stop_missed"
    TAKE_PROFIT = "take_profit"
    TRAILING = "trailing"
    MAX_HOLDING = "max_holding"


@dataclass(frozen=True, slots=True)
class StopRules:
    """How stops are set.

    Units: ``*_pct`` fractions of price (0.03 is 3 %).  VOLATILITY: stop at ``atr_multiple`` average true ranges, kept within
    [min_stop_pct, max_stop_pct]; the target keeps the ratio take_profit_pct / stop_loss_pct.  ``trailing_pct`` None: no trailing.
    ``missed_margin_pct``: how far below a resting stop the bid may be before the tick sells by itself.
    """

    kind: StopKind = StopKind.FIXED
    stop_loss_pct: float = 0.03
    take_profit_pct: float = 0.06
    atr_multiple: float = 3.0
    min_stop_pct: float = 0.005
    max_stop_pct: float = 0.15
    trailing_pct: float | None = None
    max_holding: timedelta | None = None
    missed_margin_pct: float = 0.005

    def __post_init__(self) -> None:
        object.__setattr__(self, "kind", StopKind(self.kind))
        for name, low, high in _BOUNDS:
            value = getattr(self, name)
            if value is not None and not low <= value <= high:
                allowed = f"{low} to {high}"
                raise Misconfigured(f"{name} = {value!r}: allowed is {allowed}", key=name, value=value, allowed=allowed)
        if self.min_stop_pct > self.max_stop_pct:
            raise Misconfigured(
                f"min_stop_pct {self.min_stop_pct} is above max_stop_pct {self.max_stop_pct}",
                key="min_stop_pct", value=self.min_stop_pct, allowed=f"up to {self.max_stop_pct}",
            )  # fmt: skip
        if self.max_holding is not None and self.max_holding <= timedelta(0):
            raise Misconfigured(
                "max_holding must be above zero", key="max_holding", value=str(self.max_holding), allowed="above zero"
            )


_BOUNDS: Final = (
    ("stop_loss_pct", 0.001, 0.5),
    ("take_profit_pct", 0.001, 10.0),
    ("atr_multiple", 0.1, 20.0),
    ("min_stop_pct", 0.001, 0.5),
    ("max_stop_pct", 0.001, 0.5),
    ("trailing_pct", 0.001, 0.5),
    ("missed_margin_pct", 0.0, 0.1),
)


@dataclass(frozen=True, slots=True)
class StopPlan:
    """Levels of one position, in whole price ticks; ``stop_pct`` is what sizing uses."""

    stop_ticks: int
    target_ticks: int
    stop_pct: float
    take_profit_pct: float
    reason: str


@dataclass(frozen=True, slots=True)
class ExitSignal:
    """A reason to sell now; ``level`` the price (or for time, the hours) it was measured against."""

    name: ExitName
    level: float
    detail: str


def plan_stops(
    price: float, instrument: Instrument, rules: StopRules, *,
    atr: float | None = None, stop_pct: float | None = None, take_profit_pct: float | None = None,
) -> StopPlan:  # fmt: skip
    """Levels for a long entry at ``price``.  ``stop_pct``/``take_profit_pct`` given (by a strategy or caller) win over the rules.

    Raises: ValueError for a fraction outside (0, 1) or a price not above zero.
    """
    if not price > 0.0:
        raise ValueError(f"entry price {price!r} of {instrument.symbol} is not above zero")
    stop, target, reason = _fractions(rules, atr)
    stop = stop if stop_pct is None else stop_pct
    target = target if take_profit_pct is None else take_profit_pct
    if not (0.0 < stop < 1.0 and target > 0.0):
        raise ValueError(
            f"stop {stop!r} and target {target!r} of {instrument.symbol}: fractions of price above 0 are needed"
        )
    if stop_pct is not None or take_profit_pct is not None:
        reason = f"{reason}; as asked: stop {100 * stop:.2f} %, target {100 * target:.2f} %"
    tick = float(instrument.price_tick)
    stop_ticks = max(1, arithmetic.steps_at_or_below(price * (1.0 - stop), tick))
    target_ticks = arithmetic.steps_at_or_above(price * (1.0 + target), tick)
    return StopPlan(stop_ticks, target_ticks, stop, target, reason)


def _fractions(rules: StopRules, atr: float | None) -> tuple[float, float, str]:
    if rules.kind is StopKind.FIXED:
        return rules.stop_loss_pct, rules.take_profit_pct, f"fixed {100 * rules.stop_loss_pct:.2f} %"
    if atr is None or not atr > 0.0:
        return (
            rules.stop_loss_pct,
            rules.take_profit_pct,
            f"true range unknown: fixed {100 * rules.stop_loss_pct:.2f} %",
        )
    stop = min(rules.max_stop_pct, max(rules.min_stop_pct, rules.atr_multiple * atr))
    target = stop * rules.take_profit_pct / rules.stop_loss_pct
    return stop, target, f"{rules.atr_multiple:g} true ranges of {100 * atr:.2f} %: stop {100 * stop:.2f} %"


def trailed_stop_ticks(current_ticks: int, high_water: float, rules: StopRules, instrument: Instrument) -> int:
    """Where the resting stop belongs after the best bid since entry was ``high_water``; never below ``current_ticks``."""
    if rules.trailing_pct is None or not high_water > 0.0:
        return current_ticks
    return arithmetic.trailed_ticks(current_ticks, high_water, rules.trailing_pct, float(instrument.price_tick))


def exit_reason(
    position: Position,
    quote: Quote,
    now: datetime,
    rules: StopRules,
    *,
    high_water: float | None = None,
    stop_resting: bool = True,
) -> ExitSignal | None:
    """The first reason to leave, in the order of ``ExitName``, or None.

    What can be sold at is the bid.  ``high_water``: best bid since entry; ``stop_resting`` False: no stop rests on the venue, so its
    level is watched without margin.  Holding time counts even where the quote is no number.
    """
    signals = (
        _stop_missed(position, quote.bid, rules.missed_margin_pct if stop_resting else 0.0),
        _take_profit(position, quote.bid),
        _trailing(position, quote.bid, rules, high_water, stop_resting),
        _max_holding(position, now, rules),
    )
    return next((signal for signal in signals if signal is not None), None)


def _stop_missed(position: Position, bid: float, margin: float) -> ExitSignal | None:
    if position.stop_price is None:
        return None
    stop = float(position.stop_price)
    if not bid <= stop * (1.0 - margin):
        return None
    return ExitSignal(ExitName.STOP_MISSED, stop, f"bid {bid:g} is below the stop {stop:g} and it has not triggered")


def _take_profit(position: Position, bid: float) -> ExitSignal | None:
    if position.take_profit_price is None:
        return None
    target = float(position.take_profit_price)
    return (
        ExitSignal(ExitName.TAKE_PROFIT, target, f"bid {bid:g} reached the target {target:g}")
        if bid >= target
        else None
    )


def _trailing(
    position: Position, bid: float, rules: StopRules, high_water: float | None, stop_resting: bool
) -> ExitSignal | None:
    if rules.trailing_pct is None or high_water is None:
        return None
    level = high_water * (1.0 - rules.trailing_pct)
    # A stop that already rests at this level (within a rounding tick) is the venue's to trigger; selling beside it would race it.
    covered = (
        stop_resting and position.stop_price is not None and float(position.stop_price) >= level * (1.0 - _TICK_SLACK)
    )
    if covered or not bid <= level:
        return None
    return ExitSignal(
        ExitName.TRAILING, level, f"bid {bid:g} fell {100 * rules.trailing_pct:.2f} % below the best, {high_water:g}"
    )


def _max_holding(position: Position, now: datetime, rules: StopRules) -> ExitSignal | None:
    if rules.max_holding is None or now - position.opened_at < rules.max_holding:
        return None
    hours = rules.max_holding.total_seconds() / 3600.0
    return ExitSignal(ExitName.MAX_HOLDING, hours, f"held since {iso(position.opened_at)}, allowed are {hours:g} h")
