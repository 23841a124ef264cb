"""A venue's own words out of what ccxt raised, and what they mean where ccxt's type does not tell.

In: an exception of ccxt's, or any text.  Out: the venue's error strings, scrubbed; yes or no to a few questions about them.
Never: a secret, a query string, a whole web page.

Sources: Kraken, API error codes; Binance, spot error codes; Coinbase, Advanced Trade create-order errors; Bitstamp, API errors; 2026.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any, Final

__all__ = [
    "answer_of",
    "clear_no",
    "id_in_use",
    "key_trouble",
    "passing_trouble",
    "turned_away",
    "unknown_symbol",
    "venue_words",
]

_LONGEST_TEXT: Final = 300
_QUERY: Final = re.compile(r"(https?://[^\s?]+)\?\S+")

_TURNED_AWAY: Final = re.compile(
    r"Invalid nonce|Rate limit exceeded|Throttled|Temporary lockout|Too many requests|\brate_limit_exceeded\b|\bresource_exhausted\b"
    r"|Request rate limit|-1003 |-1015 |-1021 ",
    re.IGNORECASE,
)
_ID_IN_USE: Final = re.compile(
    r"(cl_ord_id|client.?order.?id|clordid).*(uniq|dupl|exist|use)|duplicate.*(order|id)", re.IGNORECASE
)
_KEY_TROUBLE: Final = re.compile(
    r"EAPI:Invalid (key|signature)|Permission denied|Invalid session|User Locked|EAPI:Feature disabled"
    r"|-2014 |-2015 |-1022 |Invalid signature|API key not found|No permission found|Wrong API key|\bunauthorized\b",
    re.IGNORECASE,
)
_CLEAR_NO: Final = re.compile(
    # Kraken: these categories are judged before or by the matching engine, and say no.
    r"^(EOrder|EQuery|ETrade|EFunding|EAccount|EMargin|EAPI|ESession):|^EGeneral:(Invalid arguments|Permission denied|Unknown method)"
    r"|^EService:(Market in \w+ mode|Deadline elapsed)"
    # Binance: 11xx a malformed request, 1013 and 1020 a filter, 2010 and 2011 a rejected order or cancel.
    r"|^-11\d\d |^-10(13|14|20|22) |^-20(10|11|13|14|15|26) |Filter failure"
    # Coinbase: the preview that every order passes first; INVALID and INSUFFICIENT reasons.
    r"|\bPREVIEW_[A-Z_]+|\bINVALID_[A-Z_]+|\bINSUFFICIENT_[A-Z_]+|\bUNSUPPORTED_[A-Z_]+|\bvalidation_error\b|\bparam_required\b|\binvalid_request\b"
    # Bitstamp: a form that was not accepted.
    r"|^You have only|^Minimum order size|^Ensure that|^This field is required|^Invalid (currency pair|order|parameters?)"
    r"|^Enter a number|^Price is|^Order not found",
)
_PASSING: Final = re.compile(
    r"^EService:|^EDatabase:|^EGeneral:(Internal error|Temporary|Too many)|Throttled|rate limit|\binternal_server_error\b"
    r"|-100[0167] |under scheduled maintenance",
    re.IGNORECASE,
)
_UNKNOWN_SYMBOL: Final = re.compile(
    r"Unknown asset|Invalid asset pair|-1121 |Invalid symbol|Invalid product_id|Invalid currency pair", re.IGNORECASE
)


def answer_of(error: BaseException) -> dict[str, Any] | None:
    """The JSON body that ccxt put into its message, if there is one: ``kraken {"error": [...], "result": ...}``."""
    text = str(error)
    start = text.find("{")
    if start < 0:
        return None
    try:
        body = json.loads(text[start:])
    except ValueError:
        return None
    return body if isinstance(body, dict) else None


def venue_words(error: BaseException, secrets: Sequence[str] = ()) -> tuple[str, ...]:
    """The venue's own error strings; without any, ccxt's message.  Scrubbed and cut short.

    Binance's come with their code in front (``-2010 Account has insufficient balance``), Coinbase's with their reason, Bitstamp's field
    by field.
    """
    body = answer_of(error)
    words = [] if body is None else _words_of(body)
    return tuple(_scrub(word, secrets) for word in words or [str(error)])


def turned_away(word: str) -> bool:
    """Refused at the door, before the request was read: too fast, or a nonce or timestamp out of order."""
    return _TURNED_AWAY.search(f"{word} ") is not None


def id_in_use(word: str) -> bool:
    """An order with this client order id is there already."""
    return _ID_IN_USE.search(word) is not None


def key_trouble(word: str) -> bool:
    return _KEY_TROUBLE.search(f"{word} ") is not None


def clear_no(word: str) -> bool:
    """Read, judged and refused: what was asked for does not exist."""
    return _CLEAR_NO.search(f"{word} ") is not None


def passing_trouble(word: str) -> bool:
    return _PASSING.search(f"{word} ") is not None


def unknown_symbol(word: str) -> bool:
    return _UNKNOWN_SYMBOL.search(f"{word} ") is not None


def _words_of(body: dict[str, Any]) -> list[str]:
    listed = body.get("error")
    if isinstance(listed, list):  # Kraken
        return [str(word) for word in listed]
    if "code" in body and "msg" in body:  # Binance
        return [f"{body['code']} {body['msg']}"]
    refusal = body.get("error_response")
    if isinstance(refusal, dict):  # Coinbase, an order
        named = (refusal.get(part) for part in ("preview_failure_reason", "error", "message", "error_details"))
        reasons = dict.fromkeys(str(word) for word in named if word and word != "UNKNOWN_FAILURE_REASON")
        return [" ".join(reasons) or "UNKNOWN_FAILURE_REASON"]
    several = body.get("errors")
    if isinstance(several, list):  # Coinbase, older endpoints
        return [f"{one.get('id')} {one.get('message', '')}".strip() for one in several if isinstance(one, dict)]
    told = [
        *_flat(listed),
        *_flat(body.get("reason")),
        *_flat(body.get("message")),
    ]  # Bitstamp, and Coinbase's plain ones
    code = body.get("code")
    return [f"{word} ({code})" if code else word for word in dict.fromkeys(told)]


def _flat(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value] if value else []
    if isinstance(value, dict):
        return [word for part in value.values() for word in _flat(part)]
    return [word for part in value for word in _flat(part)] if isinstance(value, list) else []


def _scrub(text: str, secrets: Sequence[str]) -> str:
    text = _QUERY.sub(r"\1?...", text)
    for secret in secrets:
        if len(secret) >= 4:
            text = text.replace(secret, "***")
    text = " ".join(text.split())
    return text if len(text) <= _LONGEST_TEXT else text[: _LONGEST_TEXT - 3] + "..."
