"""Kraken's rows in domain words.  Rows as recorded (see ccxt's static fixtures) or as its reference documents them."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pytest

from kracken_tasks.domain.clock import utc
from kracken_tasks.domain.market import CANDLE_COLUMNS
from kracken_tasks.domain.trading import CashMovement, Fill, OrderKind, OrderStatus, Side
from kracken_tasks.exchange import kraken_wire as wire

PAIR: dict[str, Any] = {
    "altname": "XBTUSD", "wsname": "XBT/USD", "base": "XXBT", "quote": "ZUSD", "pair_decimals": "1", "lot_decimals": "8",
    "fees": [[0, 0.4], [10000, 0.35]], "fees_maker": [[0, 0.25]], "ordermin": "0.0001", "costmin": "0.5", "tick_size": "0.1",
    "status": "cancel_only",
}  # fmt: skip

STOP: dict[str, Any] = {
    "refid": "OPARNT-AAAAA-BBBBBB", "userref": "0", "status": "open", "opentm": "1705260464.9731748", "starttm": "0", "expiretm": "0",
    "descr": {"pair": "XBTUSD", "type": "sell", "ordertype": "stop-loss-limit", "price": "55.00000", "price2": "54.00000",
              "leverage": "none", "order": "sell 0.10000000 XBTUSD @ stop loss 55.00000 -> limit 54.00000", "close": ""},
    "vol": "0.10000000", "vol_exec": "0.00000000", "cost": "0.000000", "fee": "0.000000", "price": "0.000000",
    "stopprice": "0.000000", "limitprice": "0.000000", "misc": "", "oflags": "fciq",
}  # fmt: skip


def symbol_of(pair: str) -> str:
    return {"XBTUSD": "BTC/USD", "XXBTZUSD": "BTC/USD", "XRPUSD": "XRP/USD"}[pair]


def test_an_instrument_takes_the_coarser_of_pair_and_asset_precision() -> None:
    fine = wire.instrument_of("kraken", "BTC/USD", PAIR, 10)
    coarse = wire.instrument_of("kraken", "BTC/USD", PAIR, 5)
    assert fine.lot_step == Decimal("0.00000001")
    assert coarse.lot_step == Decimal("0.00001")


def test_an_instrument_keeps_the_venues_status_minimums_and_first_tier_fees() -> None:
    told = wire.instrument_of("kraken", "BTC/USD", PAIR, 10)
    assert (told.status, told.tradable) == ("cancel_only", False)
    assert (told.min_amount, told.min_cost) == (Decimal("0.0001"), Decimal("0.5"))
    assert (told.maker_fee, told.taker_fee) == (Decimal("0.0025"), Decimal("0.004"))
    assert told.price_tick == Decimal("0.1")


def test_a_tick_size_coarser_than_the_pairs_decimals_wins() -> None:
    assert wire.instrument_of("kraken", "BTC/USD", {**PAIR, "tick_size": "0.5"}, 10).price_tick == Decimal("0.5")


def test_a_stop_that_an_entry_left_behind_names_its_parent_and_both_prices() -> None:
    order = wire.order_of("OCHILD-AAAAA-BBBBBB", STOP, symbol_of)
    assert order.parent_id == "OPARNT-AAAAA-BBBBBB"
    assert (order.kind, order.side, order.status) == (OrderKind.STOP_LOSS_LIMIT, Side.SELL, OrderStatus.OPEN)
    assert (order.trigger_price, order.limit_price) == (Decimal("55.00000"), Decimal("54.00000"))
    assert order.average_price is None
    assert order.client_order_id is None
    assert order.opened_at == utc(2024, 1, 14, 19, 27, 44).replace(microsecond=973174)
    assert order.closed_at is None


def test_an_ioc_order_that_filled_in_part_is_canceled_with_what_it_got() -> None:
    row = {**STOP, "refid": None, "cl_ord_id": "ab" * 16, "status": "canceled", "vol_exec": "0.04000000", "price": "54.90000",
           "closetm": 1705260465.5, "descr": {**STOP["descr"], "ordertype": "limit", "price": "55.00000", "price2": "0"}}  # fmt: skip
    order = wire.order_of("O1", row, symbol_of)
    assert (order.status, order.filled, order.remaining) == (
        OrderStatus.CANCELED,
        Decimal("0.04000000"),
        Decimal("0.06000000"),
    )
    assert (order.limit_price, order.trigger_price, order.average_price) == (
        Decimal("55.00000"),
        None,
        Decimal("54.90000"),
    )
    assert order.closed_at == utc(2024, 1, 14, 19, 27, 45).replace(microsecond=500_000)


def test_a_trailing_stops_offset_is_not_taken_for_a_price() -> None:
    row = {**STOP, "refid": None, "stopprice": "0.75790000", "limitprice": "0.50527000",
           "descr": {**STOP["descr"], "ordertype": "trailing-stop", "price": "+50.0000%", "price2": "0"}}  # fmt: skip
    order = wire.order_of("O1", row, symbol_of)
    assert (order.trigger_price, order.limit_price) == (Decimal("0.75790000"), None)


@pytest.mark.parametrize(("told", "kind"), [("iceberg", OrderKind.LIMIT), ("settle-position", OrderKind.MARKET)])
def test_an_order_a_person_placed_in_a_kind_of_their_own_does_not_hide_the_others(told: str, kind: OrderKind) -> None:
    row = {**STOP, "descr": {**STOP["descr"], "ordertype": told}}
    assert wire.order_of("O1", row, symbol_of).kind is kind


TRADE: dict[str, Any] = {
    "ordertxid": "O1", "postxid": "P1", "pair": "XXBTZUSD", "time": "1705260465.1234", "type": "buy", "ordertype": "limit",
    "price": "54105.10000", "cost": "676.31375", "fee": "2.70525", "vol": "0.01250000", "margin": "0.0", "misc": "", "maker": False,
}  # fmt: skip


def booked_fill() -> Fill:
    return wire.fill_of("T1", TRADE, symbol_of, lambda symbol: symbol.split("/")[1])


def line(asset: str, amount: str, fee: str = "0", refid: str = "T1") -> CashMovement:
    return CashMovement("L" + asset, refid, "trade", asset, Decimal(amount), Decimal(fee), utc(2024, 1, 14))


def test_a_fill_is_told_in_quote_until_the_ledger_knows_better() -> None:
    fill = booked_fill()
    assert (fill.fee, fill.fee_currency, fill.liquidity) == (Decimal("2.70525"), "USD", "taker")
    assert fill.ts == utc(2024, 1, 14, 19, 27, 45).replace(microsecond=123_400)


def test_cost_and_fee_become_what_the_venues_ledger_really_moved() -> None:
    [fill] = wire.as_booked([booked_fill()], [line("BTC", "0.0125000000"), line("USD", "-676.3137", "2.7052")])
    assert (fill.cost, fill.fee, fill.fee_currency) == (Decimal("676.3137"), Decimal("2.7052"), "USD")
    assert fill.amount == Decimal("0.01250000")


def test_a_fee_taken_out_of_the_coin_bought_is_booked_in_that_coin() -> None:
    [fill] = wire.as_booked([booked_fill()], [line("BTC", "0.0125000000", "0.0000500000"), line("USD", "-676.3137")])
    assert (fill.fee, fill.fee_currency) == (Decimal("0.0000500000"), "BTC")


def test_a_fill_whose_ledger_lines_are_not_there_yet_keeps_what_history_says() -> None:
    assert wire.as_booked([booked_fill()], [line("USD", "-676.3137", "2.7052", refid="T2")]) == [booked_fill()]
    assert wire.as_booked([booked_fill()], [line("USD", "-676.3137", "2.7052")]) == [booked_fill()]


def test_a_ledger_line_keeps_its_sign_its_fee_and_its_balance() -> None:
    row = {"refid": "R1", "time": 1705260465.5, "type": "transfer", "subtype": "spottostaking", "aclass": "currency", "asset": "XXBT",
           "amount": "-0.5000000000", "fee": "0.0000000000", "balance": "1.5000000000"}  # fmt: skip
    told = wire.movement_of("L1", row, lambda asset: {"XXBT": "BTC"}[asset])
    assert (told.kind, told.asset, told.amount) == ("transfer/spottostaking", "BTC", Decimal("-0.5000000000"))
    assert (told.fee, told.balance_after) == (Decimal(0), Decimal("1.5000000000"))


def test_candles_keep_vwap_and_count_and_are_typed() -> None:
    rows = [[1706626800, "43437.5", "43593.7", "43355.5", "43361.1", "43511.3", "18.75430110", 162]]
    frame = wire.candles_of(rows)
    assert tuple(frame.columns) == CANDLE_COLUMNS
    assert frame["ts"].dtype == "datetime64[ms, UTC]"
    assert frame.loc[0, ["vwap", "volume", "trades", "source"]].tolist() == [43511.3, 18.75430110, 162, "ohlc"]


def test_an_empty_page_of_candles_or_trades_is_typed_like_a_full_one() -> None:
    full = wire.candles_of([[1706626800, "1", "1", "1", "1", "1", "1", 1]])
    assert wire.candles_of([]).dtypes.equals(full.dtypes)
    trades = wire.trades_of([["1", "1", 1710327959.5, "b", "m", "", 1]])
    assert wire.trades_of([]).dtypes.equals(trades.dtypes)


def test_a_trade_in_the_last_microsecond_of_an_hour_is_not_rounded_into_the_next() -> None:
    frame = wire.trades_of([["73324.4", "0.010309", 1710327599.9999998, "b", "m", "", 6324366]])
    assert frame["ts"].iloc[0] < pd.Timestamp(1710327600, unit="s", tz="UTC")
    assert frame["trade_id"].iloc[0] == 6324366


@pytest.mark.parametrize("text", ["1705260464.9731748", "1705260464.973174", 1705260464.973174])
def test_moments_are_read_to_the_microsecond(text: str | float) -> None:
    assert wire.moment_of(text).microsecond == 973174
    assert np.isclose(wire.moment_of(text).timestamp(), 1705260464.973174)
