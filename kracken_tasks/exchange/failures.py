"""Which of our errors a venue's failure is.  The line that matters: did it surely not happen, or can we not tell?

In: whatever ccxt raised, and what was being done.  Out: RetryLater, TradeRefused, StateUnknown, BadData or Misconfigured, with the venue's
own words as a field.  Never: a secret, a query string, a whole HTML page.

Reading (asking changes nothing, so every passing trouble is RetryLater):

    time-out, connection, 5xx, busy, throttled, rate limit, nonce, text that is no JSON     RetryLater
    key, signature, permission, suspended account; a symbol the venue does not know           Misconfigured
    any other refusal of the question                                                         BadData

Sending (submit, cancel, amend):

    no connection was made (refused, no such host, connect time-out)      RetryLater    no byte left this machine
    EAPI:Invalid nonce                                                    RetryLater    refused at the door, before the order is read
    rate limit, throttled, lockout, too many requests, HTTP 429           RetryLater    refused at the door
    EOrder, EQuery, ETrade, EFunding, EAccount, EMargin, EGeneral:Invalid arguments, key or permission,
      market in *_only mode, EService:Deadline elapsed                    TradeRefused  a clear no; the order does not exist
    client order id already in use                                        StateUnknown  an order of ours with this id exists
    EService:Unavailable / Busy / Timeout, internal errors, 5xx, 520      StateUnknown  seen in the field with the order placed all the same
    read time-out, dropped connection, HTML or nothing for JSON, no id    StateUnknown
    words nobody has seen before                                          StateUnknown

Sources: ccxt 4.5.90 kraken.describe()['exceptions']; Kraken, API error codes; orders placed behind a 502 or a time-out:
python3-krakenex issues 52 and 60, XChange issue 1899, npm-kraken-api issue 37.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any

import ccxt  # type: ignore[import-untyped]  # it ships no type information
from requests import exceptions as http
from urllib3 import exceptions as sockets

from kracken_tasks.errors import BadData, KrackenError, Misconfigured, RetryLater, StateUnknown, TradeRefused

__all__ = ["answer_of", "reading_failure", "sending_failure", "venue_words"]

_LONGEST_TEXT = 300

_AT_THE_DOOR = re.compile(
    r"Invalid nonce|Rate limit exceeded|rate limit exceeded|Throttled|Temporary lockout|Too many requests",
    re.IGNORECASE,
)
_ID_IN_USE = re.compile(
    r"(cl_ord_id|client.?order.?id|clordid).*(uniq|dupl|exist|use)|duplicate.*(order|id)", re.IGNORECASE
)
_KEY_TROUBLE = re.compile(
    r"EAPI:Invalid (key|signature)|Permission denied|Invalid session|User Locked|EAPI:Feature disabled"
)
_CLEAR_NO = re.compile(
    r"^(EOrder|EQuery|ETrade|EFunding|EAccount|EMargin|EAPI|ESession):|^EGeneral:(Invalid arguments|Permission denied|Unknown method)"
    r"|^EService:(Market in \w+ mode|Deadline elapsed)"
)
_PASSING = re.compile(r"^EService:|^EDatabase:|^EGeneral:(Internal error|Temporary|Too many)|Throttled|[Rr]ate limit")
_UNKNOWN_SYMBOL = re.compile(r"Unknown asset|Invalid asset pair")
_QUERY = re.compile(r"(https?://[^\s?]+)\?\S+")


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
    """The venue's own error strings; without any, ccxt's message.  Scrubbed and cut short."""
    body = answer_of(error) or {}
    listed = body.get("error")
    words = [str(word) for word in listed] if isinstance(listed, list) and listed else [str(error)]
    return tuple(_scrub(word, secrets) for word in words)


def reading_failure(error: Exception, *, venue: str, doing: str, secrets: Sequence[str] = ()) -> KrackenError:
    """Our error for a question that failed.  ``doing`` is the endpoint, in words or as the venue calls it."""
    words = venue_words(error, secrets)
    text = "; ".join(words)
    fields: dict[str, object] = {"venue": venue, "doing": doing, "venue_text": text}
    if any(_KEY_TROUBLE.search(word) for word in words) or isinstance(error, ccxt.AuthenticationError):
        return Misconfigured(f"{venue} does not accept the key for {doing}: {text}", **fields)
    if isinstance(error, ccxt.BadSymbol) or any(_UNKNOWN_SYMBOL.search(word) for word in words):
        return Misconfigured(f"{venue} does not know a symbol asked for in {doing}: {text}", **fields)
    passing = isinstance(error, ccxt.OperationFailed) or any(_PASSING.search(word) for word in words)
    if passing or answer_of(error) is None:
        return RetryLater(f"{venue} did not answer {doing}: {text}", **fields)
    return BadData(f"{venue} refuses the question {doing}: {text}", **fields)


def sending_failure(error: Exception, *, venue: str, doing: str, secrets: Sequence[str] = ()) -> KrackenError:
    """Our error for something sent that was to change the world.  See the table above."""
    words = venue_words(error, secrets)
    text = "; ".join(words)
    fields: dict[str, object] = {"venue": venue, "doing": doing, "venue_text": text}
    if _never_left(error):
        return RetryLater(f"{venue} could not be reached for {doing}: {text}", **fields)
    kind = _kind_of_refusal(error, words)
    sentence = {
        RetryLater: f"{venue} turned {doing} away at the door: {text}",
        TradeRefused: f"{venue} refuses {doing}: {text}",
        StateUnknown: f"{venue} may or may not have done {doing}: {text}",
    }[kind]
    return kind(sentence, **fields)


def _kind_of_refusal(
    error: Exception, words: Sequence[str]
) -> type[RetryLater] | type[TradeRefused] | type[StateUnknown]:
    body = answer_of(error)
    if isinstance(error, ccxt.DuplicateOrderId) or (
        body is not None and any(_ID_IN_USE.search(word) for word in words)
    ):
        return StateUnknown
    if body is None or not isinstance(body.get("error"), list):
        return _by_type(error, spoken=body is not None)
    if all(_AT_THE_DOOR.search(word) for word in words):
        return RetryLater
    if all(_CLEAR_NO.search(word) or _AT_THE_DOOR.search(word) for word in words):
        return TradeRefused
    return StateUnknown


def _by_type(error: Exception, spoken: bool) -> type[RetryLater] | type[TradeRefused] | type[StateUnknown]:
    # Without a list of error strings ccxt's type is all there is; without any JSON only two of them are certain.
    if isinstance(error, (ccxt.RateLimitExceeded, ccxt.InvalidNonce)) or (
        spoken and isinstance(error, ccxt.DDoSProtection)
    ):
        return RetryLater
    refused = (
        ccxt.AuthenticationError,
        ccxt.InsufficientFunds,
        ccxt.InvalidOrder,
        ccxt.BadRequest,
        ccxt.OperationRejected,
    )
    if isinstance(error, refused) and (spoken or isinstance(error, ccxt.AuthenticationError)):
        return TradeRefused
    return StateUnknown


def _never_left(error: BaseException) -> bool:
    return any(
        isinstance(
            link,
            (http.ConnectTimeout, sockets.NewConnectionError, sockets.NameResolutionError, sockets.ConnectTimeoutError),
        )
        for link in _causes(error)
    )


def _causes(error: BaseException) -> Iterator[BaseException]:
    # ccxt chains the HTTP library's error, which wraps urllib3's, which names the reason.
    pending: list[object] = [error]
    seen: set[int] = set()
    while pending:
        link = pending.pop()
        if not isinstance(link, BaseException) or id(link) in seen:
            continue
        seen.add(id(link))
        yield link
        pending += [link.__cause__, link.__context__, getattr(link, "reason", None), *link.args]


def _scrub(text: str, secrets: Sequence[str]) -> str:
    text = _QUERY.sub(r"\1?...", text)
    for secret in secrets:
        if len(secret) >= 4:
            text = text.replace(secret, "***")
    text = " ".join(text.split())
    return text if len(text) <= _LONGEST_TEXT else text[: _LONGEST_TEXT - 3] + "..."
