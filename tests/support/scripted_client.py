"""A venue client that answers from a script, obeying what dialects use of ``exchange.client.VenueClient``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any

from kracken_tasks.exchange.rates import Priority
from kracken_tasks.exchange.rates.ages import OrderAges

__all__ = ["ScriptedClient"]

Answer = Any | Callable[..., Any]

_HAS = {"fetchTime": True, "fetchOrders": True, "fetchTickers": True}


class ScriptedClient:
    """``answers`` maps a ccxt method to its answer, or to a function of its arguments.  ``calls`` remembers everything asked."""

    def __init__(
        self, answers: Mapping[str, Answer], *, exchange: str = "binance", has: Mapping[str, bool] | None = None
    ) -> None:
        self.exchange = exchange
        self.has_key = True
        self.api = SimpleNamespace(timeframes={"1m": "1m", "1h": "1h"}, has=dict(has or _HAS))
        self.ages = OrderAges()
        self.calls: list[tuple[str, tuple[Any, ...]]] = []
        self.priorities: list[Priority] = []
        self._answers = dict(answers)

    def read(self, method: str, *args: Any) -> Any:
        self.calls.append((method, args))
        answer = self._answers[method]
        return answer(*args) if callable(answer) else answer

    def send(
        self, method: str, *args: Any, doing: str = "", priority: Priority = Priority.PROTECT, repeatable: bool = False
    ) -> Any:
        self.priorities.append(priority)
        return self.read(method, *args)
