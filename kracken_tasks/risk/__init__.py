"""How much, with which stop, and whether at all.

In: plain facts and limits.  Out: sizes with their receipts, stop levels, guard outcomes, account states.  Never: I/O, settings,
clocks, heavy libraries.

- ``limits``       every bound a trader sets, with the promised defaults
- ``sizing``       the named cuts from equity to lots; ``arithmetic`` is the same on bare floats, fit to be compiled
- ``kelly``        fractional Kelly from closed trades · ``correlation`` and ``volatility`` what the cuts feed on
- ``stops``        stop, target, trailing and time exits
- ``guards``       one named rule each · ``policy`` their order, which reads as the specification
- ``state``        normal, reduce-only, halted · ``drawdown`` and ``equity`` what moves it
"""

from kracken_tasks.risk.correlation import CorrelationCut, correlation_cut
from kracken_tasks.risk.drawdown import DrawdownControl, drawdown_of
from kracken_tasks.risk.equity import UnitMark, day_of, day_start, mark_equity
from kracken_tasks.risk.guards import EntryContext
from kracken_tasks.risk.kelly import KellyConfig, KellyEstimate, KellyPositionSizer, kelly_estimate, recent_kelly
from kracken_tasks.risk.limits import RiskLimits
from kracken_tasks.risk.policy import ENTRY_POLICY, evaluate, first_block
from kracken_tasks.risk.sizing import SizingInput, computed_again, size_entry
from kracken_tasks.risk.state import (
    AccountFacts,
    AccountState,
    Cause,
    losing_streak,
    next_state,
    ordered,
    released,
    resumed,
)
from kracken_tasks.risk.stops import (
    ExitName,
    ExitSignal,
    StopKind,
    StopPlan,
    StopRules,
    exit_reason,
    plan_stops,
    trailed_stop_ticks,
)
from kracken_tasks.risk.volatility import atr_fraction, daily_volatility

__all__ = [
    "ENTRY_POLICY",
    "AccountFacts",
    "AccountState",
    "Cause",
    "CorrelationCut",
    "DrawdownControl",
    "EntryContext",
    "ExitName",
    "ExitSignal",
    "KellyConfig",
    "KellyEstimate",
    "KellyPositionSizer",
    "RiskLimits",
    "SizingInput",
    "StopKind",
    "StopPlan",
    "StopRules",
    "UnitMark",
    "atr_fraction",
    "computed_again",
    "correlation_cut",
    "daily_volatility",
    "day_of",
    "day_start",
    "drawdown_of",
    "evaluate",
    "exit_reason",
    "first_block",
    "kelly_estimate",
    "losing_streak",
    "mark_equity",
    "next_state",
    "ordered",
    "plan_stops",
    "recent_kelly",
    "released",
    "resumed",
    "size_entry",
    "trailed_stop_ticks",
]
