"""Market data files as they come: which file holds what, and its rows as numbers.

In: a folder or file of Kraken's OHLCVT archive (``XBTUSD_60.csv``), Kraken's trade archive (``BCHEUR.csv``), or candles and trades
named ``kraken_BTC-USD_1h.parquet`` / ``.csv`` with a header.  Out: one ``Source`` per symbol, and its rows.  Never fills a hole and
never moves a date; rows that no trade can have made (no volume, no price) are left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from kracken_tasks.sandbox.market.aggregate import DAY_S
from kracken_tasks.sandbox.market.bars import Bars
from kracken_tasks.sandbox.market.pairs import pair_spec, symbol_of
from kracken_tasks.sandbox.market.protocol import LOTS_PER_UNIT, Ints, PairSpec, Trades

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Source", "find_sources", "read_bars", "read_trades", "source_of"]

Floats = NDArray[np.float64]

_NAMED: Final = re.compile(r"^(?P<exchange>[a-z0-9]+)_(?P<pair>[A-Z0-9.]+-[A-Z0-9.]+)_(?P<what>\d+[mhd]|trades)$")
_ARCHIVE: Final = re.compile(r"^(?P<pair>[A-Z0-9.]{5,})_(?P<minutes>\d+)$")
_TRADE_ARCHIVE: Final = re.compile(r"^(?P<pair>[A-Z0-9.]{5,})$")
_UNITS: Final = {"m": 1, "h": 60, "d": 1440}
_WIDEST: Final = 1440
_MOST_DECIMALS: Final = 8
_BAR_COLUMNS: Final = ("timestamp", "open", "high", "low", "close", "volume", "trades")
_TRADE_COLUMNS: Final = ("timestamp", "price", "volume")


@dataclass(frozen=True, slots=True)
class Source:
    """A file and what its name says.  ``minutes`` is 0 for trades and None where only the rows can tell."""

    path: Path
    symbol: str
    exchange: str
    minutes: int | None

    @property
    def rank(self) -> tuple[bool, int, int]:
        """Lowest first: Kraken's own data, then the finest, then the most."""
        return self.exchange != "kraken", _WIDEST if self.minutes is None else self.minutes, -self.path.stat().st_size


def source_of(path: Path, symbol: str | None = None) -> Source | None:
    """What a file's name says it holds; None for a file of some other kind.  ``symbol`` overrules the name."""
    if path.suffix not in (".csv", ".parquet"):
        return None
    if named := _NAMED.match(path.stem):
        what = named["what"]
        minutes = 0 if what == "trades" else int(what[:-1]) * _UNITS[what[-1]]
        return Source(path, symbol or symbol_of(named["pair"]), named["exchange"], minutes)
    kept = _ARCHIVE.match(path.stem) or _TRADE_ARCHIVE.match(path.stem)
    if kept and path.suffix == ".csv":
        try:
            pair = symbol or symbol_of(kept["pair"])
        except KeyError:
            return None
        return Source(path, pair, "kraken", int(kept.groupdict().get("minutes", 0)))
    return Source(path, symbol, "", None) if symbol else None


def find_sources(root: Path, symbols: Sequence[str] | None, minutes: int | None) -> list[Source]:
    """The one source per symbol that a replay uses: Kraken's before other venues', and of those the finest.

    ``minutes`` keeps only candles of that width.  A single file with a name of its own needs exactly one of ``symbols``.
    Raises: ValueError if nothing usable is found
    """
    given = symbols[0] if root.is_file() and symbols and len(symbols) == 1 else None
    paths = [root] if root.is_file() else sorted(p for p in root.rglob("*") if p.is_file())
    found = [source for path in paths if (source := source_of(path, given))]
    usable = [s for s in found if (symbols is None or s.symbol in symbols) and minutes in (None, s.minutes)]
    chosen = {source.symbol: source for source in sorted(usable, key=lambda s: s.rank, reverse=True)}
    missing = set(symbols or ()) - set(chosen)
    if not chosen or missing:
        raise ValueError(f"replay {root}: no market data for {', '.join(sorted(missing)) or 'any symbol'}; {_EXPECTED}")
    return [chosen[symbol] for symbol in sorted(chosen)]


_EXPECTED: Final = "expected files like XBTUSD_60.csv, BCHEUR.csv or kraken_BTC-USD_1h.parquet"


def read_bars(source: Source) -> tuple[PairSpec, Bars]:
    """Read a candle file.  A high below (or low above) the open or close is moved out to it."""
    frame = _read(source.path, _BAR_COLUMNS)
    seconds = _seconds(frame) if source.minutes is None else source.minutes * 60
    if seconds % 60 or not seconds or DAY_S % seconds:
        raise ValueError(f"{source.path}: bars of {seconds} s; whole minutes that divide a day can be replayed")
    lots = np.rint(frame["volume"].to_numpy(np.float64) * LOTS_PER_UNIT).astype(np.int64)
    prices = [frame[name].to_numpy(np.float64) for name in ("open", "high", "low", "close")]
    traded = (lots > 0) & (np.min(prices, axis=0) > 0)
    spec = _spec(source.symbol, [price[traded] for price in prices])
    opened, high, low, closed = (_ticks(price[traded], spec) for price in prices)
    open_s = frame["timestamp"].to_numpy(np.int64)[traded] // 10**9
    known = frame["trades"].to_numpy(np.int64)[traded] if "trades" in frame else np.zeros(len(open_s), np.int64)
    return spec, Bars(
        seconds=seconds,
        open_s=open_s - open_s % seconds,
        open=opened,
        high=np.maximum.reduce([opened, high, low, closed]),
        low=np.minimum.reduce([opened, high, low, closed]),
        close=closed,
        lots=lots[traded],
        count=known,
    )


def read_trades(source: Source) -> tuple[PairSpec, Trades]:
    """Read a trade file.  Trades of one instant are set a nanosecond apart; sides come from the file or the tick rule."""
    frame = _read(source.path, _TRADE_COLUMNS)
    price, volume = frame["price"].to_numpy(np.float64), frame["volume"].to_numpy(np.float64)
    lots = np.rint(volume * LOTS_PER_UNIT).astype(np.int64)
    traded = (lots > 0) & (price > 0)
    spec = _spec(source.symbol, [price[traded]])
    ticks, rows = _ticks(price[traded], spec), np.arange(int(traded.sum()))
    ts = np.maximum.accumulate(frame["timestamp"].to_numpy(np.int64)[traded] - rows) + rows
    side = _sides(frame)[traded] if "side" in frame else _tick_rule(ticks)
    market = frame["order_type"].to_numpy()[traded] == "m" if "order_type" in frame else np.ones(len(rows), np.bool_)
    return spec, Trades(ts, ticks, lots[traded], side, market.astype(np.bool_), rows + 1)


def _read(path: Path, columns: Sequence[str]) -> pd.DataFrame:
    """Rows oldest first, ``timestamp`` in nanoseconds; of bars given twice the later row holds."""
    import pandas as pd

    frame = pd.read_parquet(path) if path.suffix == ".parquet" else _read_csv(path, columns)
    absent = [name for name in columns if name not in frame and name != "trades"]
    if absent:
        raise ValueError(f"{path}: no column {', '.join(absent)}; it has {', '.join(map(str, frame.columns))}")
    frame = frame.assign(timestamp=_nanoseconds(frame["timestamp"])).sort_values("timestamp", kind="stable")
    frame = frame.dropna(subset=[name for name in columns if name in frame])
    return frame.drop_duplicates("timestamp", keep="last") if "open" in columns else frame


def _read_csv(path: Path, columns: Sequence[str]) -> pd.DataFrame:
    import pandas as pd

    with path.open(encoding="utf-8") as file:
        first = file.readline().strip().split(",")
    if any(re.search("[a-zA-Z]{2}", cell) for cell in first):
        return pd.read_csv(path)
    return pd.read_csv(path, header=None, names=list(columns[: len(first)]))


def _nanoseconds(stamps: pd.Series[Any]) -> NDArray[np.int64]:
    import pandas as pd

    if not pd.api.types.is_numeric_dtype(stamps):
        moments = pd.to_datetime(stamps, utc=True).dt.tz_localize(None)
        return moments.to_numpy("datetime64[ns]").astype(np.int64)
    values = stamps.to_numpy()
    seconds_or_ms = 10**6 if len(values) and float(values[0]) > 1e11 else 10**9
    if values.dtype.kind == "i":
        return values.astype(np.int64) * seconds_or_ms
    micro = np.rint(values.astype(np.float64) * (seconds_or_ms // 1000))  # a float of today holds no more than that
    return micro.astype(np.int64) * 1000


def _seconds(frame: pd.DataFrame) -> int:
    steps = np.diff(frame["timestamp"].to_numpy(np.int64))
    return int(steps.min() // 10**9) if len(steps) else DAY_S


def _spec(symbol: str, prices: Iterable[Floats]) -> PairSpec:
    """The listed pair, with as many decimals as its listing or the data need, whichever is more."""
    listed = pair_spec(symbol)
    return pair_spec(symbol, max(_decimals(price, listed.price_decimals) for price in prices))


def _decimals(prices: Floats, least: int) -> int:
    for decimals in range(least, _MOST_DECIMALS):
        # An exact decimal comes back from rounding to its own length; a few units in the last place are arithmetic.
        if np.all(np.abs(np.round(prices, decimals) - prices) <= 1e-15 * prices):
            return decimals
    return max(least, _MOST_DECIMALS)


def _ticks(prices: Floats, spec: PairSpec) -> Ints:
    return np.maximum(1, np.rint(prices * 10.0**spec.price_decimals)).astype(np.int64)


def _sides(frame: pd.DataFrame) -> NDArray[np.int8]:
    return np.where(frame["side"].to_numpy() == "s", -1, 1).astype(np.int8)


def _tick_rule(ticks: Ints) -> NDArray[np.int8]:
    """A trade above the last different price was a buyer's, below it a seller's (Lee and Ready 1991)."""
    change = np.sign(np.diff(ticks, prepend=ticks[:1]))
    last_change = np.maximum.accumulate(np.where(change != 0, np.arange(len(ticks)), 0))
    return np.where(change[last_change] < 0, -1, 1).astype(np.int8)
