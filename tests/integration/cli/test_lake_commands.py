"""What the lake holds, lacks, keeps out and remembers, by command, at eighty columns."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pandas as pd
import pytest

from kracken_tasks.domain.market import SeriesKey, Timeframe
from kracken_tasks.lake import Lake, LocalStore
from tests.support.candle_frames import BTC, ETH, START, accepting, candle_frame, commit_frame, hours, stage_frame
from tests.support.command_line import Kracken, kracken_with
from tests.support.s3_server import S3Server
from tests.support.tape_frames import TRADES, commit_tape, seconds, trade_frame

HELD = ("kraken", "BTC/USD", "1h")


@pytest.fixture
def lake(home: Path) -> Lake:
    """A home whose lake has a hole of every cause."""
    lake = Lake(LocalStore(home / "lake"))
    frame = candle_frame(100)
    quiet = lake.stage(BTC, frame.iloc[:10], asked_from=START, asked_to=hours(12), source="ohlc")
    lake.commit(accepting([quiet]), known_at=hours(12))
    staged = stage_frame(lake, BTC, frame.iloc[20:40].drop(index=30).reset_index(drop=True))
    out = lake.stage_rows(staged, frame.iloc[[30]].assign(rule="jump", reason="Prices do not jump."))
    lake.commit(accepting([staged], quarantined=[out]), known_at=hours(40))
    commit_frame(lake, BTC, frame.iloc[60:])
    lake.mark_outage(BTC, hours(40), hours(50), "503 Service Unavailable", known_at=hours(101))
    commit_tape(lake, TRADES, trade_frame(50), known_at=hours(102))
    lake.mark_outage(TRADES, seconds(60), seconds(90), "socket dropped", known_at=hours(103))
    commit_tape(lake, TRADES, trade_frame(10, first_id=100), known_at=hours(104))
    return lake


@pytest.fixture
def kracken(lake: Lake, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Kracken:
    monkeypatch.setenv("COLUMNS", "80")
    return kracken_with(monkeypatch, capfd)


def lines_of(text: str) -> list[str]:
    lines = [line.rstrip() for line in text.splitlines() if line.strip()]
    tables = [line for line in lines if not line.startswith(("kracken ", "outage of", "map drawn"))]
    assert all(len(line) <= 80 for line in tables), max(tables, key=len)
    return [" ".join(line.split()) for line in lines]


def test_coverage_counts_rows_and_holes_by_cause_and_draws_the_map(kracken: Kracken, tmp_path: Path) -> None:
    said = kracken("coverage", "--picture", tmp_path / "map.png")
    assert (said.code, said.err) == (0, "")
    text = " ".join(lines_of(said.out))
    assert "kraken BTC/USD 1h 69 2023-01-02 2023-01-06 2 no trades, 10 outage" in text
    assert "18 not fetched" in text
    assert "1 kept out" in text
    assert "kraken BTC/USD trades 60 2023-01-02 2023-01-02 30 s outage, 20 s not fetched" in text
    assert (tmp_path / "map.png").read_bytes().startswith(b"\x89PNG")
    again = kracken("coverage", "--picture", tmp_path / "again.png")
    assert again.code == 0
    assert (tmp_path / "again.png").read_bytes() == (tmp_path / "map.png").read_bytes()
    assert "BTC/USD 1h" not in kracken("coverage", "--timeframe", "trades").out


def test_gaps_name_their_cause_and_the_command_that_would_fill_them(kracken: Kracken) -> None:
    said = lines_of(kracken("gaps").out)
    assert "kraken BTC/USD 1h 2023-01-02 12:00 2023-01-02 20:00 8 not fetched" in said
    assert "kraken BTC/USD 1h 2023-01-03 16:00 2023-01-04 02:00 10 outage" in said
    assert "kraken BTC/USD 1h 2023-01-03 06:00 2023-01-03 07:00 1 kept out" in said
    assert "outage of kraken BTC/USD 1h from 2023-01-03 16:00: 503 Service Unavailable" in said
    command = "kracken backfill BTC/USD --exchange kraken --timeframes 1h --from 2023-01-02T12:00:00Z --to 2023-01-04T12:00:00Z"
    assert command in said
    assert "kracken quarantine show kraken BTC/USD 1h" in said
    assert not any("no trades" in line for line in said)
    quiet = lines_of(kracken("gaps", "--no-trades", "--timeframe", "1h", "--to", "2023-01-02T12:00").out)
    assert quiet[-2:] == ["kraken BTC/USD 1h 2023-01-02 10:00 2023-01-02 12:00 2 no trades", "1 holes"]


def test_gaps_suggest_no_command_that_would_be_refused(kracken: Kracken, lake: Lake) -> None:
    far = SeriesKey("bitfinex", "BTC/USD", Timeframe.H1)
    commit_frame(lake, far, candle_frame(4), known_at=hours(105))
    commit_frame(lake, far, candle_frame(10).iloc[6:].reset_index(drop=True), known_at=hours(105))
    said = lines_of(kracken("gaps").out)
    assert "kraken BTC/USD trades" in " ".join(said)
    assert any(line.startswith("kracken backfill BTC/USD --exchange kraken --keep-trades --from ") for line in said)
    assert not any(line.startswith("kracken backfill BTC/USD --exchange bitfinex") for line in said)
    assert "kracken import takes files of bitfinex BTC/USD 1h; bitfinex is no enabled venue (exchanges.yaml)" in said


def test_candles_as_of_a_moment_before_they_were_known_say_since_when_they_are(kracken: Kracken) -> None:
    words = ("candles", "--exchange", "kraken", "--symbol", "BTC/USD", "--timeframe", "1h")
    said = kracken(*words, "--as-of", "2022-06-01")
    assert said.code == 1
    assert (
        "as of 2022-06-01 (commit 0) the lake knew nothing of kraken BTC/USD 1h; it does since 2023-01-02T12:00"
        in said.sentence
    )
    elsewhere = kracken(*words, "--start", "2030-01-01").sentence
    assert "holds no candles of kraken BTC/USD 1h there; it has them from 2023-01-02T00:00:00Z to" in elsewhere


@pytest.mark.parametrize("command", ["coverage", "gaps"])
@pytest.mark.parametrize("words", [("--timeframe", "7m"), ("--exchange", "nope"), ("--symbol", "BTCUSD")])
def test_a_series_that_is_not_there_is_no_series_without_holes(
    kracken: Kracken, command: str, words: tuple[str, str]
) -> None:
    said = kracken(command, *words)
    assert said.code == 1
    assert f"the lake has nothing of {words[1]}; it has: kraken BTC/USD 1h" in said.err


def test_rows_kept_out_and_outages_beyond_the_rows_are_holes_too_and_a_wrong_year_makes_no_others(
    kracken: Kracken, lake: Lake
) -> None:
    frame = candle_frame(4)
    frame.loc[3, "ts"] -= pd.Timedelta(days=3650)
    staged = stage_frame(lake, ETH, frame.sort_values("ts", ignore_index=True))
    out = lake.stage_rows(staged, frame.assign(rule="series", reason="The series was refused as a whole."))
    lake.commit(accepting([], quarantined=[out]), known_at=hours(105))
    lake.mark_outage(BTC, hours(100), hours(103), "still silent", known_at=hours(106))
    said = lines_of(kracken("gaps", "--timeframe", "1h").out)
    assert [line for line in said if line.startswith("kraken ETH/USD 1h")] == [
        "kraken ETH/USD 1h 2013-01-04 03:00 2013-01-04 04:00 1 kept out",
        "kraken ETH/USD 1h 2023-01-02 00:00 2023-01-02 03:00 3 kept out",
    ]
    assert "kraken BTC/USD 1h 2023-01-06 04:00 2023-01-06 07:00 3 outage" in said
    table = " ".join(lines_of(kracken("coverage", "--timeframe", "1h").out))
    assert "kraken ETH/USD 1h 0 4 kept out" in table
    assert "13 outage" in table


def test_rows_in_quarantine_are_listed_shown_and_released_by_name(kracken: Kracken, lake: Lake) -> None:
    assert "kraken BTC/USD 1h 1 2023-01-03 06:00 2023-01-03 06:00 jump" in lines_of(kracken("quarantine", "list").out)
    shown = kracken("quarantine", "show", *HELD)
    assert lines_of(shown.out)[2].startswith("2023-01-03 06:00 ")
    assert "Prices do not jump." in shown.out
    refused = kracken("quarantine", "release", *HELD, "--by", "Ada", "--reason", "fine", "--from", "2023-01-04")
    assert (refused.code, "nothing is held" in refused.sentence) == (1, True)
    said = kracken("quarantine", "release", *HELD, "--by", "Ada", "--reason", "two other venues show the same")
    assert lines_of(said.out) == ["commit 8: 1 rows added, 0 revised, released by Ada"]
    assert hours(30) in set(lake.snapshot().candles(BTC)["ts"])
    assert lines_of(kracken("quarantine", "list").out) == ["nothing is in quarantine"]
    told = kracken("sql", "SELECT released_by, reason FROM commits WHERE kind = 'release'", "--format", "csv")
    assert told.out.splitlines() == ["released_by,reason", "Ada,two other venues show the same"]


def test_candles_are_read_as_they_were_by_commit_moment_or_pin(kracken: Kracken, lake: Lake) -> None:
    assert lines_of(kracken("snapshot", "pin", "first-day", "--at", "1").out)[0].startswith(
        "first-day is commit 1, content "
    )
    commit_frame(lake, BTC, candle_frame(10, seed=5), hours(200))
    hourly = ("--exchange", "kraken", "--symbol", "BTC/USD", "--timeframe", "1h", "--format", "csv")
    rows = {at: kracken("candles", *hourly, "--as-of", at).out for at in ("1", "first-day", "2023-01-02T13:00:00Z")}
    assert len(set(rows.values())) == 1
    assert len(rows["1"].splitlines()) == 11
    assert kracken("candles", *hourly, "--end", "2023-01-02T10:00").out != rows["1"]
    listed = lines_of(kracken("snapshot", "list").out)
    assert listed[2].startswith("first-day 1 2023-01-02 12:00 ")
    assert listed[3].startswith("(newest) 8 ")
    unknown = kracken("candles", *hourly, "--as-of", "nonsense")
    assert (unknown.code, "no snapshot is pinned as 'nonsense'; pinned: first-day" in unknown.sentence) == (1, True)
    assert kracken("snapshot", "unpin", "first-day").code == 0
    assert kracken("candles", *hourly, "--as-of", "first-day").code == 1


def test_windows_without_trades_are_filled_only_when_asked_and_nothing_else_is(
    kracken: Kracken, tmp_path: Path
) -> None:
    words = ("--exchange", "kraken", "--symbol", "BTC/USD", "--timeframe", "1h", "--format", "parquet", "--out")
    assert kracken("candles", *words, tmp_path / "plain.parquet").code == 0
    assert kracken("candles", *words, tmp_path / "filled.parquet", "--fill").code == 0
    plain, filled = pd.read_parquet(tmp_path / "plain.parquet"), pd.read_parquet(tmp_path / "filled.parquet")
    extra = filled[filled["filled"]]
    assert [moment.to_pydatetime() for moment in extra["ts"]] == [hours(10), hours(11)]
    assert set(extra["close"]) == set(extra["open"]) == {plain["close"][9]}
    assert (extra["volume"].sum(), extra["trades"].sum(), len(filled) - len(plain)) == (0, 0, 2)


def test_maintain_says_what_it_did_and_verify_names_a_damaged_file(kracken: Kracken, lake: Lake, home: Path) -> None:
    commit_frame(lake, ETH, candle_frame(600))
    commit_frame(lake, ETH, candle_frame(600, start=START + timedelta(hours=600)))
    said = lines_of(kracken("maintain", "--verify").out)
    assert said[0].startswith("files 4 -> 3, ")
    assert said[1:] == ["deleted: 3 replaced, 0 staged, 0 left by killed writers", "every file is what was committed"]
    (home / "lake" / lake.snapshot().files(ETH)[0].name).write_bytes(b"rot")
    damaged = kracken("maintain", "--verify")
    assert (damaged.code, "1 files are not what was committed: data/kraken/ETH-USD/1h/" in damaged.sentence) == (
        1,
        True,
    )


@pytest.mark.parametrize("words", [("candles",), ("sql",), ("coverage",), ("gaps",), ("maintain",), ("quarantine", "release"),
                                   ("snapshot", "pin")])  # fmt: skip
def test_every_help_text_shows_an_example(kracken: Kracken, words: tuple[str, ...]) -> None:
    said = kracken(*words, "--help")
    assert said.code == 0
    assert f"kracken {' '.join(words)} " in " ".join(said.out.split()).replace("Usage: kracken", "", 1)


def test_a_lake_in_a_bucket_is_imported_into_and_read_by_the_same_commands(
    home: Path,
    bucket_server: S3Server,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("KRACKEN_LAKE__URL", "s3://lake/by-command")
    monkeypatch.setenv("KRACKEN_LAKE__ENDPOINT", bucket_server.endpoint)
    kracken = kracken_with(monkeypatch, capfd)
    file = tmp_path / "kraken_BTC-USD_1h.parquet"
    candle_frame(48).to_parquet(file)
    said = kracken("import", file)
    assert (said.code, said.err) == (0, "")
    assert "commit 1: 48 candles added, 0 revised" in said.out
    assert not (home / "lake").exists()
    counted = kracken("sql", "SELECT count(*) AS n FROM candles", "--format", "csv")
    assert counted.out.splitlines() == ["n", "48"]
    hourly = ("--exchange", "kraken", "--symbol", "BTC/USD", "--timeframe", "1h", "--format", "csv")
    assert len(kracken("candles", *hourly).out.splitlines()) == 49
    assert kracken("maintain", "--verify").code == 0


def test_a_lake_at_an_address_that_cannot_be_one_is_refused_by_key(
    home: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("KRACKEN_LAKE__URL", "ftp://somewhere/lake")
    refused = kracken_with(monkeypatch, capfd)("coverage")
    assert refused.code == 2
    assert "lake" in refused.sentence


def test_a_span_that_ends_before_it_begins_is_refused_and_not_told_to_be_without_holes(kracken: Kracken) -> None:
    told = ("--from", "2023-01-05", "--to", "2023-01-02")
    for command in (("gaps", *told), ("aggregate", "BTC/USD", "--of", "1h", "--into", "1d", *told)):
        said = kracken(*command)
        assert (said.code, said.out) == (2, "")
        assert "the end must come after the start" in " ".join(said.err.split())
