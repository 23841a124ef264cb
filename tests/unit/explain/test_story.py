"""What ``explain`` tells of every kind of id."""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from kracken_tasks.domain.market import SeriesKey, Timeframe
from kracken_tasks.domain.trading import Action
from kracken_tasks.errors import BadData
from kracken_tasks.explain import Branch, Sources, explain
from kracken_tasks.lake import Lake, LocalStore
from kracken_tasks.ledger import FillEntry
from tests.support.bench import Bench
from tests.support.market_data import BTC

TICK = "bench@1"


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    """A position bought in one tick and sold in a later one, both on one symbol."""
    bench = Bench(tmp_path, symbols=(BTC,))
    bench.tick({BTC: Action.BUY})
    bench.tick()
    yield bench
    bench.ledger.close()


def told(bench: Bench, asked: str) -> Branch:
    lake = Lake(LocalStore(bench.folder / "lake"))
    return explain(bench.ledger, asked, sources=Sources(lake.snapshot, {BTC: SeriesKey("kraken", BTC, Timeframe.H1)}))


def kinds(story: Branch) -> set[str]:
    return {branch.kind for branch in story.walk()}


def one(story: Branch, kind: str) -> Branch:
    (found,) = [branch for branch in story.walk() if branch.kind == kind]
    return found


def bought(bench: Bench) -> FillEntry:
    return bench.ledger.fills()[0]


def sell(bench: Bench) -> None:
    bench.market.prices[BTC] *= 1.01
    bench.tick({BTC: Action.SELL})
    bench.tick()
    assert bench.ledger.round_trips()


def test_a_fill_an_order_and_a_position_lead_to_one_and_the_same_tree(bench: Bench) -> None:
    fill = bought(bench)
    assert fill.client_order_id is not None
    assert fill.position_id is not None
    asked = {
        "fill": fill.trade_id,
        "order": fill.order_id,
        "position": fill.position_id,
    }
    trees = {kind: told(bench, name) for kind, name in asked.items()}
    assert {kind: tree.kind for kind, tree in trees.items()} == {kind: kind for kind in asked}
    assert len({tuple(tree.lines()[1:]) for tree in trees.values()}) == 1
    by_client_id = told(bench, fill.client_order_id)
    assert by_client_id.kind == "order"
    assert by_client_id.branches == trees["fill"].branches


def test_the_chain_of_a_fill_reaches_guards_size_and_snapshot(bench: Bench) -> None:
    story = told(bench, bought(bench).trade_id)
    assert {"tick", "decision", "guard", "size", "cut", "snapshot", "intent", "outcome", "order", "fill"} <= kinds(
        story
    )
    assert one(story, "decision").facts["action"] == "BUY"
    assert one(story, "decision").facts["reason"] == "told to BUY"


def test_a_snapshot_that_the_lake_does_not_hold_is_said_and_the_rest_is_told(bench: Bench) -> None:
    snapshot = one(told(bench, bought(bench).trade_id), "snapshot")
    assert snapshot.name == "7"
    assert "7" in snapshot.facts["unreadable"]


def test_what_was_bought_and_not_sold_is_an_open_lot_of_its_fill(bench: Bench) -> None:
    lot = one(told(bench, bought(bench).trade_id), "open lot")
    assert lot.facts["amount"] == f"{bought(bench).amount} BTC"


def test_a_sold_lot_tells_gain_and_trip_and_the_gain_is_the_trips_net(bench: Bench) -> None:
    sell(bench)
    story = told(bench, bought(bench).trade_id)
    (trip,) = bench.ledger.round_trips()
    gains = [branch for branch in story.walk() if branch.kind == "gain"]
    rows = {branch.name: Decimal(branch.facts["gain"]) for branch in gains}
    assert sum(rows.values()) == pytest.approx(trip.net, abs=Decimal("1e-7"))
    assert one(story, "position").facts["net"].split()[0] == f"{trip.net:.8f}"


def test_a_tick_that_held_tells_its_decision_and_sends_nothing(tmp_path: Path) -> None:
    bench = Bench(tmp_path, symbols=(BTC,))
    bench.tick()
    story = told(bench, TICK)
    assert story.kind == "tick"
    assert one(story, "decision").facts["action"] == "HOLD"
    assert "intent" not in kinds(story)
    bench.ledger.close()


def test_an_unknown_id_is_refused_in_a_sentence_that_says_what_is_explained(bench: Bench) -> None:
    with pytest.raises(BadData, match=r"the ledger knows no 'T0'; an order .client or venue id., fill, position"):
        told(bench, "T0")


def test_lines_draw_the_tree_and_the_json_holds_every_branch(bench: Bench) -> None:
    story = told(bench, bought(bench).trade_id)
    lines = story.lines()
    assert len(lines) == len(list(story.walk()))
    assert lines[0] == f"fill {bought(bench).trade_id}"
    assert lines[1].startswith(f"├── tick {TICK}: result done")
    assert json.dumps(story.to_plain()).count('"kind"') >= len(lines)


def test_explaining_writes_nothing(bench: Bench) -> None:
    before = bench.ledger.dump()
    told(bench, bought(bench).trade_id)
    assert bench.ledger.dump() == before


def test_every_entry_says_what_wrote_it_the_tick_that_sold_or_the_look_that_booked(bench: Bench) -> None:
    story = told(bench, bought(bench).trade_id)
    assert one(story, "decision").facts["written by"] == f"tick {TICK}"
    assert one(story, "intent").facts["written by"] == f"tick {TICK}"
    entries = {entry.trade_id: entry for entry in bench.ledger.fills()}
    entered = list(story.walk())[1:]  # the first is what was asked for
    for branch in entered:
        if branch.kind == "fill":
            entry = entries[branch.name]
            assert branch.facts["written by"] == f"{entry.source.value} {entry.cause}"
    kinds_of_entries = {"tick", "decision", "intent", "outcome", "seen", "fill", "plan"}
    unsigned = [
        branch.kind for branch in entered if branch.kind in kinds_of_entries and not branch.facts.get("written by")
    ]
    assert unsigned == ["plan"]  # the intent's own, told under it
