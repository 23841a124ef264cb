"""A model file says what it is, and is used only where it fits."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from kracken_tasks.domain.market import SeriesKey, Timeframe
from kracken_tasks.errors import BadData, Misconfigured
from kracken_tasks.forecast.bundle import Bundle
from kracken_tasks.forecast.inference import Forecaster
from tests.support.candles import random_candles
from tests.support.forecasts import SMALL, small_report

FRAME = random_candles(400)


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    return small_report(FRAME).bundle


def test_bytes_round_trip_to_the_same_model(bundle: Bundle) -> None:
    again = Bundle.from_bytes(bundle.content, expected_id=bundle.model_id)
    assert again.meta == bundle.meta
    assert again.content == bundle.content
    assert again.scores == bundle.scores
    assert Forecaster(again).next_close(FRAME) == Forecaster(bundle).next_close(FRAME)


def test_metadata_names_data_recipe_seed_code_and_scores(bundle: Bundle) -> None:
    with zipfile.ZipFile(io.BytesIO(bundle.content)) as archive:
        metadata = json.loads(archive.read("metadata.json"))
        assert {entry.date_time for entry in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
    assert metadata["commit_seq"] == 3
    assert metadata["code_version"] == "test"
    assert metadata["seed"] == SMALL.seed
    assert metadata["data_first_ts"] == "2024-01-01T00:00:00Z"
    assert metadata["data_rows"] == 400
    assert len(metadata["data_hash"]) == 64
    assert metadata["scores"]["bars"] > 0
    assert bundle.key == SeriesKey("kraken", "BTC/USD", Timeframe.H1)


def test_weights_open_without_pickle(bundle: Bundle) -> None:
    loaded = np.load(io.BytesIO(bundle.content), allow_pickle=False)
    np.testing.assert_array_equal(loaded["head.weight"], bundle.weights["head.weight"])


def test_altered_torn_or_foreign_files_are_refused(bundle: Bundle) -> None:
    with pytest.raises(BadData, match="is not"):
        Bundle.from_bytes(bundle.content[:-1] + b"x", expected_id=bundle.model_id)
    with pytest.raises(BadData, match="not a model bundle"):
        Bundle.from_bytes(bundle.content[:100])
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("metadata.json", json.dumps({"schema": "other/9"}))
    with pytest.raises(BadData, match="schema"):
        Bundle.from_bytes(buffer.getvalue())


def test_forecast_needs_only_its_newest_rows(bundle: Bundle) -> None:
    forecaster = Forecaster(bundle)
    assert forecaster.next_close(FRAME.iloc[-forecaster.needed_rows :]) == forecaster.next_close(FRAME)
    with pytest.raises(BadData) as caught:
        forecaster.next_close(FRAME.iloc[-forecaster.needed_rows + 1 :])
    assert caught.value.fields["needed"] == forecaster.needed_rows


def test_forecast_is_blind_to_later_candles(bundle: Bundle) -> None:
    forecaster = Forecaster(bundle)
    whole = forecaster.returns(FRAME)
    for rows in (120, 250, 399):
        pd.testing.assert_series_equal(forecaster.returns(FRAME.iloc[:rows]), whole.iloc[:rows], rtol=1e-4, atol=1e-9)
        assert forecaster.next_return(FRAME.iloc[:rows]) == pytest.approx(whole.iloc[rows - 1], rel=1e-3, abs=1e-8)
    assert whole.iloc[: forecaster.needed_rows - 1].isna().all()
    assert whole.iloc[forecaster.needed_rows - 1 :].notna().all()


def test_no_forecast_across_a_hole(bundle: Bundle) -> None:
    holed = FRAME.drop(index=390).reset_index(drop=True)
    with pytest.raises(BadData, match="without a hole"):
        Forecaster(bundle).next_close(holed)
    assert Forecaster(bundle).returns(holed).iloc[-9:].isna().all()


def test_candles_of_another_width_are_refused(bundle: Bundle) -> None:
    with pytest.raises(BadData, match="3600 s"):
        Forecaster(bundle).next_close(random_candles(400, minutes=15))


def test_a_model_of_another_recipe_is_refused(bundle: Bundle) -> None:
    with pytest.raises(Misconfigured, match="train again"):
        Forecaster(Bundle(replace(bundle.meta, recipe_version=0), bundle.weights))


def test_forecasting_loads_no_torch(bundle: Bundle, tmp_path: Path) -> None:
    path = tmp_path / "model.npz"
    path.write_bytes(bundle.content)
    program = (
        "import sys\n"
        "from kracken_tasks.forecast.bundle import Bundle\n"
        "from kracken_tasks.forecast.inference import Forecaster\n"
        "from kracken_tasks.forecast.registry import Registry\n"
        "from kracken_tasks.forecast import LSTMPredictor\n"
        f"Forecaster(Bundle.from_bytes(open({str(path)!r}, 'rb').read()))\n"
        "heavy = {'torch', 'matplotlib', 'backtrader'} & set(sys.modules)\n"
        "sys.exit(f'loaded: {heavy}' if heavy else 0)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
