"""Rehearse a moving-average cross on Backtrader with fees and slippage, and draw it.

    python examples/backtest_sma.py [PICTURE.png]

Without a name the picture goes to ``sma_cross.png`` in the current folder.
"""

from __future__ import annotations

import sys
from pathlib import Path

from made_up_market import hourly_candles
from rich.console import Console

from kracken_tasks.backtest import BacktestEngine, SMACrossStrategy

console = Console(highlight=False, soft_wrap=True)


def main(picture: Path) -> None:
    engine = BacktestEngine(initial_cash=10_000.0, commission=0.004, slippage=0.0005)
    engine.add_data(hourly_candles("BTC/USD", days=120), name="BTC/USD")
    engine.add_strategy(SMACrossStrategy, fast=24, slow=96)
    results = engine.run()
    for key in ("final_value", "total_return_pct", "buy_and_hold_return_pct", "max_drawdown_pct", "total_fees"):
        console.print(f"{key:>24} {results[key]:12.2f}")
    console.print(f"{'total_trades':>24} {results['total_trades']:12d}")
    for key, reason in results["reasons"].items():
        console.print(f"{key:>24}    undefined: {reason}")
    if results["unreliable"]:
        console.print("too few trades or days to believe any of it")
    engine.plot(picture)
    console.print(f"picture: {picture.name}")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path("sma_cross.png"))
