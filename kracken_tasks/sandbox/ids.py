"""Ids that look like Kraken's and are the same in every identical run.

In: the account's seed, a kind and a running number.  Out: ``OABCDE-FGHIJ-KLMNOP``.  Never: randomness.
"""

from __future__ import annotations

import base64
import hashlib
import re

__all__ = ["fill_id", "is_txid", "ledger_id", "token_of", "txid"]

_TXID = re.compile(r"^[A-Z0-9]{6}-[A-Z0-9]{5}-[A-Z0-9]{6}$")


def _made(letter: str, seed: str, number: int) -> str:
    digest = hashlib.sha256(f"{letter}:{seed}:{number}".encode()).digest()
    text = base64.b32encode(digest[:10]).decode()
    return f"{letter}{text[:5]}-{text[5:10]}-{text[10:16]}"


def txid(seed: str, number: int) -> str:
    return _made("O", seed, number)


def fill_id(seed: str, number: int) -> str:
    return _made("T", seed, number)


def ledger_id(seed: str, number: int) -> str:
    return _made("L", seed, number)


def token_of(seed: str, number: int) -> str:
    return base64.b64encode(hashlib.sha256(f"token:{seed}:{number}".encode()).digest()).decode()


def is_txid(text: str) -> bool:
    return bool(_TXID.match(text))
