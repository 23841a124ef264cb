"""The real ccxt against the sandbox exchange: what is listed, quoted, remembered, and done with an order."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal

import pytest

from kracken_tasks.domain.clock import utc
from kracken_tasks.domain.market import CANDLE_COLUMNS, TRADE_COLUMNS, Timeframe
from kracken_tasks.domain.money import price_of, ticks_at_or_above, ticks_at_or_below
from kracken_tasks.domain.trading import ConditionalClose, OrderKind, OrderRequest, OrderStatus, Side
from kracken_tasks.errors import Misconfigured, TradeRefused
from kracken_tasks.exchange.market_data import MarketData
from kracken_tasks.exchange.venue import CcxtVenue
from kracken_tasks.execution.broker import Broker, has_conditional_close
from tests.support import sandbox as support
from tests.support.sandbox import RunningSandbox, running_sandbox

BTC, ETH = "BTC/USD", "ETH/USD"
START = utc(2025, 1, 6)
HOUR = timedelta(hours=1)


@pytest.fixture
def sandbox() -> Iterator[RunningSandbox]:
    with running_sandbox(
        config=support.test_config(opening_balances={"USD": "50000"}, fill_share_percent=100)
    ) as running:
        yield running


@pytest.fixture
def venue(sandbox: RunningSandbox) -> CcxtVenue:
    return CcxtVenue("kraken", {**sandbox.ccxt_options(), "rateLimit": 1}, timeout_seconds=10, clock_keeps_seconds=0)


def buy(
    venue: CcxtVenue, number: int = 1, *, amount: str = "0.01", cap: float = 1.01, stop: bool = True, **changes: object
) -> OrderRequest:
    instrument, quote = venue.instruments()[BTC], venue.quotes([BTC])[BTC]
    limit = price_of(ticks_at_or_below(quote.ask * cap, instrument), instrument)
    trigger = price_of(ticks_at_or_above(quote.bid * 0.9, instrument), instrument)
    values: dict[str, object] = {
        "client_order_id": f"{number:032x}",
        "symbol": BTC,
        "side": Side.BUY,
        "kind": OrderKind.LIMIT,
        "amount": Decimal(amount),
        "limit_price": limit,
        "time_in_force": "IOC",
        "close": ConditionalClose(OrderKind.STOP_LOSS, trigger) if stop else None,
        "deadline": venue.now() + timedelta(seconds=30),
    }
    return OrderRequest(**(values | changes))  # type: ignore[arg-type]  # a test names fields of the dataclass


def test_one_venue_is_both_a_market_and_a_broker(venue: CcxtVenue) -> None:
    market: MarketData = venue
    broker: Broker = venue
    assert market.exchange == "kraken"
    assert has_conditional_close(broker)


def test_the_venues_clock_is_market_time(sandbox: RunningSandbox, venue: CcxtVenue) -> None:
    assert venue.now() == START
    sandbox.control.advance(90)
    assert venue.now() == START + timedelta(seconds=90)


def test_instruments_tell_steps_minimums_fees_and_status(sandbox: RunningSandbox, venue: CcxtVenue) -> None:
    told = venue.instruments()[BTC]
    assert (told.price_tick, told.lot_step) == (Decimal("0.1"), Decimal("0.00000001"))
    assert told.min_amount > 0
    assert Decimal(0) < told.maker_fee < told.taker_fee < Decimal("0.01")
    assert told.tradable
    sandbox.control.halt(BTC, "cancel_only")
    assert venue.instruments()[BTC].tradable  # loaded once
    assert venue.instruments(refresh=True)[BTC].status == "cancel_only"


def test_quotes_of_several_symbols_come_in_one_call_with_the_venues_time(venue: CcxtVenue) -> None:
    quotes = venue.quotes([BTC, ETH, BTC])
    assert list(quotes) == [BTC, ETH]
    assert all(0 < quote.bid < quote.ask and quote.ts == START for quote in quotes.values())
    assert venue.quotes([]) == {}


def test_a_symbol_that_is_not_listed_is_named(venue: CcxtVenue) -> None:
    with pytest.raises(Misconfigured, match="NOPE/USD"):
        venue.quotes([BTC, "NOPE/USD"])
    with pytest.raises(TradeRefused, match="NOPE/USD"):
        venue.submit(buy(venue, symbol="NOPE/USD"))


def test_ohlc_keeps_vwap_and_counts_and_ends_with_the_running_candle(venue: CcxtVenue) -> None:
    frame = venue.ohlc(BTC, Timeframe.H1)
    assert tuple(frame.columns) == CANDLE_COLUMNS
    assert len(frame) == 720
    assert frame["ts"].iloc[-1] == START
    closed = frame.iloc[:-1]
    assert (closed["vwap"].between(closed["low"], closed["high"])).all()
    assert (closed["trades"] > 0).all()


def test_ohlc_begins_exactly_where_it_is_asked_to(venue: CcxtVenue) -> None:
    assert venue.ohlc(BTC, Timeframe.M15, START - 2 * HOUR)["ts"].iloc[0] == START - 2 * HOUR
    assert venue.ohlc(BTC, Timeframe.M15, START - 2 * HOUR + timedelta(seconds=1))["ts"].iloc[0] == START - timedelta(
        minutes=105
    )


def test_a_width_the_venue_does_not_offer_is_refused_with_what_is_allowed(venue: CcxtVenue) -> None:
    with pytest.raises(Misconfigured, match="1h, 4h, 1d"):
        venue.ohlc(BTC, Timeframe.H12)
    assert venue.ohlc_reach(Timeframe.D1) == 720


def test_trades_page_on_without_a_gap_or_a_repeat(venue: CcxtVenue) -> None:
    ids: list[int] = []
    cursor: str | None = None
    while True:
        page, following = venue.trades(BTC, cursor, START - 12 * HOUR)
        if page.empty or following == cursor:
            break
        assert tuple(page.columns) == TRADE_COLUMNS
        ids.extend(page["trade_id"])
        cursor = following
    assert len(ids) > 1_000
    assert ids == list(range(ids[0], ids[0] + len(ids)))


def test_an_entry_is_filled_booked_and_protected_in_one_stroke(venue: CcxtVenue) -> None:
    request = buy(venue)
    order_id = venue.submit(request)
    order = venue.orders([order_id, order_id])[order_id]
    assert (order.status, order.client_order_id, order.filled) == (
        OrderStatus.CLOSED,
        request.client_order_id,
        request.amount,
    )
    [stop] = venue.open_orders()
    assert (stop.parent_id, stop.side, stop.kind, stop.amount) == (
        order_id,
        Side.SELL,
        OrderKind.STOP_LOSS,
        request.amount,
    )
    assert request.close is not None
    assert stop.trigger_price == request.close.trigger_price
    fills = venue.fills(START)
    assert {fill.order_id for fill in fills} == {order_id}
    assert sum(fill.amount for fill in fills) == request.amount
    assert venue.orders_with_fills([order_id])[1] == fills


def test_the_fold_of_fills_and_cash_is_the_venues_balance_to_the_last_digit(venue: CcxtVenue) -> None:
    for number in range(1, 8):
        venue.submit(buy(venue, number, amount=f"0.0{number}{number}37{number}1", stop=False))
    usd = sum(
        (line.amount - line.fee for line in venue.cash_movements(utc(2000, 1, 1)) if line.asset == "USD"), Decimal(0)
    )
    fills = venue.fills(START)
    assert {fill.fee_currency for fill in fills} == {"USD"}
    usd -= sum((fill.cost + fill.fee for fill in fills), Decimal(0))
    btc = sum((fill.amount for fill in fills), Decimal(0))
    balances = venue.balances()
    assert (balances["USD"].total, balances["BTC"].total) == (usd, btc)


def test_an_order_beyond_its_cap_is_canceled_unfilled_not_left_behind(venue: CcxtVenue) -> None:
    order_id = venue.submit(buy(venue, cap=0.5))
    assert venue.open_orders() == []
    [order] = venue.closed_orders(START)
    assert (order.order_id, order.status, order.filled, order.average_price) == (
        order_id,
        OrderStatus.CANCELED,
        Decimal(0),
        None,
    )


def test_a_resting_stop_is_amended_in_place_and_canceled_once_or_twice(venue: CcxtVenue) -> None:
    venue.submit(buy(venue))
    [stop] = venue.open_orders()
    assert stop.trigger_price is not None
    venue.amend(stop.order_id, amount=Decimal("0.005"), trigger_price=stop.trigger_price + 100)
    [amended] = venue.open_orders()
    assert (amended.order_id, amended.amount) == (stop.order_id, Decimal("0.005"))
    assert amended.trigger_price == stop.trigger_price + 100
    assert venue.balances()["BTC"].free == Decimal("0.005")
    venue.cancel(stop.order_id)
    venue.cancel(stop.order_id)
    assert venue.open_orders() == []
    with pytest.raises(TradeRefused, match="Unknown order"):
        venue.amend(stop.order_id, amount=Decimal("0.004"))


def test_an_id_the_venue_never_gave_is_absent_and_canceling_it_is_no_error(venue: CcxtVenue) -> None:
    order_id = venue.submit(buy(venue))
    stranger = "OAAAAA-BBBBB-CCCCCC"
    assert set(venue.orders([order_id, stranger, "not an id"])) == {order_id}
    assert venue.orders([]) == {}
    venue.cancel(stranger)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"amount": Decimal("900")}, "Insufficient funds"),
        ({"deadline": START - timedelta(seconds=5)}, "Deadline"),
        ({"deadline": START + timedelta(minutes=5)}, "deadline"),
        ({"client_order_id": "x" * 40}, "cl_ord_id"),
        # What its listing speaks against is not even sent.
        ({"amount": Decimal("0.00000001")}, "below the minimum"),
        ({"amount": Decimal("0.010000005")}, "no multiple of 0.00000001 BTC"),
        ({"limit_price": Decimal("50000.123")}, "no multiple of 0.1 USD"),
    ],
)
def test_a_clear_no_is_a_refusal_in_the_venues_words_and_leaves_nothing(
    venue: CcxtVenue, changes: dict[str, object], words: str
) -> None:
    with pytest.raises(TradeRefused, match=words):
        venue.submit(buy(venue, **changes))
    assert venue.open_orders() == venue.closed_orders(START) == venue.fills(START) == []


def test_a_halted_pair_refuses_entries(sandbox: RunningSandbox, venue: CcxtVenue) -> None:
    request = buy(venue)
    sandbox.control.halt(BTC, "cancel_only")
    with pytest.raises(TradeRefused, match="cancel_only"):
        venue.submit(request)


def test_history_of_more_than_one_page_comes_whole_and_once(sandbox: RunningSandbox, venue: CcxtVenue) -> None:
    for number in range(1, 121):
        venue.submit(buy(venue, number, amount="0.0005", stop=False))
        sandbox.control.advance(1)
    orders = venue.closed_orders(START)
    assert len(orders) == len({order.order_id for order in orders}) == 120
    assert [order.opened_at for order in orders] == sorted((order.opened_at for order in orders), reverse=True)
    fills = venue.fills(START)
    assert sum(fill.amount for fill in fills) == sum(order.filled for order in orders)
    assert len(venue.orders_with_fills([order.order_id for order in orders])[1]) == len(fills)
    lines = venue.ledger_lines(START)
    assert len({line.movement_id for line in lines}) == len(lines) == 2 * len(fills) + 1
    pages: list[int] = []
    venue.cash_movements(START, lambda: pages.append(1))
    assert len(pages) == -(-len(lines) // 50)
    middle = START + timedelta(seconds=60)
    assert len(venue.closed_orders(middle)) >= 60
    assert all(fill.ts >= middle for fill in venue.fills(middle))


def moment_after(venue: CcxtVenue, sandbox: RunningSandbox, seconds: float) -> datetime:
    sandbox.control.advance(seconds)
    return venue.now()


def test_a_deposit_is_a_cash_movement_and_trades_are_not(sandbox: RunningSandbox, venue: CcxtVenue) -> None:
    venue.submit(buy(venue, stop=False))
    later = moment_after(venue, sandbox, 60)
    sandbox.control.deposit("USD", "250")
    [movement] = venue.cash_movements(later)
    assert (movement.kind, movement.asset, movement.amount, movement.fee) == (
        "deposit",
        "USD",
        Decimal(250),
        Decimal(0),
    )
    assert {line.kind for line in venue.ledger_lines(START)} == {"deposit", "trade"}
