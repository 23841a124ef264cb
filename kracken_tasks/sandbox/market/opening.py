"""From a setting to a market.

In: ``synthetic:SEED`` or ``replay:PATH``.  Out: a ``protocol.Market``.  Reads files only for a replay, and loads what reads
them only then.
"""

from __future__ import annotations

from collections.abc import Sequence

from kracken_tasks.sandbox.market.peg import PEG_SYMBOL
from kracken_tasks.sandbox.market.protocol import Market
from kracken_tasks.sandbox.market.synthetic import DEFAULT_SYMBOLS, SyntheticMarket

__all__ = ["open_market"]


def open_market(spec: str, symbols: Sequence[str] | None = None, minutes: int | None = None) -> Market:
    """Open the market a setting names.

    ``symbols`` restricts the listing (synthetic default: five coins and USDT/USD; replay: all that the data hold); ``minutes`` picks one
    candle width of a replay where the data have several.
    Raises: ValueError for a spec of neither kind, or a replay without usable data; KeyError for an unknown synthetic coin
    """
    kind, _, rest = spec.partition(":")
    if kind == "synthetic" and _is_whole(rest):
        return SyntheticMarket(int(rest or 0), symbols or (*DEFAULT_SYMBOLS, PEG_SYMBOL))
    if kind == "replay" and rest:
        from kracken_tasks.sandbox.market.replay import ReplayMarket

        return ReplayMarket.from_path(rest, symbols=symbols, minutes=minutes)
    raise ValueError(f"market {spec!r}: write synthetic:SEED (a whole number) or replay:PATH")


def _is_whole(text: str) -> bool:
    return text == "" or text.removeprefix("-").isdecimal()
