"""Execution: from a decision to a booked fill, killable at any instant.

In: a broker, the ledger, a lake snapshot, strategies.  Out: intents, orders, fills, positions in the ledger; a ``TickReport``.
Never: retries of what may have happened, orders without an intent, positions without a stop, Prefect, settings, threads.

- ``broker``     the protocol a venue's private half satisfies
- ``orders``     requests in exact steps · ``lifecycle`` every legal step of an order and its cause · ``costs`` what a trade costs
- ``paper``      a broker of our own on somebody else's prices (``paper_desk`` accepts, ``paper_matching`` fills, ``paper_tape`` queues
  resting limits, ``paper_trails`` carries trailing stops on, ``paper_fees`` charges, ``paper_funds`` pays, ``paper_store`` remembers,
  ``paper_replay`` plays a recorded hour again)
- ``desk``       what one run works with, under the account's lease
- ``booking``    fills into the ledger, each once, with its alert (``news``)
- ``reconcile``  what became of every intent, order and fill; never sends · ``strangers`` orders nobody of ours placed ·
  ``closes`` stops that came with entries, told apart from them
- ``sending``    the only place that submits · ``protect`` every position under its stops · ``exits`` intent, free the coins, sell
- ``marks``      equity and trading state · ``account`` what is spoken for · ``trip_results`` what closed trips
  brought, as limits and sizes judge it · ``second_source`` what other venues say of a price
- ``judging``    signals, strategy, size and guards as one pure function · ``team`` the same for several agents on one symbol
- ``entries``    opinions to a recorded decision, and its order
- ``tick``       the sequence (``tick_deps`` what it works with, ``run`` its looks, marks and stops, ``report`` what it did)
- ``unprotected`` for how long each position stood without its stop · ``patience`` waits out a doubt that leaves one bare
- ``trading_state`` a person's halt, reduce-only and resume · ``kill_switch`` a file that stops every entry
- ``flatten``    cancel and sell everything (``flatten_direct`` with the keys alone) · ``by_hand`` close one position
- ``quoting``    quotes of what is held, where one without a price costs no other its exit
- ``dead_man``   the venue's switch that cancels everything unless it hears from us, never armed over stops unasked
- ``advanced``   ``AdvancedOrders``: stops, targets, trailing stops, one-cancels-the-other and brackets, asked for by hand or by program

Nothing is imported here until it is asked for: a caller names the module it needs, and a tick loads neither the model libraries nor the
contracts'.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from kracken_tasks.execution.advanced import AdvancedOrders

__all__ = ["AdvancedOrders"]

_LATER: Final = {"AdvancedOrders": "advanced"}


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_LATER[name]}"), name)
