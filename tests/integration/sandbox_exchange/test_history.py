"""Deep history and its edges: 720 candles, 1000 trades, 50 rows a page; and the same numbers on every surface."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import ccxt
import pytest

from tests.support.sandbox import RunningSandbox, running_sandbox, sandbox_config
from tests.support.scripted_market import START, ScriptedMarket, quiet

PAIR = "BTC/USD"
START_MS = round(START.timestamp() * 1000)


@pytest.fixture(scope="module")
def long_running() -> Iterator[RunningSandbox]:
    """A trade every twenty seconds for two days before the start."""
    steps = quiet("100.0", hours=1, every_seconds=20)
    with running_sandbox(ScriptedMarket({PAIR: steps}), sandbox_config(opening_balances={"USD": "100000"})) as running:
        yield running


@pytest.fixture
def reader(long_running: RunningSandbox) -> ccxt.kraken:
    return ccxt.kraken(long_running.ccxt_options())


def test_candles_are_the_newest_720_whatever_since_says(reader: ccxt.kraken) -> None:
    everything = reader.fetch_ohlcv(PAIR, "1m")
    assert len(everything) == 720
    assert everything[-1][0] == START_MS, "the running candle is always there"
    asked = reader.fetch_ohlcv(PAIR, "1m", since=START_MS - 86_400_000)
    assert asked[0][0] == START_MS - 719 * 60_000, "a day ago was asked for, twelve hours came, without an error"


def test_since_is_exclusive_and_last_names_the_newest_committed_candle(reader: ccxt.kraken) -> None:
    since = START_MS // 1000 - 300
    result = reader.public_get_ohlc({"pair": "XBTUSD", "interval": 1, "since": since})["result"]
    assert [int(row[0]) - since for row in result["XXBTZUSD"]] == [60, 120, 180, 240, 300]
    assert int(result["last"]) == since + 240
    beyond = reader.public_get_ohlc({"pair": "XBTUSD", "interval": 1, "since": since + 10_000})["result"]
    assert [int(row[0]) for row in beyond["XXBTZUSD"]] == [since + 300]


def test_trades_are_paged_without_a_gap_or_a_double(reader: ccxt.kraken) -> None:
    page = reader.fetch_trades(PAIR, START_MS - 86_400_000)
    seen: list[Any] = []
    while page:
        seen += [trade["id"] for trade in page]
        page = reader.fetch_trades(PAIR, None, None, {"since": page[-1]["info"][-1]})
    assert len(seen) == 86_400 // 20
    assert [int(number) for number in seen] == list(range(int(seen[0]), int(seen[0]) + len(seen)))


def test_candles_are_made_of_the_trades(reader: ccxt.kraken) -> None:
    (candle,) = [row for row in reader.fetch_ohlcv(PAIR, "1h") if row[0] == START_MS - 3_600_000]
    trades = reader.fetch_trades(PAIR, START_MS - 3_600_000 - 1000)
    inside = [trade for trade in trades if START_MS - 3_600_000 <= trade["timestamp"] < START_MS]
    assert candle[5] == pytest.approx(sum(trade["amount"] for trade in inside))
    assert candle[2] == max(trade["price"] for trade in inside)


def test_the_newest_trades_come_without_since(reader: ccxt.kraken) -> None:
    trades = reader.fetch_trades(PAIR, limit=7)
    assert len(trades) == 7
    assert trades[-1]["timestamp"] == START_MS


def test_closed_orders_come_fifty_at_a_time(long_running: RunningSandbox, reader: ccxt.kraken) -> None:
    placed = []
    for _ in range(60):
        placed.append(reader.create_order(PAIR, "limit", "buy", 1, 90)["id"])
        reader.cancel_order(placed[-1])
        long_running.control.advance(0.001)
    first, second = reader.fetch_closed_orders(PAIR), reader.fetch_closed_orders(PAIR, params={"ofs": 50})
    assert (len(first), len(second)) == (50, 10)
    assert {order["id"] for order in first + second} == set(placed)
    raw = reader.private_post_closedorders({"ofs": 50})["result"]
    assert int(raw["count"]) == 60


def test_trades_and_ledger_come_fifty_at_a_time_newest_first(reader: ccxt.kraken) -> None:
    for _ in range(60):
        reader.create_order(PAIR, "market", "buy", 0.01)
    raw = reader.private_post_tradeshistory()["result"]
    assert (len(raw["trades"]), int(raw["count"])) == (50, 60)
    assert len(reader.private_post_tradeshistory({"ofs": 50})["result"]["trades"]) == 10
    times = [float(trade["time"]) for trade in raw["trades"].values()]
    assert times == sorted(times, reverse=True)
    ledger = reader.private_post_ledgers({"asset": "XXBT"})["result"]
    assert (len(ledger["ledger"]), int(ledger["count"])) == (50, 60)
    assert {row["asset"] for row in ledger["ledger"].values()} == {"XXBT"}


def test_trades_and_ledger_tell_the_same_story(reader: ccxt.kraken) -> None:
    reader.create_order(PAIR, "market", "buy", 0.01)
    trades = reader.private_post_tradeshistory({"ledgers": True})["result"]["trades"]
    trade_id, trade = next(iter(trades.items()))
    rows = reader.private_post_queryledgers({"id": ",".join(trade["ledgers"])})["result"]
    base, quote = rows.values()
    assert {row["refid"] for row in rows.values()} == {trade_id}
    assert (base["asset"], quote["asset"]) == ("XXBT", "ZUSD")
    assert float(base["amount"]) == float(trade["vol"])
    assert float(quote["amount"]) == pytest.approx(-float(trade["cost"]), abs=1e-4)
    assert float(quote["fee"]) == pytest.approx(float(trade["fee"]), abs=1e-4)


def test_history_is_cut_by_time_and_by_id(long_running: RunningSandbox, reader: ccxt.kraken) -> None:
    before = long_running.control.now_ms()
    long_running.control.advance(10)
    placed = reader.create_order(PAIR, "market", "buy", 0.01)
    assert [trade["order"] for trade in reader.fetch_my_trades(PAIR, since=before + 5000)] == [placed["id"]]
    closed = reader.fetch_closed_orders(PAIR, params={"start": placed["id"]})
    assert closed == [], "start is exclusive"


def test_the_fee_tier_is_told_in_percent(reader: ccxt.kraken) -> None:
    fee = reader.fetch_trading_fee(PAIR)
    assert (fee["taker"], fee["maker"]) == (0.004, 0.0025)
    told = reader.private_post_tradevolume({"pair": "XBTUSD"})["result"]["fees"]["XXBTZUSD"]
    assert (told["nextfee"], told["nextvolume"]) == ("0.3500", "10000.0000")


def test_pair_names_of_every_kind_are_understood_and_answered_by_key(reader: ccxt.kraken) -> None:
    for name in ("XXBTZUSD", "XBTUSD", "XBT/USD"):
        assert set(reader.public_get_depth({"pair": name, "count": 3})["result"]) == {"XXBTZUSD"}


def test_the_lists_of_what_this_venue_lacks_are_empty(reader: ccxt.kraken) -> None:
    assert reader.fetch_deposits("USD") == []
    assert reader.fetch_withdrawals("USD") == []
    assert reader.fetch_positions() == []
    assert int(reader.private_post_getwebsocketstoken()["result"]["expires"]) == 900
