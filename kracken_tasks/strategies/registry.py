"""Strategies by name, with their parameters checked.

In: a name and parameters from configuration.  Out: a strategy.  Never: a parameter that is silently ignored.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields
from types import MappingProxyType
from typing import Final, cast

from kracken_tasks.errors import Misconfigured
from kracken_tasks.strategies.ensemble import EnsembleStrategy
from kracken_tasks.strategies.lstm import LstmStrategy
from kracken_tasks.strategies.parameters import refuse
from kracken_tasks.strategies.proposal import Strategy
from kracken_tasks.strategies.rsi_ml import RsiMlStrategy
from kracken_tasks.strategies.sma_cross import SmaCrossStrategy
from kracken_tasks.strategies.trend_vol import TrendVolStrategy

__all__ = ["STRATEGIES", "build_strategy"]

_Kind = type[EnsembleStrategy | SmaCrossStrategy | LstmStrategy | RsiMlStrategy | TrendVolStrategy]

STRATEGIES: Final[Mapping[str, _Kind]] = MappingProxyType(
    {
        "ensemble": EnsembleStrategy,
        "sma_cross": SmaCrossStrategy,
        "lstm": LstmStrategy,
        "rsi_ml": RsiMlStrategy,
        "trend_vol": TrendVolStrategy,
    }
)


def build_strategy(name: str, parameters: Mapping[str, object] | None = None) -> Strategy:
    """Build the strategy called ``name``.

    Raises: Misconfigured naming the strategy, the key and what is allowed.
    """
    kind = STRATEGIES.get(name)
    if kind is None:
        allowed = ", ".join(sorted(STRATEGIES))
        raise Misconfigured(
            f"no strategy is called {name!r}; allowed are {allowed}", key="strategy", value=name, allowed=allowed
        )
    known = {item.name for item in fields(kind)}
    for key, value in (parameters or {}).items():
        if key not in known:
            raise refuse(name, key, value, f"one of {', '.join(sorted(known))}")
    # Each strategy checks its own values on construction; here they are still plain objects from a file.
    build = cast(Callable[..., Strategy], kind)
    return build(**(parameters or {}))
