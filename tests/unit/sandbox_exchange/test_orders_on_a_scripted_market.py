"""Every order type on a market whose trades are written down: what fills, when, at what price."""

from __future__ import annotations

from decimal import Decimal

import pytest

from kracken_tasks.sandbox.engine.orders import Refused, Status
from tests.support.scripted_market import ScriptedMarket, Step, quiet
from tests.support.trader import Trader

D = Decimal
QUIET = [step for step in quiet() if step[0] <= 0]  # history only: after the start, only what a test writes


def trader_with(*steps: Step, depth: str = "1", **changed: object) -> Trader:
    return Trader(ScriptedMarket({"BTC/USD": [*QUIET, *steps]}, depth=depth), **changed)


def test_a_market_order_walks_the_book_level_by_level() -> None:
    trader = trader_with()
    order = trader.place("buy", "market", "2.5")
    assert order.status is Status.CLOSED
    assert [(fill.price, fill.lots) for fill in trader.fills()] == [(1001, 10**8), (1002, 10**8), (1003, 5 * 10**7)]
    assert trader.total("BTC") == D("12.5")
    # 100.1 + 100.2 + 50.15 and 0.40 % of each, cut at four decimals
    assert trader.total("USD") == D("10000") - D("250.45") - D("0.4004") - D("0.4008") - D("0.2006")


def test_liquidity_taken_stays_taken_until_the_next_trade_refreshes_the_book() -> None:
    trader = trader_with((60, "100.0", "1"))
    trader.place("buy", "market", "1.5")
    assert trader.place("buy", "market", "1").cost == (1002 + 1003) * 10**8 // 2
    trader.wait_until(60)
    assert trader.place("buy", "market", "1").cost == 1001 * 10**8


def test_a_market_order_larger_than_the_book_ends_canceled_with_what_it_got() -> None:
    trader = trader_with()
    order = trader.place("sell", "market", "10")  # the script's book holds ten levels of one coin
    assert (order.status, order.filled) == (Status.CLOSED, 10 * 10**8)
    trader.deposit("BTC", "5")
    order = trader.place("sell", "market", "5")
    assert (order.status, order.filled, order.reason) == (Status.CANCELED, 0, "Insufficient liquidity")


def test_volume_in_quote_buys_for_that_much_money() -> None:
    trader = trader_with()
    order = trader.place("buy", "market", "150.15", oflags="viqc")
    assert order.status is Status.CLOSED
    assert order.filled == 10**8 + (150_150_000_000 - 100_100_000_000) // 1002
    assert D(order.cost).scaleb(-9) <= D("150.15")


def test_a_crossing_limit_order_takes_up_to_its_price_and_rests_with_the_remainder() -> None:
    trader = trader_with()
    order = trader.place("buy", "limit", "3", "100.2")
    assert (order.status, order.filled, order.rests) == (Status.OPEN, 2 * 10**8, True)
    assert [fill.maker for fill in trader.fills()] == [False, False]


def test_a_resting_order_fills_only_when_a_trade_goes_through_its_price() -> None:
    trader = trader_with((10, "99.0", "4"), (20, "98.9", "4"))
    order = trader.place("buy", "limit", "1", "99.0")
    trader.wait_until(10)
    assert trader.look(order).filled == 0  # at the price: others stand before us
    trader.wait_until(20)
    assert trader.look(order).status is Status.CLOSED
    (fill,) = trader.fills()
    assert (fill.price, fill.maker, fill.fee_e8) == (990, True, 24_750_000)  # its own price, 0.25 %


def test_a_resting_order_gets_its_share_of_each_trade() -> None:
    trader = trader_with((10, "98.0", "1"), (20, "98.0", "1.5"), (30, "98.0", "4"), fill_share_percent=50)
    order = trader.place("buy", "limit", "2", "99.0")
    filled = []
    for second in (10, 20, 30):
        trader.wait_until(second)
        filled.append(D(trader.look(order).filled).scaleb(-8))
    assert filled == [D("0.5"), D("1.25"), D("2")]


def test_two_orders_share_one_trade_best_price_first() -> None:
    trader = trader_with((10, "98.0", "2"), fill_share_percent=50)
    worse, better = trader.place("buy", "limit", "1", "98.5"), trader.place("buy", "limit", "0.7", "99.0")
    trader.wait_until(10)
    assert (trader.look(better).filled, trader.look(worse).filled) == (70_000_000, 30_000_000)


@pytest.mark.parametrize(
    ("side", "kind", "trigger", "untouched", "touched"),
    [
        ("sell", "stop-loss", "95.0", "95.1", "95.0"),
        ("buy", "stop-loss", "105.0", "104.9", "105.0"),
        ("sell", "take-profit", "105.0", "104.9", "105.0"),
        ("buy", "take-profit", "95.0", "95.1", "95.0"),
    ],
)
def test_a_trigger_fires_on_the_last_trade_and_then_takes_the_book(
    side: str, kind: str, trigger: str, untouched: str, touched: str
) -> None:
    trader = trader_with((10, untouched, "1"), (20, touched, "1"))
    order = trader.place(side, kind, "1", trigger)
    trader.wait_until(10)
    assert trader.look(order).waits
    trader.wait_until(20)
    done = trader.look(order)
    assert done.status is Status.CLOSED
    assert done.closed_ns - done.opened_ns == 20 * 10**9
    assert done.cost == (int(D(touched) * 10) + (1 if side == "buy" else -1)) * 10**8  # the book stands one tick off


def test_a_stop_fills_below_its_price_through_a_gap() -> None:
    trader = trader_with((10, "80.0", "1"))
    order = trader.place("sell", "stop-loss", "1", "95.0")
    trader.wait_until(10)
    assert trader.look(order).cost == 799 * 10**8


def test_a_stop_limit_that_is_gapped_over_rests_unfilled() -> None:
    trader = trader_with((10, "80.0", "1"), (20, "94.5", "4"))
    order = trader.place("sell", "stop-loss-limit", "1", "95.0", price2="94.0")
    trader.wait_until(10)
    assert (trader.look(order).triggered, trader.look(order).rests, trader.look(order).filled) == (True, True, 0)
    trader.wait_until(20)
    assert trader.look(order).cost == 940 * 10**8  # as a maker at its limit


def test_a_take_profit_limit_fills_at_its_limit_or_better() -> None:
    trader = trader_with((10, "105.0", "1"))
    order = trader.place("sell", "take-profit-limit", "1", "105.0", price2="104.0")
    trader.wait_until(10)
    assert trader.look(order).cost == 1049 * 10**8


def test_a_trailing_stop_follows_the_peak_and_fires_on_the_way_back() -> None:
    trader = trader_with((10, "110.0", "1"), (20, "105.1", "1"), (30, "112.0", "1"), (40, "107.0", "1"))
    order = trader.place("sell", "trailing-stop", "1", "+5.0")
    stops = []
    for second in (10, 20, 30):
        trader.wait_until(second)
        stops.append(trader.look(order).stop)
    assert stops == [1050, 1050, 1070]
    trader.wait_until(40)
    assert trader.look(order).cost == 1069 * 10**8


def test_a_trailing_stop_in_percent_bought_back_on_the_rise() -> None:
    trader = trader_with((10, "80.0", "1"), (20, "87.9", "1"), (30, "88.0", "1"))
    order = trader.place("buy", "trailing-stop", "1", "+10%")
    trader.wait_until(20)
    assert trader.look(order).stop == 880
    trader.wait_until(30)
    assert trader.look(order).cost == 881 * 10**8


def test_a_trailing_stop_limit_rests_at_its_offset_once_set_off() -> None:
    trader = trader_with((10, "110.0", "1"), (20, "105.0", "1"), (30, "104.9", "8"))
    order = trader.place("sell", "trailing-stop-limit", "1", "+5.0", price2="+1.0")
    trader.wait_until(20)
    assert (trader.look(order).rests, trader.look(order).limit) == (True, 1060)


def test_a_stop_already_reached_fires_on_arrival() -> None:
    trader = trader_with()
    assert trader.place("sell", "stop-loss", "1", "101.0").status is Status.CLOSED


def test_post_only_is_refused_where_it_would_take() -> None:
    trader = trader_with()
    with pytest.raises(Refused, match="EOrder:Post only order"):
        trader.place("buy", "limit", "1", "100.1", oflags="post")
    assert trader.place("buy", "limit", "1", "100.0", oflags="post").rests


def test_immediate_or_cancel_keeps_what_it_got() -> None:
    trader = trader_with()
    order = trader.place("buy", "limit", "3", "100.1", timeinforce="IOC")
    assert (order.status, order.filled) == (Status.CANCELED, 10**8)


def test_good_till_date_expires_at_its_second_and_frees_the_money() -> None:
    trader = trader_with((40, "100.0", "1"))
    order = trader.place("buy", "limit", "1", "90.0", timeinforce="GTD", expiretm="+30")
    assert trader.free("USD") < D("10000")
    trader.wait_until(40)
    expired = trader.look(order)
    assert (expired.status, expired.closed_ns - expired.opened_ns) == (Status.EXPIRED, 30 * 10**9)
    assert trader.free("USD") == D("10000")


def test_a_scheduled_order_arrives_at_its_start() -> None:
    trader = trader_with((10, "120.0", "1"))
    order = trader.place("buy", "market", "1", starttm="+20")
    assert order.status is Status.PENDING
    trader.wait_until(30)
    assert trader.look(order).cost == 1201 * 10**8
    assert trader.fills()[0].ts_ns - order.opened_ns == 20 * 10**9


def test_a_scheduled_buy_that_became_too_dear_buys_what_the_money_allows() -> None:
    trader = trader_with((10, "200.0", "1"), opening_balances={"USD": "150"})
    order = trader.place("buy", "market", "1", starttm="+20")
    trader.wait_until(30)
    assert trader.look(order).status is Status.CANCELED
    assert 0 < trader.look(order).filled < 10**8
    assert 0 <= trader.total("USD") < D("0.01")


def test_a_triggered_buy_spends_no_more_than_the_account_has() -> None:
    trader = trader_with((10, "200.0", "1"), opening_balances={"USD": "110"})
    order = trader.place("buy", "stop-loss", "1", "105.0")
    trader.wait_until(10)
    assert (trader.look(order).status, trader.look(order).reason) == (Status.CANCELED, "Insufficient funds")
    assert 0 <= trader.total("USD") < D("0.01")


def test_each_match_of_a_primary_brings_its_own_closing_order_at_once() -> None:
    trader = trader_with((10, "98.0", "1"), (20, "98.0", "1"), fill_share_percent=50)
    primary = trader.place("buy", "limit", "1", "99.0", close_ordertype="stop-loss", close_price="90.0")
    trader.wait_until(10)
    assert [(o.lots, o.kind, o.stop, o.refid) for o in trader.live() if o.refid] == [
        (5 * 10**7, "stop-loss", 900, primary.txid)
    ]
    trader.wait_until(20)
    closes = [order for order in trader.live() if order.refid == primary.txid]
    assert [(order.side, order.lots) for order in closes] == [(-1, 5 * 10**7), (-1, 5 * 10**7)]
    assert [order.opened_ns for order in closes] == [fill.ts_ns for fill in trader.fills()]
    assert trader.free("BTC") == D("10")


def test_a_taker_entry_has_its_stop_before_anyone_can_ask() -> None:
    trader = trader_with((10, "85.0", "1"))
    trader.place("buy", "market", "2", close_ordertype="stop-loss-limit", close_price="90.0", close_price2="80.0")
    (stop,) = trader.live()
    assert (stop.lots, stop.stop, stop.price2) == (2 * 10**8, 900, 800)
    trader.wait_until(10)
    assert trader.look(stop).status is Status.CLOSED


def test_a_relative_close_is_counted_from_the_last_price() -> None:
    trader = trader_with()
    trader.place("buy", "market", "1", close_ordertype="stop-loss", close_price="-10%")
    assert trader.live()[0].stop == 900


def test_a_fee_in_base_leaves_less_coin_and_a_close_for_what_is_left() -> None:
    trader = trader_with(opening_balances={"USD": "1000"})
    trader.place("buy", "market", "1", oflags="fcib", close_ordertype="stop-loss", close_price="90.0")
    assert trader.total("BTC") == D("0.996")
    assert trader.total("USD") == D("899.9")
    assert [order.lots for order in trader.live()] == [99_600_000]


def test_a_close_without_the_money_is_shown_as_canceled() -> None:
    trader = trader_with(opening_balances={"BTC": "1"})
    primary = trader.place("sell", "market", "1", close_ordertype="stop-loss", close_price="110.0")
    (close,) = [order for order in trader.closed() if order.refid == primary.txid]
    assert (close.status, close.reason) == (Status.CANCELED, "Insufficient funds")


def test_holds_cover_the_worst_fee_and_go_when_the_order_goes() -> None:
    trader = trader_with()
    buy, sell = trader.place("buy", "limit", "1", "90.0"), trader.place("sell", "limit", "4", "120.0")
    assert trader.free("USD") == D("10000") - D("90") * D("1.004")
    assert trader.free("BTC") == D("6")
    trader.cancel(buy)
    trader.cancel(sell)
    assert (trader.free("USD"), trader.free("BTC")) == (D("10000"), D("10"))


def test_a_halted_pair_neither_fills_nor_fires_until_it_resumes() -> None:
    trader = trader_with((10, "80.0", "1"), (30, "96.0", "1"), (40, "94.0", "1"))
    order = trader.place("sell", "stop-loss", "1", "95.0")
    with trader.venue.request():
        trader.venue.state.change_settings(pair_status={"BTC/USD": "cancel_only"})
    trader.wait_until(20)
    assert trader.look(order).waits
    with trader.venue.request():
        trader.venue.state.change_settings(pair_status={})
    trader.wait_until(30)
    assert trader.look(order).waits
    trader.wait_until(40)
    assert trader.look(order).cost == 939 * 10**8


def test_trading_volume_earns_a_better_tier_and_loses_it_after_thirty_days() -> None:
    trader = Trader(ScriptedMarket({"BTC/USD": quiet()}, depth="200"), opening_balances={"USD": "20000"})
    trader.place("buy", "market", "110")
    trader.place("buy", "market", "1")
    first, second = trader.fills()
    assert (first.fee_e8 * 1000 // (first.cost // 10), second.fee_e8 * 1000 // (second.cost // 10)) == (4, 3)
    with trader.venue.request() as now_ns:
        listing = trader.venue.listings.by_symbol["BTC/USD"]
        later = now_ns + 31 * 86_400 * 10**9
        assert trader.venue.engine.booking.tier("demo", listing, now_ns).taker_ppm == 3500
        assert trader.venue.engine.booking.tier("demo", listing, later).taker_ppm == 4000


def test_ids_are_the_same_in_two_identical_runs() -> None:
    runs = [trader_with((10, "98.0", "1")) for _ in range(2)]
    for trader in runs:
        trader.place("buy", "limit", "1", "99.0", close_ordertype="stop-loss", close_price="90.0")
        trader.place("sell", "market", "1")
        trader.wait_until(10)
    assert runs[0].snapshot() == runs[1].snapshot()
