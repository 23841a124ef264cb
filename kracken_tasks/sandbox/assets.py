"""Assets as Kraken lists them: key, name, decimals.

The ledger keeps fiat with four decimals and most coins with eight or ten; trades print five decimals of cost.  That is
Kraken's own inconsistency and it is kept, because code that adds up trades must survive it.
Source: Kraken Assets endpoint, 2024.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

__all__ = ["DOLLAR_LIKE", "Asset", "asset_from_code", "asset_from_key"]


@dataclass(frozen=True, slots=True)
class Asset:
    """``key`` is what balances are keyed by (``XXBT``), ``altname`` the short name (``XBT``)."""

    key: str
    altname: str
    decimals: int
    display_decimals: int
    fiat: bool = False
    pegged: bool = False

    @property
    def is_cash(self) -> bool:
        """Fiat and stable coins: as a pair's base they follow the flat fee schedule and count for no volume."""
        return self.fiat or self.pegged


_LISTED: Final = {
    asset.key: asset
    for asset in (
        Asset("ZUSD", "USD", 4, 2, fiat=True),
        Asset("ZEUR", "EUR", 4, 2, fiat=True),
        Asset("ZGBP", "GBP", 4, 2, fiat=True),
        Asset("ZCAD", "CAD", 4, 2, fiat=True),
        Asset("ZAUD", "AUD", 4, 2, fiat=True),
        Asset("ZJPY", "JPY", 2, 2, fiat=True),
        Asset("CHF", "CHF", 4, 2, fiat=True),
        Asset("USDT", "USDT", 8, 4, pegged=True),
        Asset("USDC", "USDC", 8, 4, pegged=True),
        Asset("DAI", "DAI", 10, 5, pegged=True),
        Asset("PYUSD", "PYUSD", 8, 4, pegged=True),
        Asset("XXBT", "XBT", 10, 5),
        Asset("XETH", "ETH", 10, 5),
        Asset("XLTC", "LTC", 10, 5),
        Asset("XXRP", "XRP", 8, 5),
        Asset("XXDG", "XDG", 8, 2),
        Asset("XXLM", "XLM", 8, 5),
        Asset("XXMR", "XMR", 10, 5),
        Asset("XZEC", "ZEC", 10, 5),
        Asset("XETC", "ETC", 10, 5),
        Asset("SOL", "SOL", 10, 5),
        Asset("ADA", "ADA", 8, 6),
        Asset("DOT", "DOT", 10, 8),
        Asset("LINK", "LINK", 10, 5),
        Asset("AVAX", "AVAX", 10, 5),
    )
}
_CODES: Final = {"BTC": "XXBT", "DOGE": "XXDG"}
DOLLAR_LIKE: Final = frozenset({"ZUSD", "USDT", "USDC", "DAI", "PYUSD"})


def asset_from_key(key: str) -> Asset:
    """The asset with this key; an unknown one gets ten decimals and its own key as its name, as newer listings have."""
    return _LISTED.get(key) or Asset(key, key, 10, 5)


def asset_from_code(code: str) -> Asset:
    """Find an asset by any of its names: ``BTC``, ``XBT``, ``XXBT``, ``USD``, ``ZUSD``."""
    key = _CODES.get(code, code)
    if key in _LISTED:
        return _LISTED[key]
    return next((asset for asset in _LISTED.values() if asset.altname == key), Asset(key, key, 10, 5))
