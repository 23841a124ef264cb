"""Real market data beside the checkout, where it is present."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

__all__ = ["real_candles", "real_files"]

_FOLDER = Path(__file__).resolve().parents[2].parent / "shared" / "data"


def real_candles(name: str, rows: int) -> pd.DataFrame:
    """The newest ``rows`` candles of ``<name>.parquet``; the test is skipped, saying so, where the data are not."""
    path = _FOLDER / f"{name}.parquet"
    if not path.is_file():
        pytest.skip(f"real data not present: {path.name}")
    return pd.read_parquet(path).iloc[-rows:].reset_index(drop=True)


def real_files(pattern: str) -> dict[str, Path]:
    """Files by name without suffix, sorted; none where the data are not."""
    return {path.stem: path for path in sorted(_FOLDER.glob(pattern))}
