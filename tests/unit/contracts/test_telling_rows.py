"""Great Expectations is shown the rows that break a rule if any row does; nothing that is wrong stays unseen for it."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pytest

from kracken_tasks.contracts.contract import Contract
from kracken_tasks.contracts.subject import STRETCH
from kracken_tasks.contracts.telling import can_be_told, telling_places
from kracken_tasks.contracts.validation import failing_rows
from kracken_tasks.domain.market import Timeframe
from tests.support.candle_frames import BTC, START, candle_frame
from tests.support.contract_frames import KEYS, contract_of, quotes_frame, trades_frame

ROWS = STRETCH + 3_000
FAULTS = {
    "numbers_present": ("volume", np.nan),
    "finite": ("high", np.inf),
    "prices_positive": ("low", 0.0),
    "high_is_highest": ("high", 1.0),
    "low_is_lowest": ("low", 1e6),
    "volume_not_negative": ("volume", -1e-300),
    "trades_not_negative": ("trades", -1),
    "source_known": ("source", "hearsay"),
}


@pytest.fixture(scope="module")
def long_frame() -> pd.DataFrame:
    return candle_frame(ROWS, start=START, timeframe=Timeframe.M1)


@pytest.mark.parametrize("at", [1, STRETCH - 1, STRETCH, ROWS - 1])
def test_one_wrong_row_among_many_is_found_wherever_it_stands(long_frame: pd.DataFrame, at: int) -> None:
    for rule, (column, value) in FAULTS.items():
        frame = long_frame.copy()
        frame.loc[at, column] = value
        found = failing_rows(contract_of("candles"), [BTC], [frame])
        assert np.flatnonzero(found[rule]).tolist() == [at], rule


def test_all_wrong_rows_of_a_long_series_are_found_not_only_the_worst(long_frame: pd.DataFrame) -> None:
    frame = long_frame.copy()
    wrong = [3, 4, 5_000, STRETCH + 7, ROWS - 2]
    frame.loc[wrong, "volume"] = [-1.0, -2.0, -3.0, -1.0, -5.0]
    found = failing_rows(contract_of("candles"), [BTC], [frame])
    assert {rule: np.flatnonzero(rows).tolist() for rule, rows in found.items()} == {"volume_not_negative": wrong}


def test_a_window_told_twice_is_found_across_any_distance(long_frame: pd.DataFrame) -> None:
    frame = long_frame.copy()
    frame.loc[ROWS - 1, "ts"] = frame.loc[2, "ts"]
    found = failing_rows(contract_of("candles"), [BTC], [frame])
    assert {rule: np.flatnonzero(rows).tolist() for rule, rows in found.items()} == {
        "one_row_per_candle": [2, ROWS - 1]
    }


def test_one_series_staged_in_two_parts_that_tell_the_same_window_is_found() -> None:
    frame = candle_frame(2_000)
    found = failing_rows(contract_of("candles"), [BTC, BTC], [frame.iloc[:1_500], frame.iloc[1_499:]], whole=0)
    assert {rule: np.flatnonzero(rows).tolist() for rule, rows in found.items()} == {
        "one_row_per_candle": [1_499, 1_500]
    }


def test_of_many_rows_few_have_to_be_shown(long_frame: pd.DataFrame) -> None:
    shown = telling_places(contract_of("candles"), [long_frame, long_frame])
    assert len(shown) < 60
    assert {0, ROWS} <= set(shown.tolist())


@pytest.mark.parametrize("dataset", ["candles", "trades", "quotes"])
def test_every_contract_that_we_ship_can_be_told_by_few_rows(dataset: str) -> None:
    assert can_be_told(contract_of(dataset))


@pytest.mark.parametrize(
    ("kind", "kwargs"),
    [
        ("expect_column_values_to_be_between", {"column": "volume", "min_value": 0, "mostly": 0.5}),
        ("expect_column_values_to_match_regex", {"column": "source", "regex": "^[a-z]+$"}),
        ("expect_column_values_to_be_in_set", {"column": "volume", "value_set": [1.0]}),
        ("expect_compound_columns_to_be_unique", {"column_list": ["ts", "open"]}),
        (
            "expect_column_pair_values_a_to_be_greater_than_b",
            {"column_A": "high", "column_B": "open", "ignore_row_if": "never"},
        ),
    ],
)
def test_an_expectation_of_another_kind_is_shown_every_row(kind: str, kwargs: dict[str, object]) -> None:
    assert not can_be_told(with_one_more(contract_of("candles"), kind, kwargs))


def test_an_expectation_of_another_kind_is_answered_for_every_row() -> None:
    contract = with_one_more(
        contract_of("candles"), "expect_column_values_to_match_regex", {"column": "source", "regex": "^[a-z]+$"}
    )
    frame = candle_frame(3_000)
    frame.loc[[7, 2_900], "source"] = "OHLC"
    found = failing_rows(contract, [BTC], [frame], whole=0)
    assert {rule: np.flatnonzero(rows).tolist() for rule, rows in found.items()} == {
        "source_known": [7, 2_900], "one_more": [7, 2_900],
    }  # fmt: skip


def test_unknown_numbers_hide_no_wrong_one_beside_them() -> None:
    trades, quotes = trades_frame(3_000), quotes_frame(3_000)
    trades.loc[10:2_000, "trade_id"] = pd.NA
    trades.loc[5, "trade_id"] = -1
    quotes.loc[:2_000, ["last", "bid_volume"]] = np.nan
    quotes.loc[2_500, ["last", "bid_volume"]] = [0.0, -1.0]
    found = failing_rows(contract_of("trades"), [KEYS["trades"]], [trades], whole=0)
    assert {rule: np.flatnonzero(rows).tolist() for rule, rows in found.items()} == {"trade_id_not_negative": [5]}
    found = failing_rows(contract_of("quotes"), [KEYS["quotes"]], [quotes], whole=0)
    assert {rule: np.flatnonzero(rows).tolist() for rule, rows in found.items()} == {
        "last_positive": [2_500], "volumes_not_negative": [2_500],
    }  # fmt: skip


def with_one_more(contract: Contract, kind: str, kwargs: dict[str, object]) -> Contract:
    more = dataclasses.replace(contract.expectations[0], name="one_more", expectation={"type": kind, "kwargs": kwargs})
    return dataclasses.replace(contract, expectations=(*contract.expectations, more))
