"""An expectation that tells what it is once finds what the library's own finds, row by row."""

from __future__ import annotations

from typing import Any

import great_expectations as gx
import numpy as np
import pandas as pd
import pytest
from great_expectations.core import ExpectationSuite

from kracken_tasks.contracts.contract import Contract
from kracken_tasks.contracts.settled import settled
from tests.support.candle_frames import candle_frame
from tests.support.contract_frames import contract_of


def answers(contract: Contract, frame: pd.DataFrame, *, ours: bool, result_format: str) -> list[tuple[Any, ...]]:
    asked = [
        {**(rule.expectation or {}), "meta": {"at": at}}
        for at, rule in enumerate(contract.expectations)
    ]  # fmt: skip
    if ours:
        asked = [{**one, "type": settled(str(one["type"]))} for one in asked]
    source = gx.get_context(mode="ephemeral").data_sources.add_pandas("rows")
    batch = (
        source.add_dataframe_asset("rows").add_batch_definition_whole_dataframe("all").get_batch({"dataframe": frame})
    )
    told = batch.validate(ExpectationSuite("rows", expectations=asked), result_format=result_format)
    by_number = {one.expectation_config.meta["at"]: one for one in told.results}
    return [
        (at, by_number[at].success, by_number[at].result.get("unexpected_index_list"), by_number[at].exception_info)
        for at in range(len(asked))
    ]


@pytest.mark.parametrize("result_format", ["BOOLEAN_ONLY", "COMPLETE"])
def test_settled_expectations_find_what_the_librarys_own_find(result_format: str) -> None:
    contract = contract_of("candles")
    frame = candle_frame(200).assign(exchange="kraken", symbol="BTC/USD", timeframe="1h")
    frame["trades"] = frame["trades"].to_numpy(np.float64, na_value=np.nan)
    for at, column, value in ((3, "volume", -1.0), (9, "close", np.nan), (20, "high", 0.5), (31, "source", "hearsay")):
        frame.loc[at, column] = value
    frame.loc[40, "ts"] = frame.loc[41, "ts"]
    theirs = answers(contract, frame, ours=False, result_format=result_format)
    assert answers(contract, frame, ours=True, result_format=result_format) == theirs
    assert {True, False} == {success for _, success, *_ in theirs}


def test_an_expectation_that_nobody_knows_keeps_its_name_for_the_library_to_refuse() -> None:
    assert settled("expect_nothing_of_the_kind") == "expect_nothing_of_the_kind"
