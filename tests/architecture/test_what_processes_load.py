"""What a process loads: a tick without torch and Great Expectations, an ingest run without torch."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.source_tree import ROOT

LARGE = {"torch", "great_expectations", "backtrader", "matplotlib", "duckdb"}

BUILD_A_TICK = """
from kracken_tasks import wiring
from kracken_tasks.settings import load_settings
from flows import trading_tick
deps = wiring.tick_deps(load_settings())
assert deps.broker is not None
"""

CASES = {
    "a tick with everything it works with": (BUILD_A_TICK, LARGE),
    "the ingest flow": ("import flows.ingest_ohlcv", LARGE | {"ccxt", "sqlalchemy", "talib", "telegram"}),
    "the training flow": ("import flows.retrain_lstm", LARGE | {"ccxt", "sqlalchemy", "telegram"}),
    "the exports' flow": ("import flows.nightly_exports", LARGE | {"ccxt", "talib", "telegram"}),
    "the command line": ("import kracken_tasks.cli", LARGE | {"ccxt", "prefect", "sqlalchemy", "talib", "telegram"}),
    "the wiring": ("import kracken_tasks.wiring", LARGE | {"ccxt", "prefect", "sqlalchemy", "talib", "telegram"}),
}

LEFT = (".kracken", "exports", "lake", "ledger", "logs", "models", "reports")
ROOMS = sorted(path.parent.name for path in (ROOT / "kracken_tasks").glob("*/__init__.py"))


def _loaded(code: str, home: Path) -> set[str]:
    """Top-level packages in a fresh interpreter after ``code``."""
    script = f"{code}\nimport sys\nsys.stdout.write(' '.join(sorted({{name.split('.')[0] for name in sys.modules}})))"
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("KRACKEN_", "PREFECT_"))}
    environment |= {"KRACKEN_HOME": str(home), "PREFECT_HOME": str(home / "prefect"), "DO_NOT_TRACK": "1"}
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return set(done.stdout.rsplit("\n", 1)[-1].split())


@pytest.mark.parametrize("case", CASES)
def test_a_process_loads_only_what_it_uses(case: str, tmp_path: Path) -> None:
    code, unwanted = CASES[case]
    written = {name for name in LEFT if (ROOT / name).exists()}
    assert _loaded(code, tmp_path) & unwanted == set()
    assert {name for name in LEFT if (ROOT / name).exists()} == written, "it wrote outside its home"


def test_looking_into_every_room_loads_no_large_library(tmp_path: Path) -> None:
    code = "\n".join(f"import kracken_tasks.{room}" for room in ROOMS)
    assert _loaded(code, tmp_path) & (LARGE | {"ccxt", "prefect", "sqlalchemy", "telegram"}) == set()
