"""Great Expectations, held to one validation in memory: no project folder, no data docs, no progress bars, no telemetry.

In: a contract and subjects.  Out: for each broken rule, which rows broke it.  It is shown the real rows that could break a rule
(``telling``), and asked for rows only when a rule fails.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Sequence
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
from kracken_tasks.contracts.settled import settled
from kracken_tasks.contracts.subject import STRETCH, Mask
from kracken_tasks.contracts.telling import (
    KEY_COLUMNS,
    Places,
    about_single_rows,
    can_be_told,
    stretches,
    telling_places,
)
from kracken_tasks.domain.market import SeriesKey, TapeKey, key_parts
from kracken_tasks.errors import Misconfigured

__all__ = ["failing_rows"]

_ONE_AT_A_TIME = threading.Lock()


def failing_rows(
    contract: Contract,
    keys: Sequence[SeriesKey | TapeKey],
    frames: Sequence[pd.DataFrame],
    *,
    whole: int = STRETCH,
) -> dict[str, Mask]:
    """Which rows broke which rule.  All series are validated together, once; only what failed is asked again, for the rows.

    ``whole``: up to so many rows all are shown, because choosing among them costs as much.

    Shapes: masks [rows of all frames, laid end to end].  Raises: Misconfigured if an expectation cannot be evaluated.
    """
    size = sum(len(frame) for frame in frames)
    few = size > whole and can_be_told(contract) and len(set(keys)) == len(keys)
    shown = telling_places(contract, frames) if few else np.arange(size, dtype=np.int64)
    with _ONE_AT_A_TIME:
        batch = _batch(_together(contract, keys, frames, shown))
        first = batch.validate(_suite(contract, contract.expectations), result_format="BOOLEAN_ONLY")
        failed = tuple(rule for rule, result in _paired(contract.expectations, first) if not result.success)
        if not failed:
            return {}
        found = [(rule, shown[places]) for rule, places in _broken(contract, failed, batch)]
        beside = _beside(found, shown, [len(frame) for frame in frames])
        if len(beside):
            again = _batch(_together(contract, keys, frames, beside))
            single = tuple(rule for rule in failed if about_single_rows(rule))
            found += [(rule, beside[places]) for rule, places in _broken(contract, single, again)]
    masks: dict[str, Mask] = {}
    for rule, places in found:
        masks.setdefault(rule.name, np.zeros(size, bool))[places] = True
    return masks


def _beside(found: Sequence[tuple[Rule, Places]], shown: Places, sizes: Sequence[int]) -> Places:
    """The rows not yet shown of the stretches in which a row broke a rule: where the worst row holds, all do."""
    starts, ends = stretches(sizes)
    places = [one for rule, one in found if about_single_rows(rule)]
    if not places:
        return np.empty(0, np.int64)
    suspect = np.unique(np.searchsorted(starts, np.concatenate(places), side="right") - 1)
    rows = np.concatenate([np.arange(starts[one], ends[one], dtype=np.int64) for one in suspect])
    return np.setdiff1d(rows, shown, assume_unique=True)


def _together(
    contract: Contract, keys: Sequence[SeriesKey | TapeKey], frames: Sequence[pd.DataFrame], shown: Places
) -> pd.DataFrame:
    """The shown rows of all series in one frame, each with its key; as categories, whose comparison costs an integer's.

    Counts become floats: the library walks nullable integers one by one, which alone costs as much as all else together.
    """
    # Only the columns that are asked about: the library hashes every one that it is given.
    needed = [name for name in contract.columns if name in contract.asked]
    edges = np.cumsum([0, *(len(frame) for frame in frames)])
    cuts = np.searchsorted(shown, edges)
    parts = [
        _some(frame, needed, shown[cuts[at] : cuts[at + 1]] - edges[at]) for at, frame in enumerate(frames)
    ]  # fmt: skip
    joined = pd.concat(parts, ignore_index=True)
    for name in needed:
        if contract.columns[name] == "count":
            joined[name] = joined[name].to_numpy(dtype=np.float64, na_value=np.nan)
    names = [key_parts(key) for key in keys]
    for at, column in enumerate(KEY_COLUMNS):
        words = sorted({name[at] for name in names})
        codes = np.repeat(np.array([words.index(name[at]) for name in names], np.int64), np.diff(cuts))
        joined[column] = pd.Categorical.from_codes(codes, categories=pd.Index(words))
    return joined


def _some(frame: pd.DataFrame, columns: list[str], places: Places) -> pd.DataFrame:
    return frame[columns] if len(places) == len(frame) else frame[columns].take(places)


def _batch(frame: pd.DataFrame) -> Any:
    return _definition().get_batch(batch_parameters={"dataframe": frame})


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


def _suite(contract: Contract, rules: Sequence[Rule]) -> ExpectationSuite:
    asked = [rule.expectation or {} for rule in rules]
    expectations = [{**one, "type": settled(one["type"]), "meta": {"at": at}} for at, one in enumerate(asked)]
    return ExpectationSuite(name=contract.name, expectations=expectations)


def _paired(rules: Sequence[Rule], result: Any) -> list[tuple[Rule, Any]]:
    # The library may answer in another order than asked; the number given in ``meta`` comes back.
    by_number = {one.expectation_config.meta["at"]: one for one in result.results}
    return [(rule, by_number[at]) for at, rule in enumerate(rules)]


def _broken(contract: Contract, rules: Sequence[Rule], batch: Any) -> list[tuple[Rule, Places]]:
    """Where in the batch each of these rules was broken."""
    result = batch.validate(_suite(contract, rules), result_format="COMPLETE")
    return [(rule, _positions(contract, rule, one)) for rule, one in _paired(rules, result)]


def _positions(contract: Contract, rule: Rule, result: Any) -> Places:
    found = result.result.get("unexpected_index_list")
    if found is None:
        raise Misconfigured(
            f"{contract.name}: {rule.name} cannot be evaluated: {result.exception_info}",
            key=rule.name, expectation=(rule.expectation or {}).get("type"),
        )  # fmt: skip
    return np.array([int(position) for position in found], np.int64)
