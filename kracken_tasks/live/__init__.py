"""Real money: armed by a named person for a stated time, after every check has passed, with small orders first.

In: the ledger, a venue, plain facts.  Out: whether entries may be sent, and if not, every reason.  Never: settings, a way around a check, a
sale or a stop held back.

- ``arming``     who armed which account until when, kept in the ledger; the first days' cap
- ``preflight``  the checks in order, each with what to do about it · ``rehearsals`` which backtest was made last, of which rules
- ``gate``       the broker that buys nothing unarmed
"""

from kracken_tasks.live.arming import (
    Arming,
    FirstOrders,
    arm,
    arming_of,
    arming_told,
    disarm,
    passed_recently,
    remember,
    why_not_armed,
)
from kracken_tasks.live.gate import ArmedBroker
from kracken_tasks.live.preflight import (
    AgentRehearsals,
    Check,
    Preflight,
    PreflightPlan,
    PreflightVenue,
    Rehearsed,
    run_preflight,
)

__all__ = [
    "AgentRehearsals",
    "ArmedBroker",
    "Arming",
    "Check",
    "FirstOrders",
    "Preflight",
    "PreflightPlan",
    "PreflightVenue",
    "Rehearsed",
    "arm",
    "arming_of",
    "arming_told",
    "disarm",
    "passed_recently",
    "remember",
    "run_preflight",
    "why_not_armed",
]
