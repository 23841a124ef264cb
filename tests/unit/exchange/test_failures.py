"""What surely did not happen, what the venue refused, and what nobody can know: one table, held here line by line."""

from __future__ import annotations

import json

import ccxt
import pytest
import requests
from urllib3.exceptions import MaxRetryError, NewConnectionError

from kracken_tasks.errors import BadData, KrackenError, Misconfigured, RetryLater, StateUnknown, TradeRefused
from kracken_tasks.exchange.failures import reading_failure, sending_failure, venue_words


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


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (ccxt.InsufficientFunds('binance {"code":-2010,"msg":"insufficient balance"}'), TradeRefused),
        (ccxt.InvalidNonce('binance {"code":-1021,"msg":"timestamp"}'), RetryLater),
        (ccxt.DuplicateOrderId('binance {"code":-2010,"msg":"Duplicate order sent."}'), StateUnknown),
        (ccxt.ExchangeNotAvailable('binance {"code":-1000,"msg":"unknown"}'), StateUnknown),
        (ccxt.RateLimitExceeded("binance POST https://x 429 Too Many Requests"), RetryLater),
    ],
)
def test_other_venues_are_read_by_the_type_ccxt_gives_them(error: Exception, kind: type[KrackenError]) -> None:
    assert type(sent(error)) is kind


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
