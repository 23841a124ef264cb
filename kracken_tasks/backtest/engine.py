"""The promised backtest engine: candles and strategies in; figures, curve, trades and a picture out.

In: OHLCV frames and any Backtrader strategy.  Out: a mapping of figures (undefined ones NaN, with ``reasons``), the equity curve,
round trips and fills.  Never: Backtrader's own plotting (it wants a display), a fill at the deciding close, state kept between runs.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from kracken_tasks.backtest.broker import SpotBroker
from kracken_tasks.backtest.feed import CandleFeed, feed_from
from kracken_tasks.backtest.library import bt
from kracken_tasks.backtest.recorder import Recorder
from kracken_tasks.backtest.results import results_from
from kracken_tasks.errors import Misconfigured

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["BacktestEngine"]


class BacktestEngine:
    """Backtrader with spot fees and slippage that count.

    Units:  initial_cash in quote; commission and slippage are fractions of the price, per side (0.001 is 0.1 %).
    Time:   a decision at a bar's close fills at the next bar's open; bars are named by their open time.
    Fills:  market orders at the open, worsened by ``slippage`` (also beyond the bar's range, unless ``slip_out=False``);
            stops at their trigger or at the open behind a gap, worsened too; limit orders never worse than their limit.
    Raises: Misconfigured for numbers out of range or a run without candles or strategy; BadData for bad candles.
    """

    def __init__(
        self,
        initial_cash: float = 10_000.0,
        commission: float = 0.001,
        slippage: float = 0.0,
        *,
        slip_out: bool = True,
        lot_step: float = 1e-8,
    ) -> None:
        _within("initial_cash", initial_cash, above=0.0, below=float("inf"), zero=False)
        _within("commission", commission, above=0.0, below=1.0)
        _within("slippage", slippage, above=0.0, below=1.0)
        _within("lot_step", lot_step, above=0.0, below=float("inf"), zero=False)
        self.initial_cash = float(initial_cash)
        self.commission = float(commission)
        self.slippage = float(slippage)
        self.slip_out = slip_out
        self.lot_step = float(lot_step)
        self.results: dict[str, Any] | None = None
        self._frames: list[tuple[str, pd.DataFrame]] = []
        self._strategies: list[tuple[type[Any], dict[str, Any]]] = []

    def add_data(self, df: pd.DataFrame, name: str | None = None) -> None:
        """Add candles: an OHLCV frame with a UTC DatetimeIndex, or a ``timestamp`` or ``ts`` column.  Several are allowed.

        Raises: BadData naming the rule and the row if the frame is empty, unsorted, or holds NaN.
        """
        label = name or f"data{len(self._frames)}"
        if label in dict(self._frames):
            raise Misconfigured(f"there are candles called {label!r} already", name=label)
        feed_from(df, label)  # checked here, so that the error points at this call
        self._frames.append((label, df.copy()))

    def add_strategy(self, strategy: type[Any], **params: Any) -> None:
        """Add any ``backtrader.Strategy`` subclass with its parameters."""
        if not (isinstance(strategy, type) and issubclass(strategy, bt.Strategy)):
            raise Misconfigured(
                f"{strategy!r} is not a backtrader.Strategy class", allowed="a subclass of backtrader.Strategy"
            )
        self._strategies.append((strategy, params))

    def run(self) -> dict[str, Any]:
        """Run and return the figures; ``backtest.results`` describes every key.  Running again starts from scratch."""
        if not self._frames or not self._strategies:
            missing = "add_data" if not self._frames else "add_strategy"
            raise Misconfigured(f"nothing to run: call {missing} first", missing=missing)
        feeds, strategies = self._run_backtrader()
        recorders = [strategy.analyzers.getbyname("recorder") for strategy in strategies]
        self.results = results_from(self.initial_cash, feeds, recorders, self._assumptions())
        return self.results

    def plot(self, path: str | Path | None = None) -> Figure:
        """Draw equity, drawdown and round trips; saves a PNG if given a path.

        Raises: Misconfigured before ``run``.
        """
        from kracken_tasks.analytics.plots import equity_figure, write_png

        if self.results is None:
            raise Misconfigured("nothing to plot: call run first", missing="run")
        curve: pd.Series[float] = self.results["equity_curve"]
        trips = self.results["trades"]
        figure = equity_figure(
            pd.DatetimeIndex(curve.index).tz_convert(None).to_numpy(),
            np.asarray(curve, dtype=np.float64),
            title=_title(self.results),
            entries=[trip.opened_at for trip in trips],
            exits=[(trip.closed_at, trip.net) for trip in trips],
        )
        if path is not None:
            write_png(figure, Path(path))
        return figure

    def _run_backtrader(self) -> tuple[list[CandleFeed], list[Any]]:
        # Indicators computed in one pass are faster, but longer than the data they raise IndexError before the first bar;
        # bar by bar such a strategy simply never wakes up.
        try:
            return self._run_once(vectorised=True)
        except IndexError:
            return self._run_once(vectorised=False)

    def _run_once(self, *, vectorised: bool) -> tuple[list[CandleFeed], list[Any]]:
        cerebro = bt.Cerebro(stdstats=False, runonce=vectorised)
        broker = SpotBroker(cash=self.initial_cash, lot_step=self.lot_step)
        broker.setcommission(commission=self.commission)
        broker.set_slippage_perc(
            self.slippage, slip_open=True, slip_limit=True, slip_match=True, slip_out=self.slip_out
        )
        cerebro.setbroker(broker)
        feeds = [feed_from(frame, name) for name, frame in self._frames]
        for feed in feeds:
            cerebro.adddata(feed)
        for strategy, params in self._strategies:
            cerebro.addstrategy(strategy, **params)
        cerebro.addanalyzer(Recorder, _name="recorder")
        return feeds, cerebro.run()

    def _assumptions(self) -> dict[str, Any]:
        return {
            "fill": "decided at close, filled at next open",
            "commission_fraction": self.commission,
            "slippage_fraction": self.slippage,
            "slip_open": True,
            "slip_out": self.slip_out,
            "lot_step": self.lot_step,
        }


def _title(results: dict[str, Any]) -> str:
    return (
        f"{results['final_value']:,.2f} from {results['initial_cash']:,.2f} "
        f"({results['total_return_pct']:+.2f} %), {results['total_trades']} trades"
    )


def _within(key: str, value: float, *, above: float, below: float, zero: bool = True) -> None:
    if not (above <= value < below and (zero or value != above)):
        allowed = f"{'[' if zero else '('}{above:g}, {below:g})"
        raise Misconfigured(f"{key} {value} is outside {allowed}", key=key, value=value, allowed=allowed)
