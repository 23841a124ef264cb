"""Settings into what past decisions are computed again with.

In: ``Settings``.  Out: ``Replays``.  Never: a way to send an order.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from kracken_tasks.domain.market import Timeframe
from kracken_tasks.domain.money import as_decimal
from kracken_tasks.settings import Settings
from kracken_tasks.wiring.stores import lake
from kracken_tasks.wiring.trading import deciding, tick_deps

if TYPE_CHECKING:
    from kracken_tasks.explain.day import Replays
    from kracken_tasks.ledger import DecisionEntry
    from kracken_tasks.risk import StopRules
    from kracken_tasks.strategies import Strategy

__all__ = ["replays"]


def replays(settings: Settings, timeframe: Timeframe | None = None) -> Replays:
    """Today's strategies and limits, and the lake as of any commit; ``timeframe``: the candles that the ticks looked at."""
    from kracken_tasks.explain.day import Replays
    from kracken_tasks.signals.learning import learned_before

    deps, store = tick_deps(settings, timeframe, acting=False), lake(settings)
    listed = deps.broker.instruments()

    def fee(symbol: str) -> Decimal:
        return Decimal(0) if symbol not in listed else as_decimal(repr(deps.config.costs.fee_fraction(listed[symbol])))

    def decided_by(entry: DecisionEntry) -> tuple[Strategy, StopRules] | None:
        return deciding(settings, entry.symbol, entry.strategy, learned_before(deps.ledger, entry.seq))

    return Replays(deps.series, decided_by, deps.limits, as_of=store.snapshot, now=store.snapshot(), fee=fee)
