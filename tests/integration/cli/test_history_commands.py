"""``kracken backfill`` and ``aggregate`` on a sandbox: the plan that is told, what is filled, what is refused."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.command_line import Kracken
from tests.support.sandbox import RunningSandbox, running_sandbox

TWO_DAYS = ("ADA/USD", "--from", "2025-01-04")  # the sandbox's clock stands at 2025-01-06


@pytest.fixture(scope="module")
def sandbox() -> Iterator[RunningSandbox]:
    with running_sandbox() as running:
        yield running


@pytest.fixture
def kracken_there(kracken: Kracken, sandbox: RunningSandbox, monkeypatch: pytest.MonkeyPatch) -> Kracken:
    monkeypatch.setenv("KRACKEN_SANDBOX__PORT", sandbox.base_url.rpartition(":")[2])
    return kracken


def candles_of(kracken: Kracken, width: str) -> int:
    return (
        len(
            kracken(
                "candles", "--exchange", "kraken", "--symbol", "ADA/USD", "--timeframe", width, "--format", "csv"
            ).out.splitlines()
        )
        - 1
    )


def test_a_dry_run_tells_sources_calls_and_reasons_and_leaves_no_trace(kracken_there: Kracken, home: Path) -> None:
    said = kracken_there("backfill", *TWO_DAYS, "--timeframes", "1m,1h", "--dry-run")
    assert (said.code, said.err) == (0, "")
    assert "2 days of trades, about" in said.out
    assert "trades a day" in said.out
    assert not (home / "lake" / "_commits").exists()


def test_a_backfill_fills_and_a_second_one_finds_nothing_missing(kracken_there: Kracken, home: Path) -> None:
    said = kracken_there("backfill", *TWO_DAYS, "--timeframes", "1h,6h", "--source", "trades")
    assert said.code == 0, said.err
    assert (candles_of(kracken_there, "1h"), candles_of(kracken_there, "6h")) == (48, 8)
    assert not list((home / "spool").rglob("*.parquet"))
    trades = kracken_there(
        "sql", "SELECT count(*) = max(trade_id) - min(trade_id) + 1 AS whole FROM trades", "--format", "csv"
    )
    assert trades.out.splitlines() == ["whole", "True"]
    again = kracken_there("backfill", *TWO_DAYS, "--timeframes", "1h,6h", "--source", "trades")
    assert "nothing is missing from 2025-01-04T00:00:00Z to 2025-01-06T00:00:00Z" in again.out


def test_trades_left_out_at_first_are_read_when_they_are_wanted(kracken_there: Kracken) -> None:
    words = ("backfill", "ADA/USD", "--from", "2025-01-04", "--to", "2025-01-05", "--timeframes", "1h")
    kracken_there(*words, "--no-keep-trades")
    count = ("sql", "SELECT count(*) AS n FROM trades", "--format", "csv")
    assert kracken_there(*count).out.split() == ["n", "0"]
    said = kracken_there(*words, "--keep-trades")
    assert (said.code, "trades are to be kept" in said.out, "nothing is missing" in said.out) == (0, True, False)
    assert int(kracken_there(*count).out.split()[1]) > 0
    assert "nothing is missing" in kracken_there(*words, "--keep-trades").out


def test_what_a_file_holds_is_taken_from_it_and_the_rest_from_the_venue(kracken_there: Kracken, tmp_path: Path) -> None:
    first = 1_735_948_800  # 2025-01-04
    archive = tmp_path / "ADAUSD_60.csv"
    archive.write_text("".join(f"{first + 3600 * hour},1.0,1.2,0.9,1.1,{25 + hour},7\n" for hour in range(24)))
    said = kracken_there("backfill", *TWO_DAYS, "--timeframes", "1h", "--archive", archive)
    assert said.code == 0, said.err
    assert "archive: commit 1: 24 candles added" in said.out
    sources = kracken_there("sql", "SELECT source, count(*) AS n FROM candles GROUP BY 1 ORDER BY 1", "--format", "csv")
    assert sources.out.splitlines() == ["source,n", "archive,24", "ohlc,24"]


def test_a_window_whose_row_was_kept_out_is_not_called_complete(kracken_there: Kracken, tmp_path: Path) -> None:
    first = 1_735_948_800  # 2025-01-04
    archive = tmp_path / "ADAUSD_60.csv"
    archive.write_text(
        "".join(f"{first + 3600 * hour},1.0,1.2,0.9,1.1,{-1 if hour == 5 else 25 + hour},7\n" for hour in range(48))
    )
    kracken_there("import", archive)
    said = kracken_there("backfill", *TWO_DAYS, "--timeframes", "1h")
    assert "nothing is missing" in said.out
    assert (
        "1 of its windows hold rows that a contract kept out, and are not asked for again: kracken quarantine show"
        in said.out
    )


def test_coarser_candles_are_made_of_what_the_lake_holds_and_months_are_shown(kracken_there: Kracken) -> None:
    kracken_there("backfill", "ADA/USD", "--from", "2024-11-29", "--timeframes", "1d", "--source", "ohlc")
    said = kracken_there("aggregate", "ADA/USD", "--of", "1d", "--into", "1w")
    assert "kraken ADA/USD 1w: commit 2: 5 candles added" in said.out
    months = kracken_there("aggregate", "ADA/USD", "--of", "1d", "--into", "1M", "--format", "csv")
    assert [line[:10] for line in months.out.splitlines()[1:]] == ["2024-12-01"]
    assert "does not hold" in kracken_there("aggregate", "ADA/USD", "--of", "1d", "--into", "1w").out


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        (("backfill", "ADA/USD", "--from", "2025-01-06"), 2, "no 1h candle has closed in between"),
        (("backfill", "ADA/USD", "--from", "2025-01-04", "--timeframes", "7m"), 2, "allowed: 1m, 5m"),
        (("backfill", "ADA/USD", "--from", "yesterday"), 2, "is no date"),
        (("backfill", "FOO/BAR", "--from", "2025-01-04", "--dry-run"), 2, "kraken lists no FOO/BAR"),
        (("backfill", "ADA/USD", "--from", "2025-01-04", "--source", "archive"), 2, "needs --archive PATH"),
        (("backfill", "ADA/USD", "--from", "2025-01-04", "--exchange", "nowhere"), 2, "is not enabled"),
        (("aggregate", "ADA/USD", "--of", "1h", "--into", "1d"), 1, "the lake holds no candles of kraken ADA/USD 1h"),
        (("aggregate", "ADA/USD", "--of", "1h", "--into", "2M"), 2, "allowed: 1m"),
    ],
)
def test_what_cannot_be_done_is_refused_in_a_sentence(
    kracken_there: Kracken, words: tuple[str, ...], code: int, sentence: str
) -> None:
    said = kracken_there(*words)
    assert (said.code, sentence in said.err, "Traceback" in said.err) == (code, True, False), said.err
