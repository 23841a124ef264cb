"""Every entry of an account's life says what wrote it."""

from __future__ import annotations

from pathlib import Path

from kracken_tasks.domain.trading import Action, TradingState
from kracken_tasks.execution.flatten import flatten
from kracken_tasks.execution.trading_state import order, resume
from kracken_tasks.ledger import AlertDraft, AlertKind, EntryKind, Source
from kracken_tasks.ledger.schema import spec_of_type
from tests.support.bench import Bench
from tests.support.market_data import BTC, ETH


def test_no_entry_of_ticks_people_and_emergencies_is_without_its_source_and_cause(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.tick({BTC: Action.BUY})
    bench.tick({ETH: Action.BUY})
    order(bench.ledger, TradingState.HALTED, by="Ada", reason="looks wrong", now=bench.market.now())
    resume(bench.ledger, by="Ada", reason="was nothing", now=bench.market.now())
    bench.tick({BTC: Action.SELL})
    flatten(bench.venue, bench.ledger, bench.wall, holder="bench", by="Ada")
    entries = bench.ledger.entries()
    untold = [entry for entry in entries if entry.source is Source.UNTOLD or not entry.cause]
    assert untold == []
    told = {(spec_of_type(type(entry)).kind, entry.source) for entry in entries}
    assert (EntryKind.DECISION, Source.TICK) in told
    assert (EntryKind.FILL, Source.RECONCILE) in told
    assert (EntryKind.INTENT, Source.FLATTEN) in told
    people = [entry for entry in bench.ledger.states() if entry.source is Source.PERSON]
    assert [entry.cause for entry in people] == ["Ada", "Ada"]
    ticks = {entry.tick_id for entry in bench.ledger.ticks()}
    assert {entry.cause for entry in entries if entry.source is Source.TICK} == ticks
    bench.ledger.close()


def test_a_fact_that_is_told_again_keeps_the_source_of_its_first_telling(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    draft = AlertDraft(AlertKind.INFO, "once", {"text": "hello"})
    with bench.ledger.acting(Source.TICK, "t1"):
        bench.ledger.add_alert(draft, ts=bench.market.now())
        with bench.ledger.acting(Source.PERSON, "Ada"):
            bench.ledger.add_alert(draft, ts=bench.market.now())
            bench.ledger.note("test", "inner", {}, ts=bench.market.now())
        bench.ledger.note("test", "outer", {}, ts=bench.market.now())
    told = [(entry.source, entry.cause) for entry in bench.ledger.entries()]
    assert told == [(Source.TICK, "t1"), (Source.PERSON, "Ada"), (Source.TICK, "t1")]
    bench.ledger.close()
