"""A sandbox process over a scripted market, to be started and killed by tests: ``python -m ... PORT STATE``."""

from __future__ import annotations

import sys
from pathlib import Path

from kracken_tasks.sandbox.server import run_sandbox
from tests.support.sandbox import sandbox_config
from tests.support.scripted_market import ScriptedMarket, quiet

QUIET = [step for step in quiet() if step[0] <= 0]
# The price stays, falls through a stop at 95 at minute thirty, and comes back.
SCRIPT = {"BTC/USD": [*QUIET, (600.0, "101.0", "1"), (1800.0, "94.0", "1"), (3600.0, "100.0", "1")]}


def main() -> int:
    port, state = int(sys.argv[1]), Path(sys.argv[2])
    config = sandbox_config(
        market="scripted", port=port, state_path=state, opening_balances={"USD": "10000", "BTC": "10"}
    )
    return run_sandbox(config, ScriptedMarket(SCRIPT))


if __name__ == "__main__":
    sys.exit(main())
