"""A process that trades reads the lake and applies the row rules without loading what only ingest and reports need."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]
HEAVY = (
    "great_expectations",
    "duckdb",
    "boto3",
    "botocore",
    "torch",
    "backtrader",
    "matplotlib",
    "ccxt",
    "sqlalchemy",
    "prefect",
)


def test_reading_candles_and_judging_rows_loads_no_heavy_library() -> None:
    code = (
        "import sys; from kracken_tasks.lake import Lake, LocalStore; "
        "from kracken_tasks.contracts import row_findings, check_batch, load_contract; "
        f"print(sorted(set({HEAVY!r}) & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
