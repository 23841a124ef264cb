"""One rising nonce per key in a process; Kraken's names in everybody's words."""

from __future__ import annotations

import threading
from contextlib import AbstractContextManager

import pytest

from kracken_tasks.errors import Misconfigured
from kracken_tasks.exchange.nonce import KeyGate, gate_for
from kracken_tasks.exchange.rates import RateBudget
from kracken_tasks.exchange.rates.store import MemoryCounters
from kracken_tasks.exchange.symbols import symbol_of_altname, unified_symbol


def test_calls_in_one_millisecond_get_rising_nonces() -> None:
    gate = KeyGate()
    assert [gate.next_nonce(1_000) for _ in range(3)] == [1_000, 1_001, 1_002]
    assert gate.next_nonce(5_000) == 5_000


def test_a_clock_that_steps_back_does_not_take_the_nonce_with_it() -> None:
    gate = KeyGate()
    gate.next_nonce(10_000)
    assert gate.next_nonce(9_000) == 10_001


def test_two_clients_of_one_key_share_a_gate_and_strangers_do_not() -> None:
    held = gate_for("kraken", "key-a")
    assert gate_for("kraken", "key-a") is held
    assert gate_for("kraken", "key-b") is not held
    assert gate_for("binance", "key-a") is not held
    assert gate_for("kraken", None) is not gate_for("kraken", None)


def test_no_two_threads_ever_get_the_same_nonce() -> None:
    gate, taken = KeyGate(), []

    def take() -> None:
        taken.extend(gate.next_nonce(1_000) for _ in range(500))

    threads = [threading.Thread(target=take) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(taken)) == 4_000


def test_a_call_that_hangs_in_the_lane_is_passed_after_a_while_and_its_nonce_is_left_behind() -> None:
    gate, budget, inside, leave = KeyGate(lane_seconds=0.02), RateBudget(), threading.Event(), threading.Event()
    nonces = []

    def hang() -> None:
        with gate.turn(budget, "key"):
            nonces.append(gate.next_nonce(1_000))
            inside.set()
            assert leave.wait(20)

    thread = threading.Thread(target=hang)
    thread.start()
    assert inside.wait(20)
    with gate.turn(budget, "key"):
        nonces.append(gate.next_nonce(1_000))
    leave.set()
    thread.join()
    assert nonces == [1_000, 1_001]


def test_a_key_whose_calls_take_no_nonce_waits_for_no_other_process() -> None:
    gate, asked = KeyGate(), []

    class Watched(MemoryCounters):
        def lane(self, name: str, seconds: float) -> AbstractContextManager[bool]:
            asked.append(name)
            return super().lane(name, seconds)

    budget = RateBudget(Watched())
    for takes in (True, False, False, False):
        with gate.turn(budget, "key"):
            if takes:
                gate.next_nonce(1)
    assert len(asked) == 2, "the first call with, and the first without, a nonce"


@pytest.mark.parametrize(
    ("altname", "symbol"),
    [
        ("XBTUSD", "BTC/USD"),
        ("XDGUSD", "DOGE/USD"),
        ("ETHXBT", "ETH/BTC"),
        ("ETHUSDT", "ETH/USDT"),
        ("USDTUSD", "USDT/USD"),
        ("USDCUSDT", "USDC/USDT"),
        ("ADAEUR", "ADA/EUR"),
        ("BCHEUR", "BCH/EUR"),
        ("SPYUSD", "SPY/USD"),
        ("EURUSD", "EUR/USD"),
        ("NOQUOTE", None),
        ("USD", None),
    ],
)
def test_an_altname_is_split_by_the_quote_it_ends_in(altname: str, symbol: str | None) -> None:
    assert symbol_of_altname(altname) == symbol


@pytest.mark.parametrize(
    ("written", "symbol"),
    [
        ("BTC/USD", "BTC/USD"), ("btc/usd", "BTC/USD"), ("XBT/USD", "BTC/USD"), ("XDG/EUR", "DOGE/EUR"),  # websocket names
        ("XBTUSD", "BTC/USD"), ("XDGUSD", "DOGE/USD"), ("ETHXBT", "ETH/BTC"), ("ADAUSD", "ADA/USD"),  # altnames
        ("XXBTZUSD", "BTC/USD"), ("XETHXXBT", "ETH/BTC"), ("XXDGZEUR", "DOGE/EUR"), ("XETHZEUR", "ETH/EUR"),  # keys
        ("BTCUSDT", "BTC/USDT"), ("ETHUSDC", "ETH/USDC"), ("BNBBTC", "BNB/BTC"),  # Binance
        ("BTC-USD", "BTC/USD"), ("ETH-EUR", "ETH/EUR"),  # Coinbase
        ("btcusd", "BTC/USD"), ("btc_usdt", "BTC/USDT"),  # Bitstamp and others
        ("XTZUSD", "XTZ/USD"), ("XRPUSD", "XRP/USD"), ("ZECUSD", "ZEC/USD"), ("XLM/USD", "XLM/USD"), ("ZRX/USD", "ZRX/USD"),
        ("XXRPZUSD", "XRP/USD"), ("LUNA/USD", "LUNC/USD"), ("USDTZUSD", "USDT/USD"),
    ],
)  # fmt: skip
def test_every_spelling_of_a_pair_is_one_symbol(written: str, symbol: str) -> None:
    assert unified_symbol(written) == symbol


@pytest.mark.parametrize("written", ["", "BTC", "BTC/", "/USD", "BTC/USD/EUR", "NOQUOTE", "BTC USD"])
def test_what_cannot_be_read_as_one_pair_is_refused(written: str) -> None:
    with pytest.raises(Misconfigured, match="BASE/QUOTE"):
        unified_symbol(written)
