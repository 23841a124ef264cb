"""When the venue misbehaves: what is retried, what is refused, and what is left unknown, with the real ccxt over a real socket."""

from __future__ import annotations

import logging
import zlib
from collections.abc import Callable, Iterator
from datetime import timedelta
from decimal import Decimal
from threading import Thread
from typing import Any

import pytest

from kracken_tasks.domain.clock import utc
from kracken_tasks.domain.market import Timeframe
from kracken_tasks.domain.trading import OrderKind, OrderRequest, Side
from kracken_tasks.errors import BadData, KrackenError, Misconfigured, RetryLater, StateUnknown, TradeRefused
from kracken_tasks.exchange.venue import CcxtVenue
from kracken_tasks.sandbox.client_config import DEMO_KEY, DEMO_SECRET, kraken_options
from tests.support.sandbox import RunningSandbox, free_port, running_sandbox

START = utc(2025, 1, 6)
HTML = "<html><body>502 Bad Gateway</body></html>"


@pytest.fixture(scope="module")
def server() -> Iterator[RunningSandbox]:
    with running_sandbox() as running:
        yield running


@pytest.fixture
def sandbox(server: RunningSandbox) -> Iterator[RunningSandbox]:
    yield server
    server.control.clear_faults()


@pytest.fixture
def venue(sandbox: RunningSandbox) -> CcxtVenue:
    return opened(sandbox, timeout_seconds=20)


def opened(sandbox: RunningSandbox, timeout_seconds: float) -> CcxtVenue:
    venue = CcxtVenue(
        "kraken", {**sandbox.ccxt_options(), "rateLimit": 1}, timeout_seconds=timeout_seconds, clock_keeps_seconds=0
    )
    venue.instruments()
    return venue


def in_a_hurry_if_slow(sandbox: RunningSandbox, venue: CcxtVenue, fault: dict[str, Any]) -> CcxtVenue:
    """Only where the fault is slowness does the client give up early: a busy machine must not look like a broken venue."""
    return opened(sandbox, timeout_seconds=1.2) if "delay_ms" in fault else venue


def order(number: int) -> OrderRequest:
    return OrderRequest(
        client_order_id=f"{number:032x}",
        symbol="BTC/USD",
        side=Side.BUY,
        kind=OrderKind.LIMIT,
        amount=Decimal("0.001"),
        limit_price=Decimal("1000"),
        deadline=START + timedelta(seconds=30),
    )


def resting(venue: CcxtVenue, number: int) -> bool:
    return any(one.client_order_id == f"{number:032x}" for one in venue.open_orders())


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        ({"delay_ms": 4_000}, RetryLater),
        ({"status": 502, "body": HTML}, RetryLater),
        ({"status": 520, "body": HTML}, RetryLater),
        ({"status": 429, "body": "slow down"}, RetryLater),
        ({"status": 200, "body": HTML}, RetryLater),
        ({"drop": True}, RetryLater),
        ({"error": "EService:Busy"}, RetryLater),
        ({"error": "EService:Timeout"}, RetryLater),
        ({"error": "EAPI:Invalid nonce"}, RetryLater),
        ({"error": "EAPI:Rate limit exceeded"}, RetryLater),
        ({"error": "EAPI:Invalid key"}, Misconfigured),
        ({"error": "EGeneral:Permission denied"}, Misconfigured),
        ({"error": "EGeneral:Invalid arguments:asset"}, BadData),
    ],
)
def test_reading_through_trouble(
    sandbox: RunningSandbox, venue: CcxtVenue, fault: dict[str, Any], kind: type[KrackenError]
) -> None:
    asking = in_a_hurry_if_slow(sandbox, venue, fault)
    sandbox.control.fault("BalanceEx", **fault)
    with pytest.raises(KrackenError) as caught:
        asking.balances()
    assert type(caught.value) is kind
    assert venue.balances()  # and well again


@pytest.mark.parametrize(
    "read",
    [
        lambda v: v.now(),
        lambda v: v.quotes(["BTC/USD"]),
        lambda v: v.open_orders(),
        lambda v: v.closed_orders(START),
        lambda v: v.fills(START),
        lambda v: v.cash_movements(START),
        lambda v: v.trades("BTC/USD"),
        lambda v: v.instruments(refresh=True),
    ],
)
def test_a_web_page_where_json_belongs_is_no_answer_to_any_question(
    sandbox: RunningSandbox, venue: CcxtVenue, read: Callable[[CcxtVenue], object]
) -> None:
    sandbox.control.fault("*", status=200, body=HTML)
    with pytest.raises(RetryLater):
        read(venue)


@pytest.mark.parametrize(
    "body", ['{"error":[],"result":null}', '{"error":[],"result":{"odd":1}}', '{"error":[],"result":[1]}', "[]"]
)
@pytest.mark.parametrize(
    ("endpoint", "read"),
    [
        ("Time", lambda v: v.now()),
        ("Ticker", lambda v: v.quotes(["BTC/USD"])),
        ("OHLC", lambda v: v.ohlc("BTC/USD", Timeframe.H1)),
        ("Trades", lambda v: v.trades("BTC/USD")),
        ("OpenOrders", lambda v: v.open_orders()),
        ("ClosedOrders", lambda v: v.closed_orders(START)),
        ("QueryOrders", lambda v: v.orders(["OAAAAA-BBBBB-CCCCCC"])),
        ("QueryOrders", lambda v: v.orders_with_fills(["OAAAAA-BBBBB-CCCCCC"])[1]),
        ("TradesHistory", lambda v: v.fills(START)),
        ("Ledgers", lambda v: v.cash_movements(START)),
        ("BalanceEx", lambda v: v.balances()),
    ],
)
def test_an_answer_of_another_shape_is_an_error_of_ours_never_a_crash(
    sandbox: RunningSandbox, venue: CcxtVenue, endpoint: str, body: str, read: Callable[[CcxtVenue], object]
) -> None:
    sandbox.control.fault(endpoint, status=200, body=body)
    with pytest.raises((BadData, RetryLater)):
        read(venue)


@pytest.mark.parametrize("endpoint", ["Assets", "AssetPairs"])
def test_a_listing_that_came_as_a_web_page_is_not_taken_for_an_empty_one(
    sandbox: RunningSandbox, endpoint: str
) -> None:
    venue = CcxtVenue("kraken", sandbox.ccxt_options())
    sandbox.control.fault(endpoint, status=200, body=HTML)
    with pytest.raises(RetryLater):
        venue.instruments()
    assert "BTC/USD" in venue.instruments()


@pytest.mark.parametrize(
    ("fault", "kind", "exists"),
    [
        ({"when": "after", "delay_ms": 4_000}, StateUnknown, True),
        ({"when": "before", "drop": True}, StateUnknown, False),
        ({"when": "after", "drop": True}, StateUnknown, True),
        ({"when": "after", "status": 502, "body": HTML}, StateUnknown, True),
        ({"when": "before", "status": 520, "body": HTML}, StateUnknown, False),
        ({"when": "after", "status": 200, "body": HTML}, StateUnknown, True),
        ({"when": "after", "status": 200, "body": '{"error":[],"result":{}}'}, StateUnknown, True),
        ({"when": "after", "status": 200, "body": '{"error":[],"resu'}, StateUnknown, True),
        ({"when": "after", "error": "EService:Unavailable"}, StateUnknown, True),
        ({"when": "before", "error": "EService:Busy"}, StateUnknown, False),
        ({"when": "before", "error": "EGeneral:Internal error"}, StateUnknown, False),
        ({"when": "before", "error": "EAPI:Invalid nonce"}, RetryLater, False),
        ({"when": "before", "error": "EOrder:Rate limit exceeded"}, RetryLater, False),
        ({"when": "before", "status": 429, "body": "slow down"}, RetryLater, False),
        ({"when": "before", "error": "EOrder:Insufficient funds"}, TradeRefused, False),
    ],
)
def test_sending_through_trouble_says_unknown_wherever_the_order_may_exist(
    sandbox: RunningSandbox, venue: CcxtVenue, fault: dict[str, Any], kind: type[KrackenError], exists: bool
) -> None:
    number = zlib.crc32(repr(sorted(fault.items())).encode())
    sending = in_a_hurry_if_slow(sandbox, venue, fault)
    sandbox.control.fault("AddOrder", **fault)
    with pytest.raises(KrackenError) as caught:
        sending.submit(order(number))
    assert type(caught.value) is kind
    assert resting(venue, number) is exists
    if exists:
        assert kind is StateUnknown


def test_a_client_id_that_rests_already_is_unknown_not_refused(venue: CcxtVenue) -> None:
    venue.submit(order(77))
    with pytest.raises(StateUnknown):
        venue.submit(order(77))
    assert resting(venue, 77)


def test_nobody_listening_means_that_the_order_surely_did_not_arrive() -> None:
    venue = CcxtVenue("kraken", kraken_options(f"http://127.0.0.1:{free_port()}"), timeout_seconds=1)
    with pytest.raises(RetryLater):
        venue.now()
    with pytest.raises(RetryLater):
        venue.submit(order(1))  # the listing has to be read first: still nothing was sent
    with pytest.raises(RetryLater):
        venue.cancel("OAAAAA-BBBBB-CCCCCC")


def test_cancel_and_amend_that_got_no_answer_are_unknown(sandbox: RunningSandbox, venue: CcxtVenue) -> None:
    order_id = venue.submit(order(88))
    sandbox.control.fault("AmendOrder", when="after", drop=True)
    with pytest.raises(StateUnknown):
        venue.amend(order_id, limit_price=Decimal("1001"))
    [amended] = [one for one in venue.open_orders() if one.order_id == order_id]
    assert amended.limit_price == Decimal("1001")
    sandbox.control.fault("CancelOrder", when="after", drop=True)
    with pytest.raises(StateUnknown):
        venue.cancel(order_id)
    venue.cancel(order_id)
    assert not resting(venue, 88)


def test_without_a_key_the_market_can_be_read_and_nothing_sent(sandbox: RunningSandbox) -> None:
    options = {name: value for name, value in sandbox.ccxt_options().items() if name not in ("apiKey", "secret")}
    venue = CcxtVenue("kraken", options)
    assert venue.quotes(["BTC/USD"])
    with pytest.raises(Misconfigured):
        venue.balances()
    with pytest.raises(Misconfigured, match="no API key"):
        venue.submit(order(1))


def test_a_wrong_secret_is_a_matter_of_settings_and_is_not_shown(sandbox: RunningSandbox) -> None:
    wrong = "d3Jvbmctc2VjcmV0LXdyb25nLXNlY3JldA=="
    venue = CcxtVenue("kraken", {**sandbox.ccxt_options(), "secret": wrong})
    with pytest.raises(Misconfigured) as caught:
        venue.balances()
    told = f"{caught.value} {caught.value.fields} {caught.value.__context__!r} {venue!r}"
    assert wrong not in told
    assert DEMO_SECRET not in told
    assert DEMO_KEY not in told


def test_no_key_and_no_signature_is_logged_at_any_level(
    sandbox: RunningSandbox, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    CcxtVenue("kraken", sandbox.ccxt_options()).balances()
    assert DEMO_KEY not in caplog.text
    assert "API-Sign" not in caplog.text


def test_two_venues_on_one_key_in_one_process_never_meet_an_invalid_nonce(sandbox: RunningSandbox) -> None:
    venues = [CcxtVenue("kraken", {**sandbox.ccxt_options(), "rateLimit": 1}) for _ in range(2)]
    failures: list[Exception] = []

    def call(venue: CcxtVenue) -> None:
        try:
            for _ in range(15):
                venue.balances()
        except KrackenError as error:
            failures.append(error)

    for venue in venues:
        venue.instruments()
    threads = [Thread(target=call, args=(venue,)) for venue in venues for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


def test_an_exchange_nobody_knows_is_refused_at_the_start() -> None:
    with pytest.raises(Misconfigured, match="no exchange 'krakn'"):
        CcxtVenue("krakn")
