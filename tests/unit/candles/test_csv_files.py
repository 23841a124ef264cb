"""A bad archive file is refused with its line and the reason, and nothing of it is used."""

from __future__ import annotations

from pathlib import Path

import pytest

from kracken_tasks.candles.content import Content
from kracken_tasks.candles.csv_files import OHLCVT, TRADE, read_csv
from kracken_tasks.domain.market import Timeframe
from kracken_tasks.errors import BadData

H = 1_704_067_200  # 2024-01-01T00:00:00Z


def rows(count: int) -> list[str]:
    return [f"{H + 3600 * at},100.5,101,99,100,{at}.25,{at}" for at in range(count)]


def written(folder: Path, lines: list[str], end: str = "\n") -> Content:
    path = folder / "XBTUSD_60.csv"
    path.write_text("\n".join(lines) + end)
    return Content(path)


def test_a_good_file_is_read_whole(tmp_path: Path) -> None:
    columns = read_csv(written(tmp_path, rows(5)), OHLCVT, Timeframe.H1)
    assert columns["time"].tolist() == [H + 3600 * at for at in range(5)]
    assert columns["volume"].tolist() == [0.25, 1.25, 2.25, 3.25, 4.25]
    assert columns["trades"].tolist() == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("end", ["", "\n", "\n\n", "\r\n"])
def test_how_a_file_ends_does_not_matter(tmp_path: Path, end: str) -> None:
    assert len(read_csv(written(tmp_path, rows(3), end), OHLCVT, Timeframe.H1)["time"]) == 3


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (f"{H + 7200},100.5,101,99,100,1", "6 columns where 7 belong"),
        (f"{H + 7200},100.5,101,99,100,1,2,3", "8 columns where 7 belong"),
        (f"{H + 7200},100.5,1o1,99,100,1,2", "high is '1o1', not a number"),
        (f"{H + 7200},100.5,,99,100,1,2", "high is '', not a number"),
        (f"{H + 7200},100.5,nan,99,100,1,2", "high is nan, not a finite number"),
        (f"{H + 7200},100.5,inf,99,100,1,2", "high is inf, not a finite number"),
        (f"{H + 7200},100.5,101,99,100,1,2.5", "trades is '2.5', not a whole number"),
        (f"{H + 7200}.5,100.5,101,99,100,1,2", "not a whole number"),
        (f"{H + 7201},100.5,101,99,100,1,2", "not the open of a 1h candle"),
        (f"{H + 3600},100.5,101,99,100,1,2", "stands on the line above already"),
        (f"{H},100.5,101,99,100,1,2", "on the line above"),
        (f"{(H + 7200) * 1000},100.5,101,99,100,1,2", "not unix seconds"),
        ("time,open,high,low,close,volume,trades", "time is 'time', not a whole number"),
        ("<html>", "1 columns where 7 belong"),
    ],
)
def test_a_broken_line_refuses_the_file_by_its_number(tmp_path: Path, line: str, reason: str) -> None:
    lines = rows(6)
    lines[2] = line
    with pytest.raises(BadData) as caught:
        read_csv(written(tmp_path, lines), OHLCVT, Timeframe.H1)
    assert caught.value.fields["line"] == 3
    assert reason in str(caught.value.fields["reason"])
    assert "XBTUSD_60.csv, line 3" in str(caught.value)
    assert str(caught.value.fields["file"]).endswith("XBTUSD_60.csv")


def test_empty_lines_count_as_lines_but_not_as_records(tmp_path: Path) -> None:
    lines = rows(4)
    lines[3] = lines[3].replace(",100.5,", ",nan,")
    with pytest.raises(BadData) as caught:
        read_csv(written(tmp_path, [lines[0], "", lines[1], lines[2], "", lines[3]]), OHLCVT, Timeframe.H1)
    assert caught.value.fields["line"] == 6


def test_the_first_of_several_faults_is_the_one_told(tmp_path: Path) -> None:
    lines = rows(8)
    lines[6] = lines[6].replace(",99,", ",nan,")
    lines[4] = f"{H + 4 * 3600 + 1},1,1,1,1,1,1"
    with pytest.raises(BadData) as caught:
        read_csv(written(tmp_path, lines), OHLCVT, Timeframe.H1)
    assert caught.value.fields["line"] == 5


def test_an_implausible_candle_is_left_to_the_contract(tmp_path: Path) -> None:
    lines = rows(3)
    lines[1] = f"{H + 3600},100,90,110,100,-5,0"
    assert read_csv(written(tmp_path, lines), OHLCVT, Timeframe.H1)["high"][1] == 90


@pytest.mark.parametrize("content", [b"", b"\n", b"\n\n\n"])
def test_an_empty_file_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "XBTUSD_60.csv"
    path.write_bytes(content)
    with pytest.raises(BadData):
        read_csv(Content(path), OHLCVT, Timeframe.H1)


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "XBTUSD_60.csv"
    path.write_bytes(bytes(range(256)) * 40)
    with pytest.raises(BadData):
        read_csv(Content(path), OHLCVT, Timeframe.H1)


def test_a_fault_in_the_last_line_of_a_long_file_is_found(tmp_path: Path) -> None:
    lines = rows(200_000)
    lines[-1] = lines[-1].replace(",99,", ",x,")
    with pytest.raises(BadData) as caught:
        read_csv(written(tmp_path, lines), OHLCVT, Timeframe.H1)
    assert caught.value.fields["line"] == 200_000


def test_trades_may_share_a_second_have_fractions_and_must_not_step_back(tmp_path: Path) -> None:
    path = tmp_path / "BCHEUR.csv"
    path.write_text(f"{H},90.54,1.1\n{H},90.45,1.0\n{H}.25,90.45,1.0\n")
    assert read_csv(Content(path), TRADE)["time"].tolist() == [H, H, H + 0.25]
    path.write_text(f"{H + 5},90.54,1.1\n{H},90.45,1.0\n")
    with pytest.raises(BadData) as caught:
        read_csv(Content(path), TRADE)
    assert caught.value.fields["line"] == 2


def test_progress_is_told_in_rows(tmp_path: Path) -> None:
    heard: list[int] = []
    read_csv(written(tmp_path, rows(50)), OHLCVT, Timeframe.H1, heard.append)
    assert heard[-1] == 50
