"""A person's word over the account: halt it, let it only reduce, let it go on.

In: the ledger, what is wanted, who says so and why.  Out: the state that holds from then on, written with its alert.  Never: the venue
(a halt must not wait for one that does not answer), a word without a name, a way out of a limit: that is ``marks.release``.
"""

from __future__ import annotations

from datetime import datetime

from kracken_tasks.domain.trading import TradingState
from kracken_tasks.execution.marks import account_state, write_state
from kracken_tasks.ledger import Ledger, Source
from kracken_tasks.risk.state import AccountState, Cause, ordered, resumed

__all__ = ["last_known", "order", "resume"]


def order(ledger: Ledger, wanted: TradingState, *, by: str, reason: str, now: datetime) -> AccountState:
    """Halt the account or let it only reduce.  Returns what holds then: a halt that stands is never loosened.

    Raises: ValueError without a name or a reason.
    """
    with ledger.acting(Source.PERSON, by), ledger.transaction():
        entry = ledger.state()
        current = account_state(entry)
        following = ordered(current, wanted, by, reason)
        if following != current:
            write_state(ledger, entry, following, now)
    return following


def resume(ledger: Ledger, *, by: str, reason: str, now: datetime) -> AccountState:
    """Take a person's stop back: the state before it holds again, and every limit is measured as if nobody had spoken.

    Raises: ValueError without a name or a reason.
    """
    with ledger.acting(Source.PERSON, by), ledger.transaction():
        entry = ledger.state()
        current = account_state(entry)
        following = resumed(current, _before(ledger), by, reason)
        if following != current:
            write_state(ledger, entry, following, now)
    return following


def _before(ledger: Ledger) -> AccountState:
    """The newest state that was nobody's order."""
    earlier = (account_state(entry) for entry in reversed(ledger.states()))
    return next((state for state in earlier if state.cause is not Cause.OPERATOR), AccountState())


def last_known(ledger: Ledger) -> datetime | None:
    """The newest market time the ledger knows of, for a word that is given while the venue does not answer; None in an empty ledger."""
    mark, states = ledger.last_equity(), ledger.states()
    return max([entry.ts for entry in states] + ([] if mark is None else [mark.ts]), default=None)
