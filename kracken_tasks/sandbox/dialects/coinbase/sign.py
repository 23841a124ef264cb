"""Coinbase's tokens: a JSON web token per request, signed with ES256 by the client's elliptic-curve key.

In: the Authorization header and the request it came with.  Out: the key's name.  Raises ``Rejection`` (401).  Never: a private
key; the venue knows only the public half.
Source: Coinbase Developer Platform documentation, "API key authentication".
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from kracken_tasks.sandbox.client_config import coinbase_private_number
from kracken_tasks.sandbox.dialects.rest import Rejection

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey

__all__ = ["public_key_of", "verified_claims"]

_ISSUERS: Final = ("coinbase-cloud", "cdp")
_LEEWAY_S: Final = 60


def _unauthorized() -> Rejection:
    return Rejection(401, "Unauthorized")


def public_key_of(secret: str) -> EllipticCurvePublicKey:
    """The public half of the key that belongs to a configured secret."""
    from cryptography.hazmat.primitives.asymmetric import ec

    return ec.derive_private_key(coinbase_private_number(secret), ec.SECP256R1()).public_key()


def verified_claims(
    token: str,
    keys: Mapping[str, EllipticCurvePublicKey],
    method: str,
    addresses: Sequence[str],
    clocks_s: Sequence[int],
) -> dict[str, Any]:
    """The claims of a token whose signature, key, time and address fit.

    ``addresses`` are the spellings of this request's address without query; ``clocks_s`` the clocks it may be judged by.
    Raises: Rejection (401) for anything else.
    """
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

    try:
        signed, _, tail = token.rpartition(".")
        header, claims = (json.loads(_decoded(part)) for part in signed.split("."))
        key, signature = keys[header["kid"]], _decoded(tail)
        if header["alg"] != "ES256" or len(signature) != 64 or not header.get("nonce"):
            raise _unauthorized()
        halves = (int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big"))
        key.verify(encode_dss_signature(*halves), signed.encode(), ec.ECDSA(hashes.SHA256()))
        fits = (
            claims["sub"] == header["kid"]
            and claims["iss"] in _ISSUERS
            and claims["uri"] in [f"{method} {address}" for address in addresses]
            and any(claims["nbf"] - _LEEWAY_S <= now <= claims["exp"] for now in clocks_s)
        )
    except (KeyError, TypeError, ValueError, binascii.Error, InvalidSignature):
        raise _unauthorized() from None
    if not fits:
        raise _unauthorized()
    return dict(claims)


def _decoded(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
