"""Contracts by command: list, show, and checks of a file and of the lake that store nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from kracken_tasks import wiring
from kracken_tasks.settings import load_settings
from tests.support.candle_frames import BTC, candle_frame, commit_frame
from tests.support.command_line import Kracken
from tests.support.contract_frames import quotes_frame, trades_frame


def test_contracts_are_listed_and_read_without_opening_a_file(kracken: Kracken) -> None:
    listed = kracken("contracts", "list").out
    assert all(name in listed for name in ("candles.v1", "quotes.v1", "trades.v1"))
    shown = kracken("contracts", "show", "trades").out
    assert "one_story_per_id" in shown
    assert "trades.v1@" in shown
    assert kracken("contracts", "show", "books").code == 2


def test_a_file_is_checked_before_it_is_imported(kracken: Kracken, tmp_path: Path) -> None:
    frame = candle_frame(40)[["ts", "open", "high", "low", "close", "volume"]].rename(columns={"ts": "timestamp"})
    path = tmp_path / "kraken_BTC-USD_1h.parquet"
    frame.to_parquet(path)
    assert "nothing found" in kracken("contracts", "check", "--file", path).out
    frame.loc[7, ["open", "high", "low", "close"]] *= 20
    frame.to_parquet(path)
    said = kracken("contracts", "check", "--file", path)
    assert said.code == 1
    assert "reject_rows: kraken BTC/USD 1h: misprint: 1 of 40 rows" in said.out
    assert kracken("sql", "SELECT count(*) AS n FROM candles", "--format", "csv").out.split() == ["n", "0"]


@pytest.mark.parametrize("name", ["trades", "quotes"])
def test_a_file_of_events_is_known_by_its_columns(kracken: Kracken, tmp_path: Path, name: str) -> None:
    path = tmp_path / "export.parquet"
    (trades_frame() if name == "trades" else quotes_frame()).to_parquet(path)
    assert "does not say whose rows" in kracken("contracts", "check", "--file", path).sentence
    named = ("--exchange", "kraken", "--symbol", "BTC/USD", "--tape")
    assert "nothing found" in kracken("contracts", "check", "--file", path, *named, name).out
    other = "quotes" if name == "trades" else "trades"
    assert f"holds {name}" in kracken("contracts", "check", "--file", path, *named, other).sentence


def test_the_lake_is_held_against_todays_contracts(kracken: Kracken, home: Path) -> None:
    frame = candle_frame(40)
    frame.loc[7, "low"] *= 0.3
    commit_frame(wiring.lake(load_settings()), BTC, frame)
    said = kracken("contracts", "check")
    assert said.code == 0
    assert "warn: kraken BTC/USD 1h: wick: 1 of 40 rows" in said.out
    assert "nothing would be rejected; warnings: 1" in said.out
    one = kracken("contracts", "check", "--exchange", "kraken", "--symbol", "ETH/USD", "--timeframe", "1h")
    assert "the lake holds no kraken ETH/USD 1h; it has: kraken BTC/USD 1h" in one.sentence


def test_krakens_own_archive_is_checked_as_an_import_would_read_it(kracken: Kracken, tmp_path: Path) -> None:
    path = tmp_path / "ADAUSD_1440.csv"
    path.write_text(
        "1538092800,0.3,0.302,0.08215,0.084,3529536.45,973\n1538179200,0.084,0.094,0.0809,0.085,2436480.09,516\n"
    )
    said = kracken("contracts", "check", "--file", path)
    assert said.code == 0
    assert "warn: kraken ADA/USD 1d: jump: 1 of 2 rows moved in price by a factor of up to 3.57" in said.out
    late = kracken("contracts", "check", "--file", path, "--now", "2018-09-28T12:00:00Z")
    assert (late.code, "closed: 1 of 2 rows" in late.out, "not_from_future: 1 of 2 rows" in late.out) == (1, True, True)
