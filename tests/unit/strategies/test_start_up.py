"""What a tick process loads when it decides."""

from __future__ import annotations

import subprocess
import sys

HEAVY = (
    "torch",
    "great_expectations",
    "backtrader",
    "matplotlib",
    "ccxt",
    "prefect",
    "sqlalchemy",
    "duckdb",
    "numba",
    "textblob",
    "feedparser",
)
PROGRAM = f"""
import sys
import kracken_tasks.risk, kracken_tasks.signals, kracken_tasks.strategies
sys.exit(",".join(name for name in {HEAVY!r} if name in sys.modules) or 0)
"""


def test_deciding_loads_no_heavy_library() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
