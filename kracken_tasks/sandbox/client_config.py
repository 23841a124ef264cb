"""What a ccxt client must be told to talk to the sandbox instead of the internet.

In: the server's base url.  Out: a plain dict for ``ccxt.kraken``, ``ccxt.async_support.kraken`` or ``ccxt.pro.kraken``.
Never: an import of ccxt.
"""

from __future__ import annotations

import base64
from typing import Any, Final

__all__ = ["DEMO_KEY", "DEMO_KEYS", "DEMO_SECRET", "kraken_options"]

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
