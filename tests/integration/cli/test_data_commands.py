"""Candles in and out by command: import, candles, sql; what is refused, and how."""

from __future__ import annotations

from io import StringIO
from pathlib import Path

import pandas as pd
import pytest

from kracken_tasks.domain.clock import utc
from tests.support.command_line import Kracken

BTC = ("--exchange", "kraken", "--symbol", "BTC/USD", "--timeframe", "1h")
FIRST = int(utc(2025, 1, 1).timestamp())
HOURS = 48


def archive(folder: Path, *, broken: str = "", name: str = "XBTUSD_60.csv") -> Path:
    """Two days of hours in the form of Kraken's archive; ``broken`` takes the place of the third line."""
    folder.mkdir(exist_ok=True)
    lines = [f"{FIRST + hour * 3600},{100 + hour},{102 + hour},{99 + hour},{101 + hour},2.5,7" for hour in range(HOURS)]
    if broken:
        lines[2] = broken
    path = folder / name
    path.write_text("".join(f"{line}\n" for line in lines))
    return path


@pytest.fixture
def imported(kracken: Kracken, tmp_path: Path) -> Kracken:
    """A command line whose lake holds two days of hours."""
    said = kracken("import", archive(tmp_path / "data"))
    assert said.code == 0, said.err
    return kracken


def test_an_import_says_what_it_brought_and_lands_in_the_home(kracken: Kracken, home: Path, tmp_path: Path) -> None:
    said = kracken("import", archive(tmp_path / "data"))
    assert (said.code, said.err) == (0, "")
    assert "kraken BTC/USD 1h: 48 candles, 2025-01-01T00:00:00Z to 2025-01-02T23:00:00Z" in said.out
    assert "commit 1: 48 candles added, 0 revised" in said.out
    assert (home / "lake").is_dir()


def test_the_same_import_again_adds_nothing(imported: Kracken, tmp_path: Path) -> None:
    said = imported("import", tmp_path / "data")
    assert said.code == 0
    assert "0 candles added, 0 revised" in said.out


def test_a_bad_line_is_named_and_nothing_of_the_import_is_committed(kracken: Kracken, tmp_path: Path) -> None:
    archive(tmp_path / "data", name="ETHUSD_60.csv")
    archive(tmp_path / "data", broken=f"{FIRST + 7200},100,none,99,101,2.5,7")
    said = kracken("import", tmp_path / "data")
    assert said.code == 1
    assert "XBTUSD_60.csv" in said.sentence
    assert "line 3" in said.sentence
    assert kracken("candles", "--exchange", "kraken", "--symbol", "ETH/USD", "--timeframe", "1h").code == 1


def test_a_file_of_which_a_contract_keeps_everything_out_is_no_success(kracken: Kracken, tmp_path: Path) -> None:
    path = tmp_path / "ETHUSD_60.csv"
    path.write_text("".join(f"{FIRST + hour * 3600},100,90,110,101,2.5,7\n" for hour in range(HOURS)))
    archive(tmp_path)
    said = kracken("import", tmp_path)
    assert said.code == 1
    assert "nothing of ETHUSD_60.csv was accepted" in said.sentence
    assert "kraken BTC/USD 1h: 48 candles" in said.out
    assert kracken("candles", *BTC).code == 0


def test_quotes_and_trades_come_in_by_the_word_that_says_what_they_are(kracken: Kracken, tmp_path: Path) -> None:
    path = tmp_path / "some.csv"
    path.write_text("time,price,volume,buy/sell\n" + "".join(f"{FIRST + at},100.5,0.1,b\n" for at in range(5)))
    told = ("--exchange", "kraken", "--symbol", "BTC/USD", "--as")
    said = kracken("import", path, *told, "trades")
    assert (said.code, "kraken BTC/USD trades: 5 trades" in said.out) == (0, True)
    path.write_text("time,bid,ask\n" + "".join(f"{FIRST + at},100.5,100.6\n" for at in range(5)))
    said = kracken("import", path, *told, "quotes")
    assert (said.code, "kraken BTC/USD quotes: 5 quotes" in said.out) == (0, True)
    said = kracken("import", path, *told, "7m")
    assert (said.code, "allowed: 1m" in said.err, "quotes" in said.err) == (2, True, True)


def test_a_folder_without_candles_is_refused(kracken: Kracken, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    said = kracken("import", tmp_path / "data")
    assert said.code in (1, 2)
    assert str(tmp_path / "data") in said.sentence


def test_candles_come_back_the_same_in_every_form(imported: Kracken, tmp_path: Path) -> None:
    shown = imported("candles", *BTC)
    assert shown.code == 0
    assert "48 rows" in shown.out
    text = imported("candles", *BTC, "--format", "csv")
    assert text.out.splitlines()[1].startswith("2025-01-01T00:00:00Z,")
    by_csv = pd.read_csv(StringIO(text.out))
    written = imported("candles", *BTC, "--format", "csv", "--out", tmp_path / "new" / "candles.csv")
    assert (tmp_path / "new" / "candles.csv").read_text() == text.out
    assert "48 rows written to" in written.out
    assert imported("candles", *BTC, "--format", "parquet", "--out", tmp_path / "candles.parquet").code == 0
    by_parquet = pd.read_parquet(tmp_path / "candles.parquet")
    assert by_csv["close"].tolist() == by_parquet["close"].tolist() == [101.0 + hour for hour in range(HOURS)]
    assert [path.name for path in tmp_path.iterdir() if path.name.endswith(".part")] == []


def test_start_is_included_and_end_is_not(imported: Kracken) -> None:
    said = imported("candles", *BTC, "--start", "2025-01-01T05:00", "--end", "2025-01-01T07:00:00Z", "--format", "csv")
    assert [line[:20] for line in said.out.splitlines()[1:]] == ["2025-01-01T05:00:00Z", "2025-01-01T06:00:00Z"]


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        (("--symbol", "ETH/USD"), 1, "the lake holds no candles of kraken ETH/USD 1h; it has: kraken BTC/USD 1h"),
        (("--start", "2026-01-01"), 1, "the lake holds no candles of kraken BTC/USD 1h there"),
        (("--start", "yesterday"), 2, "'yesterday' is no date; write 2024-01-31 or 2024-01-31T12:00:00Z"),
        (("--symbol", "BTCUSD"), 2, "BTCUSD"),
        (("--timeframe", "7m"), 2, "'7m' is not one of"),
        (("--format", "parquet"), 2, "parquet is binary: name a file with --out"),
    ],
)
def test_what_cannot_be_shown_is_refused_in_a_sentence(
    imported: Kracken, words: tuple[str, str], code: int, sentence: str
) -> None:
    said = imported("candles", *BTC, *words)
    assert said.code == code
    assert sentence in said.err
    assert "Traceback" not in said.err


def test_sql_answers_and_a_mistake_in_it_is_told(imported: Kracken) -> None:
    said = imported("sql", "SELECT count(*) AS hours, max(close) AS top FROM candles", "--format", "csv")
    assert said.out.splitlines() == ["hours,top", "48,148.0"]
    wrong = imported("sql", "SELECT nothing FROM nowhere")
    assert wrong.code in (1, 2)
    assert "nowhere" in wrong.err
    assert "Traceback" not in wrong.err
    writing = imported("sql", "DELETE FROM candles")
    assert writing.code in (1, 2)
    assert "Traceback" not in writing.err


def test_another_home_is_another_lake(imported: Kracken, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KRACKEN_HOME", str(tmp_path / "elsewhere"))
    said = imported("candles", *BTC)
    assert said.code == 1
    assert "nothing yet (kracken ingest, kracken import)" in said.sentence
