"""What surely did not happen, what the venue refused, and what nobody can know: one table, held here line by line."""

from __future__ import annotations

import json

import ccxt
import pytest
import requests
from urllib3.exceptions import MaxRetryError, NewConnectionError

from kracken_tasks.errors import BadData, KrackenError, Misconfigured, RetryLater, StateUnknown, TradeRefused
from kracken_tasks.exchange.failures import reading_failure, sending_failure, tells_rate_limit, venue_words


def spoken(text: str, kind: type[Exception] = ccxt.ExchangeError) -> Exception:
    return kind("kraken " + json.dumps({"error": [text]}))


def sent(error: Exception) -> KrackenError:
    return sending_failure(error, venue="kraken", doing="submit abc")


def asked(error: Exception) -> KrackenError:
    return reading_failure(error, venue="kraken", doing="privatePostBalanceEx")


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("EAPI:Invalid nonce", ccxt.InvalidNonce),
        ("EAPI:Rate limit exceeded", ccxt.DDoSProtection),
        ("EOrder:Rate limit exceeded", ccxt.DDoSProtection),
        ("EOrder:Domain rate limit exceeded", ccxt.ExchangeError),
        ("EGeneral:Temporary lockout", ccxt.DDoSProtection),
        ("EGeneral:Too many requests", ccxt.DDoSProtection),
        ("EService: Throttled: 1700000000", ccxt.ExchangeError),
    ],
)
def test_an_order_turned_away_at_the_door_may_be_sent_again_later(text: str, kind: type[Exception]) -> None:
    assert type(sent(spoken(text, kind))) is RetryLater


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("EOrder:Insufficient funds", ccxt.InsufficientFunds),
        ("EOrder:Order minimum not met", ccxt.InvalidOrder),
        ("EOrder:Cost minimum not met", ccxt.ExchangeError),
        ("EOrder:Tick size check failed", ccxt.ExchangeError),
        ("EOrder:Orders limit exceeded", ccxt.ExchangeError),
        ("EOrder:Post only order", ccxt.ExchangeError),
        ("EOrder:Unknown order", ccxt.InvalidOrder),
        ("EOrder:Margin allowance exceeded", ccxt.ExchangeError),
        ("EGeneral:Invalid arguments:volume", ccxt.InvalidOrder),
        ("EGeneral:Invalid arguments:deadline", ccxt.BadRequest),
        ("EGeneral:Permission denied", ccxt.PermissionDenied),
        ("EAPI:Invalid key", ccxt.AuthenticationError),
        ("EAPI:Invalid signature", ccxt.ExchangeError),
        ("ETrade:User Locked", ccxt.AccountSuspended),
        ("EQuery:Unknown asset pair", ccxt.ExchangeError),
        ("EService:Market in cancel_only mode", ccxt.OnMaintenance),
        ("EService:Market in post_only mode", ccxt.OnMaintenance),
        ("EService:Market in limit_only mode", ccxt.ExchangeError),
        ("EService:Deadline elapsed", ccxt.ExchangeError),
    ],
)
def test_a_clear_no_is_final_and_keeps_the_venues_words(text: str, kind: type[Exception]) -> None:
    error = sent(spoken(text, kind))
    assert type(error) is TradeRefused
    assert error.fields["venue_text"] == text


@pytest.mark.parametrize(
    "error",
    [
        spoken("EService:Unavailable", ccxt.ExchangeNotAvailable),
        spoken("EService:Busy", ccxt.ExchangeNotAvailable),
        spoken("EService:Timeout"),
        spoken("EGeneral:Internal error", ccxt.ExchangeNotAvailable),
        spoken("EDatabase:Internal error", ccxt.ExchangeNotAvailable),
        spoken("EOrder:Duplicate order"),  # ours: an order under this id rests
        spoken("EGeneral:cl_ord_id is not unique"),
        spoken("EBrand:New words"),
        ccxt.RequestTimeout("kraken POST https://api.kraken.com/0/private/AddOrder"),
        ccxt.NetworkError("kraken POST https://api.kraken.com/0/private/AddOrder"),
        ccxt.ExchangeNotAvailable("kraken POST https://x/AddOrder 502 Bad Gateway <html>"),
        ccxt.ExchangeNotAvailable("kraken 520 "),
        ccxt.BadResponse("kraken not json"),
    ],
)
def test_an_order_whose_fate_nobody_knows_is_never_called_refused_nor_retried(error: Exception) -> None:
    assert type(sent(error)) is StateUnknown


# The table of error strings and ccxt's classes, line by line: what the string becomes when it is read, and when it is sent.
KRAKEN_TABLE = [
    ("EAPI:Rate limit exceeded", RetryLater, RetryLater),
    ("EOrder:Rate limit exceeded", RetryLater, RetryLater),
    ("EGeneral:Temporary lockout", RetryLater, RetryLater),
    ("EGeneral:Too many requests", RetryLater, RetryLater),
    ("EService:Unavailable", RetryLater, StateUnknown),
    ("EService:Busy", RetryLater, StateUnknown),
    ("EGeneral:Internal error", RetryLater, StateUnknown),
    ("EDatabase:Internal error", RetryLater, StateUnknown),
    ("EService:Market in cancel_only mode", RetryLater, TradeRefused),
    ("EService:Market in post_only mode", RetryLater, TradeRefused),
    ("EService:Market in limit_only mode", RetryLater, TradeRefused),
    ("EAPI:Invalid nonce", RetryLater, RetryLater),
    ("EOrder:Insufficient funds", BadData, TradeRefused),
    ("EOrder:Order minimum not met", BadData, TradeRefused),
    ("EGeneral:Invalid arguments:price", BadData, TradeRefused),
    ("EGeneral:Invalid arguments:volume", BadData, TradeRefused),
    ("EOrder:Unknown order", BadData, TradeRefused),
    ("EAPI:Invalid key", Misconfigured, TradeRefused),
    ("ESession:Invalid session", Misconfigured, TradeRefused),
    ("EGeneral:Permission denied", Misconfigured, TradeRefused),
    ("ETrade:User Locked", Misconfigured, TradeRefused),
    ("EGeneral:Invalid arguments", BadData, TradeRefused),
    ("EQuery:Invalid asset pair", Misconfigured, TradeRefused),
    ("EQuery:Unknown asset", Misconfigured, TradeRefused),
    ("EQuery:Unknown asset pair", Misconfigured, TradeRefused),
    ("EOrder:Orders limit exceeded", BadData, TradeRefused),
    ("EOrder:Post only order", BadData, TradeRefused),
    ("EOrder:Cost minimum not met", BadData, TradeRefused),
    ("EOrder:Tick size check failed", BadData, TradeRefused),
    ("EOrder:Invalid price", BadData, TradeRefused),
    ("EOrder:Margin allowance exceeded", BadData, TradeRefused),
    ("EAPI:Invalid signature", Misconfigured, TradeRefused),
    ("EService:Timeout", RetryLater, StateUnknown),
    ("EService:Deadline elapsed", RetryLater, TradeRefused),
    ("EService: Throttled: 1700000000", RetryLater, RetryLater),
    ("EOrder:Domain rate limit exceeded", RetryLater, RetryLater),
]


@pytest.mark.parametrize(("text", "read", "sent_as"), KRAKEN_TABLE)
def test_each_line_of_krakens_table_through_ccxts_own_class(
    text: str, read: type[KrackenError], sent_as: type[KrackenError]
) -> None:
    error = told_by("kraken", json.dumps({"error": [text]}))
    assert (type(asked(error)), type(sent(error))) == (read, sent_as)


@pytest.mark.parametrize("status", [403, 404, 500, 502, 503, 520, 504])
def test_a_gateways_page_is_asked_again_and_leaves_an_order_unknown(status: int) -> None:
    error = told_by("kraken", "<html>away</html>", status)
    assert (type(asked(error)), type(sent(error))) == (RetryLater, StateUnknown)


def test_too_many_requests_by_status_alone_is_turned_away_at_the_door() -> None:
    error = told_by("kraken", "slow down", 429)
    assert (type(asked(error)), type(sent(error))) == (RetryLater, RetryLater)


def test_a_refused_connection_means_that_no_order_left_this_machine() -> None:
    reason = NewConnectionError(None, "connection refused")  # type: ignore[arg-type]  # no connection was made
    cause = requests.exceptions.ConnectionError(MaxRetryError(None, "/0/private/AddOrder", reason))  # type: ignore[arg-type]
    error = ccxt.NetworkError("kraken POST http://127.0.0.1:1/0/private/AddOrder")
    error.__cause__ = cause
    assert type(sent(error)) is RetryLater


def test_a_connection_cut_while_the_answer_was_awaited_leaves_the_order_unknown() -> None:
    error = ccxt.NetworkError("kraken POST http://127.0.0.1:1/0/private/AddOrder")
    error.__cause__ = requests.exceptions.ConnectionError("Connection aborted.", ConnectionResetError())
    assert type(sent(error)) is StateUnknown


def test_a_connect_timeout_is_not_a_read_timeout() -> None:
    error = ccxt.RequestTimeout("kraken POST https://api.kraken.com/0/private/AddOrder")
    error.__cause__ = requests.exceptions.ConnectTimeout()
    assert type(sent(error)) is RetryLater
    error = ccxt.RequestTimeout("kraken POST https://api.kraken.com/0/private/AddOrder")
    error.__cause__ = requests.exceptions.ReadTimeout()
    assert type(sent(error)) is StateUnknown


def test_one_unknown_among_clear_words_makes_the_whole_answer_unknown() -> None:
    error = ccxt.ExchangeError("kraken " + json.dumps({"error": ["EOrder:Insufficient funds", "EService:Busy"]}))
    assert type(sent(error)) is StateUnknown


def told_by(exchange: str, body: str, status: int = 200) -> Exception:
    """What ccxt's own class makes of an answer of this venue."""
    api = getattr(ccxt, exchange)({"apiKey": "k", "secret": "c2VjcmV0"})
    try:
        answer = json.loads(body) if body[:1] == "{" else None
        api.handle_errors(status, "reason", "https://venue/api/v3/order", "POST", {}, body, answer, {}, "")
        api.handle_http_status_code(status, "reason", "https://venue/api/v3/order", "POST", body)
    except ccxt.BaseError as error:
        return error
    raise AssertionError(f"{exchange} takes {body} for an answer")


BITSTAMP_FORM = '{"status": "error", "reason": {"__all__": ["%s"]}}'
COINBASE_NO = (
    '{"success": false, "error_response": {"error": "%s", "message": "words", "preview_failure_reason": "%s"}}'
)


@pytest.mark.parametrize(
    ("exchange", "status", "body", "kind"),
    [
        # Binance
        ("binance", 400, '{"code": -2010, "msg": "Account has insufficient balance for requested action."}', TradeRefused),
        ("binance", 400, '{"code": -1013, "msg": "Filter failure: NOTIONAL"}', TradeRefused),
        ("binance", 400, '{"code": -1013, "msg": "Filter failure: LOT_SIZE"}', TradeRefused),
        ("binance", 400, '{"code": -1013, "msg": "Filter failure: PRICE_FILTER"}', TradeRefused),
        ("binance", 400, '{"code": -1013, "msg": "Filter failure: PERCENT_PRICE_BY_SIDE"}', TradeRefused),
        ("binance", 400, '{"code": -1013, "msg": "Market is closed."}', TradeRefused),
        ("binance", 400, '{"code": -1102, "msg": "Mandatory parameter was not sent"}', TradeRefused),
        ("binance", 400, '{"code": -1121, "msg": "Invalid symbol."}', TradeRefused),
        ("binance", 400, '{"code": -2011, "msg": "Unknown order sent."}', TradeRefused),
        ("binance", 401, '{"code": -2014, "msg": "API-key format invalid."}', TradeRefused),
        ("binance", 400, '{"code": -1022, "msg": "Signature for this request is not valid."}', TradeRefused),
        ("binance", 400, '{"code": -2010, "msg": "Duplicate order sent."}', StateUnknown),
        ("binance", 400, '{"code": -1021, "msg": "Timestamp for this request is outside of the recvWindow."}', RetryLater),
        ("binance", 429, '{"code": -1003, "msg": "Too many requests."}', RetryLater),
        ("binance", 418, '{"code": -1003, "msg": "Way too many requests; IP banned."}', RetryLater),
        ("binance", 429, "slow down", RetryLater),
        ("binance", 400, '{"code": -1015, "msg": "Too many new orders."}', RetryLater),
        ("binance", 500, '{"code": -1000, "msg": "An unknown error occurred."}', StateUnknown),
        ("binance", 500, '{"code": -1001, "msg": "Internal error"}', StateUnknown),
        ("binance", 503, '{"code": -1006, "msg": "Execution status unknown."}', StateUnknown),
        ("binance", 504, '{"code": -1007, "msg": "Timeout waiting for backend."}', StateUnknown),
        ("binance", 400, '{"code": -9999, "msg": "Words nobody has seen"}', StateUnknown),
        ("binance", 502, "<html>bad gateway</html>", StateUnknown),
        # Coinbase
        ("coinbase", 200, COINBASE_NO % ("INSUFFICIENT_FUND", ""), TradeRefused),
        ("coinbase", 200, COINBASE_NO % ("UNKNOWN_FAILURE_REASON", "PREVIEW_INSUFFICIENT_FUND"), TradeRefused),
        ("coinbase", 200, COINBASE_NO % ("UNKNOWN_FAILURE_REASON", "PREVIEW_INVALID_BASE_SIZE_TOO_SMALL"), TradeRefused),
        ("coinbase", 200, COINBASE_NO % ("INVALID_LIMIT_PRICE_POST_ONLY", ""), TradeRefused),
        ("coinbase", 200, COINBASE_NO % ("UNSUPPORTED_ORDER_CONFIGURATION", ""), TradeRefused),
        ("coinbase", 400, '{"error": "INVALID_ARGUMENT", "message": "Invalid product_id"}', TradeRefused),
        ("coinbase", 401, '{"error": "unauthorized", "error_description": "no"}', TradeRefused),
        ("coinbase", 429, '{"errors": [{"id": "rate_limit_exceeded", "message": "Too many"}]}', RetryLater),
        ("coinbase", 200, COINBASE_NO % ("UNKNOWN_FAILURE_REASON", ""), StateUnknown),
        ("coinbase", 500, '{"errors": [{"id": "internal_server_error", "message": "oops"}]}', StateUnknown),
        # Bitstamp
        ("bitstamp", 200, BITSTAMP_FORM % "Minimum order size is 10.0 USD.", TradeRefused),
        ("bitstamp", 200, BITSTAMP_FORM % "You have only 1.00 USD available. Check your account balance for details.", TradeRefused),
        ("bitstamp", 200, BITSTAMP_FORM % "Price is more than 20% above market price.", TradeRefused),
        ("bitstamp", 200, '{"status": "error", "reason": {"amount": ["Ensure that there are no more than 8 places."]}}', TradeRefused),
        ("bitstamp", 200, '{"status": "error", "reason": "Invalid currency pair"}', TradeRefused),
        ("bitstamp", 200, '{"status": "error", "reason": "Order not found."}', TradeRefused),
        ("bitstamp", 403, '{"status": "error", "reason": "No permission found", "code": "API0002"}', TradeRefused),
        ("bitstamp", 403, '{"status": "error", "reason": "Invalid signature", "code": "API0005"}', TradeRefused),
        ("bitstamp", 403, '{"status": "error", "reason": "Invalid nonce", "code": "API0004"}', RetryLater),
        ("bitstamp", 400, '{"status": "error", "reason": "Request rate limit exceeded.", "code": "400.002"}', RetryLater),
        ("bitstamp", 200, BITSTAMP_FORM % "Order could not be placed.", StateUnknown),
        ("bitstamp", 200, '{"status": "error", "reason": "Words nobody has seen"}', StateUnknown),
    ],
)  # fmt: skip
def test_an_order_at_another_venue_is_refused_unknown_or_to_be_sent_again_by_what_the_venue_says(
    exchange: str, status: int, body: str, kind: type[KrackenError]
) -> None:
    error = sending_failure(told_by(exchange, body, status), venue=exchange, doing="submit abc")
    assert type(error) is kind


@pytest.mark.parametrize(
    ("exchange", "status", "body", "kind"),
    [
        ("binance", 400, '{"code": -1121, "msg": "Invalid symbol."}', Misconfigured),
        ("binance", 401, '{"code": -2015, "msg": "Invalid API-key, IP, or permissions for action."}', Misconfigured),
        ("binance", 400, '{"code": -1100, "msg": "Illegal characters found in parameter"}', BadData),
        ("binance", 418, '{"code": -1003, "msg": "banned"}', RetryLater),
        ("binance", 500, '{"code": -1001, "msg": "Internal error"}', RetryLater),
        ("coinbase", 400, '{"error": "INVALID_ARGUMENT", "message": "Invalid product_id"}', Misconfigured),
        ("coinbase", 401, '{"errors": [{"id": "authentication_error", "message": "no"}]}', Misconfigured),
        ("coinbase", 500, '{"errors": [{"id": "internal_server_error", "message": "oops"}]}', RetryLater),
        ("coinbase", 404, '{"errors": [{"id": "not_found", "message": "no such thing"}]}', BadData),
        ("bitstamp", 403, '{"status": "error", "reason": "Invalid signature", "code": "API0005"}', Misconfigured),
        ("bitstamp", 400, '{"status": "error", "reason": "Request rate limit exceeded.", "code": "400.002"}', RetryLater),
        ("bitstamp", 200, '{"error": "Bitstamp.net is under scheduled maintenance. We\'ll be back soon."}', RetryLater),
        ("bitstamp", 503, "<html>away</html>", RetryLater),
    ],
)  # fmt: skip
def test_a_question_to_another_venue_is_asked_again_or_not_by_what_the_venue_says(
    exchange: str, status: int, body: str, kind: type[KrackenError]
) -> None:
    error = reading_failure(told_by(exchange, body, status), venue=exchange, doing="fetch_order")
    assert type(error) is kind


@pytest.mark.parametrize(
    ("exchange", "status", "body", "limited"),
    [
        ("binance", 429, '{"code": -1003, "msg": "Too many requests."}', True),
        ("binance", 418, "banned", True),
        ("binance", 400, '{"code": -1021, "msg": "Timestamp for this request is outside of the recvWindow."}', False),
        ("coinbase", 429, '{"errors": [{"id": "rate_limit_exceeded", "message": "Too many"}]}', True),
        ("bitstamp", 400, '{"status": "error", "reason": "Request rate limit exceeded.", "code": "400.002"}', True),
        ("bitstamp", 403, '{"status": "error", "reason": "Invalid nonce", "code": "API0004"}', False),
        ("kraken", 200, '{"error": ["EAPI:Rate limit exceeded"]}', True),
        ("kraken", 200, '{"error": ["EOrder:Domain rate limit exceeded"]}', True),
        ("kraken", 200, '{"error": ["EService: Throttled: 1700000000"]}', True),
        ("kraken", 200, '{"error": ["EAPI:Invalid nonce"]}', False),
        ("kraken", 200, '{"error": ["EOrder:Insufficient funds"]}', False),
    ],
)
def test_being_too_fast_is_told_from_being_refused(exchange: str, status: int, body: str, limited: bool) -> None:
    error = told_by(exchange, body, status)
    assert tells_rate_limit(error, venue_words(error)) is limited


def test_the_words_of_other_venues_are_taken_out_of_their_own_envelopes() -> None:
    assert venue_words(told_by("binance", '{"code": -1100, "msg": "Illegal"}', 400)) == ("-1100 Illegal",)
    assert venue_words(told_by("coinbase", COINBASE_NO % ("UNKNOWN_FAILURE_REASON", "PREVIEW_X"))) == (
        "PREVIEW_X words",
    )
    form = '{"status": "error", "reason": {"amount": ["Too odd."], "__all__": ["And too small."]}}'
    assert venue_words(told_by("bitstamp", form)) == ("Too odd.", "And too small.")


@pytest.mark.parametrize(
    "error",
    [
        ccxt.RequestTimeout("kraken GET https://api.kraken.com/0/public/Time"),
        ccxt.ExchangeNotAvailable("kraken GET https://x 503 Service Unavailable <html>"),
        spoken("EService:Unavailable", ccxt.ExchangeNotAvailable),
        spoken("EService:Timeout"),
        spoken("EService: Throttled: 17000"),
        spoken("EAPI:Rate limit exceeded", ccxt.DDoSProtection),
        spoken("EAPI:Invalid nonce", ccxt.InvalidNonce),
        spoken("EService:Market in cancel_only mode", ccxt.OnMaintenance),
    ],
)
def test_a_question_that_was_not_answered_may_be_asked_again(error: Exception) -> None:
    assert type(asked(error)) is RetryLater


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (spoken("EAPI:Invalid key", ccxt.AuthenticationError), Misconfigured),
        (spoken("EAPI:Invalid signature"), Misconfigured),
        (spoken("EGeneral:Permission denied", ccxt.PermissionDenied), Misconfigured),
        (ccxt.AuthenticationError('kraken requires "apiKey" credential'), Misconfigured),
        (spoken("EQuery:Unknown asset pair"), Misconfigured),
        (spoken("EGeneral:Invalid arguments:ofs", ccxt.BadRequest), BadData),
    ],
)
def test_a_question_that_cannot_be_right_is_not_asked_again(error: Exception, kind: type[KrackenError]) -> None:
    assert type(asked(error)) is kind


def test_no_secret_no_signed_url_and_no_web_page_gets_into_an_error() -> None:
    page = "<html>" + "x" * 5_000
    error = ccxt.ExchangeNotAvailable(
        f"binance GET https://api/order?signature=abcdef&apiKey=topsecretkey 502 topsecretkey {page}"
    )
    failure = sending_failure(error, venue="binance", doing="submit", secrets=["topsecretkey"])
    told = str(failure) + repr(failure.fields)
    assert "topsecretkey" not in told
    assert "signature" not in told
    assert len(str(failure.fields["venue_text"])) <= 300


def test_the_venues_words_are_taken_out_of_the_envelope() -> None:
    assert venue_words(spoken("EOrder:Insufficient funds")) == ("EOrder:Insufficient funds",)
    assert venue_words(ccxt.NetworkError("kraken GET {not json")) == ("kraken GET {not json",)
