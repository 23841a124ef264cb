"""Every real file beside the checkout, through the contracts: good data are never rejected, and what is told is known and explained."""

from __future__ import annotations

from functools import cache

import numpy as np
import pandas as pd
import pytest

from kracken_tasks.contracts.inspection import inspect_frame
from kracken_tasks.contracts.judging import judge, subject_of
from kracken_tasks.contracts.neighbours import closes_elsewhere
from kracken_tasks.contracts.subject import Candles, Facts
from kracken_tasks.domain.clock import utc
from kracken_tasks.domain.market import SeriesKey, Tape, TapeKey, Timeframe
from tests.support.contract_frames import contract_of
from tests.support.real_data import real_files

NOW = utc(2026, 1, 1)

# What docs/contracts.md explains: file -> rule -> rows.  A file that is not here is found without fault.
EXPLAINED = {
    "coinbase_BTC-USD_1d": {"jump": 1, "wick": 1},
    "kraken_ADA-USD_1d": {"jump": 1, "wick": 1},
    "kraken_ETH-USD_1d": {"jump": 1, "wick": 4},
    "kraken_ETH-USD_1h": {"jump": 6, "wick": 1},
    "kraken_LTC-USD_1d": {"jump": 5, "wick": 2},
}
NAMES = real_files("*_*-*_*[mhd].parquet")


@cache
def candles(name: str) -> pd.DataFrame:
    frame = pd.read_parquet(NAMES[name]).rename(columns={"timestamp": "ts"})
    unknown = pd.array([pd.NA] * len(frame), dtype="Int64")
    source = pd.array(["archive"] * len(frame), dtype="str")
    return frame.assign(vwap=np.nan, trades=unknown, source=source)


def key_of(name: str) -> SeriesKey:
    exchange, symbol, timeframe = name.split("_")
    return SeriesKey(exchange, symbol.replace("-", "/"), Timeframe(timeframe))


@pytest.mark.parametrize("name", NAMES or [pytest.param("", marks=pytest.mark.skip(reason="real data not present"))])
def test_a_real_file_loses_no_row_and_tells_only_what_is_explained(name: str) -> None:
    contract = contract_of("candles")
    found = inspect_frame(contract, candles(name), key_of(name), now=NOW)
    assert {one.action for one in found} <= {"warn"}
    assert {one.rule: one.rows for one in found} == EXPLAINED.get(name, {})


@pytest.mark.skipif(not NAMES, reason="real data not present")
def test_real_files_in_pieces_with_what_came_before_lose_no_row_either() -> None:
    contract = contract_of("candles")
    pieces = []
    for name in (one for one in NAMES if one.endswith(("1h", "1d"))):
        frame, key = candles(name), key_of(name)
        for at in range(0, len(frame), 720):
            before = Candles.of(frame.iloc[max(at - contract.memory, 0) : at])
            piece = frame.iloc[at : at + 720].reset_index(drop=True)
            pieces.append(subject_of(piece, Facts(key, NOW, before=before), contract))
    assert {finding.action for told in judge(contract, pieces) for finding in told.findings} == {"warn"}


@pytest.mark.skipif(not NAMES, reason="real data not present")
@pytest.mark.parametrize("name", ["kraken_ETH-USD_1h", "kraken_LTC-USD_1d", "kraken_ADA-USD_1d", "coinbase_BTC-USD_1d"])
def test_in_the_wildest_real_series_a_slipped_decimal_point_is_found_and_a_crash_is_kept(name: str) -> None:
    prices = ["open", "high", "low", "close"]
    slipped, crashed = candles(name).copy(), candles(name).copy()
    slipped.loc[200, prices] *= 12.0
    slipped.loc[700, prices] /= 20.0
    crashed.loc[700:, prices] /= 20
    found = {one.rule: one for one in inspect_frame(contract_of("candles"), slipped, key_of(name), now=NOW)}
    assert (found["misprint"].rows, found["misprint"].first_ts) == (2, slipped["ts"][200].to_pydatetime())
    told = inspect_frame(contract_of("candles"), crashed, key_of(name), now=NOW)
    assert {one.action for one in told} == {"warn"}
    assert {one.rule: one.rows for one in told}["jump"] == EXPLAINED[name]["jump"] + 1


@pytest.mark.skipif(not NAMES, reason="real data not present")
def test_three_venues_of_the_same_days_never_disprove_each_other() -> None:
    contract = contract_of("candles")
    venues = [name for name in NAMES if name.endswith("_BTC-USD_1d")]
    assert len(venues) == 3
    for name in venues:
        others = closes_elsewhere({other: Candles.of(candles(other)) for other in venues if other != name})
        subject = subject_of(candles(name), Facts(key_of(name), NOW, elsewhere=others), contract)
        (told,) = judge(contract, [subject])
        rules = {one.rule: one.rows for one in told.findings}
        assert not told.rejected.any()
        assert rules.get("far_from_venues", 0) <= 2
        assert "shifted_clock" not in rules


@pytest.mark.skipif(not NAMES, reason="real data not present")
def test_hours_named_by_their_close_or_in_local_time_are_seen_against_another_venue() -> None:
    contract, key = contract_of("candles"), key_of("bitfinex_BTC-USD_1h")
    frame = candles("bitfinex_BTC-USD_1h").iloc[5000:7000].reset_index(drop=True)
    others = closes_elsewhere({"kraken": Candles.of(candles("kraken_BTC-USD_1h"))})
    for hours in (0, 1, -5):
        moved = frame.assign(ts=frame["ts"] + pd.Timedelta(hours=hours))
        (told,) = judge(contract, [subject_of(moved, Facts(key, NOW, elsewhere=others), contract)])
        said = [one.detail for one in told.findings if one.rule == "shifted_clock"]
        assert len(said) == (hours != 0)
        assert not said or f"{abs(hours)} candles" in said[0]


def test_real_trades_and_quotes_keep_their_contracts() -> None:
    found = 0
    for path in real_files("kraken_*_trades.parquet").values():
        frame = pd.read_parquet(path).rename(columns={"order_type": "kind"})
        key = TapeKey("kraken", "ETH/USD", Tape.TRADES)
        assert inspect_frame(contract_of("trades"), frame, key, now=NOW) == ()
        found += 1
    for name, path in real_files("coinbase_*_quotes.parquet").items():
        columns = {"bid_close": "bid", "ask_close": "ask", "bid_size": "bid_volume", "ask_size": "ask_volume"}
        frame = pd.read_parquet(path).rename(columns=columns)
        key = TapeKey("coinbase", name.split("_")[1].replace("-", "/"), Tape.QUOTES)
        assert inspect_frame(contract_of("quotes"), frame, key, now=NOW) == ()
        found += 1
    if not found:
        pytest.skip("real data not present")
