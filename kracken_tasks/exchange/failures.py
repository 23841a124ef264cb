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

Other venues: ccxt's type where it is certain (funds, order, symbol, key), the venue's words where ccxt raises its plain ExchangeError
(Binance codes, Coinbase reasons, Bitstamp forms; see ``venue_words``), and unknown where neither tells.

Sources: ccxt 4.5.90, describe()['exceptions'] of kraken, binance, coinbase and bitstamp; Kraken, API error
codes; orders placed behind a 502 or a time-out:
python3-krakenex issues 52 and 60, XChange issue 1899, npm-kraken-api issue 37.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import ccxt  # type: ignore[import-untyped]  # it ships no type information
from requests import exceptions as http
from urllib3 import exceptions as sockets

from kracken_tasks.errors import BadData, KrackenError, Misconfigured, RetryLater, StateUnknown, TradeRefused
from kracken_tasks.exchange.venue_words import (
    answer_of,
    clear_no,
    id_in_use,
    key_trouble,
    passing_trouble,
    turned_away,
    unknown_symbol,
    venue_words,
)

__all__ = ["answer_of", "reading_failure", "sending_failure", "tells_rate_limit", "venue_words"]


def reading_failure(error: Exception, *, venue: str, doing: str, secrets: Sequence[str] = ()) -> KrackenError:
    """Our error for a question that failed.  ``doing`` is the endpoint, in words or as the venue calls it."""
    words = venue_words(error, secrets)
    text = "; ".join(words)
    fields: dict[str, object] = {"venue": venue, "doing": doing, "venue_text": text, "kind": type(error).__name__}
    if any(key_trouble(word) for word in words) or isinstance(error, ccxt.AuthenticationError):
        return Misconfigured(f"{venue} does not accept the key for {doing}: {text}", **fields)
    if isinstance(error, ccxt.BadSymbol) or any(unknown_symbol(word) for word in words):
        return Misconfigured(f"{venue} does not know a symbol asked for in {doing}: {text}", **fields)
    if isinstance(error, (ccxt.NotSupported, ccxt.ArgumentsRequired)):
        return Misconfigured(f"{venue} offers no {doing} in this form: {text}", **fields)
    passing = isinstance(error, ccxt.OperationFailed) or any(passing_trouble(word) for word in words)
    if passing or answer_of(error) is None:
        return RetryLater(f"{venue} did not answer {doing}: {text}", **fields)
    return BadData(f"{venue} refuses the question {doing}: {text}", **fields)


def sending_failure(error: Exception, *, venue: str, doing: str, secrets: Sequence[str] = ()) -> KrackenError:
    """Our error for something sent that was to change the world.  See the table above."""
    words = venue_words(error, secrets)
    text = "; ".join(words)
    fields: dict[str, object] = {"venue": venue, "doing": doing, "venue_text": text, "kind": type(error).__name__}
    if _never_left(error):
        return RetryLater(f"{venue} could not be reached for {doing}: {text}", **fields)
    kind = _kind_of_refusal(error, words)
    sentence = {
        RetryLater: f"{venue} turned {doing} away at the door: {text}",
        TradeRefused: f"{venue} refuses {doing}: {text}",
        StateUnknown: f"{venue} may or may not have done {doing}: {text}",
    }[kind]
    return kind(sentence, **fields)


def tells_rate_limit(error: Exception, words: Sequence[str]) -> bool:
    """Whether the venue says that it was called too often (a nonce out of order is turned away too, but is no matter of pace)."""
    if isinstance(error, ccxt.InvalidNonce):
        return False
    typed = isinstance(error, (ccxt.RateLimitExceeded, ccxt.DDoSProtection))
    return typed or any(turned_away(word) and "nonce" not in word.lower() for word in words)


def _kind_of_refusal(
    error: Exception, words: Sequence[str]
) -> type[RetryLater] | type[TradeRefused] | type[StateUnknown]:
    body = answer_of(error)
    if isinstance(error, ccxt.DuplicateOrderId) or any(id_in_use(word) for word in words):
        return StateUnknown
    if body is None:
        return _by_type(error)
    if all(turned_away(word) for word in words):
        return RetryLater
    if all(clear_no(word) or turned_away(word) for word in words):
        return TradeRefused
    # Kraken's words are all known, and its types are ccxt's guesses over them; elsewhere a certain type says enough.
    return StateUnknown if isinstance(body.get("error"), list) else _by_type(error)


def _by_type(error: Exception) -> type[RetryLater] | type[TradeRefused] | type[StateUnknown]:
    # ccxt raises these for an answer of the venue's, or before anything is sent; no HTTP status and no lost answer becomes one of them.
    if isinstance(error, (ccxt.RateLimitExceeded, ccxt.DDoSProtection, ccxt.InvalidNonce)):
        return RetryLater
    refused = (
        ccxt.AuthenticationError,
        ccxt.InsufficientFunds,
        ccxt.InvalidOrder,
        ccxt.BadRequest,
        ccxt.OperationRejected,
        ccxt.NotSupported,
        ccxt.ArgumentsRequired,
    )
    return TradeRefused if isinstance(error, refused) else StateUnknown


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
