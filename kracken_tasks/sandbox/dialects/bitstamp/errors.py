"""Bitstamp's refusals: a status, a reason (a sentence, or sentences by field) and sometimes a code.

In: what went wrong.  Out: a ``Rejection``.  Never: a judgement.
Source: Bitstamp API documentation, "Error codes", and the wording ccxt knows it by.
"""

from __future__ import annotations

from typing import Final

from kracken_tasks.sandbox.dialects.rest import Rejection

__all__ = ["bad_key", "bad_order", "not_found", "translated"]

_WORDS: Final = {
    "EOrder:Post only order": "Order could not be placed as it would immediately match.",
    "EOrder:Duplicate order": "Order with the same client order id already exists.",
    "EOrder:Orders limit exceeded": "Maximum number of open orders reached.",
    "EOrder:Rate limit exceeded": "Request rate limit exceeded.",
    "EService:Unavailable": "Order could not be placed.",
}


def bad_key(code: str, reason: str) -> Rejection:
    return Rejection(403, {"status": "error", "reason": reason, "code": code})


def bad_order(reason: str, field: str = "__all__") -> Rejection:
    return Rejection(400, {"status": "error", "reason": {field: [reason]}})


def not_found(reason: str = "Order not found.") -> Rejection:
    return Rejection(404, {"error": reason})


def translated(reason: str) -> Rejection:
    """The engine's refusal in Bitstamp's words, where the words need no numbers."""
    if reason.startswith("EService:Market in"):
        return bad_order("Order could not be placed.")
    if reason == "EOrder:Unknown order":
        return not_found()
    return bad_order(_WORDS.get(reason, "Order could not be placed."))
