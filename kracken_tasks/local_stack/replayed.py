"""Where to put the clock of a replayed market, so that there is history behind it and market before it.

In: a folder or file of real data.  Out: a moment inside the data's own dates, and the symbols.  Never: data moved to other dates.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from kracken_tasks.domain.clock import from_ms
from kracken_tasks.domain.market import Timeframe
from kracken_tasks.errors import Misconfigured
from kracken_tasks.sandbox.market.replay import ReplayMarket

__all__ = ["opening_of"]

_NS_PER_MS = 1_000_000


def opening_of(path: Path, step: Timeframe, *, steps: int) -> tuple[datetime, tuple[str, ...]]:
    """The moment ``steps`` candles before most of the finely recorded symbols end, and all symbols there are.

    A symbol that ended before that moment stays listed: it shows as stale and is not entered.
    Raises: Misconfigured if nothing can be replayed, or no symbol has candles of ``step`` or finer.
    """
    try:
        market = ReplayMarket.from_path(path)
    except (OSError, ValueError) as error:
        raise Misconfigured(f"cannot replay {path}: {error}", path=str(path)) from None
    symbols = tuple(spec.symbol for spec in market.pairs)
    ends = sorted((market.last_ns(one) for one in symbols if market.unit_minutes(one) <= step.minutes), reverse=True)
    if not ends:
        raise Misconfigured(f"{path}: no symbol with candles of {step.value} or finer to trade on", path=str(path))
    most_still_trade = from_ms(ends[len(ends) // 2] // _NS_PER_MS)
    return step.floor(most_still_trade) - (steps + 1) * step.delta, symbols
