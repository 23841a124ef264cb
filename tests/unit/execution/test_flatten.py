"""The emergency way out, with the ledger and with nothing but the keys."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from kracken_tasks.domain.trading import Action, Purpose, TradingState
from kracken_tasks.errors import BadData
from kracken_tasks.execution.desk import lease_name
from kracken_tasks.execution.flatten import flatten
from kracken_tasks.execution.flatten_direct import adopt_journal, flatten_direct
from kracken_tasks.execution.marks import release
from kracken_tasks.ledger import Lease
from tests.support.bench import Bench
from tests.support.lying_venue import LyingVenue
from tests.support.market_data import BTC, ETH
from tests.unit.execution.test_paper_broker import buy


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path)
    made.tick({BTC: Action.BUY, ETH: Action.BUY})
    yield made
    made.ledger.close()


def test_flatten_sells_all_cancels_ours_and_halts_until_released(bench: Bench) -> None:
    stranger = bench.venue.inner.submit(buy("f" * 32, limit_price=Decimal("40000"), time_in_force="GTC"))
    report = flatten(bench.venue, bench.ledger, bench.wall, holder="cli", by="ada")
    assert report.flat
    assert bench.ledger.positions() == {}
    assert [order.order_id for order in bench.venue.inner.open_orders()] == [stranger]
    assert bench.ledger.state().state is TradingState.HALTED
    assert {fill.purpose for fill in bench.ledger.fills()} == {Purpose.ENTRY, Purpose.FLATTEN}
    assert bench.tick({BTC: Action.BUY}).sent == ()
    bench.require_books_agree()


def test_flatten_takes_the_lease_from_a_tick_that_hangs(bench: Bench) -> None:
    held = bench.ledger.leases.acquire(lease_name(bench.ledger), "hung tick", timedelta(hours=1), bench.wall.now())
    assert isinstance(held, Lease)
    assert flatten(bench.venue, bench.ledger, bench.wall, holder="cli", by="ada").flat
    assert not bench.ledger.leases.still_held(held, bench.wall.now())


def test_flatten_repeated_sells_only_what_is_left(bench: Bench) -> None:
    bench.venue.submit_faults = ["no_connection"]
    first = flatten(bench.venue, bench.ledger, bench.wall, holder="cli", by="ada")
    assert list(first.problems) == [BTC]
    bench.require_protected()
    bench.pass_time(5)
    assert flatten(bench.venue, bench.ledger, bench.wall, holder="cli", by="ada").flat
    bench.require_truth()


def test_flatten_repeated_while_a_sale_is_in_doubt_does_not_sell_coins_of_the_accounts_owner(bench: Bench) -> None:
    bench.venue.inner.submit(buy("f" * 32))
    owned = bench.venue.inner.balances()["BTC"].total - bench.ledger.positions()[BTC].amount
    assert owned > 0
    bench.venue.submit_faults = ["lost_after"]
    bench.venue.listing_lag = bench.venue.fill_lag = timedelta(seconds=10)
    assert not flatten(bench.venue, bench.ledger, bench.wall, holder="cli", by="ada").flat
    second = flatten(bench.venue, bench.ledger, bench.wall, holder="cli", by="ada")
    assert "in doubt" in second.problems[BTC]
    bench.pass_time(60)
    assert flatten(bench.venue, bench.ledger, bench.wall, holder="cli", by="ada").flat
    assert bench.venue.inner.balances()["BTC"].total == owned


def test_direct_flatten_needs_only_the_keys_and_is_adopted_by_the_ledger_later(bench: Bench, tmp_path: Path) -> None:
    journal = tmp_path / "emergency" / "journal.jsonl"
    report = flatten_direct(bench.venue, journal, account="main", by="ada")
    assert set(report.sold) == {BTC, ETH}
    assert report.problems == {}
    assert bench.venue.inner.open_orders() == []
    assert len(bench.ledger.positions()) == 2  # the ledger has not heard of it
    assert adopt_journal(bench.ledger, journal) == 2
    assert adopt_journal(bench.ledger, journal) == 0
    bench.tick(seconds=60)
    assert bench.ledger.positions() == {}
    bench.require_truth()


def test_direct_flatten_writes_each_sale_down_before_it_is_sent(bench: Bench, tmp_path: Path) -> None:
    journal = tmp_path / "journal.jsonl"
    bench.venue.submit_faults = ["lost_after", "refused"]
    report = flatten_direct(bench.venue, journal, account="main", by="ada")
    assert set(report.problems) == {BTC, ETH}
    steps = [json.loads(line)["step"] for line in journal.read_text().splitlines()]
    assert steps == ["begin", "cancel", "cancel", "intent", "intent", "refused"]
    adopt_journal(bench.ledger, journal)
    bench.tick(seconds=600)
    assert bench.ledger.positions() == {}  # the refused one too: the account is halted
    bench.require_truth()


def test_journal_with_an_unreadable_line_is_named_and_a_torn_last_line_is_passed_over(
    bench: Bench, tmp_path: Path
) -> None:
    journal = tmp_path / "journal.jsonl"
    journal.write_text('{"step": "cancel"}\n{"step": "int', encoding="utf-8")
    assert adopt_journal(bench.ledger, journal) == 0
    journal.write_text("not json\n", encoding="utf-8")
    with pytest.raises(BadData, match="line 1"):
        adopt_journal(bench.ledger, journal)


def test_account_flattened_directly_is_halted_at_the_next_tick_and_buys_nothing_back(
    bench: Bench, tmp_path: Path
) -> None:
    journal = tmp_path / "journal.jsonl"
    flatten_direct(bench.venue, journal, account="main", by="ada")
    report = bench.tick({BTC: Action.BUY}, seconds=60, journal=journal)
    assert (report.state, report.sent) == (TradingState.HALTED, ())
    assert "flattened directly by ada" in report.state_reason
    assert bench.tick({BTC: Action.BUY}, seconds=60, journal=journal).sent == ()
    assert bench.ledger.positions() == {}
    bench.require_truth()


def test_killed_right_after_a_direct_flatten_began_the_account_is_halted_all_the_same(
    bench: Bench, tmp_path: Path
) -> None:
    journal = tmp_path / "journal.jsonl"
    flatten_direct(bench.venue, journal, account="main", by="ada")
    journal.write_text(journal.read_text().split("\n")[0] + "\n", encoding="utf-8")
    adopt_journal(bench.ledger, journal)
    assert bench.ledger.state().state is TradingState.HALTED


def test_journal_adopted_again_after_a_release_does_not_halt_again(bench: Bench, tmp_path: Path) -> None:
    journal = tmp_path / "journal.jsonl"
    flatten_direct(bench.venue, journal, account="main", by="ada")
    bench.tick(seconds=60, journal=journal)
    release(bench.ledger, "ada", now=bench.market.now())
    assert len(bench.tick({BTC: Action.BUY}, seconds=60, journal=journal).sent) == 1
    flatten_direct(bench.venue, journal, account="main", by="bob")
    assert bench.tick(seconds=60, journal=journal).state is TradingState.HALTED
    bench.require_truth()


def test_direct_flatten_after_one_that_was_killed_in_the_middle_of_a_line_is_read_whole(
    bench: Bench, tmp_path: Path
) -> None:
    journal = tmp_path / "journal.jsonl"
    journal.write_text('{"step": "cancel"}\n{"step": "int', encoding="utf-8")
    flatten_direct(bench.venue, journal, account="main", by="ada")
    assert adopt_journal(bench.ledger, journal) == 2


def test_unreadable_journal_halts_the_account_and_every_position_keeps_its_stop_or_is_sold(
    bench: Bench, tmp_path: Path
) -> None:
    journal = tmp_path / "journal.jsonl"
    journal.write_text("not json\n", encoding="utf-8")
    report = bench.tick({BTC: Action.BUY}, journal=journal)
    assert report.state is TradingState.HALTED
    assert "line 1" in report.problems["journal"]
    assert bench.ledger.positions() == {}
    assert bench.tick(journal=journal).result == "done"
    bench.require_truth()


def test_flatten_right_after_a_direct_one_sells_nothing_a_second_time(bench: Bench, tmp_path: Path) -> None:
    journal = tmp_path / "journal.jsonl"
    flatten_direct(bench.venue, journal, account="main", by="ada")
    report = flatten(bench.venue, bench.ledger, bench.wall, holder="cli", by="ada", journal=journal)
    assert report.flat
    assert report.exits == ()
    bench.require_truth()


def test_nobody_flattens_directly_without_a_name(bench: Bench, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="name of a person"):
        flatten_direct(bench.venue, tmp_path / "journal.jsonl", account="main", by=" ")
    assert len(bench.venue.inner.open_orders()) == 2


def test_direct_flatten_said_nothing_of_a_coin_that_it_left_for_want_of_a_pair(bench: Bench, tmp_path: Path) -> None:
    def instruments(honest: Any) -> Any:
        return {symbol: listed for symbol, listed in honest().items() if symbol != ETH}

    delisted = LyingVenue(bench.venue, instruments=instruments)
    report = flatten_direct(delisted, tmp_path / "flatten.jsonl", account="main", by="ada")
    assert list(report.sold) == [BTC]
    assert list(report.problems) == ["ETH"]
    assert "no pair with USD" in report.problems["ETH"]
