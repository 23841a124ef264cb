"""The journal of an account that several agents share: each one's results and coins, adding up to the account's."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from kracken_tasks.domain.trading import Action
from kracken_tasks.journal import build_journal, cut_off, render_journal_markdown
from kracken_tasks.journal.writing import check_journal
from kracken_tasks.strategies.seated import Seat
from tests.support.bench import Bench, TellingStrategy
from tests.support.market_data import BTC

BUY, SELL = Action.BUY, Action.SELL


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path, symbols=(BTC,))
    yield bench
    bench.ledger.close()


def go(bench: Bench, **says: Action) -> None:
    """A tick of ada with three fifths of the capital and bob with two; who is not told anything holds."""
    seats = tuple(
        Seat(name, share, {BTC: TellingStrategy({BTC: says[name]} if name in says else {}, name="telling")})
        for name, share in (("ada", 0.6), ("bob", 0.4))
    )
    assert bench.tick(seats=seats).problems == {}


def journal_of(bench: Bench, **changes: Any) -> dict[str, Any]:
    end = cut_off(bench.ledger)
    assert end is not None
    asked: dict[str, Any] = {"period_end": end, "mode": "paper", "version": "0.1.0", "first_agent": "ada"} | changes
    journal = build_journal(bench.ledger, **asked)
    check_journal(journal)
    return journal


def held(journal: Mapping[str, Any]) -> dict[str, Decimal]:
    return {row["agent"]: Decimal(item["amount"]) for row in journal["agents"] for item in row["held"]}


def test_coins_and_results_of_the_agents_add_up_to_the_account_s(bench: Bench) -> None:
    go(bench, ada=BUY, bob=BUY)
    both = journal_of(bench)
    assert set(held(both)) == {"ada", "bob"}
    assert sum(held(both).values()) == bench.ledger.positions()[BTC].amount
    assert [row["closed"] for row in both["agents"]] == [[], []]
    bench.market.prices[BTC] *= 1.02
    go(bench, ada=SELL, bob=SELL)
    go(bench)
    after = journal_of(bench)
    assert held(after) == {}
    nets = {row["agent"]: Decimal(row["closed"][0]["net"]) for row in after["agents"]}
    (trip,) = bench.ledger.round_trips()
    assert sum(nets.values()) == pytest.approx(trip.net, abs=Decimal("1e-8"))
    assert nets["ada"] > nets["bob"] > 0
    assert after["round_trips"][0]["strategy"] == "ada+bob"


def test_a_period_s_journal_tells_its_own_sales_and_what_was_held_at_its_end(bench: Bench) -> None:
    go(bench, ada=BUY)
    first = journal_of(bench)
    go(bench, ada=SELL)
    go(bench)
    assert journal_of(bench, period_end=bench.ledger.fills()[-1].ts)["agents"] == first["agents"]
    (row,) = [row for row in journal_of(bench)["agents"] if row["agent"] == "ada"]
    assert (row["closed"][0]["sales"], row["held"]) == (1, [])
    late = journal_of(bench, period_start=cut_off(bench.ledger), period_end=a_year_later(bench))
    assert [one["closed"] for one in late["agents"]] == [[]]


def a_year_later(bench: Bench) -> Any:
    newest = bench.ledger.fills()[-1].ts
    return newest.replace(year=newest.year + 1)


def test_the_page_has_a_table_of_agents_where_there_are_several(bench: Bench) -> None:
    go(bench, ada=BUY, bob=BUY)
    journal = journal_of(bench)
    page = render_journal_markdown(journal)
    assert "## Agents" in page
    assert all(f"| {name} | – | {amount} {BTC} |" in page for name, amount in held(journal).items())


def test_an_account_one_agent_has_to_itself_has_the_journal_it_always_had(bench: Bench) -> None:
    bench.tick({BTC: BUY})
    journal = journal_of(bench)
    assert "agents" not in journal
    assert "## Agents" not in render_journal_markdown(journal)
