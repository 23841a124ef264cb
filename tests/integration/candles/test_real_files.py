"""Real archive files, when the shared data folder is there; what they must give is written down here."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from kracken_tasks.candles.content import Content
from kracken_tasks.candles.csv_files import OHLCVT, read_csv
from kracken_tasks.candles.files import discover, read
from kracken_tasks.candles.from_trades import candles_from_trades
from kracken_tasks.candles.names import FileKind
from kracken_tasks.domain.market import SeriesKey, Tape, Timeframe
from kracken_tasks.errors import BadData

DATA = Path(__file__).parents[4] / "shared" / "data"
real = pytest.mark.skipif(not DATA.is_dir(), reason=f"no real data at {DATA}")


@real
@pytest.mark.parametrize(
    ("name", "key", "rows", "first"),
    [
        ("XBTUSD_60.csv", SeriesKey("kraken", "BTC/USD", Timeframe.H1), 70_253, "2013-10-06T21:00:00Z"),
        ("ETHUSD_60.csv", SeriesKey("kraken", "ETH/USD", Timeframe.H1), 63_568, "2015-08-07T14:00:00Z"),
        ("ADAUSD_1440.csv", SeriesKey("kraken", "ADA/USD", Timeframe.D1), 916, "2018-09-28T00:00:00Z"),
    ],
)
def test_an_archive_file_comes_in_whole(name: str, key: SeriesKey, rows: int, first: str) -> None:
    [source] = discover(DATA / "kraken_archive" / name)
    frame = read(source)
    assert source.key == key
    assert len(frame) == rows
    assert frame["ts"].iloc[0] == pd.Timestamp(first)
    assert frame["ts"].is_monotonic_increasing


@real
def test_the_archive_and_the_parquet_of_one_series_agree_to_the_last_bit() -> None:
    [archive] = discover(DATA / "kraken_archive" / "XBTUSD_60.csv")
    [parquet] = discover(DATA / "kraken_BTC-USD_1h.parquet")
    columns = ["ts", "open", "high", "low", "close", "volume"]
    pd.testing.assert_frame_equal(read(archive)[columns], read(parquet)[columns], check_exact=True)


@real
def test_a_thousand_trades_make_the_very_hour_that_the_archive_has() -> None:
    trades = pd.read_parquet(DATA / "kraken_ETH-USD_trades.parquet").rename(columns={"timestamp": "ts"})
    made = candles_from_trades(trades, Timeframe.H1, covered=(trades["ts"].iloc[0], trades["ts"].iloc[-1]))
    [source] = discover(DATA / "kraken_archive" / "ETHUSD_60.csv")
    archive = read(source).set_index("ts")
    assert made["ts"].tolist() == [pd.Timestamp("2022-03-20T11:00:00Z")]
    figures = ["open", "high", "low", "close", "volume", "trades"]
    assert made[figures].iloc[0].tolist() == archive.loc[made["ts"].iloc[0], figures].tolist()
    assert made["trades"].iloc[0] == 559


@real
def test_a_day_of_the_trade_archive_becomes_hours_that_keep_every_trade() -> None:
    [source] = discover(DATA / "kraken_trades" / "BCHEUR.csv")
    frame = read(source)
    assert (source.kind, str(source.key)) == (FileKind.KRAKEN_TRADES, "kraken BCH/EUR 1h")
    assert frame["trades"].sum() == 148
    assert set(frame["ts"].dt.date.astype(str)) == {"2023-01-01"}


@real
def test_every_file_of_the_folder_is_read_and_one_without_a_telling_name_refused() -> None:
    refused = []
    for source in discover(DATA, tapes=True):
        try:
            assert len(read(source)) > 0
        except BadData as error:
            refused.append(Path(str(error.fields["file"])).name)
    assert sorted(refused) == ["kraken_eth_usd_historical_price_source.csv"]
    nameless = DATA / "kraken_trades" / "kraken_eth_usd_historical_price_source.csv"
    [source] = discover(nameless, timeframes=(), exchange="kraken", symbol="ETH/USD", timeframe=Tape.TRADES, tapes=True)
    [same] = discover(DATA / "kraken_ETH-USD_trades.parquet", timeframes=(), tapes=True)
    pd.testing.assert_frame_equal(read(source), read(same), check_exact=True)


@real
def test_minute_bars_of_quotes_become_the_quotes_at_their_closes() -> None:
    [source] = discover(DATA / "coinbase_BTC-USD_1m_quotes.parquet")
    frame = read(source)
    assert (str(source.key), len(frame)) == ("coinbase BTC/USD quotes", 2873)
    first = frame.iloc[0]
    assert (first["ts"], first["bid"], first["ask"]) == (pd.Timestamp("2018-04-04T00:01:00Z"), 7424.9, 7424.91)
    assert (frame["bid"] <= frame["ask"]).all()


@real
def test_a_damaged_copy_of_a_real_file_is_refused_at_its_damaged_line(tmp_path: Path) -> None:
    lines = (DATA / "kraken_archive" / "XBTUSD_60.csv").read_bytes().splitlines(keepends=True)
    lines[41_234] = lines[41_234].replace(b",", b";", 1)
    path = tmp_path / "XBTUSD_60.csv"
    path.write_bytes(b"".join(lines))
    with pytest.raises(BadData) as caught:
        read_csv(Content(path), OHLCVT, Timeframe.H1)
    assert caught.value.fields["line"] == 41_235
