"""What Kraken lists, and its several names for one thing: keys, altnames and websocket names into unified symbols.

In: a ``VenueClient``.  Out: instruments, names both ways.  Never: a pair without a public name (dark pools, synthetic ones).
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any, Final

from kracken_tasks.domain.market import Instrument, split_symbol
from kracken_tasks.errors import Misconfigured, RetryLater
from kracken_tasks.exchange.client import VenueClient
from kracken_tasks.exchange.dialect import as_documented
from kracken_tasks.exchange.kraken_wire import instrument_of

__all__ = ["KrakenListing", "quote_asset"]

_DARK: Final = ".d"  # the ending of a dark pool's name, in keys and altnames


class KrakenListing:
    """Assets and pairs, loaded when first needed."""

    def __init__(self, client: VenueClient) -> None:
        self._client = client
        self._instruments: dict[str, Instrument] = {}
        self._pairs: dict[str, str] = {}  # symbol -> AssetPairs key
        self._symbols: dict[str, str] = {}  # AssetPairs key, altname or wsname -> symbol
        self._loading = threading.Lock()

    def instruments(self, *, refresh: bool = False) -> dict[str, Instrument]:
        """What is listed, by symbol; asked once unless ``refresh``.  Raises: RetryLater, BadData."""
        if self._instruments and not refresh:
            return self._instruments
        with self._loading:
            if self._instruments and not refresh:
                return self._instruments  # another thread has just asked
            markets = self._client.read("load_markets", True)
            self._must_be_told(markets)
            with as_documented(self._client.exchange, "AssetPairs"):
                self._index(markets)
            return self._instruments

    def _must_be_told(self, markets: Mapping[str, Any]) -> None:
        # ccxt takes a web page for an empty list; without the assets' precision every lot step would be wrong in silence.
        if not markets or not any(
            "decimals" in (one.get("info") or {}) for one in self._client.api.currencies.values()
        ):
            raise RetryLater(
                f"{self._client.exchange} told no pairs or no assets", venue=self._client.exchange, doing="load_markets"
            )

    def _index(self, markets: Mapping[str, Any]) -> None:
        listed, pairs, symbols = {}, {}, {}
        for symbol, market in markets.items():
            pair = market["info"]
            if not _is_spot_symbol(symbol) or "wsname" not in pair or pair["altname"].endswith(_DARK):
                continue  # dark pools and synthetic pairs have no public name
            listed[symbol] = instrument_of(self._client.exchange, symbol, pair, self._decimals(market["base"]))
            pairs[symbol] = market["id"]
            symbols.update(dict.fromkeys((market["id"], pair["altname"], pair["wsname"]), symbol))
        self._pairs, self._symbols, self._instruments = pairs, symbols, listed  # what others look at first comes last

    def _decimals(self, asset: str) -> int | None:
        currency = self._client.api.currencies.get(asset) or {}
        decimals = (currency.get("info") or {}).get("decimals")
        return None if decimals is None else int(decimals)

    def pair(self, symbol: str) -> str:
        """The AssetPairs key.  Raises: Misconfigured if the symbol is not listed."""
        self.instruments()
        pair = self._pairs.get(symbol)
        if pair is None:
            raise Misconfigured(
                f"{self._client.exchange} lists no {symbol}",
                venue=self._client.exchange,
                symbol=symbol,
                listed=len(self._pairs),
            )
        return pair

    def key(self, symbol: str) -> str:
        """The AssetPairs key where there is one, else the symbol itself: a name for counting by."""
        return self._pairs.get(symbol, symbol)

    def symbol(self, pair: str) -> str:
        """The unified symbol of a key, altname or wsname; a pair that is listed no more keeps Kraken's name."""
        self.instruments()
        return self._symbols.get(pair, pair)

    def asset(self, asset: str) -> str:
        """The unified code of an asset: ``XXBT`` is ``BTC``, ``XBT.F`` is ``BTC.F``."""
        self.instruments()
        return str(self._client.api.safe_currency_code(asset))


def quote_asset(symbol: str) -> str:
    """The quote currency of a unified symbol; "" for a pair that is listed no more."""
    return split_symbol(symbol)[1] if "/" in symbol else ""


def _is_spot_symbol(symbol: str) -> bool:
    try:
        split_symbol(symbol)
    except ValueError:
        return False
    return True
