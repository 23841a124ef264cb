"""AddOrder's parameters: exact text, the right field for each price."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from kracken_tasks.domain.clock import utc
from kracken_tasks.domain.trading import ConditionalClose, OrderKind, OrderRequest, Side
from kracken_tasks.errors import TradeRefused
from kracken_tasks.exchange.kraken_orders import order_params

ENTRY = OrderRequest(
    client_order_id="0123456789abcdef0123456789abcdef",
    symbol="BTC/USD",
    side=Side.BUY,
    kind=OrderKind.LIMIT,
    amount=Decimal("0.01250000"),
    limit_price=Decimal("54105.1"),
    time_in_force="IOC",
    close=ConditionalClose(OrderKind.STOP_LOSS_LIMIT, Decimal("51000"), Decimal("50900.5")),
    deadline=utc(2026, 1, 2, 3, 4, 5),
)


def test_an_entry_carries_its_id_deadline_and_stop_in_exact_text() -> None:
    assert order_params(ENTRY, "XXBTZUSD") == {
        "pair": "XXBTZUSD",
        "type": "buy",
        "ordertype": "limit",
        "volume": "0.01250000",
        "price": "54105.1",
        "oflags": "fciq",
        "cl_ord_id": "0123456789abcdef0123456789abcdef",
        "timeinforce": "IOC",
        "deadline": "2026-01-02T03:04:05Z",
        "close": {"ordertype": "stop-loss-limit", "price": "51000", "price2": "50900.5"},
    }


@pytest.mark.parametrize(
    ("kind", "side", "trigger", "limit", "price", "price2"),
    [
        (OrderKind.MARKET, Side.SELL, None, None, None, None),
        (OrderKind.STOP_LOSS, Side.SELL, "90", None, "90", None),
        (OrderKind.STOP_LOSS_LIMIT, Side.SELL, "90", "89.5", "90", "89.5"),
        (OrderKind.TAKE_PROFIT, Side.SELL, "120", None, "120", None),
        (OrderKind.TAKE_PROFIT_LIMIT, Side.SELL, "120", "119", "120", "119"),
        (OrderKind.TRAILING_STOP, Side.SELL, "100", None, "+100", None),
        (OrderKind.TRAILING_STOP_LIMIT, Side.SELL, "100", "10", "+100", "-10"),
        (OrderKind.TRAILING_STOP_LIMIT, Side.BUY, "100", "10", "+100", "+10"),
    ],
)
def test_each_kind_puts_its_prices_where_the_venue_looks_for_them(
    kind: OrderKind, side: Side, trigger: str | None, limit: str | None, price: str | None, price2: str | None
) -> None:
    request = replace(
        ENTRY,
        kind=kind,
        side=side,
        trigger_price=None if trigger is None else Decimal(trigger),
        limit_price=None if limit is None else Decimal(limit),
        time_in_force="GTC",
        close=None,
        deadline=None,
    )
    told = order_params(request, "XXBTZUSD")
    assert (told.get("price"), told.get("price2")) == (price, price2)
    assert not {"timeinforce", "deadline", "close"} & told.keys()


def test_a_stop_without_a_trigger_is_refused_before_it_is_sent() -> None:
    with pytest.raises(TradeRefused, match="trigger_price"):
        order_params(replace(ENTRY, kind=OrderKind.STOP_LOSS, trigger_price=None), "XXBTZUSD")


def test_an_amount_that_decimal_would_print_with_an_exponent_is_sent_in_full() -> None:
    assert order_params(replace(ENTRY, amount=Decimal("1E-8")), "XXBTZUSD")["volume"] == "0.00000001"
