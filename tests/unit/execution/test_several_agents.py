"""Several agents on one account: one order a symbol, one stop a position, and each agent's results its own."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from kracken_tasks.domain.trading import Action, Purpose, Side
from kracken_tasks.execution.report import TickReport
from kracken_tasks.ledger import Booking, IntentResult, Ledger
from kracken_tasks.ledger.store import Store
from kracken_tasks.risk.limits import RiskLimits
from kracken_tasks.strategies.seated import Seat
from kracken_tasks.strategies.shares import TOPIC, AgentBook, books_of
from tests.support.bench import Bench, TellingStrategy
from tests.support.ledger import fill as made_fill
from tests.support.ledger import sqlite_url
from tests.support.market_data import BTC, ETH, instrument

BUY, SELL = Action.BUY, Action.SELL


class Table(Bench):
    """A bench with agents; each proposes what it is told, for this tick."""

    def __init__(self, folder: Path, shares: Mapping[str, float], **options: Any) -> None:
        super().__init__(folder, **options)
        self.agents = {name: TellingStrategy(name="telling") for name in shares}
        self.shares = shares

    def go(self, says: Mapping[str, Mapping[str, Action]], **changes: Any) -> TickReport:
        for name, agent in self.agents.items():
            agent.says = dict(says.get(name, {}))
        seats = tuple(
            Seat(name, share, dict.fromkeys(self.symbols, self.agents[name])) for name, share in self.shares.items()
        )
        return self.tick(seats=seats, **changes)

    def books(self) -> dict[str, AgentBook]:
        return books_of(self.ledger, heir=next(iter(self.shares)))

    def held(self, symbol: str = BTC) -> dict[str, Decimal]:
        return {name: book.holds(symbol) for name, book in sorted(self.books().items()) if book.holds(symbol)}

    def orders(self) -> int:
        """Orders sent so far that are no stops."""
        return sum(request.trigger_price is None for request in self.venue.submitted)

    def require_shares_add_up(self) -> None:
        """Agents' coins are the account's positions; agents' money is what its fills moved."""
        positions = self.ledger.positions()
        for symbol in self.symbols:
            amount = positions[symbol].amount if symbol in positions else Decimal(0)
            assert sum(self.held(symbol).values(), Decimal(0)) == amount
        moved = Decimal(0)
        for fill in self.ledger.fills():
            moved += (-fill.cost if fill.side is Side.BUY else fill.cost) - (
                fill.fee if fill.fee_currency == "USD" else 0
            )
        assert sum((book.money.get("USD", Decimal(0)) for book in self.books().values()), Decimal(0)) == moved


@pytest.fixture
def table(tmp_path: Path) -> Table:
    return Table(tmp_path, {"ada": 0.6, "bob": 0.4}, symbols=(BTC, ETH))


def test_two_agents_that_buy_send_one_order_and_each_gets_its_share(table: Table) -> None:
    report = table.go({"ada": {BTC: BUY}, "bob": {BTC: BUY}})
    assert report.problems == {}
    assert table.orders() == 1
    assert sorted(decision.strategy for decision in report.decisions if decision.symbol == BTC) == [
        "ada:telling",
        "bob:telling",
    ]
    held = table.held()
    assert float(held["ada"] / held["bob"]) == pytest.approx(1.5, rel=1e-3)
    table.require_shares_add_up()
    table.require_truth()


def test_an_agent_that_sells_leaves_the_other_its_coins_under_a_stop_of_their_size(table: Table) -> None:
    table.go({"ada": {BTC: BUY}, "bob": {BTC: BUY}})
    kept = table.held()["bob"]
    report = table.go({"ada": {BTC: SELL}})
    assert report.problems == {}
    assert table.held() == {"bob": kept}
    assert table.ledger.positions()[BTC].amount == kept
    table.require_shares_add_up()
    table.require_truth()


def test_agents_that_all_sell_end_the_position(table: Table) -> None:
    table.go({"ada": {BTC: BUY}, "bob": {BTC: BUY}})
    report = table.go({"ada": {BTC: SELL}, "bob": {BTC: SELL}})
    assert report.problems == {}
    assert table.ledger.positions() == {}
    assert table.held() == {}
    table.require_shares_add_up()
    table.require_truth()


def test_what_one_sells_and_the_other_buys_changes_hands_without_that_much_of_an_order(table: Table) -> None:
    table.go({"ada": {BTC: BUY}})
    before = table.held()["ada"]
    report = table.go({"ada": {BTC: SELL}, "bob": {BTC: BUY}})
    assert report.problems == {}
    bobs = table.held()
    assert set(bobs) == {"bob"}
    sold = [fill.amount for fill in table.ledger.fills() if fill.side is Side.SELL]
    assert sum(sold, Decimal(0)) == before - bobs["bob"]  # only the difference left the account
    assert any(name.startswith("cross:") for note in table.ledger.notes(TOPIC) for name in note.payload)
    (result,) = {ts for ts, _, _ in table.books()["ada"].results[:1]}
    assert result == table.ledger.notes(TOPIC)[-1].ts
    table.require_shares_add_up()
    table.require_truth()


def test_an_agent_cannot_sell_what_another_holds(table: Table) -> None:
    table.go({"ada": {BTC: BUY}})
    before = table.held()
    report = table.go({"bob": {BTC: SELL}})
    assert report.problems == {}
    assert table.held() == before
    assert table.orders() == 1
    table.require_truth()


def test_a_second_agent_enters_where_the_first_holds_already(table: Table) -> None:
    table.go({"ada": {BTC: BUY}})
    adas = table.held()["ada"]
    report = table.go({"ada": {BTC: BUY}, "bob": {BTC: BUY}})
    assert report.problems == {}
    held = table.held()
    assert held["ada"] == adas
    assert held["bob"] > 0
    blocked = next(one for one in report.decisions if one.strategy == "ada:telling" and one.symbol == BTC)
    assert blocked.blocked_by is not None
    assert blocked.blocked_by.guard == "one_position"
    table.require_shares_add_up()
    table.require_truth()


def test_a_stop_that_fills_takes_from_both_in_proportion(table: Table) -> None:
    table.go({"ada": {BTC: BUY}, "bob": {BTC: BUY}})
    table.market.prices[BTC] *= 0.9
    table.go({})
    assert table.ledger.positions() == {}
    results = {name: sum(result for _, _, result in book.results) for name, book in table.books().items()}
    assert float(results["ada"] / results["bob"]) == pytest.approx(1.5, rel=1e-2)
    table.require_shares_add_up()
    table.require_truth()


def test_an_agent_s_gain_makes_its_own_orders_larger_and_nobody_else_s(table: Table) -> None:
    table.go({"ada": {BTC: BUY}, "bob": {ETH: BUY}})
    before = {name: decision_size(table, name) for name in ("ada", "bob")}
    table.market.prices[BTC] *= 1.05
    table.go({"ada": {BTC: SELL}, "bob": {ETH: SELL}})
    table.market.prices[BTC] /= 1.05
    table.go({"ada": {BTC: BUY}, "bob": {ETH: BUY}})
    after = {name: decision_size(table, name) for name in ("ada", "bob")}
    assert after["ada"] > before["ada"]
    assert after["bob"] <= before["bob"]
    table.require_shares_add_up()


def decision_size(table: Table, agent: str) -> float:
    """What the agent's newest sized decision began with: its capital."""
    sized = [entry.decision for entry in table.ledger.decisions() if entry.strategy == f"{agent}:telling"]
    receipts = [decision.receipt for decision in sized if decision.receipt is not None]
    return receipts[-1].cuts[0].before


def test_the_account_s_exposure_holds_for_all_agents_together(tmp_path: Path) -> None:
    table = Table(tmp_path, {"ada": 1.0, "bob": 1.0}, symbols=(BTC,))
    table.limits = RiskLimits(cooldown_minutes=0, max_total_exposure=0.12)
    report = table.go({"ada": {BTC: BUY}, "bob": {BTC: BUY}})
    stopped = [one for one in report.decisions if one.blocked_by is not None]
    assert [one.blocked_by.guard for one in stopped if one.blocked_by is not None] == ["account_exposure"]
    assert set(table.held()) == {"ada"}
    table.require_truth()


def test_a_halted_account_buys_for_nobody(table: Table) -> None:
    table.tick()
    table.ledger.set_state("halted", "as the test says", ts=table.market.now())  # type: ignore[arg-type]
    report = table.go({"ada": {BTC: BUY}, "bob": {BTC: BUY}})
    assert table.orders() == 0
    told = {one.strategy: one.blocked_by.guard for one in report.decisions if one.action is BUY and one.blocked_by}
    assert told == {"ada:telling": "trading_state", "bob:telling": "trading_state"}


def test_agents_on_an_account_that_traded_alone_inherit_its_position(table: Table) -> None:
    table.tick({BTC: BUY})
    report = table.go({"ada": {BTC: SELL}})
    assert report.problems == {}
    assert table.ledger.positions() == {}
    table.require_truth()


def test_the_cap_on_first_orders_is_of_the_one_order_and_not_of_each_agents_part(table: Table) -> None:
    report = table.go({"ada": {BTC: BUY}, "bob": {BTC: BUY}}, first_orders=lambda now: (1_000.0, "first orders"))
    (sent,) = report.sent
    receipts = [decision.receipt for decision in report.decisions if decision.receipt is not None]
    assert sum(receipt.notional for receipt in receipts) <= 1_000
    assert sent.request.amount == sum(receipt.amount for receipt in receipts)
    assert table.held()["bob"] > 0  # the second gets what the first leaves of the cap
    table.require_truth()


def test_agents_do_not_spend_the_same_cash_twice_in_one_order(tmp_path: Path) -> None:
    """Most of this account's worth lies in coins that are not the agents': their shares of it are more than there is cash for."""
    table = Table(tmp_path, {"ada": 0.5, "bob": 0.5}, symbols=(BTC,))
    table.venue.inner.deposit("BTC", Decimal(2))
    table.venue.inner.deposit("USD", Decimal("-4000"))
    report = table.go({"ada": {BTC: BUY}, "bob": {BTC: BUY}})
    assert [sent.reason for sent in report.sent] == ["accepted"]
    assert table.held()["ada"] > 0
    assert table.venue.inner.balances()["USD"].total >= 0


def test_an_agent_that_leaves_a_crumb_to_another_sells_all_the_same(tmp_path: Path) -> None:
    """A stop cannot be amended to less than the venue's minimum: it went on holding all of the coins, and the sale was refused for ever."""
    table = Table(tmp_path, {"ada": 0.999, "bob": 0.001}, symbols=(BTC,))
    table.market.listed[BTC] = instrument(BTC, min_amount=Decimal("0.00000001"), min_cost=Decimal("0.01"))
    table.go({"ada": {BTC: BUY}, "bob": {BTC: BUY}})
    table.market.listed[BTC] = instrument(BTC)
    assert set(table.held()) == {"ada", "bob"}
    report = table.go({"ada": {BTC: SELL}})
    assert [sent.result for sent in report.sent] == [IntentResult.ACCEPTED]
    assert table.ledger.positions() == {}  # what nobody can sell ends the sale that left it
    table.require_shares_add_up()
    table.require_truth()


def test_a_stop_that_would_not_go_before_a_part_is_sold_leaves_a_crumb_and_the_rest_under_it(tmp_path: Path) -> None:
    table = Table(tmp_path, {"ada": 0.999, "bob": 0.001}, symbols=(BTC,))
    table.market.listed[BTC] = instrument(BTC, min_amount=Decimal("0.00000001"), min_cost=Decimal("0.01"))
    table.go({"ada": {BTC: BUY}, "bob": {BTC: BUY}})
    table.market.listed[BTC] = instrument(BTC)
    table.venue.cancel_faults = ["timeout"]
    held = table.held()
    report = table.go({"ada": {BTC: SELL}})
    assert [sent.result for sent in report.sent] == [IntentResult.WITHDRAWN]
    assert table.held() == held
    table.require_truth()


class CountingStore(Store):
    """Counts the entries it reads."""

    rows = 0

    def select(self, *asked: Any, **how: Any) -> list[Any]:
        found = super().select(*asked, **how)
        self.rows += len(found)
        return found


def test_a_tick_of_several_agents_reads_no_more_entries_however_long_the_history_is(table: Table) -> None:
    counting = CountingStore(table.ledger._store.engine, table.ledger._store.book)
    table.ledger._store = counting
    read: list[int] = []
    for _ in range(32):
        for says in ({"ada": {BTC: BUY}, "bob": {BTC: BUY}}, {"ada": {BTC: SELL}, "bob": {BTC: SELL}}):
            before = counting.rows
            assert table.go(says).problems == {}
            table.market.prices[BTC] *= 1.01  # a streak of losses would pause them
            read.append(counting.rows - before)
    assert len(table.ledger.fills()) >= 60
    assert max(read[35:]) <= max(read[:35]), read  # what is of today is read: a whole day against the one before it


def test_books_kept_in_a_process_are_those_a_new_one_reads_from_the_beginning(table: Table) -> None:
    for says in (
        {"ada": {BTC: BUY}},
        {"bob": {BTC: BUY}},
        {"ada": {BTC: SELL}, "bob": {ETH: BUY}},
        {"bob": {BTC: SELL}},
    ):
        table.go(says)
        with Ledger.open(sqlite_url(table.folder), account="main", exchange="kraken") as new:
            assert table.books() == books_of(new, heir="ada")


def test_books_forget_what_they_read_in_a_transaction_that_was_rolled_back(table: Table) -> None:
    table.go({"ada": {BTC: BUY}})
    before = table.books()

    def booking_that_breaks_off() -> None:
        with table.ledger.transaction():
            table.ledger.book_fills([Booking(made_fill("T-lost", "buy", "1", "50000"), Purpose.ENTRY)])
            assert table.books() != before
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        booking_that_breaks_off()
    assert table.books() == before
