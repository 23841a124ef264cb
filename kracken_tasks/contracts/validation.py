"""Great Expectations, held to one validation in memory: no project folder, no data docs, no progress bars, no telemetry.

In: a contract and one frame of all series.  Out: for each broken rule, which rows broke it.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Iterable
from typing import Any

import great_expectations as gx
import numpy as np
import pandas as pd
from great_expectations.core import ExpectationSuite
from great_expectations.data_context.types.base import (
    DataContextConfig,
    InMemoryStoreBackendDefaults,
    ProgressBarsConfig,
)

from kracken_tasks.contracts.contract import Contract, Rule
from kracken_tasks.contracts.subject import Mask
from kracken_tasks.errors import Misconfigured

__all__ = ["failing_rows"]

_ONE_AT_A_TIME = threading.Lock()


def failing_rows(contract: Contract, frame: pd.DataFrame) -> dict[str, Mask]:
    """Validate the whole frame once; only what failed is asked a second time, for the rows.

    Shapes: masks [rows of frame].  Raises: Misconfigured if an expectation cannot be evaluated.
    """
    with _ONE_AT_A_TIME:
        return _failing_rows(contract, frame)


def _failing_rows(contract: Contract, frame: pd.DataFrame) -> dict[str, Mask]:
    batch = _definition().get_batch(batch_parameters={"dataframe": frame})
    first = batch.validate(_suite(contract, contract.expectations), result_format="BOOLEAN_ONLY")
    failed = [rule for rule, result in _paired(contract.expectations, first) if not result.success]
    if not failed:
        return {}
    again = batch.validate(_suite(contract, failed), result_format="COMPLETE")
    masks: dict[str, Mask] = {}
    for rule, result in _paired(failed, again):
        mask = masks.setdefault(rule.name, np.zeros(len(frame), bool))
        mask[_positions(contract, rule, result)] = True
    return masks


@functools.cache
def _definition() -> Any:
    # Building a context costs as much as validating a small batch; it holds no rows but the last batch's.
    config = DataContextConfig(
        store_backend_defaults=InMemoryStoreBackendDefaults(init_temp_docs_sites=False),
        analytics_enabled=False,
        progress_bars=ProgressBarsConfig(globally=False, metric_calculations=False),
    )
    context = gx.get_context(mode="ephemeral", project_config=config)
    asset = context.data_sources.add_pandas("staged").add_dataframe_asset("batch")
    return asset.add_batch_definition_whole_dataframe("all")


def _suite(contract: Contract, rules: Iterable[Rule]) -> ExpectationSuite:
    expectations = [{**(rule.expectation or {}), "meta": {"at": at}} for at, rule in enumerate(rules)]
    return ExpectationSuite(name=contract.name, expectations=expectations)


def _paired(rules: Iterable[Rule], result: Any) -> list[tuple[Rule, Any]]:
    # The library may answer in another order than asked; the number given in ``meta`` comes back.
    by_number = {one.expectation_config.meta["at"]: one for one in result.results}
    return [(rule, by_number[at]) for at, rule in enumerate(rules)]


def _positions(contract: Contract, rule: Rule, result: Any) -> list[int]:
    found = result.result.get("unexpected_index_list")
    if found is None:
        raise Misconfigured(
            f"{contract.name}: {rule.name} cannot be evaluated: {result.exception_info}",
            key=rule.name, expectation=(rule.expectation or {}).get("type"),
        )  # fmt: skip
    return [int(position) for position in found]
