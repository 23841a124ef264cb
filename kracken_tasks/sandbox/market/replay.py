"""A market that replays imported data on its own dates.

In: a folder or file of candles or trades (``imported`` says which).  Out: a ``protocol.Market``.  Trades are the file's own, or made
up inside each bar so that they aggregate to it exactly (``bars``); intervals without a row have no trades.  Of several candle widths
of one symbol the finest rules, even where it is the shorter.  Candles finer than the data show the made-up way inside the bars.
A symbol whose data end stops trading and keeps its last book.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final, Self

import numpy as np

from kracken_tasks.sandbox.market.aggregate import DAY_NS, DAY_S, NS, coarsen, cut_candles, cut_trades
from kracken_tasks.sandbox.market.bars import Bars, BarTape
from kracken_tasks.sandbox.market.book import Touch, touch_around
from kracken_tasks.sandbox.market.imported import Source, find_sources, read_bars, read_trades, source_of
from kracken_tasks.sandbox.market.protocol import Candles, Ints, PairSpec, Trades
from kracken_tasks.sandbox.market.recent import Recent
from kracken_tasks.sandbox.market.series import DaySeries, SeriesMarket

__all__ = ["ReplayMarket"]

# Half a spread as a fraction of the price, and what stands on a level in units of the quote: assumptions, as candles hold no book.
_HALF_SPREADS: Final = {"BTC": 0.0001, "ETH": 0.00014, "USDT": 0.00005, "USDC": 0.00005, "SOL": 0.00024, "XRP": 0.0003}
_OTHER_HALF_SPREAD: Final = 0.0004
_SPREAD_OF_RANGE: Final = 0.005  # of the last whole bar's range: wild hours trade wider
_LEVEL_VALUE: Final = 5_000.0
_UNITS_A_DOLLAR: Final = {"JPY": 150.0, "BTC": 1 / 50_000, "ETH": 1 / 3_000}


class _ReplaySeries(DaySeries):
    """What both kinds of data share: an end, and a book around the last trade."""

    last_ns: int
    trade_days: Ints  # days since the epoch that have trades

    def day_with_trades(self, day: int) -> int | None:
        place = int(np.searchsorted(self.trade_days, day, side="right"))
        return int(self.trade_days[place - 1]) if place else None

    def touch(self, at_ns: int) -> Touch | None:
        """The last trade stands at the touch, on the side it took."""
        last = self.before(at_ns)
        if not len(last):
            return None
        base, _, quote = self.spec.symbol.partition("/")
        half = max(_HALF_SPREADS.get(base, _OTHER_HALF_SPREAD), _SPREAD_OF_RANGE * self.known_range(at_ns))
        fair = float(last.price[0]) / (1.0 + int(last.side[0]) * half)
        value = _LEVEL_VALUE * _UNITS_A_DOLLAR.get(quote, 1.0) * 10.0**self.spec.price_decimals
        return touch_around(fair, fair * half, value)

    def known_range(self, at_ns: int) -> float:
        """High against low of the last whole bar, as a fraction; 0 where there are no bars."""
        return 0.0


class _BarSeries(_ReplaySeries):
    """A pair known by its bars."""

    def __init__(self, spec: PairSpec, bars: Bars) -> None:
        super().__init__(spec)
        self.unit_minutes = bars.seconds // 60
        self._bars, self._tape = bars, BarTape(bars, spec.price_decimals)
        self._whole: dict[int, Candles] = {self.unit_minutes: self._tape.candles()}
        self._recent: Recent[int, Trades] = Recent(16)
        self.trade_days = np.unique(bars.open_s // DAY_S)
        self.first_ns = int(bars.open_s[0]) * NS
        self.last_ns = int(self._tape.trades(len(bars) - 1, len(bars)).ts_ns[-1])

    def day_trades(self, day: int) -> Trades:
        return self._recent.get(day, self._make)

    def closed(self, minutes: int, start_s: int, end_s: int) -> Candles:
        """From the bars themselves where they are fine enough; else from the made-up trades."""
        if minutes % self.unit_minutes:
            return super().closed(minutes, start_s, end_s)
        if minutes not in self._whole:
            self._whole[minutes] = coarsen(self._whole[self.unit_minutes], minutes * 60)
        return cut_candles(self._whole[minutes], start_s, end_s)

    def known_range(self, at_ns: int) -> float:
        place = int(np.searchsorted(self._bars.open_s, at_ns // NS - self._bars.seconds, side="right")) - 1
        if place < 0:
            return 0.0
        return float((self._bars.high[place] - self._bars.low[place]) / self._bars.close[place])

    def _make(self, day: int) -> Trades:
        low, high = np.searchsorted(self._bars.open_s, (day * DAY_S, (day + 1) * DAY_S))
        return self._tape.trades(int(low), int(high))


class _TradeSeries(_ReplaySeries):
    """A pair known by its trades."""

    unit_minutes = 1

    def __init__(self, spec: PairSpec, trades: Trades) -> None:
        super().__init__(spec)
        self._trades = trades
        self.trade_days = np.unique(trades.ts_ns // DAY_NS)
        self.first_ns, self.last_ns = int(trades.ts_ns[0]), int(trades.ts_ns[-1])

    def day_trades(self, day: int) -> Trades:
        low, high = np.searchsorted(self._trades.ts_ns, (day * DAY_NS, (day + 1) * DAY_NS))
        return cut_trades(self._trades, int(low), int(high))


class ReplayMarket(SeriesMarket):
    """See the module docstring."""

    def __init__(self, series: Iterable[_ReplaySeries]) -> None:
        self._ending = {one.spec.symbol: one for one in series}
        super().__init__(0, self._ending.values())

    @classmethod
    def from_path(cls, path: str | Path, symbols: Sequence[str] | None = None, minutes: int | None = None) -> Self:
        """Open a folder (with the folders in it) or one file.

        ``symbols`` restricts the listing, and names the pair of a single file whose name does not; ``minutes`` picks one candle width.
        Raises: ValueError if a symbol asked for, or any symbol, has no data there
        """
        root = Path(path)
        if not root.exists():
            raise ValueError(f"replay {root}: no such folder or file")
        return cls(_open(source) for source in find_sources(root, symbols, minutes))

    @classmethod
    def from_files(cls, files: Mapping[str, str | Path]) -> Self:
        """Open one file per symbol, whatever the files are called."""
        sources = {symbol: source_of(Path(path), symbol) for symbol, path in files.items()}
        if unknown := [symbol for symbol, source in sources.items() if source is None]:
            raise ValueError(f"replay of {', '.join(unknown)}: only .csv and .parquet files can be read")
        return cls(_open(source) for source in sources.values() if source is not None)

    def first_ns(self, symbol: str) -> int:
        """When the symbol's data begin."""
        return self._ending[symbol].first_ns

    def last_ns(self, symbol: str) -> int:
        """When the symbol's last trade is."""
        return self._ending[symbol].last_ns

    def unit_minutes(self, symbol: str) -> int:
        """The finest candle width the data themselves hold (1 where they are trades)."""
        return self._ending[symbol].unit_minutes

    def default_start(self) -> int:
        """Where a clock that follows these data should begin, in nanoseconds: late, so that there is history to decide on.

        Counted are the symbols at the common width (the finest that half of all symbols reach) or finer; the answer is the last moment
        at which at least half of those still trade.
        """
        everyone = sorted(self._ending.values(), key=lambda one: one.unit_minutes)
        common = everyone[(len(everyone) - 1) // 2].unit_minutes
        ends = sorted((one.last_ns for one in everyone if one.unit_minutes <= common), reverse=True)
        return ends[(len(ends) - 1) // 2]


def _open(source: Source) -> _ReplaySeries:
    if source.minutes == 0:
        spec, trades = read_trades(source)
        _require_rows(source, len(trades))
        return _TradeSeries(spec, trades)
    spec, bars = read_bars(source)
    _require_rows(source, len(bars))
    return _BarSeries(spec, bars)


def _require_rows(source: Source, rows: int) -> None:
    if not rows:
        raise ValueError(f"{source.path}: no row with a price and a volume")
