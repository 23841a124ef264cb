"""Explain: where a number came from, as a tree from an id down to the candles.

In: the ledger, the lake, a user's choices for lots.  Out: a ``Branch`` to print or to write as JSON.
Never: a write, a venue call, a guess: an id the ledger does not know is an error, what cannot be read any more says so in its place.

    story = explain(ledger, "T2W6CY-...", sources=Sources(lake.snapshot, series), choices=choices)

- ``branch``  the tree, as text, terminal lines or JSON
- ``story``   the chain of an id: tick, decision, intent, orders, fills, position, tax lots
- ``sources`` what a decision stood on: snapshot and candles
- ``replay``  a decision's signals and proposal computed again, and what differs
- ``day``     a day held against its replay · ``parity`` why an order was worth something else, to the cent
- ``missed_stops`` stops the market went through and that never filled · ``render`` the day told
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kracken_tasks.explain.branch import Branch
    from kracken_tasks.explain.sources import Sources
    from kracken_tasks.explain.story import explain

__all__ = ["Branch", "Sources", "explain"]

_HOMES = {"Branch": "branch", "Sources": "sources", "explain": "story"}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
