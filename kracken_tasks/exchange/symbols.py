"""Kraken's spelling of assets and pairs, in the words everybody else uses: XBT is BTC, XDG is DOGE.

In: an asset code or a pair's altname (``XBTUSD``).  Out: ccxt's unified symbol (``BTC/USD``).  Never: a look-up over the network.

Source: ccxt 4.5.90, kraken.describe()['commonCurrencies']; Kraken AssetPairs altnames as used in its archive's file names.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

__all__ = ["KNOWN_QUOTES", "symbol_of_altname", "unified_asset"]

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
