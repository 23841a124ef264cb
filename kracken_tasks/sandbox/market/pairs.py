"""The listed pairs under Kraken's own names, and the way between those names and ccxt's symbols.

In: a symbol (``BTC/USD``) or any of Kraken's names for a pair (``XXBTZUSD``, ``XBTUSD``, ``XBT/USD``).  Out: a ``PairSpec``
or the symbol.  Decimals and minimums are Kraken's AssetPairs as of 2024, minimums rounded; nothing here looks at a market.
"""

from __future__ import annotations

from typing import Final

from kracken_tasks.sandbox.market.protocol import PairSpec

__all__ = ["LISTED", "code_of", "kraken_asset", "pair_spec", "symbol_of"]

# Kraken's oldest assets carry an X (coin) or Z (money) in front; everything listed later goes by its plain name.
_OLD_COINS: Final = {"BTC": "XXBT", "DOGE": "XXDG", "ETH": "XETH", "ETC": "XETC", "LTC": "XLTC", "MLN": "XMLN",
                     "REP": "XREP", "XLM": "XXLM", "XMR": "XXMR", "XRP": "XXRP", "ZEC": "XZEC"}  # fmt: skip
_OLD_MONEY: Final = {"USD": "ZUSD", "EUR": "ZEUR", "GBP": "ZGBP", "CAD": "ZCAD", "JPY": "ZJPY", "AUD": "ZAUD"}
_ALTNAMES: Final = {"BTC": "XBT", "DOGE": "XDG"}
_QUOTES: Final = ("USDT", "USDC", "DAI", "USD", "EUR", "GBP", "CAD", "JPY", "AUD", "CHF", "BTC", "ETH")

# symbol: price decimals, ordermin in base
_LISTINGS: Final = {
    "BTC/USD": (1, "0.0001"), "ETH/USD": (2, "0.002"), "SOL/USD": (2, "0.02"), "ADA/USD": (6, "4"), "XRP/USD": (5, "3"),
    "LTC/USD": (2, "0.04"), "DOGE/USD": (7, "20"), "BCH/USD": (2, "0.01"), "LINK/USD": (5, "0.3"), "AVAX/USD": (2, "0.15"),
    "DOT/USD": (4, "0.6"), "USDT/USD": (5, "5"), "USDC/USD": (4, "5"),
    "BTC/EUR": (1, "0.0001"), "ETH/EUR": (2, "0.002"), "SOL/EUR": (2, "0.02"), "ADA/EUR": (6, "4"), "XRP/EUR": (5, "3"),
    "LTC/EUR": (2, "0.04"), "BCH/EUR": (2, "0.01"),
    "BTC/USDT": (1, "0.0001"), "ETH/USDT": (2, "0.002"), "SOL/USDT": (2, "0.02"), "ADA/USDT": (6, "4"),
    "XRP/USDT": (5, "3"), "LTC/USDT": (2, "0.04"), "DOGE/USDT": (7, "20"), "LINK/USDT": (5, "0.3"), "AVAX/USDT": (2, "0.15"),
    "ETH/BTC": (5, "0.002"),
}  # fmt: skip
_UNLISTED: Final = (5, "0.0001")


def kraken_asset(code: str) -> str:
    """Kraken's asset key: ``BTC`` -> ``XXBT``, ``USD`` -> ``ZUSD``, ``ADA`` -> ``ADA``."""
    return _OLD_COINS.get(code) or _OLD_MONEY.get(code, code)


def code_of(asset_key: str) -> str:
    """The other way: ``XXBT`` -> ``BTC``, ``ZUSD`` -> ``USD``, ``ADA`` -> ``ADA``."""
    return _code(asset_key)


def pair_spec(symbol: str, price_decimals: int | None = None) -> PairSpec:
    """How Kraken lists (or would list) a symbol; ``price_decimals`` replaces the listed number."""
    base, slash, quote = symbol.partition("/")
    if not (base and slash and quote):
        raise ValueError(f"symbol {symbol!r}: write BASE/QUOTE in capitals, for example BTC/USD")
    decimals, ordermin = _LISTINGS.get(symbol, _UNLISTED)
    return PairSpec(
        symbol=symbol,
        key=_pair_key(base, quote),
        altname=_altname(base) + _altname(quote),
        wsname=f"{_altname(base)}/{_altname(quote)}",
        base=kraken_asset(base),
        quote=kraken_asset(quote),
        price_decimals=decimals if price_decimals is None else price_decimals,
        lot_decimals=8,
        ordermin=ordermin,
        costmin="0.00002" if quote in ("BTC", "ETH") else "0.5",
    )


def symbol_of(name: str) -> str:
    """ccxt's symbol for any of Kraken's names, or for ``BTC-USD`` and ``BTC/USD`` themselves.

    Raises: KeyError if no known quote currency ends the name
    """
    plain = name.strip().upper()
    if plain in _BY_NAME:
        return _BY_NAME[plain]
    for mark in "/-_":
        base, found, quote = plain.partition(mark)
        if found:
            return f"{_code(base)}/{_code(quote)}"
    for quote in _QUOTES:
        # XXMRZUSD, but TRXXBT: the old quote keys stand only behind old coin keys.
        for spelling, bases in ((kraken_asset(quote), _OLD_COINS.values()), (_altname(quote), None)):
            base = plain.removesuffix(spelling)
            if base not in ("", plain) and (bases is None or base in bases):
                return f"{_code(base)}/{quote}"
    raise KeyError(f"{name!r} is no pair name with a known quote currency ({', '.join(_QUOTES)})")


def _altname(code: str) -> str:
    return _ALTNAMES.get(code, code)


def _pair_key(base: str, quote: str) -> str:
    both_old = base in _OLD_COINS and (quote in _OLD_MONEY or quote in _OLD_COINS)
    if both_old and base != "DOGE":  # Kraken lists XDGUSD without the letters
        return kraken_asset(base) + kraken_asset(quote)
    if (base, quote) == ("USDT", "USD"):
        return "USDTZUSD"
    return _altname(base) + _altname(quote)


def _code(name: str) -> str:
    return _CODES.get(name, name)


_CODES: Final = {
    **{key: code for code, key in (_OLD_COINS | _OLD_MONEY).items()},
    **{alt: code for code, alt in _ALTNAMES.items()},
}
LISTED: Final = tuple(pair_spec(symbol) for symbol in _LISTINGS)
_BY_NAME: Final = {name: spec.symbol for spec in LISTED for name in (spec.key, spec.altname, spec.wsname, spec.symbol)}
