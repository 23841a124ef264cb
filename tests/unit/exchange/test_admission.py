"""What a venue would turn away is turned away before it is sent, with the reason: status, minimums, steps."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from kracken_tasks.domain.market import Instrument, MarketStatus
from kracken_tasks.domain.trading import ConditionalClose, OrderKind, OrderRequest, Side
from kracken_tasks.exchange.admission import why_not

BTC = Instrument(
    "kraken", "BTC/USD", Decimal("0.1"), Decimal("0.0001"), Decimal("0.001"), Decimal("5"), Decimal(0), Decimal(0)
)
BUY = OrderRequest("a" * 32, "BTC/USD", Side.BUY, OrderKind.LIMIT, Decimal("0.01"), Decimal("50000.0"))
SELL = replace(BUY, side=Side.SELL)
STOP = replace(SELL, kind=OrderKind.STOP_LOSS, limit_price=None, trigger_price=Decimal("40000.0"))
MARKET = replace(BUY, kind=OrderKind.MARKET, limit_price=None)


def at(status: str) -> Instrument:
    return replace(BTC, status=status)


@pytest.mark.parametrize(
    "request_", [BUY, SELL, STOP, MARKET, replace(BUY, close=ConditionalClose(OrderKind.STOP_LOSS, Decimal("40000.1")))]
)
def test_an_order_that_fits_an_open_market_is_not_held_up(request_: OrderRequest) -> None:
    assert why_not(BTC, request_) is None


@pytest.mark.parametrize("status", [status for status in MarketStatus if status is not MarketStatus.ONLINE])
def test_no_restricted_market_takes_an_entry_at_the_market(status: MarketStatus) -> None:
    reason = why_not(at(status), MARKET)
    assert reason is not None
    assert f"BTC/USD on kraken is {status.value}" in reason


@pytest.mark.parametrize(
    "status", ["cancel_only", "maintenance", "post_only", "offline", "delisted", "work_in_progress"]
)
def test_where_nothing_may_be_sold_a_sale_is_refused_too(status: str) -> None:
    assert status in str(why_not(at(status), SELL))


def test_a_market_that_takes_limits_only_takes_limits() -> None:
    assert why_not(at("limit_only"), SELL) is None
    assert "limit orders only" in str(why_not(at("limit_only"), STOP))
    limited = replace(STOP, kind=OrderKind.STOP_LOSS_LIMIT, limit_price=Decimal("39000.0"))
    assert why_not(at("limit_only"), limited) is None


def test_a_market_that_only_reduces_lets_positions_out_and_nobody_in() -> None:
    assert why_not(at("reduce_only"), SELL) is None
    assert why_not(at("reduce_only"), STOP) is None
    assert "smaller" in str(why_not(at("reduce_only"), BUY))


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"amount": Decimal("0.0009")}, "below the minimum 0.001 BTC"),
        ({"amount": Decimal("0.01005")}, "no multiple of 0.0001 BTC"),
        ({"amount": Decimal("0.001"), "limit_price": Decimal("4999.9")}, "cost 4.9999 is below the minimum 5 USD"),
        ({"limit_price": Decimal("50000.05")}, "limit price 50000.05 is no multiple of 0.1 USD"),
        ({"limit_price": Decimal("-1")}, "below the minimum 5 USD"),
        ({"close": ConditionalClose(OrderKind.STOP_LOSS, Decimal("40000.11"))}, "trigger price of the close"),
    ],
)
def test_an_order_off_the_minimums_or_steps_is_refused_by_name(changed: dict[str, object], words: str) -> None:
    assert words in str(why_not(BTC, replace(BUY, **changed)))  # type: ignore[arg-type]  # a test names fields of the dataclass


def test_an_order_exactly_at_its_minimums_is_let_through() -> None:
    assert why_not(BTC, replace(BUY, amount=Decimal("0.001"), limit_price=Decimal("5000.0"))) is None


def test_what_a_market_order_costs_is_not_guessed() -> None:
    assert why_not(BTC, replace(MARKET, amount=Decimal("0.001"))) is None
    trailing = replace(SELL, kind=OrderKind.TRAILING_STOP, limit_price=None, trigger_price=Decimal("100.0"))
    assert why_not(BTC, trailing) is None  # its trigger is an offset, no price
