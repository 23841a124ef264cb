"""Histories of venues without a dialect: whole, page after page, or an error; never what one page happened to hold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import ccxt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kracken_tasks.domain.clock import from_ms, to_ms, utc
from kracken_tasks.errors import BadData, Misconfigured, StateUnknown, TradeRefused
from kracken_tasks.exchange.rates import Priority
from kracken_tasks.exchange.rates.counters import current_priority
from kracken_tasks.exchange.unified import UnifiedDialect
from kracken_tasks.exchange.unified_history import History
from tests.support.scripted_client import ScriptedClient

MS = to_ms(utc(2026, 1, 10))
MARKET: dict[str, Any] = {
    "spot": True, "active": True, "precision": {"price": "0.01", "amount": "0.00001"},
    "limits": {"amount": {"min": "0.00001"}, "cost": {"min": "5"}},
}  # fmt: skip
MARKETS = {name: {**MARKET, "symbol": name} for name in ("BTC/USDT", "ETH/USDT", "XRP/USDT", "ETH/BTC", "ADA/EUR")}


def row(number: int, ms: int, **more: Any) -> dict[str, Any]:
    return {
        "id": str(number), "order": "1", "symbol": "BTC/USDT", "side": "buy", "amount": "1", "price": "100", "timestamp": ms,
        "info": {}, **more,
    }  # fmt: skip


def client_of(exchange: str, answers: dict[str, Any], **has: bool) -> ScriptedClient:
    return ScriptedClient(answers, exchange=exchange, has={"fetchTime": True, "fetchOrders": True, **has})


def history(client: ScriptedClient) -> History:
    return History(client)  # type: ignore[arg-type]  # obeys what is used of the client


def numbers(rows: Sequence[Any]) -> list[int]:
    return sorted(int(one["id"]) for one in rows)


# -- venues whose pages are known --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [0, 499, 500, 1000, 1001, 2500])
def test_binances_rows_come_whole_though_hundreds_share_the_stamp_at_a_pages_edge(count: int) -> None:
    tape = [row(7 + at, MS + at // 300) for at in range(count)]
    priorities = []

    def page(symbol: str, since: int | None, limit: int, params: dict[str, int] | None = None) -> list[Any]:
        priorities.append(current_priority(Priority.READ))
        assert (since is None) is (params is not None), "Binance takes a number or a time"
        found = [one for one in tape if (one["timestamp"] >= since if since else int(one["id"]) >= params["fromId"])]  # type: ignore[index]
        return found[:limit]

    told = history(client_of("binance", {"fetch_my_trades": page})).trades("BTC/USDT", MS)
    assert numbers(told) == list(range(7, 7 + count))
    assert priorities == [Priority.READ] + [Priority.EXPORT] * (len(priorities) - 1)


@pytest.mark.parametrize("count", [0, 1, 100, 101, 350])
def test_coinbases_cursor_is_followed_wherever_ccxt_has_put_the_row_that_carries_it(count: int) -> None:
    tape = [row(at, MS + at) for at in range(count, 0, -1)]

    def page(symbol: str | None, since: int, limit: int, params: dict[str, str]) -> list[Any]:
        found = [one for one in tape if "cursor" not in params or int(one["id"]) < int(params["cursor"])]
        told = [dict(one, info={}) for one in found[:limit]]
        if len(found) > limit:
            told[0]["info"] = {"cursor": told[-1]["id"]}
        return sorted(told, key=lambda one: one["timestamp"])  # as ccxt does

    told = history(client_of("coinbase", {"fetch_my_trades": page})).trades(None, MS)
    assert numbers(told) == list(range(1, count + 1))


@pytest.mark.parametrize("count", [0, 99, 100, 1000, 2300])
def test_bitstamps_trades_are_counted_from_the_newest_with_its_deposits_and_a_row_that_arrives_between_two_pages(
    count: int,
) -> None:
    raw = [
        {"id": at, "type": 2 if at % 3 else 0, "datetime": from_ms(MS + 1000 * at).isoformat()} for at in range(count)
    ]
    raw += [{"id": -9, "type": 2, "datetime": from_ms(MS - 60_000).isoformat()}]
    asked = []

    def page(params: dict[str, int]) -> list[Any]:
        asked.append(params["offset"])
        if len(asked) == 2:
            raw.append({"id": 99_999, "type": 2, "datetime": from_ms(MS + 9_000_000).isoformat()})
        newest_first = sorted(raw, key=lambda one: one["datetime"], reverse=True)
        return newest_first[params["offset"] : params["offset"] + params["limit"]]

    client = client_of("bitstamp", {"privatePostUserTransactions": page, "load_markets": MARKETS})
    client.api.parse8601 = ccxt.Exchange.parse8601
    client.api.parse_trades = lambda rows: [row(one["id"], ccxt.Exchange.parse8601(one["datetime"])) for one in rows]
    told = numbers(history(client).trades(None, MS))
    assert [number for number in told if 0 <= number < count] == [at for at in range(count) if at % 3]


# -- any venue ---------------------------------------------------------------------------------------------------------------


@dataclass
class Habits:
    """How a venue nobody has looked at pages."""

    rows: list[dict[str, Any]]
    page: int
    newest_first: bool
    since_excluded: bool
    until_excluded: bool
    until_ignored: bool
    asked: int = field(default=0)

    def listed(self, symbol: str | None, since: int, limit: int | None = None, params: Any = None) -> list[Any]:
        self.asked += 1
        until = None if params is None or self.until_ignored else params["until"]
        found = [
            one
            for one in self.rows
            if (one["timestamp"] > since if self.since_excluded else one["timestamp"] >= since)
            and (until is None or (one["timestamp"] < until if self.until_excluded else one["timestamp"] <= until))
        ]
        return found[-self.page :] if self.newest_first else found[: self.page]


@settings(max_examples=300, deadline=None)
@given(
    steps=st.lists(st.sampled_from([0, 0, 0, 1, 50, 3000]), max_size=150),
    page=st.sampled_from([20, 25, 50, 100, 500]),
    newest_first=st.booleans(), since_excluded=st.booleans(), until_excluded=st.booleans(), until_ignored=st.booleans(),
)  # fmt: skip
def test_a_venue_of_unknown_habits_tells_all_or_is_not_believed(
    steps: list[int], page: int, newest_first: bool, since_excluded: bool, until_excluded: bool, until_ignored: bool
) -> None:
    rows, ms = [], MS + 5
    for number, step in enumerate(steps):
        ms += step
        rows.append(row(number, ms))
    venue = Habits(rows, page, newest_first, since_excluded, until_excluded, until_ignored)
    try:
        told = history(client_of("somewhere", {"fetch_my_trades": venue.listed})).trades("BTC/USDT", MS)
    except BadData:
        assert len(rows) >= 20, "so few rows are a whole page anywhere"
        return
    assert numbers(told) == list(range(len(rows)))
    assert venue.asked <= 2 * len(rows) + 4


def test_an_ordinary_venue_is_believed_over_many_pages() -> None:
    for newest_first in (False, True):
        venue = Habits([row(at, MS + 5 + at // 3) for at in range(700)], 100, newest_first, False, False, False)
        told = history(client_of("somewhere", {"fetch_my_trades": venue.listed})).trades("BTC/USDT", MS)
        assert len(told) == 700


@pytest.mark.parametrize(
    ("exchange", "count", "believed"), [("somewhere", 50, False), ("somewhere", 51, True), ("binance", 50, True)]
)
def test_open_orders_that_fill_a_page_are_believed_only_where_the_venue_is_known_to_list_all(
    exchange: str, count: int, believed: bool
) -> None:
    told = history(client_of(exchange, {"fetch_open_orders": [row(at, MS) for at in range(count)]}))
    if believed:
        assert len(told.open_orders(None)) == count
    else:
        with pytest.raises(BadData, match="as long as a page"):
            told.open_orders(None)


def test_trades_without_ids_are_not_taken_for_one_trade() -> None:
    rows = [row(1, MS, id=None), row(2, MS, id=None)]
    with pytest.raises(BadData, match="undocumented shape"):
        history(client_of("somewhere", {"fetch_my_trades": rows})).trades("BTC/USDT", MS)


# -- which symbols, and a single order -----------------------------------------------------------------------------------------

ORDER: dict[str, Any] = {
    "id": "42", "clientOrderId": "a" * 32, "symbol": "BTC/USDT", "side": "buy", "type": "limit", "status": "open",
    "amount": "0.5", "filled": "0", "average": None, "price": "100", "timestamp": MS, "info": {},
}  # fmt: skip


class ByWantedSymbol:
    """A venue that lists an account one symbol at a time."""

    def __init__(self, *orders: dict[str, Any]) -> None:
        self.orders = orders
        self.asked: list[str] = []

    def trades(self, symbol: str | None, *rest: Any) -> list[Any]:
        if symbol is None:
            raise Misconfigured("needs a symbol", kind="ArgumentsRequired")
        self.asked.append(symbol)
        return []

    def order(self, order_id: str, symbol: str | None) -> dict[str, Any]:
        self.trades(symbol)
        for one in self.orders:
            if (one["id"], one["symbol"]) == (order_id, symbol):
                return one
        raise BadData("no such order", kind="OrderNotFound")

    def dialect(self, held: dict[str, str], named: Sequence[str] = (), **answers: Any) -> UnifiedDialect:
        told: dict[str, Any] = {
            "load_markets": MARKETS, "fetch_balance": {"total": held, "used": {}}, "fetch_my_trades": self.trades,
            "fetch_order": self.order, "fetch_open_orders": [], "cancel_order": {},
        }  # fmt: skip
        self.client = client_of("binance", told | answers)
        return UnifiedDialect(self.client, named)  # type: ignore[arg-type]  # obeys what a dialect uses


def test_where_symbols_are_named_only_they_and_the_held_coins_and_what_was_asked_for_are_listed() -> None:
    venue = ByWantedSymbol()
    spoken = venue.dialect({"USDT": "100", "ETH": "1"}, ["BTC/USDT"])
    spoken.fills(from_ms(MS))
    assert venue.asked == ["BTC/USDT", "ETH/BTC", "ETH/USDT"]


def test_a_coin_that_was_sold_whole_is_still_asked_for_where_nothing_is_named() -> None:
    venue = ByWantedSymbol()
    venue.dialect({"USDT": "100"}).fills(from_ms(MS))
    assert venue.asked == ["BTC/USDT", "ETH/USDT", "XRP/USDT"]


def test_hundreds_of_pairs_are_not_asked_one_by_one_but_the_setting_is_named() -> None:
    many = {f"C{at}/USDT": {**MARKET, "symbol": f"C{at}/USDT"} for at in range(200)}
    with pytest.raises(Misconfigured, match="name those that are") as error:
        ByWantedSymbol().dialect({"USDT": "100"}, load_markets=many).fills(from_ms(MS))
    assert error.value.fields["key"] == "exchanges.binance.symbols"


def test_a_cancel_of_an_order_the_venue_does_not_know_is_unknown_and_not_done() -> None:
    spoken = ByWantedSymbol().dialect({}, ["BTC/USDT"])
    with pytest.raises(StateUnknown, match="knows no order 42"):
        spoken.cancel("42")


def test_a_cancel_of_an_order_that_rests_no_more_is_done_without_being_sent() -> None:
    venue = ByWantedSymbol({**ORDER, "status": "closed"})
    venue.dialect({}, ["BTC/USDT"]).cancel("42")
    assert "cancel_order" not in [method for method, _ in venue.client.calls]


def test_a_cancel_looks_the_order_up_as_urgently_as_it_is_sent() -> None:
    priorities = []

    def listed() -> list[Any]:
        priorities.append(current_priority(Priority.READ))
        return [ORDER]

    venue = ByWantedSymbol(ORDER)
    venue.dialect({}, ["BTC/USDT"], fetch_open_orders=listed).cancel("42")
    assert priorities == [Priority.PROTECT]
    assert venue.client.calls[-1] == ("cancel_order", ("42", "BTC/USDT"))


def test_a_cancel_that_the_venue_refuses_is_done_only_if_the_order_rests_no_more() -> None:
    def refuse(*_: Any) -> None:
        raise TradeRefused("Unknown order sent.", kind="OrderNotFound")

    venue = ByWantedSymbol(ORDER)
    spoken = venue.dialect({}, ["BTC/USDT"], cancel_order=refuse)
    with pytest.raises(TradeRefused):
        spoken.cancel("42")
    venue.orders = ({**ORDER, "status": "canceled"},)
    venue.client.ages.saw("42", "BTC/USDT")
    spoken.cancel("42")
    venue.orders = ()
    with pytest.raises(StateUnknown):
        spoken.cancel("42")


def test_one_number_on_two_symbols_is_not_guessed_at() -> None:
    spoken = ByWantedSymbol(ORDER, {**ORDER, "symbol": "ETH/USDT"}).dialect({}, ["BTC/USDT", "ETH/USDT"])
    with pytest.raises(StateUnknown, match="BTC/USDT, ETH/USDT"):
        spoken.orders(["42"])


def test_cancelled_orders_are_among_those_that_rest_no_more_and_resting_ones_are_not() -> None:
    rows = [ORDER, {**ORDER, "id": "43", "status": "canceled"}, {**ORDER, "id": "44", "status": "closed"}]
    spoken = ByWantedSymbol().dialect(
        {}, ["BTC/USDT"], fetch_orders=lambda symbol, *rest: rows if symbol else _refuse()
    )
    assert sorted(order.order_id for order in spoken.closed_orders(from_ms(MS))) == ["43", "44"]


def _refuse() -> None:
    raise Misconfigured("needs a symbol", kind="ArgumentsRequired")
