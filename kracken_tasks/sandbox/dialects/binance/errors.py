"""Binance's refusals: an HTTP status, a negative code and a sentence.

In: what went wrong.  Out: a ``Rejection``.  Never: a judgement.
Source: Binance spot API documentation, "Error codes" and "Filters".
"""

from __future__ import annotations

from typing import Final

from kracken_tasks.sandbox.dialects.rest import Rejection

__all__ = ["bad_filter", "malformed", "missing", "refused", "translated"]

_INTERNAL: Final = -1000
# The engine's own wording (Kraken's) -> Binance's.
_WORDS: Final = {
    "EOrder:Insufficient funds": (-2010, "Account has insufficient balance for requested action."),
    "EOrder:Post only order": (-2010, "Order would immediately match and take."),
    "EOrder:Duplicate order": (-2010, "Duplicate order sent."),
    "EOrder:Orders limit exceeded": (-2010, "Filter failure: MAX_NUM_ORDERS"),
    "EOrder:Rate limit exceeded": (-1015, "Too many new orders; current limit is 100 orders per 10 SECOND."),
    "EOrder:Order minimum not met": (-1013, "Filter failure: LOT_SIZE"),
    "EGeneral:Invalid arguments:volume minimum not met": (-1013, "Filter failure: LOT_SIZE"),
    "EOrder:Cost minimum not met": (-1013, "Filter failure: NOTIONAL"),
    "EOrder:Unknown order": (-2011, "Unknown order sent."),
    "EService:Unavailable": (-1001, "Internal error; unable to process your request. Please try again."),
}


def refused(code: int, message: str, status: int = 400, headers: dict[str, str] | None = None) -> Rejection:
    return Rejection(status, {"code": code, "msg": message}, headers)


def translated(reason: str) -> Rejection:
    """The engine's refusal in Binance's words."""
    if reason.startswith("EService:Market in"):
        return refused(-2010, "Market is closed.")
    code, message = _WORDS.get(reason, (_INTERNAL, "An unknown error occurred while processing the request."))
    return refused(code, message)


def missing(name: str) -> Rejection:
    return refused(-1102, f"Mandatory parameter '{name}' was not sent, was empty/null, or malformed.")


def malformed(name: str) -> Rejection:
    return refused(-1100, f"Illegal characters found in parameter '{name}'; legal range is '^[0-9]+$'.")


def bad_filter(name: str) -> Rejection:
    return refused(-1013, f"Filter failure: {name}")
