"""File names into what is in the file: Kraken's archives, and the ``<exchange>_<BASE>-<QUOTE>_<timeframe>`` style.

In: a path.  Out: what kind of file, which exchange, symbol and timeframe.  Never: a look into the file.

    XBTUSD_60.csv                 Kraken OHLCVT archive: altname, minutes
    BCHEUR.csv                    Kraken trade archive: altname
    kraken_BTC-USD_1h.parquet     candles (.csv with a header works too)
    kraken_ETH-USD_trades.parquet trades
    coinbase_BTC-USD_quotes.parquet, coinbase_BTC-USD_1m_quotes.parquet
                                  best bid and ask, one row a quote or one a minute
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import PurePath
from typing import Final

from kracken_tasks.domain.market import SeriesKey, Timeframe
from kracken_tasks.exchange.symbols import symbol_of_altname

__all__ = ["FileKind", "Named", "named"]

_ARCHIVE: Final = re.compile(r"^(?P<altname>[A-Z0-9.]{5,24})_(?P<minutes>\d{1,5})$")
_TRADES: Final = re.compile(r"^(?P<altname>[A-Z0-9.]{5,24})$")
_GENERIC: Final = re.compile(
    r"^(?P<exchange>[a-z][a-z0-9]*)_(?P<base>[A-Z0-9.]+)-(?P<quote>[A-Z0-9.]+)_(?P<what>[0-9]+[mhdw]|trades|(?:[0-9]+[mhdw]_)?quotes)$"
)


class FileKind(StrEnum):
    """How a file is read."""

    KRAKEN_OHLCVT = "kraken_ohlcvt"  # CSV without header: unix seconds, open, high, low, close, volume, trades
    KRAKEN_TRADES = "kraken_trades"  # CSV without header: unix seconds, price, volume
    CANDLE_TABLE = "candle_table"  # Parquet, or CSV with a header: timestamp or ts, open, high, low, close, volume, ...
    TRADE_TABLE = "trade_table"  # Parquet, or CSV with a header: timestamp or ts, price, volume
    QUOTE_TABLE = (
        "quote_table"  # Parquet, or CSV with a header: timestamp or ts, bid, ask; or bid_close and ask_close of a bar
    )
    UNKNOWN = "unknown"  # named in no known way: refused when read, with the reason


@dataclass(frozen=True, slots=True)
class Named:
    """What a file's name tells.  ``timeframe`` is None for trades, which can become any; for quotes it is the width of their bars."""

    kind: FileKind
    exchange: str = ""
    symbol: str = ""
    timeframe: Timeframe | None = None
    reason: str = ""

    def key(self, timeframe: Timeframe) -> SeriesKey:
        return SeriesKey(self.exchange, self.symbol, self.timeframe or timeframe)


def named(path: PurePath, altnames: Mapping[str, str] | None = None) -> Named:
    """Read a file's name.  ``altnames`` maps Kraken's altnames to symbols where the venue was asked; the built-in split fills in."""
    stem, table = path.stem, path.suffix.lower() == ".parquet"
    if generic := _GENERIC.match(stem):
        return _generic(generic)
    if not table and (archive := _ARCHIVE.match(stem)):
        return _kraken(FileKind.KRAKEN_OHLCVT, archive["altname"], archive["minutes"], altnames or {})
    if not table and (trades := _TRADES.match(stem)):
        return _kraken(FileKind.KRAKEN_TRADES, trades["altname"], None, altnames or {})
    return Named(FileKind.UNKNOWN, reason=f"no known naming: expected {_EXPECTED}")


def _generic(match: re.Match[str]) -> Named:
    symbol, what = f"{match['base']}/{match['quote']}", match["what"]
    if what == "trades":
        return Named(FileKind.TRADE_TABLE, match["exchange"], symbol)
    if what.endswith("quotes"):
        return _quotes(match["exchange"], symbol, what.removesuffix("quotes").removesuffix("_"))
    if what not in set(Timeframe):
        return Named(FileKind.UNKNOWN, reason=f"no timeframe {what}; allowed: {', '.join(Timeframe)}")
    return Named(FileKind.CANDLE_TABLE, match["exchange"], symbol, Timeframe(what))


def _quotes(exchange: str, symbol: str, width: str) -> Named:
    if width and width not in set(Timeframe):
        return Named(FileKind.UNKNOWN, reason=f"no timeframe {width}; allowed: {', '.join(Timeframe)}")
    return Named(FileKind.QUOTE_TABLE, exchange, symbol, Timeframe(width) if width else None)


def _kraken(kind: FileKind, altname: str, minutes: str | None, altnames: Mapping[str, str]) -> Named:
    symbol = altnames.get(altname) or symbol_of_altname(altname)
    if symbol is None:
        return Named(FileKind.UNKNOWN, reason=f"{altname} ends in no known quote currency")
    if minutes is None:
        return Named(kind, "kraken", symbol)
    try:
        return Named(kind, "kraken", symbol, Timeframe.from_minutes(int(minutes)))
    except ValueError as error:
        return Named(FileKind.UNKNOWN, reason=str(error))


_EXPECTED: Final = "XBTUSD_60.csv, XBTUSD.csv, kraken_BTC-USD_1h.parquet or kraken_BTC-USD_trades.parquet"
