"""Requests are in exact steps, capped, with a deadline."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest

from kracken_tasks.domain.money import price_of
from kracken_tasks.domain.trading import IntentKey, OrderKind, Purpose, Side
from kracken_tasks.errors import TradeRefused
from kracken_tasks.execution.costs import CostModel, estimate
from kracken_tasks.execution.orders import (
    SendRules,
    below_minimum,
    entry_request,
    sell_request,
    stop_request,
)
from tests.support.market_data import BTC, START, HandMovedMarket, instrument

KEY = IntentKey("main", "tick/2024-03-01T12:00:00Z", BTC, Purpose.ENTRY)
RULES = SendRules()


def test_entry_pays_at_most_its_cap_and_leaves_nothing_behind() -> None:
    quote = HandMovedMarket().quote()
    request = entry_request(KEY, instrument(), quote, lots=1_000_000, stop_ticks=485_000, now=START, rules=RULES)
    assert request.side is Side.BUY
    assert request.kind is OrderKind.LIMIT
    assert request.time_in_force == "IOC"
    assert request.amount == Decimal("0.01000000")
    assert request.limit_price is not None
    assert quote.ask <= float(request.limit_price) <= quote.ask * 1.002
    assert request.limit_price % Decimal("0.1") == 0
    assert request.deadline == START + timedelta(seconds=5)


def test_entry_carries_its_stop_so_that_it_exists_when_the_fill_does() -> None:
    request = entry_request(
        KEY, instrument(), HandMovedMarket().quote(), lots=1, stop_ticks=485_000, now=START, rules=RULES
    )
    assert request.close is not None
    assert request.close.kind is OrderKind.STOP_LOSS
    assert request.close.trigger_price == price_of(485_000, instrument()) == Decimal("48500.0")


def test_stop_above_the_market_would_sell_at_once_and_is_refused() -> None:
    with pytest.raises(ValueError, match="not below the bid"):
        entry_request(KEY, instrument(), HandMovedMarket().quote(), lots=1, stop_ticks=500_000, now=START, rules=RULES)


def test_entry_of_no_lots_is_a_programming_error() -> None:
    with pytest.raises(ValueError, match="0 lots"):
        entry_request(KEY, instrument(), HandMovedMarket().quote(), lots=0, stop_ticks=None, now=START, rules=RULES)


def test_sale_is_floored_to_lots_because_rounding_up_breaks_on_the_balance() -> None:
    coarse = instrument(lot_step=Decimal("0.001"))
    request = sell_request(KEY, coarse, HandMovedMarket().quote(), amount=Decimal("0.0129999"), now=START, rules=RULES)
    assert request.amount == Decimal("0.012")
    assert request.limit_price is not None
    assert float(request.limit_price) <= HandMovedMarket().quote().bid


def test_sale_below_the_venues_minimum_is_refused_here_with_the_reason() -> None:
    with pytest.raises(TradeRefused, match="below the venue's minimum"):
        sell_request(KEY, instrument(), HandMovedMarket().quote(), amount=Decimal("0.00009"), now=START, rules=RULES)


def test_market_orders_only_when_a_setting_says_so() -> None:
    rules = SendRules(market_orders=True)
    request = sell_request(KEY, instrument(), HandMovedMarket().quote(), amount=Decimal("0.01"), now=START, rules=rules)
    assert (request.kind, request.limit_price, request.time_in_force) == (OrderKind.MARKET, None, "GTC")


def test_stop_rests_at_its_trigger() -> None:
    request = stop_request(
        KEY, instrument(), amount=Decimal("0.01"), trigger_price=Decimal("48500.07"), now=START, rules=RULES
    )
    assert (request.kind, request.trigger_price) == (OrderKind.STOP_LOSS, Decimal("48500.0"))


def test_minimums_name_what_is_too_small() -> None:
    assert below_minimum(Decimal(0), Decimal(1), instrument()) == "nothing to trade after rounding down to whole lots"
    assert "cost" in (below_minimum(Decimal("0.0001"), Decimal(10), instrument()) or "")
    assert below_minimum(Decimal("0.0001"), Decimal(50_000), instrument()) is None


@pytest.mark.parametrize("field", ["entry_cap_fraction", "exit_cap_fraction"])
def test_cap_out_of_range_is_refused_with_what_is_allowed(field: str) -> None:
    with pytest.raises(ValueError, match=field):
        SendRules(**{field: 0.7})  # type: ignore[arg-type]  # the name is the parameter


def test_deadline_outside_what_the_venue_takes_is_refused() -> None:
    with pytest.raises(ValueError, match="60 s"):
        SendRules(deadline=timedelta(minutes=2))


def test_costs_are_half_spread_slippage_and_fee() -> None:
    quote = HandMovedMarket().quote()
    buy = estimate(instrument(), quote, Side.BUY, CostModel(slippage_bps=5))
    sell = estimate(instrument(), quote, Side.SELL, CostModel(slippage_bps=5, commission_bps=10))
    assert buy.price == pytest.approx(quote.ask * 1.0005)
    assert sell.price == pytest.approx(quote.bid * 0.9995)
    assert buy.fee_fraction == pytest.approx(0.004)
    assert sell.one_way_fraction == pytest.approx(0.001 + 0.0005 + 0.0001)
    assert sell.round_trip_fraction == pytest.approx(2 * sell.one_way_fraction)
