"""Kraken's dead-man switch through the adapter: it cancels stops too, once, and can be called off."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal

import pytest

from kracken_tasks.domain.trading import OrderKind, OrderRequest, Side
from kracken_tasks.errors import Misconfigured
from kracken_tasks.exchange.venue import CcxtVenue
from tests.support.sandbox import RunningSandbox


@pytest.fixture
def venue(sandbox: RunningSandbox) -> Iterator[CcxtVenue]:
    options = {**sandbox.ccxt_options(), "rateLimit": 1}
    made = CcxtVenue("kraken", options, timeout_seconds=10, clock_keeps_seconds=0)
    yield made
    made.close()


def stop(number: int) -> OrderRequest:
    price = Decimal("50")
    return OrderRequest(f"{number:032x}", "BTC/USD", Side.SELL, OrderKind.STOP_LOSS, Decimal(1), trigger_price=price)


def test_an_armed_switch_cancels_the_stops_too_and_then_stays_off(sandbox: RunningSandbox, venue: CcxtVenue) -> None:
    venue.submit(stop(1))
    at = venue.cancel_all_after(10)
    assert at is not None
    assert at - venue.now() <= timedelta(seconds=10)
    sandbox.control.advance(11)
    assert venue.open_orders() == []
    venue.submit(stop(2))
    sandbox.control.advance(30)
    assert len(venue.open_orders()) == 1


def test_a_switch_called_off_cancels_nothing(sandbox: RunningSandbox, venue: CcxtVenue) -> None:
    venue.submit(stop(1))
    venue.cancel_all_after(10)
    assert venue.cancel_all_after(0) is None
    sandbox.control.advance(30)
    assert len(venue.open_orders()) == 1


def test_a_venue_without_one_says_so(sandbox: RunningSandbox) -> None:
    venue = CcxtVenue("bitstamp", {"apiKey": "a", "secret": "b"})
    with pytest.raises(Misconfigured, match="no dead-man switch"):
        venue.cancel_all_after(10)
