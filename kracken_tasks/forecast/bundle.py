"""A trained model as one file that explains itself.

In: weights and metadata.  Out: deterministic bytes (a zip of .npy arrays and one JSON text) named by their own hash.  Never: pickle,
a time stamp of the machine, weights without the data, recipe, seed and scores they came from.
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kracken_tasks.domain.market import SeriesKey, Timeframe
from kracken_tasks.errors import BadData
from kracken_tasks.forecast.evaluation import Scores, scores_from
from kracken_tasks.forecast.windows import Scaler

__all__ = ["SCHEMA", "Bundle", "BundleMeta", "DataSource"]

SCHEMA = "kracken-forecast/1"
_METADATA = "metadata.json"
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest a zip can say


@dataclass(frozen=True, slots=True)
class DataSource:
    """Where the training candles came from.  ``commit_seq``: the lake's snapshot, None outside the lake."""

    exchange: str
    symbol: str
    commit_seq: int | None = None
    code_version: str = "unknown"


@dataclass(frozen=True, slots=True)
class BundleMeta:
    """Everything about a model but its weights.  Times are ISO 8601 open times; hashes are SHA-256 in hex."""

    exchange: str
    symbol: str
    bar_seconds: int
    lookback: int
    hidden: int
    layers: int
    feature_names: tuple[str, ...]
    recipe_version: int
    scaler_mean: tuple[float, ...]
    scaler_spread: tuple[float, ...]
    target_scale: float
    seed: int
    code_version: str
    commit_seq: int | None
    data_hash: str
    data_rows: int
    data_first_ts: str
    data_last_ts: str
    scores: Mapping[str, float | int | None]
    config: Mapping[str, Any]
    schema: str = field(default=SCHEMA)


@dataclass(frozen=True)
class Bundle:
    """Metadata and weights.  Weights: names as torch gives them (``lstm.weight_ih_l0`` ...), float32."""

    meta: BundleMeta
    weights: Mapping[str, NDArray[np.float32]]

    @cached_property
    def content(self) -> bytes:
        """The file's bytes, the same for the same model on any machine."""
        return _packed(self.meta, self.weights)

    @property
    def model_id(self) -> str:
        """The first 16 hex digits of the SHA-256 of ``content``."""
        return hashlib.sha256(self.content).hexdigest()[:16]

    @property
    def key(self) -> SeriesKey:
        return SeriesKey(self.meta.exchange, self.meta.symbol, Timeframe.from_minutes(self.meta.bar_seconds // 60))

    @property
    def scaler(self) -> Scaler:
        return Scaler(np.array(self.meta.scaler_mean), np.array(self.meta.scaler_spread))

    @property
    def scores(self) -> Scores:
        return scores_from(self.meta.scores)

    @classmethod
    def from_bytes(cls, content: bytes, *, expected_id: str | None = None) -> Bundle:
        """Read a bundle back.

        Raises: BadData if the bytes are not a bundle of this schema, or not the one expected.
        """
        found = hashlib.sha256(content).hexdigest()[:16]
        if expected_id is not None and found != expected_id:
            raise BadData(f"model file is not {expected_id} but {found}", rule="content_hash", expected=expected_id)
        try:
            with zipfile.ZipFile(io.BytesIO(content)) as archive:
                metadata = json.loads(archive.read(_METADATA))
                names = [name for name in archive.namelist() if name.endswith(".npy")]
                weights = {name.removesuffix(".npy"): _array(archive.read(name)) for name in names}
        except (zipfile.BadZipFile, KeyError, ValueError) as error:
            raise BadData(f"not a model bundle: {error}", rule="format", model_id=found) from error
        if metadata.get("schema") != SCHEMA:
            raise BadData(
                f"model bundle of schema {metadata.get('schema')!r}, not {SCHEMA}", rule="schema", model_id=found
            )
        tuples = {name: tuple(metadata[name]) for name in ("feature_names", "scaler_mean", "scaler_spread")}
        return cls(BundleMeta(**{**metadata, **tuples}), weights)


def _packed(meta: BundleMeta, weights: Mapping[str, NDArray[np.float32]]) -> bytes:
    text = json.dumps(asdict(meta), sort_keys=True, indent=1, allow_nan=False)
    parts = {_METADATA: text.encode(), **{f"{name}.npy": _npy(weights[name]) for name in sorted(weights)}}
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, content in parts.items():
            entry = zipfile.ZipInfo(name, _EPOCH)
            entry.create_system = 3  # else the file would tell Windows from Unix
            archive.writestr(entry, content)
    return buffer.getvalue()


def _npy(array: NDArray[np.float32]) -> bytes:
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, np.ascontiguousarray(array, dtype="<f4"), version=(1, 0), allow_pickle=False)
    return buffer.getvalue()


def _array(content: bytes) -> NDArray[np.float32]:
    array: NDArray[np.float32] = np.lib.format.read_array(io.BytesIO(content), allow_pickle=False)
    return array
