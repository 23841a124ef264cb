"""The same orders on the same market: the sandbox account and the paper broker fill alike.

Both see one scripted market.  Where they model differently on purpose, the test stays on what both claim: depth walked by takers, trades
beyond a resting limit shared at the same part, fees of the same schedule.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from kracken_tasks.domain.clock import from_us, to_ns
from kracken_tasks.domain.trading import Fill, OrderKind, OrderRequest, Side
from kracken_tasks.exchange.venue import CcxtVenue
from kracken_tasks.execution.broker import Broker
from kracken_tasks.execution.paper import PaperBroker
from kracken_tasks.execution.paper_fees import FeeSchedule, FeeTier
from kracken_tasks.execution.paper_matching import FillRules, PaperBook
from kracken_tasks.execution.paper_tape import PaperTrade
from kracken_tasks.sandbox.engine.fees import CRYPTO_SCHEDULE
from tests.support.sandbox import running_sandbox, sandbox_config
from tests.support.scripted_market import ScriptedMarket, Step, quiet

D = Decimal
BTC = "BTC/USD"
FEES = FeeSchedule(
    tuple(FeeTier(D(one.volume_usd), D(one.maker_ppm) / 100, D(one.taker_ppm) / 100) for one in CRYPTO_SCHEDULE.tiers)
)


@dataclass
class Both:
    """The two accounts, and a hand on the clock of their market."""

    sandbox: Broker
    paper: Broker
    advance: Callable[[float], object]

    def submit(self, number: int, **changes: object) -> tuple[str, str]:
        values: dict[str, object] = {
            "client_order_id": f"{number:032x}",
            "symbol": BTC,
            "side": Side.BUY,
            "kind": OrderKind.LIMIT,
            "amount": D("2"),
            "limit_price": D("101"),
            "time_in_force": "IOC",
        }
        request = OrderRequest(**(values | changes))  # type: ignore[arg-type]  # fields of the dataclass
        here = self.paper.submit(request)  # first: what the sandbox account takes is missing from the quotes both see
        return self.sandbox.submit(request), here

    def require_alike(self, ids: tuple[str, str]) -> list[Fill]:
        """Amounts, prices and sorts of fills equal, one by one; fees to the venue's own rounding."""
        there = sorted(self.sandbox.orders_with_fills([ids[0]])[1], key=lambda fill: (fill.ts, fill.price))
        here = sorted(self.paper.orders_with_fills([ids[1]])[1], key=lambda fill: (fill.ts, fill.price))
        assert [(fill.price, fill.amount, fill.side) for fill in here] == [
            (fill.price, fill.amount, fill.side) for fill in there
        ]
        assert [fill.liquidity for fill in here] == [fill.liquidity for fill in there]
        for fill, other in zip(here, there, strict=True):
            assert abs(fill.ts - other.ts) < timedelta(seconds=1)
            assert abs(fill.fee - other.fee) <= D("0.0001")
        mine, theirs = self.sandbox.orders([ids[0]])[ids[0]], self.paper.orders([ids[1]])[ids[1]]
        assert (mine.status, mine.filled) == (theirs.status, theirs.filled)
        return here


def seen_by_paper(market: ScriptedMarket, account: CcxtVenue, purse: str, share: Decimal) -> PaperBroker:
    """The paper broker on the script itself: its book and its trades, at the sandbox's time."""

    def book(symbol: str) -> PaperBook:
        told = market.book(symbol, to_ns(account.now()), 10)
        bids, asks = (
            tuple((D(price).scaleb(-1), D(lots).scaleb(-8)) for price, lots in side) for side in (told.bids, told.asks)
        )
        return PaperBook(bids, asks, told.epoch)

    def trades(symbol: str, after: datetime, until: datetime) -> Iterable[PaperTrade]:
        found = market.trades(symbol, to_ns(after) + 1, to_ns(until) + 1)
        for ts, price, lots in zip(found.ts_ns, found.price, found.lots, strict=True):
            yield PaperTrade(from_us(int(ts) // 1000), D(int(price)).scaleb(-1), D(int(lots)).scaleb(-8))

    return PaperBroker(
        exchange="kraken", clock=account.now, instruments=account.instruments, quotes=account.quotes,
        deposit={"USD": D(purse)}, book=book, trades=trades, work_every=timedelta(0),
        rules=FillRules(fees=FEES, volume_share=share, latency=timedelta(0)),
    )  # fmt: skip


@contextmanager
def both(steps: list[Step], share: int = 100, purse: str = "100000") -> Iterator[Both]:
    market = ScriptedMarket({BTC: steps}, depth="1.5")
    config = sandbox_config(opening_balances={"USD": purse}, fill_share_percent=share)
    with running_sandbox(market, config) as running:
        options = {**running.ccxt_options(), "rateLimit": 1}
        account = CcxtVenue("kraken", options, timeout_seconds=10, clock_keeps_seconds=0)
        paper = seen_by_paper(market, account, purse, D(share) / 100)
        yield Both(account, paper, running.control.advance)


def through(*trades: tuple[float, str, str]) -> list[Step]:
    return [*quiet(hours=0), (0.5, "100.0", "1"), *trades]


def test_taker_walks_the_same_levels_and_pays_the_same_fees() -> None:
    with both(through()) as pair:
        pair.advance(1)
        fills = pair.require_alike(pair.submit(1, amount=D("4")))
        assert [(fill.price, fill.amount) for fill in fills] == [
            (D("100.1"), D("1.5")),
            (D("100.2"), D("1.5")),
            (D("100.3"), D("1")),
        ]


def test_capped_order_fills_the_same_part_and_ends_the_same() -> None:
    with both(through()) as pair:
        pair.advance(1)
        assert len(pair.require_alike(pair.submit(1, amount=D("4"), limit_price=D("100.2")))) == 2


def test_resting_limit_gets_the_same_part_of_each_trade_beyond_it() -> None:
    trades = ((10.0, "99.0", "1"), (20.0, "98.0", "2"), (40.0, "98.5", "7"))
    with both(through(*trades), share=40) as pair:
        pair.advance(1)
        ids = pair.submit(1, time_in_force="GTC", limit_price=D("99.5"))
        pair.advance(60)
        fills = pair.require_alike(ids)
        assert [fill.amount for fill in fills] == [D("0.4"), D("0.8"), D("0.8")]


def test_stop_sells_down_the_same_book() -> None:
    with both([*through(), *((at, "90.0", "1") for at in (60.0, 61.0, 62.0))]) as pair:
        pair.advance(1)
        pair.require_alike(pair.submit(1))
        stops = pair.submit(
            2, side=Side.SELL, kind=OrderKind.STOP_LOSS, limit_price=None, trigger_price=D("95"), time_in_force="GTC"
        )
        pair.advance(59.5)  # the paper account sets a stop off when it is looked at
        fills = pair.require_alike(stops)
        assert [(fill.price, fill.amount) for fill in fills] == [(D("89.8"), D("0.5")), (D("89.9"), D("1.5"))]


def test_a_second_taker_finds_what_the_first_left() -> None:
    with both(through()) as pair:
        pair.advance(1)
        first = pair.require_alike(pair.submit(1, amount=D("2")))
        second = pair.require_alike(pair.submit(2, amount=D("2")))
        assert [(fill.price, fill.amount) for fill in first + second] == [
            (D("100.1"), D("1.5")),
            (D("100.2"), D("0.5")),
            (D("100.2"), D("1")),
            (D("100.3"), D("1")),
        ]


def test_a_new_snapshot_is_whole_again_for_both() -> None:
    with both(through((30.0, "100.0", "1"))) as pair:
        pair.advance(1)
        pair.require_alike(pair.submit(1, amount=D("1.5")))
        pair.advance(60)
        assert [fill.price for fill in pair.require_alike(pair.submit(2, amount=D("1.5")))] == [D("100.1")]


def test_what_one_side_took_is_still_there_for_the_other() -> None:
    with both(through()) as pair:
        pair.advance(1)
        pair.require_alike(pair.submit(1, amount=D("3")))
        sold = pair.require_alike(pair.submit(2, side=Side.SELL, amount=D("2"), limit_price=D("99")))
        assert [fill.price for fill in sold] == [D("99.8"), D("99.9")]  # sorted by price


def test_a_trailing_stop_looked_at_after_each_trade_sells_at_the_same_price() -> None:
    path = [(10.0 * place + 1, price, "1") for place, price in enumerate(("104.0", "110.0", "107.0", "103.0"), 1)]
    with both([*quiet(hours=0), (0.5, "100.0", "1"), *path]) as pair:
        pair.advance(1)
        pair.require_alike(pair.submit(1, amount=D("1")))
        trail = {"limit_price": None, "time_in_force": "GTC", "trail_percent": D(5)}
        ids = pair.submit(2, side=Side.SELL, kind=OrderKind.TRAILING_STOP, amount=D("1"), **trail)
        for _ in path:
            pair.advance(10)
            pair.paper.balances()
            levels = {order.trigger_price for account in (pair.paper, pair.sandbox) for order in account.open_orders()}
            assert len(levels) <= 1
        assert [fill.price for fill in pair.require_alike(ids)] == [D("102.9")]


def test_traded_volume_leads_both_to_the_next_tier() -> None:
    with both([*quiet("1000.0", hours=0), *((at, "1000.0", "1") for at in (0.5, 60.0))]) as pair:
        pair.advance(1)
        first = pair.require_alike(pair.submit(1, amount=D("12"), limit_price=D("1100")))
        pair.advance(60)
        second = pair.require_alike(pair.submit(2, amount=D("1"), limit_price=D("1100")))
        assert first[0].fee / first[0].cost == D("0.004")
        assert second[0].fee / second[0].cost == D("0.0035")
