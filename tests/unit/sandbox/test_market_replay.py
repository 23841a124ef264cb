"""Replay: bars come back exactly, on their own dates, from the files as they come."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from kracken_tasks.sandbox.market.aggregate import DAY_S, NS, candles_from
from kracken_tasks.sandbox.market.replay import ReplayMarket

START_S = 1_700_000_000 // DAY_S * DAY_S
DATA = Path(os.environ.get("KRACKEN_TEST_DATA", Path(__file__).parents[3].parent / "shared" / "data"))

needs_data = pytest.mark.skipif(
    not (DATA / "kraken_archive").is_dir(), reason="no recorded market data on this machine"
)


def archive_rows(hours: int = 60, seed: int = 1, counts: bool = True) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    close = np.round(30_000 * np.exp(np.cumsum(rng.normal(0, 0.006, hours))), 1)
    opened = np.round(np.concatenate(([30_000.0], close[:-1])) + rng.integers(-3, 4, hours) / 10, 1)
    high = np.round(np.maximum(opened, close) + rng.integers(0, 900, hours) / 10, 1)
    low = np.round(np.minimum(opened, close) - rng.integers(0, 900, hours) / 10, 1)
    frame = pd.DataFrame({0: START_S + 3600 * np.arange(hours), 1: opened, 2: high, 3: low, 4: close})
    frame[5] = np.round(rng.lognormal(3, 1.5, hours), 8)
    if counts:
        frame[6] = rng.integers(4, 900, hours)
    return frame


def write(frame: pd.DataFrame, path: Path) -> Path:
    frame.to_csv(path, header=False, index=False)
    return path


def assert_bars_come_back(market: ReplayMarket, symbol: str, frame: pd.DataFrame, rows: slice) -> None:
    """Both ways: through the candles, and through the trades themselves."""
    spec = next(spec for spec in market.pairs if spec.symbol == symbol)
    minutes, part = market.unit_minutes(symbol), frame.iloc[rows]
    start, end = int(part[0].iloc[0]), int(part[0].iloc[-1]) + minutes * 60
    asked = market.candles(symbol, minutes, start, end, end * NS)
    built = candles_from(market.trades(symbol, start * NS, end * NS), minutes * 60, spec.price_decimals)
    for candles in (asked, built):
        assert candles.open_s.tolist() == part[0].tolist()
        for name, column in (("open", 1), ("high", 2), ("low", 3), ("close", 4)):
            ticks = getattr(candles, name) / 10**spec.price_decimals
            np.testing.assert_allclose(ticks, part[column], rtol=1e-14, err_msg=name)
        np.testing.assert_array_equal(candles.lots, np.rint(part[5].to_numpy() * 1e8).astype(np.int64))
        if 6 in part:
            assert candles.count.tolist() == part[6].tolist()
    np.testing.assert_allclose(asked.vwap, built.vwap, rtol=1e-12)


@pytest.mark.parametrize("counts", [True, False])
def test_bars_come_back_exactly(tmp_path: Path, counts: bool) -> None:
    frame = archive_rows(counts=counts)
    market = ReplayMarket.from_path(write(frame, tmp_path / "XBTUSD_60.csv"))
    assert [spec.key for spec in market.pairs] == ["XXBTZUSD"]
    assert_bars_come_back(market, "BTC/USD", frame, slice(0, len(frame)))
    trades = market.trades("BTC/USD", 0, 2 * START_S * NS)
    assert np.all(np.diff(trades.ts_ns) > 0)
    assert trades.trade_id.tolist() == list(range(1, len(trades) + 1))
    assert trades.lots.min() > 0


def test_thin_bars_come_back_with_their_counts(tmp_path: Path) -> None:
    rows = [
        (10.0, 10.0, 10.0, 10.0, 0.5, 1),
        (10.0, 11.0, 10.0, 11.0, 0.5, 2),
        (11.0, 11.0, 9.0, 10.0, 0.5, 3),
        (10.0, 13.0, 10.0, 12.0, 0.5, 3),
        (12.0, 12.0, 12.0, 12.0, 0.5, 3),
        (12.0, 12.0, 11.0, 11.0, 0.5, 3),
        (11.0, 14.0, 8.0, 12.0, 0.5, 4),
        (12.0, 14.0, 8.0, 12.0, 0.5, 5),
        (12.0, 12.0, 12.0, 12.0, 0.00000009, 9),
        (12.0, 14.0, 8.0, 13.0, 0.5, 6),
    ]
    frame = pd.DataFrame([(START_S + 3600 * i, *row) for i, row in enumerate(rows)])
    market = ReplayMarket.from_path(write(frame, tmp_path / "ADAUSD_60.csv"))
    assert_bars_come_back(market, "ADA/USD", frame, slice(0, len(frame)))


def test_a_count_the_prices_contradict_is_raised(tmp_path: Path) -> None:
    frame = pd.DataFrame([(START_S, 11.0, 14.0, 8.0, 12.0, 0.5, 1), (START_S + 3600, 1.0, 2.0, 0.5, 1.5, 2e-8, 1)])
    market = ReplayMarket.from_path(write(frame, tmp_path / "ADAUSD_60.csv"))
    candles = market.candles("ADA/USD", 60, START_S, START_S + 7200, (START_S + 7200) * NS)
    assert candles.count.tolist() == [4, 4]
    assert candles.high.tolist() == [14_000_000, 2_000_000]
    assert candles.lots.tolist() == [50_000_000, 4]


def test_holes_stay_holes_and_the_end_keeps_its_book(tmp_path: Path) -> None:
    frame = archive_rows(200).drop(index=range(20, 110))
    market = ReplayMarket.from_path(write(frame, tmp_path / "XBTUSD_60.csv"))
    hole = START_S + 70 * 3600
    assert len(market.trades("BTC/USD", (START_S + 20 * 3600) * NS, (START_S + 110 * 3600) * NS)) == 0
    before = market.last_trade_before("BTC/USD", hole * NS)
    assert before.ts_ns[0] < (START_S + 20 * 3600) * NS
    assert len(market.candles("BTC/USD", 60, START_S, START_S + 200 * 3600, (START_S + 200 * 3600) * NS)) == 110
    last = market.last_ns("BTC/USD")
    assert market.last_trade_before("BTC/USD", last + 10**18).ts_ns[0] == last
    ended = market.book("BTC/USD", last + 10 * NS, 10)
    assert market.book("BTC/USD", last + 10**18, 10) == ended
    assert len(market.trades("BTC/USD", last + 1, last + 10**18)) == 0
    assert market.book("BTC/USD", START_S * NS - NS * 60, 10).bids == ()


def test_an_order_at_the_close_meets_the_next_open(tmp_path: Path) -> None:
    frame = archive_rows(30)
    market = ReplayMarket.from_path(write(frame, tmp_path / "XBTUSD_60.csv"))
    for i in range(1, 29):
        at = (START_S + 3600 * i) * NS
        opened = round(float(frame[1].iloc[i]) * 10)
        assert market.last_trade_before("BTC/USD", at).price[0] == opened
        assert market.last_trade_before("BTC/USD", at - 1).price[0] == round(float(frame[4].iloc[i - 1]) * 10)
        book = market.book("BTC/USD", at, 1)
        assert book.bids[0][0] <= opened <= book.asks[0][0]


def test_finer_candles_fit_into_the_bars(tmp_path: Path) -> None:
    frame = archive_rows(30)
    market = ReplayMarket.from_path(write(frame, tmp_path / "XBTUSD_60.csv"))
    end = START_S + 30 * 3600
    bars = market.candles("BTC/USD", 60, START_S, end, end * NS)
    for minutes in (1, 15):
        fine = market.candles("BTC/USD", minutes, START_S, end, end * NS)
        hour = fine.open_s // 3600 * 3600
        for i, opened in enumerate(bars.open_s):
            assert fine.high[hour == opened].max() == bars.high[i]
            assert fine.lots[hour == opened].sum() == bars.lots[i]


def test_an_unfinished_bar_shows_only_what_was(tmp_path: Path) -> None:
    market = ReplayMarket.from_path(write(archive_rows(30), tmp_path / "XBTUSD_60.csv"))
    for now in (START_S * NS + 5 * 3600 * NS + 1234 * NS, START_S * NS + 25 * 3600 * NS + 1):
        for minutes in (5, 60, 240, 1440):
            got = market.candles("BTC/USD", minutes, START_S, now // NS + 1, now)
            want = candles_from(market.trades("BTC/USD", START_S * NS, now + 1), minutes * 60, 1)
            for name in ("open_s", "open", "high", "low", "close", "lots", "count"):
                assert getattr(got, name).tolist() == getattr(want, name).tolist()


def test_a_longer_history_changes_no_later_trade(tmp_path: Path) -> None:
    frame = archive_rows(60)
    (tmp_path / "a").mkdir()
    whole = ReplayMarket.from_path(write(frame, tmp_path / "XBTUSD_60.csv"))
    late = ReplayMarket.from_path(write(frame.iloc[20:], tmp_path / "a" / "XBTUSD_60.csv"))
    window = ((START_S + 30 * 3600) * NS, (START_S + 40 * 3600) * NS)
    left, right = whole.trades("BTC/USD", *window), late.trades("BTC/USD", *window)
    assert left.price.tolist() == right.price.tolist()
    assert left.ts_ns.tolist() == right.ts_ns.tolist()


def test_decimals_come_from_the_data_where_they_are_more(tmp_path: Path) -> None:
    frame = archive_rows(5)
    assert ReplayMarket.from_path(write(frame, tmp_path / "XBTUSD_60.csv")).pairs[0].price_decimals == 1
    frame.loc[2, 2] += 0.00017
    assert ReplayMarket.from_path(write(frame, tmp_path / "XBTUSD_60.csv")).pairs[0].price_decimals == 5


def test_candles_with_a_header_and_parquet(tmp_path: Path) -> None:
    frame = archive_rows(counts=False)
    named = pd.DataFrame(
        {
            "timestamp": frame[0] * 1000,
            "open": frame[1],
            "high": frame[2],
            "low": frame[3],
            "close": frame[4],
            "volume": frame[5],
        }
    )
    (tmp_path / "sub").mkdir()
    named.to_csv(tmp_path / "sub" / "kraken_ETH-USD_1h.csv", index=False)
    typed = named.assign(timestamp=pd.to_datetime(named["timestamp"], unit="ms", utc=True))
    typed.to_parquet(tmp_path / "kraken_BTC-USD_1h.parquet")
    named.to_parquet(tmp_path / "anything.parquet")
    market = ReplayMarket.from_path(tmp_path)
    assert [spec.symbol for spec in market.pairs] == ["BTC/USD", "ETH/USD"]
    for symbol in ("BTC/USD", "ETH/USD"):
        assert_bars_come_back(market, symbol, frame, slice(0, 60))
    given = ReplayMarket.from_files({"SOL/USD": tmp_path / "anything.parquet"})
    assert_bars_come_back(given, "SOL/USD", frame, slice(0, 60))
    same = ReplayMarket.from_path(tmp_path / "anything.parquet", symbols=["SOL/USD"])
    assert same.unit_minutes("SOL/USD") == 60


def test_the_finest_rules_and_kraken_comes_first(tmp_path: Path) -> None:
    hours = archive_rows(48)
    write(hours, tmp_path / "XBTUSD_60.csv")
    write(hours.iloc[::24], tmp_path / "XBTUSD_1440.csv")
    names = ["timestamp", "open", "high", "low", "close", "volume"]
    hours[[0, 1, 2, 3, 4, 5]].set_axis(names, axis=1).to_parquet(tmp_path / "binance_BTC-USD_1m.parquet")
    assert ReplayMarket.from_path(tmp_path).unit_minutes("BTC/USD") == 60
    assert ReplayMarket.from_path(tmp_path, minutes=1440).unit_minutes("BTC/USD") == 1440
    with pytest.raises(ValueError, match="no market data for ETH/USD"):
        ReplayMarket.from_path(tmp_path, symbols=["BTC/USD", "ETH/USD"])


def test_trades_are_replayed_as_they_are(tmp_path: Path) -> None:
    rows = [
        (START_S + 10, 90.54, 1.1),
        (START_S + 10, 90.50, 1.0),
        (START_S + 10, 90.50, 0.5),
        (START_S + DAY_S, 90.6, 2.0),
    ]
    market = ReplayMarket.from_path(write(pd.DataFrame(rows), tmp_path / "BCHEUR.csv"))
    trades = market.trades("BCH/EUR", 0, 2 * START_S * NS)
    assert (trades.ts_ns - (START_S + 10) * NS).tolist() == [0, 1, 2, (DAY_S - 10) * NS]
    assert trades.price.tolist() == [9054, 9050, 9050, 9060]
    assert trades.side.tolist() == [1, -1, -1, 1]
    days = market.candles("BCH/EUR", 1440, 0, 2 * START_S, 2 * START_S * NS)
    assert days.count.tolist() == [3, 1]
    assert market.book("BCH/EUR", (START_S + 20) * NS, 5).bids[0][0] == 9050


def test_default_start_is_where_half_still_trade(tmp_path: Path) -> None:
    write(archive_rows(30), tmp_path / "XBTUSD_60.csv")
    write(archive_rows(50), tmp_path / "ETHUSD_60.csv")
    write(archive_rows(40), tmp_path / "SOLUSD_60.csv")
    write(archive_rows(60).iloc[::24], tmp_path / "ADAUSD_1440.csv")
    market = ReplayMarket.from_path(tmp_path)
    assert market.default_start() == market.last_ns("SOL/USD")
    assert market.first_ns("BTC/USD") == START_S * NS == market.first_trade_ns("BTC/USD")


def test_broken_files_say_so(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no market data for any symbol"):
        ReplayMarket.from_path(tmp_path)
    pd.DataFrame({"timestamp": [1], "price": [2.0]}).to_parquet(tmp_path / "kraken_BTC-USD_1h.parquet")
    with pytest.raises(ValueError, match="no column open"):
        ReplayMarket.from_path(tmp_path)
    write(
        archive_rows(3).assign(**{"5": 0.0}).set_axis(range(8), axis=1)[[0, 1, 2, 3, 4, 7]], tmp_path / "XBTUSD_60.csv"
    )
    with pytest.raises(ValueError, match="no row with a price"):
        ReplayMarket.from_path(tmp_path / "XBTUSD_60.csv")


@needs_data
@pytest.mark.parametrize(
    ("name", "symbol"), [("XBTUSD_60", "BTC/USD"), ("ETHUSD_60", "ETH/USD"), ("ADAUSD_1440", "ADA/USD")]
)
def test_the_real_archive_comes_back(name: str, symbol: str) -> None:
    frame = pd.read_csv(DATA / "kraken_archive" / f"{name}.csv", header=None)
    market = ReplayMarket.from_path(DATA / "kraken_archive", symbols=[symbol])
    assert_bars_come_back(market, symbol, frame, slice(0, 300))
    assert_bars_come_back(market, symbol, frame, slice(len(frame) - 40, len(frame)))
    whole = market.candles(symbol, market.unit_minutes(symbol), 0, 2**33, 2**33 * NS)
    assert whole.count.tolist() == frame[6].tolist()
    assert whole.open_s.tolist() == frame[0].tolist()
