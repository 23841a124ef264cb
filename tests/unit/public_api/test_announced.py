"""Every announced name is either here, under the path it was announced with, or on the list of what is still to come."""

from __future__ import annotations

import re
from importlib import import_module
from importlib.util import find_spec

import pytest

from kracken_tasks.strategies import STRATEGIES
from tests.support.source_tree import ROOT

HERE = {
    "kracken_tasks.exchange": ["CCXTAdapter", "UnifiedExchangeManager", "WebSocketManager"],
    "kracken_tasks.forecast": ["LSTMPredictor"],
    "kracken_tasks.execution": ["AdvancedOrders"],
    "kracken_tasks.risk": ["KellyPositionSizer", "DrawdownControl"],
    "kracken_tasks.backtest": ["BacktestEngine", "SMACrossStrategy"],
    "kracken_tasks.alerts": ["TelegramAlerts"],
    "kracken_tasks.paper": ["KrakenPaperLiveBot", "MLTradingIntegration"],
    "kracken_tasks.tax": ["TaxReporter"],
}
STILL_TO_COME = re.findall(
    r"^\| `([^`]+)` \| (?:`([\w.]+)`|the project's root) \| not in this version",
    (ROOT / "docs" / "announced.md").read_text(encoding="utf-8"),
    flags=re.MULTILINE,
)


@pytest.mark.parametrize(("module", "name"), [(module, name) for module, names in HERE.items() for name in names])
def test_an_announced_class_is_where_it_was_announced(module: str, name: str) -> None:
    assert isinstance(getattr(import_module(module), name), type)


def test_the_list_of_what_is_to_come_is_read() -> None:
    assert len(STILL_TO_COME) >= 1


@pytest.mark.parametrize(("name", "module"), STILL_TO_COME)
def test_what_is_said_to_come_is_not_here_yet(name: str, module: str) -> None:
    told = f"{name} is here: take it off docs/announced.md, and test its promise"
    if not module:
        assert not (ROOT / name).exists(), told
    elif module == "kracken_tasks.strategies":
        assert name not in STRATEGIES, told
    elif find_spec(module) is not None:
        assert not hasattr(import_module(module), name), told
        assert find_spec(f"{module}.{name}") is None, told
