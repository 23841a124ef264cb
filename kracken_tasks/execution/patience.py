"""Patience: a run waits until a doubt that leaves a position bare is over, however the run came to be.

In: a desk, the stops as they were found, what looks and protects anew.  Out: the stops as they are then.  Never: a wait for what no stop
lacks, or for ever.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from kracken_tasks.errors import RetryLater
from kracken_tasks.execution.desk import Desk
from kracken_tasks.execution.protect import Protection
from kracken_tasks.execution.reconcile import Reconciled, doubt_ends

__all__ = ["look_again", "outlast_doubt"]

_AGAIN_AFTER_SECONDS = (1.0, 3.0)
_CLOCK_STEP_SECONDS = 1.0  # venues tell whole seconds
_PATIENCE = (1.0, 2.0, 4.0, 8.0)  # listing lags; Kraken's fills are told within a minute, settled or not


def look_again(desk: Desk, look: Callable[[], Reconciled]) -> Reconciled:
    """Look at what was sent.  A listing that cannot be read is asked again: what an exit left over lies without a stop until then.

    Raises: RetryLater if it cannot be read at last.
    """
    for seconds in _AGAIN_AFTER_SECONDS:
        try:
            return look()
        except RetryLater:
            desk.wait(seconds)
    return look()


def outlast_doubt(
    desk: Desk, found: Sequence[Protection], protect_again: Callable[[], Sequence[Protection]]
) -> Sequence[Protection]:
    """Wait until a doubt that leaves a position naked is over, look and protect: the next slot may be an hour away.

    For how long the venue owes a fill nobody knows: then it is looked again and again, for as long as that ordinarily takes.  A desk
    without a pause waits for nothing.
    """
    for patience in _PATIENCE:
        naked = {item.symbol for item in found if not item.protected}
        until = doubt_ends(desk, naked, desk.broker.now())
        if until is None:
            break
        desk.wait((until - desk.broker.now()).total_seconds() * patience + _CLOCK_STEP_SECONDS)
        if desk.broker.now() <= until:
            break  # market time stands still or is slow: the next tick will know
        for symbol in naked:
            desk.unknown.pop(symbol, None)  # the look says anew what is in doubt
        found = protect_again()
        if not naked & desk.owed:
            break
    return found
