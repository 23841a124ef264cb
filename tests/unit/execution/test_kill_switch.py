"""The kill switch: any file holds it, and a held one lets nothing be bought and everything be sold."""

from __future__ import annotations

from pathlib import Path

import pytest

from kracken_tasks.domain.clock import utc
from kracken_tasks.domain.trading import Action
from kracken_tasks.execution.kill_switch import KillSwitch
from tests.support.bench import Bench
from tests.support.market_data import BTC

NOW = utc(2024, 3, 1, 12)


def test_nobody_holds_it_until_somebody_does_and_it_says_who_and_why(tmp_path: Path) -> None:
    switch = KillSwitch(tmp_path / "emergency" / "KILL")
    assert switch.holder() == ""
    switch.hold(" ada ", "odd prices\nall over", NOW)
    assert switch.holder() == "held by ada since 2024-03-01T12:00:00Z: odd prices all over"
    assert switch.let_go()
    assert switch.holder() == ""
    assert not switch.let_go()


def test_an_empty_file_somebody_touched_in_a_hurry_holds_it(tmp_path: Path) -> None:
    (tmp_path / "KILL").touch()
    assert KillSwitch(tmp_path / "KILL").holder() == "held by the file KILL"


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", None])
def test_a_file_that_cannot_be_read_holds_it(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "KILL"
    if content is None:
        path.mkdir()  # no text at all
    else:
        path.write_bytes(content)
    assert KillSwitch(path).holder().startswith("held: KILL cannot be read")


def test_a_setting_holds_it_whatever_the_file_says(tmp_path: Path) -> None:
    switch = KillSwitch(tmp_path / "KILL", always=True)
    assert switch.holder() == "held by the setting trading.kill_switch"
    switch.let_go()
    assert switch.holder()


@pytest.mark.parametrize(("by", "reason"), [("", "why"), ("ada", "  ")])
def test_a_hold_without_a_name_or_a_reason_is_refused(tmp_path: Path, by: str, reason: str) -> None:
    switch = KillSwitch(tmp_path / "KILL")
    with pytest.raises(ValueError, match="a name and a reason"):
        switch.hold(by, reason, NOW)
    assert switch.holder() == ""


def test_a_held_switch_lets_nothing_be_bought_and_what_is_held_be_sold(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    assert bench.tick({BTC: Action.BUY}).sent
    switch = KillSwitch(tmp_path / "KILL")
    switch.hold("ada", "odd prices", NOW)
    report = bench.tick(dict.fromkeys(bench.symbols, Action.BUY), kill_switch=switch.holder)
    assert report.sent == ()
    assert {decision.blocked_by.guard for decision in report.decisions if decision.blocked_by} == {"kill_switch"}
    bench.require_truth()  # its stop rests
    assert bench.tick({BTC: Action.SELL}, kill_switch=switch.holder).exits
    assert bench.ledger.positions() == {}


def test_a_switch_taken_while_a_tick_decides_stops_the_symbols_after_it(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    switch, asked = KillSwitch(tmp_path / "KILL"), []

    def holder() -> str:
        if asked:
            switch.hold("ada", "odd prices", NOW)
        asked.append(True)
        return switch.holder()

    report = bench.tick(dict.fromkeys(bench.symbols, Action.BUY), kill_switch=holder)
    assert [sent.request.symbol for sent in report.sent] == [BTC]
