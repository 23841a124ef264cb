"""Kraken's spelling of assets and pairs, in the words everybody else uses: XBT is BTC, XDG is DOGE.

In: an asset code, a pair's altname (``XBTUSD``), key (``XXBTZUSD``) or websocket name.  Out: ccxt's unified symbol (``BTC/USD``).
Never: a look-up over the network.

Source: ccxt 4.5.90, kraken.describe()['commonCurrencies']; Kraken AssetPairs altnames as used in its archive's file names.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from kracken_tasks.errors import Misconfigured

__all__ = ["KNOWN_QUOTES", "symbol_of_altname", "unified_asset", "unified_symbol"]

# The same renames that the live connection makes, so that imported and fetched candles land in one series.
_RENAMED: Final[Mapping[str, str]] = {
    "XBT": "BTC",
    "XDG": "DOGE",
    "LUNA": "LUNC",
    "LUNA2": "LUNA",
    "UST": "USTC",
    "REP": "REPV1",
    "REPV2": "REP",
    "FEE": "KFEE",
}

# Quote currencies an altname may end in.  PYUSD and other names that merely end in USD are left out as quotes: SPYUSD is SPY/USD.
KNOWN_QUOTES: Final = (
    "USD", "EUR", "GBP", "CAD", "AUD", "JPY", "CHF", "USDT", "USDC", "DAI", "XBT", "BTC", "ETH", "DOT", "SOL", "BNB", "XRP", "TRY",
)  # fmt: skip

# Assets that Kraken keys with a letter for their class (X a coin, Z money); newer ones have none.
_CLASSED: Final = ("XBT", "ETC", "ETH", "LTC", "MLN", "REP", "XDG", "XLM", "XMR", "XRP", "ZEC")
_MONEY: Final = ("AUD", "CAD", "EUR", "GBP", "JPY", "USD")
_WITH_CLASS: Final = frozenset({*(f"X{asset}" for asset in _CLASSED), *(f"Z{asset}" for asset in _MONEY)})
_PARTED: Final = re.compile(r"^([A-Z0-9.]+)[/_-]([A-Z0-9.]+)$")
_ODD_KEYS: Final[Mapping[str, str]] = {"USDTZUSD": "USDTUSD"}  # the one key with a class in the middle; XTZUSD is Tezos
_LEGACY: Final = re.compile(
    rf"^X(?P<base>{'|'.join(_CLASSED)})(Z(?=({'|'.join(_MONEY)})$)|X(?=({'|'.join(_CLASSED)})$))(?P<quote>[A-Z]{{3}})$"
)


def unified_asset(asset: str) -> str:
    """``XBT`` -> ``BTC``; a name that needs no change is returned as it is."""
    return _RENAMED.get(asset, asset)


def symbol_of_altname(altname: str) -> str | None:
    """``XBTUSD`` -> ``BTC/USD``, ``ETHUSDT`` -> ``ETH/USDT``; None when no known quote currency ends the name.

    The longest quote that leaves a base wins.
    """
    for quote in sorted(KNOWN_QUOTES, key=len, reverse=True):
        base = altname.removesuffix(quote)
        if base and base != altname:
            return f"{unified_asset(base)}/{unified_asset(quote)}"
    return None


def unified_symbol(symbol: str) -> str:
    """Any spelling of a spot pair as ccxt's unified symbol: ``XBT/USD``, ``xbtusd``, ``BTC-USD``, ``BTCUSDT``, ``XXBTZUSD``.

    Raises: Misconfigured for what cannot be read as one pair.
    """
    text = symbol.strip().upper()
    parted = _PARTED.match(text)
    if parted is not None:
        return "/".join(unified_asset(_short(asset)) for asset in parted.groups())
    legacy = _LEGACY.match(text)
    if legacy is not None:
        return f"{unified_asset(legacy['base'])}/{unified_asset(legacy['quote'])}"
    read = symbol_of_altname(_ODD_KEYS.get(text, text)) if text.isalnum() else None
    if read is None:
        raise Misconfigured(f"symbol {symbol!r}: write BASE/QUOTE, for example BTC/USD", key="symbol", value=symbol)
    return read


def _short(asset: str) -> str:
    """``XXBT`` -> ``XBT``, ``ZUSD`` -> ``USD``: Kraken's older assets carry a letter for their class."""
    return asset[1:] if asset in _WITH_CLASS else asset
