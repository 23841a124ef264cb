"""What holds for any market and any orders: time may be cut anywhere, money is conserved, nothing free ever goes negative."""

from __future__ import annotations

import contextlib
import tempfile
from collections import defaultdict
from pathlib import Path

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from kracken_tasks.domain.clock import to_ns
from kracken_tasks.sandbox.engine.orders import PriceTerm, Refused
from kracken_tasks.sandbox.engine.triggers import Touch, Trail, Watch, find_touch
from tests.support.scripted_market import START, ScriptedMarket, Step
from tests.support.trader import Trader

HOURS = 6
HISTORY: list[Step] = [(float(second), "100.0", "1") for second in range(-172_800, 1, 3600)]


def random_walk(seed: int, price: float = 100.0, decimals: int = 1) -> list[Step]:
    """A few hundred trades at random moments, wandering widely enough to set things off."""
    dice = np.random.default_rng(seed)
    seconds = np.unique(dice.integers(1, HOURS * 3600, 300))
    prices = price * np.exp(np.cumsum(dice.normal(0, 0.01, len(seconds))))
    lots = dice.integers(1, 400, len(seconds))
    return [(float(s), f"{p:.{decimals}f}", f"0.{n:03d}") for s, p, n in zip(seconds, prices, lots, strict=True)]


def market_of(seed: int) -> ScriptedMarket:
    eth = [(at, f"{float(price) / 2:.2f}", lots) for at, price, lots in HISTORY]
    return ScriptedMarket(
        {"BTC/USD": [*HISTORY, *random_walk(seed)], "ETH/USD": [*eth, *random_walk(seed + 1, 50.0, 2)]}, depth="0.4"
    )


amounts = st.integers(1, 300).map(lambda n: f"{n / 100:.2f}")
prices = st.integers(800, 1200).map(lambda n: f"{n / 10:.1f}")
offsets = st.integers(5, 80).map(lambda n: f"+{n / 10:.1f}")
sides = st.sampled_from(["buy", "sell"])


@st.composite
def order_requests(draw: st.DrawFn) -> dict[str, str]:
    kind = draw(st.sampled_from(["market", "limit", "stop-loss", "take-profit", "stop-loss-limit", "trailing-stop"]))
    request = {
        "side": draw(sides),
        "kind": kind,
        "volume": draw(amounts),
        "pair": draw(st.sampled_from(["XBTUSD", "ETHUSD"])),
    }
    scale = 2.0 if request["pair"] == "ETHUSD" else 1.0
    if kind == "trailing-stop":
        request["price"] = draw(offsets)
    elif kind != "market":
        request["price"] = f"{float(draw(prices)) / scale:.1f}"
    if kind == "stop-loss-limit":
        request["price2"] = f"{float(draw(prices)) / scale:.1f}"
    if draw(st.booleans()):
        request["oflags"] = "fcib"
    if draw(st.booleans()):
        request |= {"close_ordertype": "stop-loss", "close_price": draw(st.sampled_from(["-3%", "+3%", "-10%"]))}
    if draw(st.integers(0, 4)) == 0:
        request["expiretm"] = f"+{draw(st.integers(60, 4 * 3600))}"
    if draw(st.integers(0, 6)) == 0:
        request["starttm"] = f"+{draw(st.integers(30, 59))}"
    return request


actions = st.lists(st.tuples(st.integers(0, 3600), order_requests()), min_size=1, max_size=8)


def run(trader: Trader, requests: list[tuple[int, dict[str, str]]], cuts: list[int]) -> None:
    """Place each request after its wait; on the way, look in at the moments in ``cuts``."""
    at, moments = 0, iter(sorted(cuts))
    pending = next(moments, None)

    def wait(until: int) -> None:
        nonlocal pending
        while pending is not None and pending < until:
            if pending > at:
                trader.wait_until(pending)
            pending = next(moments, None)
        trader.wait_until(until)

    for pause, request in requests:
        wait(min(at + pause, HOURS * 3600))
        at = min(at + pause, HOURS * 3600)
        try:
            trader.place(**request)
        except Refused:
            continue
    wait(HOURS * 3600)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), actions, st.lists(st.integers(1, HOURS * 3600), max_size=12))
def test_time_may_be_cut_anywhere(seed: int, requests: list[tuple[int, dict[str, str]]], cuts: list[int]) -> None:
    market = market_of(seed)
    whole, cut = Trader(market), Trader(market)
    run(whole, requests, [])
    run(cut, requests, cuts)
    assert whole.snapshot() == cut.snapshot()


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10_000), actions, st.lists(st.integers(1, HOURS * 3600), max_size=4))
def test_a_server_started_again_from_its_disk_goes_on_as_if_never_stopped(
    seed: int, requests: list[tuple[int, dict[str, str]]], cuts: list[int]
) -> None:
    market = market_of(seed)
    steady = Trader(market)
    run(steady, requests, [])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "state.sqlite"
        at = 0
        for pause, request in requests:
            at = min(at + pause, HOURS * 3600)
            trader = Trader(market, path)
            trader.wait_until(at)
            with contextlib.suppress(Refused):
                trader.place(**request)
            trader.venue.close()
        last = Trader(market, path)
        last.wait_until(HOURS * 3600)
        assert last.snapshot() == steady.snapshot()
        last.venue.close()


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), actions)
def test_money_is_conserved_and_never_overspent(seed: int, requests: list[tuple[int, dict[str, str]]]) -> None:
    trader = Trader(market_of(seed), opening_balances={"USD": "700", "BTC": "2", "ETH": "3"})
    at = 0
    for pause, request in requests:
        at = min(at + pause, HOURS * 3600)
        trader.wait_until(at)
        with contextlib.suppress(Refused):
            trader.place(**request)
        for code in ("USD", "BTC", "ETH"):
            assert trader.free(code) >= 0, code
    trader.wait_until(HOURS * 3600)
    sums: dict[str, int] = defaultdict(int)
    for row in trader.ledger():
        sums[row.asset] += row.amount - row.fee
        assert row.balance == sums[row.asset], "each row tells the balance after it"
        assert row.fee >= 0
        assert row.balance >= 0
    assert sums == {asset: amount for (_, asset), amount in trader.venue.state.balances.items()}
    for code in ("USD", "BTC", "ETH"):
        assert trader.free(code) >= 0
    per_fill = defaultdict(list)
    for row in trader.ledger():
        per_fill[row.refid].append(row)
    for fill in trader.fills():
        base, quote = per_fill[fill.id]
        assert (base.amount > 0) == (quote.amount <= 0) == (fill.side > 0)


@settings(max_examples=150, deadline=None)
@given(
    st.integers(0, 10_000),
    st.integers(850, 1000),
    st.integers(1000, 1150),
    st.lists(st.tuples(st.sampled_from([1, -1]), st.integers(2, 120), st.booleans()), max_size=3),
    st.integers(0, HOURS * 3600),
    st.integers(0, HOURS * 3600),
)
def test_candles_first_finds_the_very_trade_a_plain_scan_finds(
    seed: int, low: int, high: int, trails: list[tuple[int, int, bool]], one: int, other: int
) -> None:
    market = ScriptedMarket({"BTC/USD": [*HISTORY, *random_walk(seed)]})
    start = to_ns(START)
    after, until = start + min(one, other) * 10**9 + 17, start + max(one, other) * 10**9

    def watch() -> Watch:
        terms = [(side, PriceTerm("+", size * 1000 if percent else size, percent)) for side, size, percent in trails]
        return Watch(low, high, [Trail(str(n), side, 1000, term) for n, (side, term) in enumerate(terms)])

    found, expected = watch(), watch()
    assert find_touch(market, "BTC/USD", found, after, until) == plainly(market, expected, after, until)
    assert [trail.peak for trail in found.trails] == [trail.peak for trail in expected.trails]


def plainly(market: ScriptedMarket, watch: Watch, after: int, until: int) -> Touch | None:
    trades = market.trades("BTC/USD", after + 1, until + 1)
    for ts, price, lots in zip(trades.ts_ns.tolist(), trades.price.tolist(), trades.lots.tolist(), strict=True):
        for trail in watch.trails:
            trail.peak = max(trail.peak, price) if trail.side < 0 else min(trail.peak, price)
        back = any(
            price <= trail.stop_at(trail.peak) if trail.side < 0 else price >= trail.stop_at(trail.peak)
            for trail in watch.trails
        )
        if price <= watch.low or price >= watch.high or back:
            return Touch(ts, price, lots)
    return None
