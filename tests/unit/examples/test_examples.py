"""Every example runs as its first lines say, and prints what the documentation shows of it."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
EXAMPLES = ROOT / "examples"
LIBRARIES = {"made_up_market"}
_SECONDS = 240  # for a busy machine; alone each takes a few


def run(name: str, folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / f"{name}.py"), *arguments],
        cwd=folder, capture_output=True, text=True, timeout=_SECONDS, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_an_lstm_is_trained_judged_and_asked(tmp_path: Path) -> None:
    said = run("train_and_predict", tmp_path)
    assert re.search(r"trained on \d+ windows; judged on \d+ bars it never saw", said)
    assert re.search(r"forecast [\d.]+: (BUY|SELL|HOLD), confidence [\d.]+", said)


def test_a_backtest_prints_its_figures_and_draws_its_picture(tmp_path: Path) -> None:
    said = run("backtest_sma", tmp_path)
    assert "total_trades" in said
    assert (tmp_path / "sma_cross.png").read_bytes().startswith(b"\x89PNG")


def test_trades_in_dictionaries_become_tax_files(tmp_path: Path) -> None:
    said = run("tax_report", tmp_path)
    assert sorted(path.name for path in (tmp_path / "exports").iterdir()) == [
        "gains.csv", "koinly.csv", "open_lots.csv", "trades.csv",
    ]  # fmt: skip
    assert "4527.84000000,LONG" in said


def test_ccxt_trades_on_the_sandbox_as_the_documentation_shows(tmp_path: Path) -> None:
    shown = (EXAMPLES / "README.md").read_text(encoding="utf-8").partition("ccxt_on_the_sandbox.py\n")[2]
    assert run("ccxt_on_the_sandbox", tmp_path) == shown.partition("```")[0]


def test_several_venues_are_asked_at_once_and_each_answers_for_itself(tmp_path: Path) -> None:
    said = run("several_venues", tmp_path).splitlines()
    assert [line.split()[0] for line in said[:4]] == ["kraken", "coinbase", "bitstamp", "binance"]
    assert said[3].endswith("lists no BTC/USD")  # its dollars are of another kind
    assert "its last 24 closed hours" in said[4]
    assert "an order rests there" in said[5]
    assert "below the minimum" in said[6]


def test_every_example_is_run_here_and_listed_in_its_readme() -> None:
    here = {path.stem for path in EXAMPLES.glob("*.py")}
    tested = set(re.findall(r'run\("(\w+)"', Path(__file__).read_text(encoding="utf-8")))
    listed = set(re.findall(r"\]\((\w+)\.py\)", (EXAMPLES / "README.md").read_text(encoding="utf-8")))
    assert tested | LIBRARIES == here
    assert listed == here


@pytest.mark.parametrize("name", ["train_and_predict", "backtest_sma", "tax_report", "ccxt_on_the_sandbox"])
def test_every_example_says_how_it_is_run(name: str) -> None:
    assert f"python examples/{name}.py" in (EXAMPLES / f"{name}.py").read_text(encoding="utf-8")


def test_the_paper_bot_tells_its_three_demos_and_the_same_twice(tmp_path: Path) -> None:
    said = run("kraken_paper_trading_demo", tmp_path, "--demo", "all", "--duration", "30")
    assert "its stop rests at" in said
    assert "Best module so far" in said
    assert "Resumed by a named person: normal" in said
    assert (tmp_path / "exports" / "journal.json").is_file()
    assert run("kraken_paper_trading_demo", tmp_path, "--demo", "risk", "--duration", "30") in said
