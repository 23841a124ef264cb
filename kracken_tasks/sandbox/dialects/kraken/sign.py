"""Who is knocking: key, signature and nonce of a private request.

In: path, body and headers.  Out: the key's account.  Raises ``Refused`` in Kraken's wording.  Never: a side effect.
Source: Kraken "Spot REST authentication": HMAC-SHA512 of (path + SHA256(nonce + body)) with the base64-decoded secret.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping

from kracken_tasks.sandbox.config import ApiKey
from kracken_tasks.sandbox.engine.orders import Refused

__all__ = ["checked_key", "read_nonce", "signature"]


def signature(path: str, nonce: str, body: bytes, secret: str) -> str:
    digest = hashlib.sha256(nonce.encode() + body).digest()
    key = base64.b64decode(secret)
    return base64.b64encode(hmac.new(key, path.encode() + digest, hashlib.sha512).digest()).decode()


def checked_key(
    keys: Mapping[str, ApiKey], headers: Mapping[str, str], path: str, nonce: str | None, body: bytes
) -> ApiKey:
    """The key that signed this request.  ``path`` is the venue's own, without our prefix.

    Raises: Refused for an unknown key, a missing nonce or a wrong signature, in this order.
    """
    key = keys.get(headers.get("API-Key", ""))
    if key is None:
        raise Refused("EAPI:Invalid key")
    if nonce is None:
        raise Refused("EAPI:Invalid nonce")
    try:
        expected = signature(path, nonce, body, key.secret)
    except (ValueError, binascii.Error):
        raise Refused("EAPI:Invalid signature") from None
    if not hmac.compare_digest(expected.encode(), headers.get("API-Sign", "").encode()):
        raise Refused("EAPI:Invalid signature")
    return key


def read_nonce(text: str, last: int) -> int:
    """Raises: Refused unless the nonce is a whole number above the last one seen for the key."""
    if not text.isascii() or not text.isdigit() or int(text) <= last or int(text) >= 2**64:
        raise Refused("EAPI:Invalid nonce")
    return int(text)
