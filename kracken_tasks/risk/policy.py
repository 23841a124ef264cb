"""The entry policy: an ordered list of named guards that a trader can read.

In: an ``EntryContext``.  Out: every guard's outcome, in this order.  Never: a guard left out by a flag.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from kracken_tasks.domain.trading import GuardOutcome
from kracken_tasks.risk import guards
from kracken_tasks.risk.guards import EntryContext, Guard

__all__ = ["ENTRY_POLICY", "evaluate", "first_block"]

ENTRY_POLICY: Final[tuple[Guard, ...]] = (
    # may the account open anything at all?
    guards.kill_switch,
    guards.armed,
    guards.trading_state,
    guards.drawdown_limit,
    guards.daily_loss,
    guards.streak_limit,
    # is what we know about this symbol true and of now?
    guards.no_unknown_intent,
    guards.data_fresh,
    guards.rows_clean,
    guards.venue_online,
    guards.quote_fresh,
    guards.feed_live,
    guards.spread_bound,
    guards.price_collar,
    # is the decision sure, and is it this symbol's turn?
    guards.confidence_reached,
    guards.cooldown,
    guards.one_position,
    guards.position_cap,
    # is this order one the account can bear?
    guards.size_above_zero,
    guards.largest_order,
    guards.position_size,
    guards.cluster_cap,
    guards.exposure_cap,
    guards.cash_enough,
    guards.order_rate,
    guards.daily_turnover,
)


def evaluate(policy: Sequence[Guard], context: EntryContext) -> tuple[GuardOutcome, ...]:
    """Every guard's outcome, blocked or not, so that the record shows all that spoke against an entry."""
    return tuple(guard(context) for guard in policy)


def first_block(outcomes: Iterable[GuardOutcome]) -> GuardOutcome | None:
    """The first guard that said no; None: the entry may go."""
    return next((outcome for outcome in outcomes if not outcome.passed), None)
