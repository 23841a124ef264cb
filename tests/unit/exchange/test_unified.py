"""Venues without a dialect of their own: ccxt's unified words into ours, money as text, and an honest no where ccxt has none."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from kracken_tasks.domain.clock import to_ms, utc
from kracken_tasks.domain.market import CANDLE_COLUMNS, TRADE_COLUMNS, Timeframe
from kracken_tasks.domain.trading import ConditionalClose, OrderKind, OrderRequest, OrderStatus, Side
from kracken_tasks.errors import BadData, Misconfigured, RetryLater, StateUnknown, TradeRefused
from kracken_tasks.exchange.rates import Priority
from kracken_tasks.exchange.unified import UnifiedDialect
from kracken_tasks.exchange.venue import CcxtVenue
from tests.support.scripted_client import ScriptedClient

T0 = utc(2026, 1, 10)
MS = to_ms(T0)

MARKET: dict[str, Any] = {
    "symbol": "BTC/USDT", "spot": True, "active": True, "maker": "0.001", "taker": "0.001",
    "precision": {"price": "0.01", "amount": "0.00001"}, "limits": {"amount": {"min": "0.00001"}, "cost": {"min": "5"}},
}  # fmt: skip
SWAP: dict[str, Any] = {**MARKET, "symbol": "BTC/USDT:USDT", "spot": False}
HALTED: dict[str, Any] = {**MARKET, "symbol": "ETH/USDT", "active": False}
ORDER: dict[str, Any] = {
    "id": "42", "clientOrderId": "a" * 32, "symbol": "BTC/USDT", "side": "buy", "type": "limit", "status": "open",
    "amount": "0.5", "filled": "0.2", "average": "99.5", "price": "100", "timestamp": MS,
}  # fmt: skip
TRADE: dict[str, Any] = {
    "id": "7", "order": "42", "symbol": "BTC/USDT", "side": "buy", "amount": "0.2", "price": "99.5", "cost": "19.9",
    "fee": {"cost": "0.0002", "currency": "BTC"}, "timestamp": MS, "takerOrMaker": "maker", "type": "limit",
}  # fmt: skip
REQUEST = OrderRequest(
    "a" * 32, "BTC/USDT", Side.BUY, OrderKind.LIMIT, Decimal("0.50"), Decimal("100.00"), time_in_force="IOC"
)

BASE: dict[str, Any] = {
    "load_markets": {one["symbol"]: one for one in (MARKET, SWAP, HALTED)},
    "fetch_time": MS,
    "fetch_balance": {"total": {"BTC": "0.2", "USDT": None}, "used": {"BTC": "0.1"}},
}


def dialect(**answers: Any) -> tuple[UnifiedDialect, ScriptedClient]:
    client = ScriptedClient(BASE | answers)
    return UnifiedDialect(client), client  # type: ignore[arg-type]  # obeys what a dialect uses of the client


def test_only_spot_markets_become_instruments_and_a_halted_one_says_so() -> None:
    told = dialect()[0].load_instruments(refresh=False)
    assert set(told) == {"BTC/USDT", "ETH/USDT"}
    assert (told["BTC/USDT"].price_tick, told["BTC/USDT"].lot_step) == (Decimal("0.01"), Decimal("0.00001"))
    assert (told["BTC/USDT"].taker_fee, told["BTC/USDT"].min_cost) == (Decimal("0.001"), Decimal(5))
    assert not told["ETH/USDT"].tradable


def test_quotes_come_from_one_call() -> None:
    spoken, client = dialect(fetch_tickers={"BTC/USDT": {"bid": "1", "ask": "3", "last": None}})
    assert spoken.quotes(["BTC/USDT"], T0)["BTC/USDT"].last == 2.0
    assert [method for method, _ in client.calls].count("fetch_tickers") == 1


def test_a_quote_without_a_bid_is_taken_from_the_ticker_then_from_the_book_and_is_never_a_zero() -> None:
    bare, book = {"bid": None, "ask": "3", "last": "2"}, {"timestamp": None, "bids": [["1", "5"]], "asks": [["4", "5"]]}
    told = {"fetch_tickers": {"BTC/USDT": bare}}
    [quote] = dialect(**told, fetch_ticker={**bare, "bid": "2.5"})[0].quotes(["BTC/USDT"], T0).values()
    assert (quote.bid, quote.ask, quote.last) == (2.5, 3.0, 2.0)
    [quote] = dialect(**told, fetch_ticker=bare, fetch_order_book=book)[0].quotes(["BTC/USDT"], T0).values()
    assert (quote.bid, quote.ask, quote.last, quote.ts) == (1.0, 4.0, 2.0, T0)
    with pytest.raises(RetryLater, match="quotes no BTC/USDT"):
        dialect(**told, fetch_ticker=bare, fetch_order_book={**book, "bids": []})[0].quotes(["BTC/USDT"], T0)
    with pytest.raises(BadData):
        dialect(fetch_tickers={"BTC/USDT": {"bid": "none", "ask": "3"}})[0].quotes(["BTC/USDT"], T0)


def test_a_venue_without_a_call_for_several_tickers_is_asked_one_by_one() -> None:
    client = ScriptedClient(BASE | {"fetch_ticker": {"bid": "1", "ask": "3", "last": "2"}}, has={"fetchTime": True})
    [quote] = UnifiedDialect(client).quotes(["BTC/USDT"], T0).values()  # type: ignore[arg-type]  # see above
    assert (quote.bid, quote.ask) == (1.0, 3.0)
    assert [method for method, _ in client.calls if "ticker" in method] == ["fetch_ticker"]


def test_the_newest_candles_are_counted_back_from_the_venues_clock_not_from_this_machines() -> None:
    spoken, client = dialect(fetch_ohlcv=[])
    spoken.ohlc("BTC/USDT", Timeframe.H1, None)
    [(_, asked)] = [call for call in client.calls if call[0] == "fetch_ohlcv"]
    assert asked == ("BTC/USDT", "1h", MS - 300 * 3_600_000)


def test_a_venue_that_lists_open_orders_by_symbol_only_is_asked_symbol_by_symbol() -> None:
    def listed(*symbols: str) -> list[dict[str, Any]]:
        if not symbols:
            raise Misconfigured("needs a symbol", kind="ArgumentsRequired")
        return [ORDER] if symbols == ("BTC/USDT",) else []

    [order] = dialect(fetch_open_orders=listed)[0].open_orders()
    assert order.order_id == "42"


def test_an_accounts_own_fees_are_fractions_whatever_unit_the_venue_speaks() -> None:
    for exchange, told in (("binance", "0.0025"), ("bitstamp", "0.25")):
        client = ScriptedClient(
            BASE | {"fetch_trading_fees": {"BTC/USDT": {"maker": told, "taker": told}}},
            exchange=exchange, has={"fetchTime": True, "fetchTradingFees": True},
        )  # fmt: skip
        assert UnifiedDialect(client).fees(["BTC/USDT"])["BTC/USDT"].taker == Decimal("0.0025")  # type: ignore[arg-type]  # see above
    with pytest.raises(Misconfigured, match="fees"):
        dialect()[0].fees(["BTC/USDT"])


def test_an_order_that_opens_a_position_goes_behind_one_that_closes_it() -> None:
    spoken, client = dialect(create_order={"id": "42"})
    spoken.submit(REQUEST)
    spoken.submit(replace(REQUEST, side=Side.SELL))
    assert client.priorities == [Priority.ENTER, Priority.PROTECT]


def test_candles_and_trades_have_the_common_columns_with_the_unknown_left_unknown() -> None:
    spoken, _ = dialect(fetch_ohlcv=[[MS, "1", "2", "0.5", "1.5", "10"]], fetch_trades=[TRADE])
    frame = spoken.ohlc("BTC/USDT", Timeframe.H1, T0)
    assert tuple(frame.columns) == CANDLE_COLUMNS
    assert frame["vwap"].isna().all()
    assert frame["trades"].isna().all()
    trades, cursor = spoken.trades("BTC/USDT", None, T0)
    assert tuple(trades.columns) == TRADE_COLUMNS
    assert (trades["trade_id"].iloc[0], cursor) == (7, str(MS))


def test_text_instead_of_candles_is_asked_for_again() -> None:
    with pytest.raises(RetryLater):
        dialect(fetch_ohlcv="<html>")[0].ohlc("BTC/USDT", Timeframe.H1, None)


def test_balances_orders_and_fills_are_decimal_from_text() -> None:
    spoken, _ = dialect(fetch_open_orders=[ORDER], fetch_my_trades=[TRADE])
    assert spoken.balances()["BTC"].free == Decimal("0.1")
    assert "USDT" not in spoken.balances()
    [order] = spoken.open_orders()
    assert (order.status, order.remaining, order.average_price) == (OrderStatus.OPEN, Decimal("0.3"), Decimal("99.5"))
    [fill] = spoken.fills(T0)
    assert (fill.cost, fill.fee, fill.fee_currency, fill.liquidity) == (
        Decimal("19.9"),
        Decimal("0.0002"),
        "BTC",
        "maker",
    )
    assert spoken.orders_with_fills(["42"], ()) == ({"42": order}, [fill])
    assert spoken.orders_with_fills(["42"], {fill.trade_id}) == ({"42": order}, [])


def test_an_order_is_sent_as_exact_text_with_its_client_id() -> None:
    spoken, client = dialect(create_order={"id": "42"})
    assert spoken.submit(REQUEST) == "42"
    sent = client.calls[-1]
    assert sent == (
        "create_order",
        ("BTC/USDT", "limit", "buy", "0.50", "100.00", {"clientOrderId": "a" * 32, "timeInForce": "IOC"}),
    )


@pytest.mark.parametrize("answer", [{}, {"id": None}, "<html>", None])
def test_an_order_answered_without_an_id_is_unknown(answer: object) -> None:
    with pytest.raises(StateUnknown):
        dialect(create_order=answer)[0].submit(REQUEST)


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"kind": OrderKind.STOP_LOSS, "trigger_price": Decimal(90)}, "kind"),
        ({"close": ConditionalClose(OrderKind.STOP_LOSS, Decimal(90))}, "close"),
        ({"symbol": "NOPE/USDT"}, "symbol"),
    ],
)
def test_what_ccxt_does_not_unify_is_refused_before_it_is_sent(change: dict[str, Any], word: str) -> None:
    spoken, client = dialect(create_order={"id": "42"})
    with pytest.raises(TradeRefused, match=word):
        spoken.submit(replace(REQUEST, **change))
    assert "create_order" not in [method for method, _ in client.calls]


def test_amends_and_ledgers_are_an_honest_no() -> None:
    spoken, _ = dialect()
    with pytest.raises(TradeRefused):
        spoken.amend("42", Decimal(1), None, None, None)
    with pytest.raises(Misconfigured):
        spoken.ledger_lines(T0)


def test_a_venue_without_a_clock_is_read_by_its_ticker() -> None:
    client = ScriptedClient(BASE | {"fetch_ticker": {"timestamp": MS + 5}}, has={"fetchTime": False})
    assert UnifiedDialect(client).now() == T0 + timedelta(milliseconds=5)  # type: ignore[arg-type]  # see above


@pytest.mark.parametrize("exchange", ["binance", "coinbase", "bitstamp", "bitfinex", "kraken"])
def test_the_venues_named_in_the_settings_can_be_opened_without_a_call(exchange: str) -> None:
    venue = CcxtVenue(exchange)
    assert venue.exchange == exchange
    assert venue.supports_conditional_close is (exchange == "kraken")


@pytest.mark.parametrize(("exchange", "until"), [("coinbase", MS), ("binance", MS), ("bitstamp", None)])
def test_trades_since_a_moment_are_asked_up_to_now_where_ccxt_would_stop_before_or_refuse(
    exchange: str, until: int | None
) -> None:
    client = ScriptedClient(BASE | {"fetch_trades": []}, exchange=exchange)
    UnifiedDialect(client).trades("BTC/USDT", None, T0 - timedelta(hours=9))  # type: ignore[arg-type]  # obeys what a dialect uses
    _, (symbol, since, *rest) = client.calls[-1]
    assert (symbol, since) == ("BTC/USDT", MS - 9 * 3_600_000)
    assert rest == ([] if until is None else [1000, {"until": until}])
