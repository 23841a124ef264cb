"""Kill -9 at any moment: what was answered is there, what was missed is worked through at its own time."""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import ccxt
import pytest

from kracken_tasks.domain.clock import iso
from kracken_tasks.sandbox.server import run_sandbox
from tests.support.sandbox import free_port, sandbox_config, sandbox_process
from tests.support.scripted_market import START, ScriptedMarket, quiet

PAIR = "BTC/USD"
SERVER = "tests.support.scripted_server"


def at(minutes: float) -> str:
    return iso(START + timedelta(minutes=minutes))


def test_a_stop_out_during_the_downtime_happened_at_its_own_time(tmp_path: Path) -> None:
    state = tmp_path / "state.sqlite"
    with sandbox_process(SERVER, state) as first:
        client = ccxt.kraken(first.ccxt_options())
        entry = client.create_order(PAIR, "market", "buy", 1, None, {"close": {"ordertype": "stop-loss", "price": 95}})
        (stop,) = client.fetch_open_orders(PAIR)
        first.kill()
    with sandbox_process(SERVER, state) as second:
        client = ccxt.kraken(second.ccxt_options())
        assert [order["id"] for order in client.fetch_open_orders(PAIR)] == [stop["id"]]
        second.control.set_clock(at(60))
        done = client.fetch_order(stop["id"])
        assert (done["status"], done["average"], done["filled"]) == ("closed", 93.9, 1)
        assert done["info"]["refid"] == entry["id"]
        (trade,) = [trade for trade in client.fetch_my_trades(PAIR) if trade["order"] == stop["id"]]
        assert trade["datetime"] == iso(START + timedelta(minutes=30)).replace("Z", ".000Z")
        assert client.fetch_balance()["BTC"]["total"] == 10


def test_an_order_answered_is_never_lost_and_a_used_nonce_stays_used(tmp_path: Path) -> None:
    state = tmp_path / "state.sqlite"
    with sandbox_process(SERVER, state) as first:
        client = ccxt.kraken(first.ccxt_options())
        placed = [client.create_order(PAIR, "limit", "buy", 1, 80 + step)["id"] for step in range(5)]
        client.cancel_order(placed[0])
        before = first.control.account()
        first.kill()
    with sandbox_process(SERVER, state) as second:
        assert second.control.account() == before
        client = ccxt.kraken(second.ccxt_options())
        assert {order["id"] for order in client.fetch_open_orders()} == set(placed[1:])
        client.incrementing_nonce = lambda: 5
        with pytest.raises(ccxt.InvalidNonce):
            client.fetch_balance()


def test_killed_under_load_every_answered_order_is_there_and_money_adds_up(tmp_path: Path) -> None:
    state = tmp_path / "state.sqlite"
    answered: list[str] = []
    enough = threading.Event()

    def trade(client: ccxt.kraken) -> None:
        with contextlib.suppress(ccxt.BaseError):
            while True:
                answered.append(client.create_order(PAIR, "market", "buy", 0.01)["id"])
                if len(answered) == 25:
                    enough.set()

    with sandbox_process(SERVER, state) as first:
        trader = threading.Thread(target=trade, args=(ccxt.kraken(first.ccxt_options()),))
        trader.start()
        assert enough.wait(20)
        first.kill()
        trader.join(20)
    with sandbox_process(SERVER, state) as second:
        account = second.control.account()
        assert set(answered) <= set(account["closed"])
        assert len(account["closed"]) <= len(answered) + 1, "at most the one whose answer was cut off"
        assert len(account["ledger"]) == 2 + 2 * len(account["trades"])
        for asset, row in account["balances"].items():
            rows = [entry for entry in account["ledger"].values() if entry["asset"] == asset]
            total = sum(Decimal(entry["amount"]) - Decimal(entry["fee"]) for entry in rows)
            assert total == Decimal(row["balance"])


def test_no_venue_loses_an_answered_order_or_money_when_killed(tmp_path: Path) -> None:
    state = tmp_path / "state.sqlite"
    symbols = {"binance": "BTC/USDT", "coinbase": PAIR, "bitstamp": PAIR}
    with sandbox_process(SERVER, state) as first:
        for venue, symbol in symbols.items():
            client = getattr(ccxt, venue)(first.options_of(venue))
            client.create_order(symbol, "market", "sell", 0.5)
            client.create_order(symbol, "limit", "buy", 0.5, 95)
        before = {venue: first.control.account(venue=venue) for venue in symbols}
        first.kill()
    with sandbox_process(SERVER, state) as second:
        assert {venue: second.control.account(venue=venue) for venue in symbols} == before
        second.control.set_clock(at(60))  # past the fall that a buyer at 95 was waiting for
        for venue, symbol in symbols.items():
            client = getattr(ccxt, venue)(second.options_of(venue))
            bought = sum(trade["amount"] for trade in client.fetch_my_trades(symbol) if trade["side"] == "buy")
            account = second.control.account(venue=venue)
            waiting = sum(float(order["vol"]) - float(order["vol_exec"]) for order in account["open"].values())
            assert bought > 0, venue
            assert bought + waiting == pytest.approx(0.5), venue  # a thin venue fills a part


def test_ids_go_on_after_a_restart(tmp_path: Path) -> None:
    def run(state: Path, kill: bool) -> list[str]:
        ids: list[str] = []
        with sandbox_process(SERVER, state) as first:
            ids.append(ccxt.kraken(first.ccxt_options()).create_order(PAIR, "market", "buy", 1)["id"])
            if not kill:
                ids.append(ccxt.kraken(first.ccxt_options()).create_order(PAIR, "market", "buy", 1)["id"])
                return ids
            first.kill()
        with sandbox_process(SERVER, state) as second:
            ids.append(ccxt.kraken(second.ccxt_options()).create_order(PAIR, "market", "buy", 1)["id"])
        return ids

    assert run(tmp_path / "one.sqlite", kill=False) == run(tmp_path / "two.sqlite", kill=True)


def test_a_server_told_to_stop_ends_well(tmp_path: Path) -> None:
    with sandbox_process(SERVER, tmp_path / "state.sqlite") as running:
        assert running.control.call("POST", "shutdown")["status"] == "stopping"
        assert running.process is not None
        assert running.process.wait(10) == 0
    with sandbox_process(SERVER, tmp_path / "state.sqlite") as running:
        assert running.process is not None
        running.process.terminate()
        assert running.process.wait(10) == 0


def test_one_state_file_serves_one_server(tmp_path: Path) -> None:
    state = tmp_path / "state.sqlite"
    with sandbox_process(SERVER, state):
        config = sandbox_config(market="scripted", port=free_port(), state_path=state)
        assert run_sandbox(config, ScriptedMarket({PAIR: quiet()})) == 1


def test_a_state_file_of_another_market_is_refused(tmp_path: Path) -> None:
    from kracken_tasks.sandbox.venue import Venue

    path = tmp_path / "state.sqlite"
    Venue(ScriptedMarket({PAIR: quiet()}), sandbox_config(state_path=path)).close()
    with pytest.raises(ValueError, match="belongs to"):
        Venue(ScriptedMarket({PAIR: quiet()}), sandbox_config(state_path=path, market="synthetic:8"))
    assert sqlite3.connect(path).execute("PRAGMA integrity_check").fetchone() == ("ok",)
