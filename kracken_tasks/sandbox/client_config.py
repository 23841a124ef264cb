"""What a ccxt client must be told to talk to the sandbox instead of the internet.

In: the server's base url.  Out: a plain dict for ccxt's class of that name (synchronous, ``async_support``, and ``pro`` where the
dialect has streams).
Never: an import of ccxt.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable
from typing import Any, Final

__all__ = [
    "DEMO_KEY",
    "DEMO_KEYS",
    "DEMO_SECRET",
    "VENUE_OPTIONS",
    "binance_options",
    "bitstamp_options",
    "coinbase_key_name",
    "coinbase_options",
    "coinbase_private_number",
    "kraken_options",
]

# Fixed and worthless on purpose: ccxt refuses private calls without a key, and the sandbox checks every signature.
DEMO_KEY: Final = "kracken-sandbox-demo-key"
DEMO_SECRET: Final = base64.b64encode(b"this secret guards play money in a local sandbox, nothing else.!").decode()
# A nonce rises per key, so every process takes a key of its own; all of them open the same account.
DEMO_KEYS: Final = (DEMO_KEY, *(f"{DEMO_KEY}-{number}" for number in range(2, 9)))

_LOCAL_RATE_LIMIT_MS = 5


def kraken_options(base_url: str, key: str = DEMO_KEY, secret: str = DEMO_SECRET) -> dict[str, Any]:
    """Constructor options for ccxt's Kraken classes.

    ``base_url`` is the server's address without the venue's prefix: ``http://127.0.0.1:8765``.
    """
    http = f"{base_url.rstrip('/')}/kraken"
    ws = "ws" + http.removeprefix("http")
    return {
        "apiKey": key,
        "secret": secret,
        "rateLimit": _LOCAL_RATE_LIMIT_MS,
        "urls": {
            "api": {
                "public": http,
                "private": http,
                "ws": {
                    "public": f"{ws}/ws",
                    "private": f"{ws}/ws-auth",
                    "publicV2": f"{ws}/ws/v2",
                    "privateV2": f"{ws}/ws-auth/v2",
                },
            }
        },
    }


def binance_options(base_url: str, key: str = DEMO_KEY, secret: str = DEMO_SECRET) -> dict[str, Any]:
    """Constructor options for ccxt's Binance classes: spot only, so that nothing asks for futures, margin or wallets."""
    http = f"{base_url.rstrip('/')}/binance"
    return {
        "apiKey": key,
        "secret": secret,
        "rateLimit": _LOCAL_RATE_LIMIT_MS,
        "options": {"fetchMarkets": {"types": ["spot"]}, "fetchCurrencies": False, "fetchMargins": False},
        "urls": {
            "api": {
                "public": f"{http}/api/v3",
                "private": f"{http}/api/v3",
                "v1": f"{http}/api/v1",
                "sapi": f"{http}/sapi/v1",
                # ccxt knows the spot streams by the word in their address.
                "ws": {"spot": f"ws{http.removeprefix('http')}/stream/ws"},
            }
        },
    }


def coinbase_options(base_url: str, key: str = DEMO_KEY, secret: str = DEMO_SECRET) -> dict[str, Any]:
    """Constructor options for ccxt's Coinbase classes (id ``coinbase``); needs the cryptography package, as ccxt does."""
    return {
        "apiKey": coinbase_key_name(key),
        "secret": _coinbase_secret(secret),
        "rateLimit": _LOCAL_RATE_LIMIT_MS,
        "options": {"fetchBalance": "v3PrivateGetBrokerageAccounts"},  # the listing that knows what is held
        "urls": {"api": {"rest": f"{base_url.rstrip('/')}/coinbase"}},
    }


def bitstamp_options(base_url: str, key: str = DEMO_KEY, secret: str = DEMO_SECRET) -> dict[str, Any]:
    """Constructor options for ccxt's Bitstamp classes."""
    http = f"{base_url.rstrip('/')}/bitstamp/api"
    return {
        "apiKey": key,
        "secret": secret,
        "rateLimit": _LOCAL_RATE_LIMIT_MS,
        "urls": {"api": {"public": http, "private": http}},
    }


def coinbase_key_name(key: str) -> str:
    """Coinbase names its keys by organisation."""
    return f"organizations/sandbox/apiKeys/{key}"


def coinbase_private_number(secret: str) -> int:
    """The private number of the elliptic-curve key that stands for a secret: as worthless, and as fixed, as the secret."""
    return int.from_bytes(hashlib.sha256(secret.encode()).digest(), "big") >> 1


def _coinbase_secret(secret: str) -> str:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.derive_private_key(coinbase_private_number(secret), ec.SECP256R1())
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )
    return pem.decode()


VENUE_OPTIONS: Final[dict[str, Callable[..., dict[str, Any]]]] = {
    "kraken": kraken_options,
    "binance": binance_options,
    "coinbase": coinbase_options,
    "bitstamp": bitstamp_options,
}
