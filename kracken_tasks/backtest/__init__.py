"""Rehearsal: strategies on past candles with fees, slippage and full orders, on Backtrader.

- ``engine``             ``BacktestEngine``: candles and strategies in, figures, curve, trades and picture out
- ``sma_cross``          ``SMACrossStrategy``, the promised example
- ``ensemble_strategy``  any decision callable, the live one included, as a Backtrader strategy with a protective stop
- ``broker``  ``feed``  ``recorder``  ``round_trips``  ``results``  what stands between Backtrader and the figures
- ``rehearsal``          a trading strategy with the signals, sizing and stops that trade
- ``library``            Backtrader itself, imported there alone

In: candle frames.  Out: values and figures.  Never: fills at the close that made the decision, a network, a display.
Backtrader (GPL) is imported in this room only; the names below load it on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kracken_tasks.backtest.engine import BacktestEngine
    from kracken_tasks.backtest.sma_cross import SMACrossStrategy

__all__ = ["BacktestEngine", "SMACrossStrategy"]


def __getattr__(name: str) -> object:
    if name == "BacktestEngine":
        from kracken_tasks.backtest.engine import BacktestEngine

        return BacktestEngine
    if name == "SMACrossStrategy":
        from kracken_tasks.backtest.sma_cross import SMACrossStrategy

        return SMACrossStrategy
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
