"""The account by command: tick, status, release, flatten, export, dump, tax; and what all commands share."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.command_line import Kracken
from tests.support.sandbox import REPOSITORY, RunningSandbox, running_sandbox, sandbox_config

COMMANDS = (
    "up", "demo", "sandbox", "status", "ingest", "import", "candles", "sql", "train", "backtest", "tick", "release", "flatten",
    "halt", "reduce-only", "resume",
    "export", "dump", "models", "tax", "explain", "replay",
)  # fmt: skip
TRADES = "timestamp,exchange,symbol,side,amount,price,fee_cost,fee_currency,trade_id\n"
BUY = "2024-01-01T00:00:00Z,kraken,BTC/USD,buy,0.1,30000,3,USD,T1\n"
SELL = "2024-06-01T00:00:00Z,kraken,BTC/USD,sell,0.1,40000,4,USD,T2\n"


@pytest.fixture
def venue(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[RunningSandbox]:
    """An exchange whose clock stands, and one symbol."""
    with running_sandbox(config=sandbox_config()) as sandbox:
        monkeypatch.setenv("KRACKEN_SANDBOX__PORT", sandbox.base_url.rsplit(":", 1)[1])
        monkeypatch.setenv("KRACKEN_PAIRS", "[BTC/USD]")
        monkeypatch.setenv("KRACKEN_TIMEFRAMES", "[1h]")
        monkeypatch.setenv("KRACKEN_TRADING__BAR_WAIT_SECONDS", "0")
        yield sandbox


def test_ingest_tick_export_by_hand(kracken: Kracken, venue: RunningSandbox, home: Path) -> None:
    assert "candles added" in kracken("ingest").out
    assert "nothing new has closed" in kracken("ingest").out
    ticked = kracken("tick", "--key", "mine")
    assert ticked.code == 0, ticked.err
    assert "Tick command@mine" in ticked.out
    assert "repeated" in kracken("tick", "--key", "mine").out
    shown = kracken("status")
    assert "Account main" in shown.out
    assert "equity" in shown.out
    exported = kracken("export")
    assert {Path(line).name for line in exported.out.splitlines() if line.startswith("/")} >= {
        "gains.csv", "open_lots.csv", "trades.csv", "koinly.csv", "journal.json",
    }  # fmt: skip
    lines = kracken("dump").out.splitlines()
    assert "decision" in {json.loads(line)["entry"] for line in lines}
    assert kracken("dump", "--out", home / "ledger.jsonl").code == 0
    assert (home / "ledger.jsonl").read_text().splitlines() == lines


def test_explain_leads_from_a_tick_to_the_snapshot_and_its_candle(kracken: Kracken, venue: RunningSandbox) -> None:
    kracken("ingest")
    kracken("tick", "--key", "mine")
    told = kracken("explain", "command@mine", "--json")
    assert told.code == 0, told.err
    tick = json.loads(told.out)["branches"][0]
    decision = tick["branches"][0]
    assert (tick["kind"], decision["kind"]) == ("tick", "decision")
    snapshot = next(branch for branch in decision["branches"] if branch["kind"] == "snapshot")
    assert len(snapshot["facts"]["content hash"]) == 64
    (candle,) = snapshot["branches"]
    assert candle["name"] == "kraken BTC/USD 1h"
    assert float(candle["facts"]["close"]) > 0
    tree = kracken("explain", "command@mine").out
    assert f"content hash {snapshot['facts']['content hash']}" in tree
    assert "signal rsi" in tree
    unknown = kracken("explain", "T0")
    assert unknown.code == 1
    assert "the ledger knows no 'T0'" in unknown.sentence


def test_a_tick_replays_identically_and_on_other_candles_the_bar_is_named(
    kracken: Kracken, venue: RunningSandbox
) -> None:
    kracken("ingest")
    kracken("tick", "--key", "mine")
    same = kracken("replay", "command@mine")
    assert same.code == 0, same.err
    assert same.out.startswith("BTC/USD: identical, on commit ")
    other = kracken("replay", "command@mine", "--timeframe", "4h")
    assert other.code == 1
    assert "BTC/USD: differs" in other.out
    assert "  bar: was " in other.out
    assert "the ledger knows no decision of a tick 'command@yours'" in kracken("replay", "command@yours").sentence


def test_flatten_halts_and_only_a_person_releases(kracken: Kracken, venue: RunningSandbox) -> None:
    assert kracken("flatten").code == 2  # no name
    assert "needs the name of a person" in kracken("flatten", "--by", " ").sentence
    flat = kracken("flatten", "--by", "Ada")
    assert flat.code == 0, flat.err
    assert "flat and halted" in flat.out
    assert "halted" in kracken("status").out
    assert "now normal" in kracken("release", "--by", "Ada").out
    assert "nothing to release" in kracken("release", "--by", "Ada").out


def test_person_halts_reduces_and_resumes_by_name_and_reason(kracken: Kracken, venue: RunningSandbox) -> None:
    said = ("--by", "Ada", "--reason", "the news")
    assert kracken("halt", "--by", "Ada").code == 2  # no reason
    assert "needs a reason" in kracken("halt", "--by", "Ada", "--reason", " ").sentence
    assert "nothing to resume" in kracken("resume", *said).out
    assert "now reduce_only" in kracken("reduce-only", *said).out
    assert "now halted (operator: halted by Ada: the news)" in kracken("halt", *said).out
    assert "is halted already" in kracken("halt", *said).out
    stricter = kracken("reduce-only", *said)
    assert (stricter.code, "stays so" in stricter.out) == (1, True)
    assert "halted by Ada: the news" in kracken("status").out
    assert "now normal" in kracken("resume", *said).out


def test_halt_does_not_wait_for_a_venue_that_is_away(
    kracken: Kracken, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KRACKEN_SANDBOX__PORT", "1")
    halted = kracken("halt", "--by", "Ada", "--reason", "the venue is dark")
    assert halted.code == 0, halted.err
    assert "now halted" in halted.out


@pytest.mark.parametrize(
    "answer", [{"status": 200, "body": "<html>maintenance</html>"}, {"error": "EGeneral:Permission denied"}]
)
def test_halt_does_not_fail_for_a_venue_that_answers_with_nonsense(
    kracken: Kracken, venue: RunningSandbox, answer: dict[str, Any]
) -> None:
    venue.control.fault("*", count=None, **answer)
    halted = kracken("halt", "--by", "Ada", "--reason", "the venue has gone mad")
    assert halted.code == 0, halted.err
    assert "now halted" in halted.out


def test_flatten_directly_needs_no_ledger_and_the_next_tick_finds_the_account_halted(
    kracken: Kracken, venue: RunningSandbox, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as away:
        away.setenv("KRACKEN_LEDGER__URL", "postgresql+psycopg://nobody@127.0.0.1:1/none")
        flat = kracken("flatten", "--by", "Ada", "--direct")
        assert flat.code == 0, flat.err
        assert "0 orders canceled" in flat.out
    journal = home / "emergency" / "flatten.jsonl"
    assert json.loads(journal.read_text().splitlines()[0])["by"] == "Ada"
    assert "flattened directly by Ada" in kracken("tick", "--key", "after").words
    assert "halted" in kracken("status").out
    assert "now normal" in kracken("resume", "--by", "Ada", "--reason", "over").out
    assert "normal" in kracken("tick", "--key", "later").out


def test_without_a_venue_a_tick_says_who_does_not_answer(
    kracken: Kracken, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KRACKEN_SANDBOX__PORT", "1")
    said = kracken("tick")
    assert said.code == 1
    assert "kraken" in said.sentence


def test_status_and_export_of_an_empty_home(kracken: Kracken) -> None:
    assert kracken("status").code == 0
    said = kracken("export")
    assert said.code == 1
    assert said.sentence == "kracken: the ledger is empty; there is nothing to export yet"


def test_tax_lots_of_a_file(kracken: Kracken, tmp_path: Path) -> None:
    (tmp_path / "trades.csv").write_text(TRADES + BUY + SELL)
    wider_than_any_terminal = tmp_path / ("x" * 200)
    said = kracken("tax", "lots", "--trades", tmp_path / "trades.csv", "--out", wider_than_any_terminal)
    assert said.code == 0, said.err
    assert f"{wider_than_any_terminal}/gains.csv: 1 rows" in said.out.splitlines()
    assert "open_lots.csv: 0 rows" in said.out
    (tmp_path / "trades.csv").write_text(TRADES + BUY + SELL.replace("40000", "many"))
    said = kracken("tax", "lots", "--trades", tmp_path / "trades.csv", "--out", tmp_path / "bad")
    assert said.code == 1
    assert "trades.csv" in said.sentence
    assert "line 3" in said.sentence
    assert "price" in said.sentence
    assert not (tmp_path / "bad" / "gains.csv").exists()


def test_a_wrong_setting_is_one_sentence_with_code_two(kracken: Kracken, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KRACKEN_SANDBOX__PORT", "seventy")
    said = kracken("status")
    assert said.code == 2
    assert "KRACKEN_SANDBOX__PORT: sandbox.port" in said.sentence


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself_even_where_the_settings_are_wrong(
    kracken: Kracken, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KRACKEN_SANDBOX__PORT", "seventy")
    said = kracken(command, "--help")
    assert said.code == 0
    assert said.out.startswith(f"Usage: kracken {command}")
    assert len(said.out.splitlines()) > 4


def test_the_list_of_commands_is_complete(kracken: Kracken) -> None:
    said = kracken("--help")
    listed = [line.split()[0] for line in said.out.split("Commands:")[1].splitlines() if line.strip()]
    assert sorted(name for name in listed if name in COMMANDS) == sorted(COMMANDS)


def test_an_unknown_word_is_code_two(kracken: Kracken) -> None:
    assert kracken("trade").code == 2
    assert kracken("tick", "--fast").code == 2


def test_the_installed_command_ends_with_the_same_codes(home: Path) -> None:
    asked = subprocess.run(
        [sys.executable, "-m", "kracken_tasks.cli", "candles", "--exchange", "kraken", "--symbol", "BTC/USD", "--timeframe", "1h"],
        cwd=REPOSITORY, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert asked.returncode == 1
    assert asked.stderr.startswith("kracken: the lake holds no candles of kraken BTC/USD 1h")
    assert asked.stderr.count("\n") == 1


def test_books_agree_after_a_tick_and_say_what_came_in_unbooked(kracken: Kracken, venue: RunningSandbox) -> None:
    kracken("ingest")
    kracken("tick", "--key", "mine")
    agreed = kracken("books")
    assert agreed.code == 0, agreed.out
    assert "balanced: " in agreed.out
    venue.control.deposit("USD", "12.5")
    differing = kracken("books", "--since", "2020-01-01")
    assert differing.code == 1
    assert "deposit 12.5" in differing.out
    kracken("tick", "--key", "next")
    assert kracken("books").code == 0


def test_parity_of_a_day_replays_its_ticks_from_the_lake(kracken: Kracken, venue: RunningSandbox) -> None:
    kracken("ingest")
    kracken("tick", "--key", "mine")
    held = kracken("parity")
    assert held.code == 0, held.err
    assert "1 of 1 decisions identical" in held.out
