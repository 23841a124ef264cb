"""Import: which files of a folder hold candles, trades or quotes, and their rows.

In: a file, a folder (searched to the bottom) or a zip as Kraken hands it out.  Out: ``ImportSource`` values, then one frame each.
Never: a write, part of a bad file, a file passed over in silence: one named in no known way is listed too, and refused when read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd

from kracken_tasks.candles.content import Content, members_of
from kracken_tasks.candles.csv_files import OHLCVT, TRADE, read_csv
from kracken_tasks.candles.frames import candle_frame
from kracken_tasks.candles.from_trades import candles_from_trades
from kracken_tasks.candles.names import FileKind, Named, named
from kracken_tasks.candles.tables import read_candle_table, read_quote_table, read_trade_table
from kracken_tasks.domain.market import TRADE_COLUMNS, CandleSource, DataKey, Tape, TapeKey, Timeframe
from kracken_tasks.errors import BadData, Misconfigured

__all__ = ["ImportSource", "discover", "read", "read_all"]

_SUFFIXES: Final = (".csv", ".parquet")
_TRADES: Final = (FileKind.KRAKEN_TRADES, FileKind.TRADE_TABLE)

Progress = Callable[["ImportSource", int], None]


@dataclass(frozen=True, slots=True)
class ImportSource:
    """One series or tape that one file can give.  ``key`` is None where the name tells nothing; ``reason`` then says why.

    ``member`` is the file's name inside the zip at ``path``, if it is one; ``bars`` the width of the bars that quotes come in.
    """

    path: Path
    kind: FileKind
    key: DataKey | None
    reason: str = ""
    member: str = ""
    bars: Timeframe | None = None

    @property
    def content(self) -> Content:
        return Content(self.path, self.member)


def discover(
    path: Path,
    *,
    timeframes: Iterable[Timeframe] = (Timeframe.H1,),
    altnames: Mapping[str, str] | None = None,
    exchange: str | None = None,
    symbol: str | None = None,
    timeframe: Timeframe | Tape | None = None,
    tapes: bool = False,
) -> list[ImportSource]:
    """What can be imported from a file, folder or zip, sorted by path.

    ``timeframes``: what to make of trade files, one source each.  ``altnames``: Kraken's own altname -> symbol, where it was asked.
    ``exchange``, ``symbol`` and ``timeframe`` (or a tape) given together say what a file is, whatever its name.
    ``tapes``: trade files give their trades, too.
    Raises: Misconfigured if the path does not exist or holds nothing to import; BadData if a zip is damaged.
    """
    files = sorted(file for file in _candidates(path) if file.named.suffix.lower() in _SUFFIXES)
    if not files:
        raise Misconfigured(
            f"nothing to import at {path}: no .csv, .parquet or .zip file", path=str(path), allowed=_SUFFIXES
        )
    told = _told(exchange, symbol, timeframe)
    made: tuple[Timeframe | Tape, ...] = (*timeframes, *([Tape.TRADES] if tapes else []))
    return [one for file in files for one in _sources(file, told or _named(file, altnames), made, told is not None)]


def read(source: ImportSource, progress: Progress | None = None) -> pd.DataFrame:
    """Read one source.

    Shapes: a candle frame [R, columns of ``CANDLE_COLUMNS``], oldest first, or for a tape ``TRADE_COLUMNS`` or ``QUOTE_COLUMNS``.
    Intervals without trades have no row, unless the file has one for them.
    Raises: BadData naming file, line (CSV) or row (Parquet), and reason; nothing of a bad file is used.
    """
    return next(frame for _, frame in read_all([source], progress))


def read_all(
    sources: Iterable[ImportSource], progress: Progress | None = None
) -> Iterator[tuple[ImportSource, pd.DataFrame]]:
    """Read sources in order; a trade file that gives several timeframes is read once while they stand together.

    ``progress`` hears the rows read of each file.  Raises as ``read``, at the bad one: to go on after it, call ``read`` on each.
    """
    held: tuple[Content, pd.DataFrame] | None = None
    for source in sources:
        hears, key = _listener(source, progress), _key(source)
        if source.kind not in _TRADES:
            yield source, _one(source, hears)
            continue
        if held is None or held[0] != source.content:
            held = (source.content, _trades(source, hears))
        if isinstance(key, TapeKey):
            yield source, held[1]
        else:
            yield source, candles_from_trades(held[1], key.timeframe, covered=_covered(source, held[1]))


def _trades(source: ImportSource, hears: Callable[[int], None] | None) -> pd.DataFrame:
    if source.kind is FileKind.KRAKEN_TRADES:
        return _trades_of(read_csv(source.content, TRADE, None, hears))
    trades = read_trade_table(source.path)
    if hears is not None:
        hears(len(trades))
    return trades


def _covered(source: ImportSource, trades: pd.DataFrame) -> tuple[datetime, datetime]:
    if source.kind is FileKind.KRAKEN_TRADES:
        return _whole_days(trades)
    # The file may begin or end anywhere: its first and last interval may lack trades, unless they are whole.
    return trades["ts"].iloc[0].to_pydatetime(), trades["ts"].iloc[-1].to_pydatetime()


def _whole_days(trades: pd.DataFrame) -> tuple[datetime, datetime]:
    """Kraken's trade files hold whole UTC days; a week that a file begins or ends in is only partly in it."""
    first, last = trades["ts"].iloc[0].to_pydatetime(), trades["ts"].iloc[-1].to_pydatetime()
    return Timeframe.D1.floor(first), Timeframe.D1.floor(last) + Timeframe.D1.delta


def _one(source: ImportSource, hears: Callable[[int], None] | None) -> pd.DataFrame:
    key = _key(source)
    if source.kind is FileKind.QUOTE_TABLE:
        frame = read_quote_table(source.path, source.bars)
    elif isinstance(key, TapeKey):
        raise AssertionError("only trades and quotes become tapes")
    elif source.kind is FileKind.KRAKEN_OHLCVT:
        return _candles_of(read_csv(source.content, OHLCVT, key.timeframe, hears))
    else:
        frame = read_candle_table(source.path, key.timeframe)
    if hears is not None:
        hears(len(frame))
    return frame


def _key(source: ImportSource) -> DataKey:
    if source.key is None:
        name = source.content.named.name
        raise BadData(f"{name}: {source.reason}", file=str(source.content), line=0, reason=source.reason)
    return source.key


def _candles_of(columns: Mapping[str, np.ndarray[Any, Any]]) -> pd.DataFrame:
    figures = {name: columns[name] for name in ("open", "high", "low", "close", "volume")}
    trades = pd.array(columns["trades"], dtype="Int64")
    return candle_frame({"ts": columns["time"] * 1000, **figures, "trades": trades}, CandleSource.ARCHIVE)


def _trades_of(columns: Mapping[str, np.ndarray[Any, Any]]) -> pd.DataFrame:
    seconds = columns["time"]
    whole = np.floor(seconds)
    # Rounding must not carry a trade into the next second, which may be the next candle.
    micros = whole * 1_000_000 + np.minimum(np.rint((seconds - whole) * 1e6), 999_999)
    stamps = pd.to_datetime(micros.astype("int64"), unit="us", utc=True)
    unknown = pd.Series([None] * len(whole), dtype="str")
    known = {"ts": stamps, "price": columns["price"], "volume": columns["volume"], "side": unknown, "kind": unknown}
    ids = pd.array([pd.NA] * len(whole), dtype="Int64")
    return pd.DataFrame({**known, "trade_id": ids}, columns=list(TRADE_COLUMNS))


def _sources(file: Content, told: Named, made: tuple[Timeframe | Tape, ...], explicit: bool) -> Iterator[ImportSource]:
    kind = _kind_by_content(file, told.kind) if explicit else told.kind
    if kind is FileKind.UNKNOWN:
        yield ImportSource(file.path, kind, None, told.reason, file.member)
    elif kind is FileKind.QUOTE_TABLE:
        key = TapeKey(told.exchange, told.symbol, Tape.QUOTES)
        yield ImportSource(file.path, kind, key, member=file.member, bars=told.timeframe)
    elif told.timeframe is not None:
        yield ImportSource(file.path, kind, told.key(told.timeframe), member=file.member)
    else:
        for what in made:
            one: DataKey = TapeKey(told.exchange, told.symbol, what) if isinstance(what, Tape) else told.key(what)
            yield ImportSource(file.path, kind, one, member=file.member)


def _named(file: Content, altnames: Mapping[str, str] | None) -> Named:
    told = named(file.named, altnames)
    if file.member and told.kind in (FileKind.CANDLE_TABLE, FileKind.TRADE_TABLE, FileKind.QUOTE_TABLE):
        return Named(
            FileKind.UNKNOWN, reason="inside a zip only Kraken's own CSV files are read; unpack this one first"
        )
    return told


def _kind_by_content(file: Content, told: FileKind) -> FileKind:
    # An explicit key says whose rows they are, not how the file is written: without a header it is Kraken's.
    if file.named.suffix.lower() == ".parquet" or told is FileKind.QUOTE_TABLE:
        return told
    with file.open() as lines:
        bare = lines.read(1).isdigit()
    kraken = FileKind.KRAKEN_TRADES if told is FileKind.TRADE_TABLE else FileKind.KRAKEN_OHLCVT
    return kraken if bare else told


def _told(exchange: str | None, symbol: str | None, what: Timeframe | Tape | None) -> Named | None:
    given = [exchange, symbol, what]
    if not any(given):
        return None
    if exchange is None or symbol is None or what is None:
        raise Misconfigured("exchange, symbol and timeframe belong together", allowed="all three or none")
    if isinstance(what, Tape):
        return Named(FileKind.TRADE_TABLE if what is Tape.TRADES else FileKind.QUOTE_TABLE, exchange, symbol)
    return Named(FileKind.CANDLE_TABLE, exchange, symbol, what)


def _candidates(path: Path) -> Iterator[Content]:
    if not path.exists():
        raise Misconfigured(f"no file or folder at {path}", path=str(path))
    for file in (one for one in path.rglob("*") if one.is_file()) if path.is_dir() else (path,):
        if file.suffix.lower() == ".zip":
            yield from members_of(file)
        else:
            yield Content(file)


def _listener(source: ImportSource, progress: Progress | None) -> Callable[[int], None] | None:
    return None if progress is None else lambda rows: progress(source, rows)
