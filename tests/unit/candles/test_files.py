"""Discovery passes over no file in silence; reading gives candles or one clear refusal."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pandas as pd
import pytest

from kracken_tasks.candles.files import ImportSource, discover, read, read_all
from kracken_tasks.candles.names import FileKind, named
from kracken_tasks.domain.clock import utc
from kracken_tasks.domain.market import CANDLE_COLUMNS, SeriesKey, Timeframe
from kracken_tasks.errors import BadData, Misconfigured
from tests.support.candle_source import candles_between

H = 1_704_067_200  # 2024-01-01T00:00:00Z


def candle_csv(path: Path, count: int = 4) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{H + 3600 * at},100,101,99,100,1.5,{at}\n" for at in range(count)))
    return path


def trade_csv(path: Path) -> Path:
    path.write_text("".join(f"{H + 600 * at},{100 + at},0.1\n" for at in range(12)))
    return path


def table(path: Path, **changes: object) -> Path:
    frame = candles_between(utc(2024, 1, 1), utc(2024, 1, 1, 5), Timeframe.H1)
    frame = frame.rename(columns={"ts": "timestamp"})[["timestamp", "open", "high", "low", "close", "volume"]].assign(
        **changes
    )
    frame.to_parquet(path)
    return path


@pytest.mark.parametrize(
    ("name", "kind", "key"),
    [
        ("XBTUSD_60.csv", FileKind.KRAKEN_OHLCVT, SeriesKey("kraken", "BTC/USD", Timeframe.H1)),
        ("XDGEUR_1440.csv", FileKind.KRAKEN_OHLCVT, SeriesKey("kraken", "DOGE/EUR", Timeframe.D1)),
        ("ETHUSDT_720.csv", FileKind.KRAKEN_OHLCVT, SeriesKey("kraken", "ETH/USDT", Timeframe.H12)),
        ("BCHEUR.csv", FileKind.KRAKEN_TRADES, SeriesKey("kraken", "BCH/EUR", Timeframe.M5)),
        ("kraken_BTC-USD_1h.parquet", FileKind.CANDLE_TABLE, SeriesKey("kraken", "BTC/USD", Timeframe.H1)),
        ("binance_ETH-USDT_5m.csv", FileKind.CANDLE_TABLE, SeriesKey("binance", "ETH/USDT", Timeframe.M5)),
        ("kraken_ETH-USD_trades.parquet", FileKind.TRADE_TABLE, SeriesKey("kraken", "ETH/USD", Timeframe.M5)),
    ],
)
def test_a_name_tells_what_is_in_the_file(name: str, kind: FileKind, key: SeriesKey) -> None:
    told = named(Path(name))
    assert (told.kind, told.key(Timeframe.M5)) == (kind, key)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("notes.csv", "no known naming"),
        ("XBTUSD_7.csv", "7 minutes"),
        ("XBTXYZ_60.csv", "no known quote"),
        ("kraken_BTC-USD_7m.parquet", "no timeframe 7m"),
        ("coinbase_BTC-USD_7m_quotes.parquet", "no timeframe 7m"),
        ("XBTUSD_60.parquet", "no known naming"),
    ],
)
def test_a_name_that_tells_nothing_says_why(name: str, reason: str) -> None:
    told = named(Path(name))
    assert told.kind is FileKind.UNKNOWN
    assert reason in told.reason


def test_the_venues_own_altnames_win_over_the_split() -> None:
    assert named(Path("AAAPYUSD_60.csv"), {"AAAPYUSD": "AAA/PYUSD"}).symbol == "AAA/PYUSD"


def test_a_folder_is_searched_to_the_bottom_and_nothing_is_passed_over(tmp_path: Path) -> None:
    candle_csv(tmp_path / "Kraken_OHLCVT" / "2024" / "XBTUSD_60.csv")
    candle_csv(tmp_path / "odd name.csv")
    (tmp_path / "README.md").write_text("no data")
    found = discover(tmp_path)
    assert [(source.path.name, source.kind) for source in found] == [
        ("XBTUSD_60.csv", FileKind.KRAKEN_OHLCVT),
        ("odd name.csv", FileKind.UNKNOWN),
    ]
    with pytest.raises(BadData, match=r"odd name\.csv: no known naming"):
        read(found[1])


def test_an_archive_file_becomes_a_candle_frame_of_source_archive(tmp_path: Path) -> None:
    [source] = discover(candle_csv(tmp_path / "XBTUSD_60.csv"))
    frame = read(source)
    assert tuple(frame.columns) == CANDLE_COLUMNS
    assert frame["ts"].iloc[0] == utc(2024, 1, 1)
    assert frame["trades"].tolist() == [0, 1, 2, 3]
    assert set(frame["source"]) == {"archive"}
    assert frame["vwap"].isna().all()


def test_a_trade_file_gives_every_timeframe_asked_for_and_is_read_once(tmp_path: Path) -> None:
    sources = discover(trade_csv(tmp_path / "BCHEUR.csv"), timeframes=(Timeframe.M30, Timeframe.H1))
    heard: list[tuple[str, int]] = []
    told = dict(read_all(sources, lambda source, count: heard.append((str(source.key), count))))
    assert [len(frame) for frame in told.values()] == [4, 2]
    assert all(set(frame["source"]) == {"trades"} for frame in told.values())
    assert heard == [("kraken BCH/EUR 30m", 12)]


def test_a_parquet_file_is_read_with_its_own_source_or_as_archive(tmp_path: Path) -> None:
    [source] = discover(table(tmp_path / "kraken_BTC-USD_1h.parquet"))
    assert set(read(source)["source"]) == {"archive"}
    [source] = discover(table(tmp_path / "kraken_BTC-USD_1h.parquet", source="ohlc"))
    assert set(read(source)["source"]) == {"ohlc"}


def test_a_csv_with_a_header_is_read_by_its_column_names(tmp_path: Path) -> None:
    path = tmp_path / "bitstamp_BTC-USD_1h.csv"
    path.write_text(f"Time,Open,High,Low,Close,Volume\n{H},1,2,0.5,1.5,10\n{H + 3600},1,2,0.5,1.5,10\n")
    frame = read(discover(path)[0])
    assert frame["ts"].tolist() == [pd.Timestamp(utc(2024, 1, 1)), pd.Timestamp(utc(2024, 1, 1, 1))]


def test_an_explicit_key_names_a_file_that_does_not_name_itself(tmp_path: Path) -> None:
    path = candle_csv(tmp_path / "my candles.csv")
    [source] = discover(path, exchange="kraken", symbol="BTC/USD", timeframe=Timeframe.H1)
    assert source == ImportSource(path, FileKind.KRAKEN_OHLCVT, SeriesKey("kraken", "BTC/USD", Timeframe.H1))
    assert len(read(source)) == 4
    with pytest.raises(Misconfigured, match="belong together"):
        discover(path, exchange="kraken")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"close": [1.0, 2.0, float("nan"), 1.0, 1.0]}, "row 3: close is nan"),
        ({"timestamp": pd.to_datetime([0, 3600, 3600, 7200, 10800], unit="s", utc=True)}, "row 3: time"),
        ({"timestamp": pd.to_datetime([0, 3600, 1800, 7200, 10800], unit="s", utc=True)}, "is before the row above"),
        (
            {"timestamp": pd.to_datetime([0, 3600, 7260, 9000, 10800], unit="s", utc=True)},
            "not the open of a 1h candle",
        ),
    ],
)
def test_a_bad_parquet_row_refuses_the_file(tmp_path: Path, changes: dict[str, object], reason: str) -> None:
    [source] = discover(table(tmp_path / "kraken_BTC-USD_1h.parquet", **changes))
    with pytest.raises(BadData, match=reason):
        read(source)


def test_a_parquet_file_without_a_column_or_of_garbage_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "kraken_BTC-USD_1h.parquet"
    pd.DataFrame({"timestamp": [1], "open": [1.0]}).to_parquet(path)
    with pytest.raises(BadData, match="no column high"):
        read(discover(path)[0])
    path.write_bytes(b"PAR1 no, not really")
    with pytest.raises(BadData, match=r"kraken_BTC-USD_1h\.parquet"):
        read(discover(path)[0])


def test_a_piece_of_trade_history_gives_no_candle_it_cannot_know_whole(tmp_path: Path) -> None:
    stamps = pd.to_datetime([H + 600, H + 3600, H + 5000, H + 7300], unit="s", utc=True)
    path = tmp_path / "kraken_ETH-USD_trades.parquet"
    pd.DataFrame({"timestamp": stamps, "price": [1.0, 2, 3, 4], "volume": [1.0, 1, 1, 1]}).to_parquet(path)
    frame = read(discover(path)[0])
    assert frame[["open", "close"]].to_numpy().tolist() == [[2.0, 3.0]]


def test_nothing_to_import_is_said_at_once(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="nothing to import"):
        discover(tmp_path)
    with pytest.raises(Misconfigured, match="no file or folder"):
        discover(tmp_path / "missing")


def zipped(path: Path, files: dict[str, str]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return path


def test_a_zip_as_kraken_hands_it_out_need_not_be_unpacked(tmp_path: Path) -> None:
    candles = candle_csv(tmp_path / "plain" / "XBTUSD_60.csv")
    files = {
        "Kraken_OHLCVT/XBTUSD_60.csv": candles.read_text(),
        "Kraken_Trading_History/BCHEUR.csv": f"{H},90.5,1.5\n",
        "read me.txt": "hello",
    }
    [packed, trades] = discover(zipped(tmp_path / "Kraken_OHLCVT.zip", files))
    assert (packed.member, str(packed.key)) == ("Kraken_OHLCVT/XBTUSD_60.csv", "kraken BTC/USD 1h")
    pd.testing.assert_frame_equal(read(packed), read(discover(candles)[0]))
    assert read(trades)["volume"].tolist() == [1.5]


def test_a_bad_line_inside_a_zip_is_named_with_both_files(tmp_path: Path) -> None:
    path = zipped(
        tmp_path / "history.zip", {"a/XBTUSD_60.csv": f"{H},1,1,1,1,1,1\nbroken\n", "kraken_BTC-USD_1h.csv": "ts\n"}
    )
    good, table_inside = discover(path)
    with pytest.raises(BadData) as caught:
        read(good)
    assert caught.value.fields["line"] == 2
    assert str(caught.value.fields["file"]).endswith("history.zip!a/XBTUSD_60.csv")
    with pytest.raises(BadData, match="unpack"):
        read(table_inside)


def test_a_damaged_zip_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "history.zip"
    path.write_bytes(b"PK no zip at all")
    with pytest.raises(BadData, match=r"history\.zip"):
        discover(path)


def test_a_week_of_which_a_trade_file_holds_only_a_part_is_no_candle(tmp_path: Path) -> None:
    path = tmp_path / "XBTUSD.csv"  # from Friday 1 to Sunday 31 December 2023 and on to Tuesday 2 January 2024
    path.write_text("".join(f"{H + 1800 * at},100,1\n" for at in range(-31 * 48, 2 * 48)))
    weeks, days = (read(source) for source in discover(path, timeframes=(Timeframe.W1, Timeframe.D1)))
    assert weeks["ts"].iloc[[0, -1]].tolist() == [
        pd.Timestamp("2023-12-04", tz="UTC"),
        pd.Timestamp("2023-12-25", tz="UTC"),
    ]
    assert set(weeks["trades"]) == {7 * 48}
    assert days["ts"].iloc[[0, -1]].tolist() == [
        pd.Timestamp("2023-12-01", tz="UTC"),
        pd.Timestamp("2024-01-02", tz="UTC"),
    ]
    assert set(days["trades"]) == {48}
