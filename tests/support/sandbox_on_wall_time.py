"""A sandbox process whose seeded market follows the wall: ``python -m ... PORT STATE``."""

from __future__ import annotations

import sys
from pathlib import Path

from kracken_tasks.sandbox.clock import ClockMode
from kracken_tasks.sandbox.server import run_sandbox
from tests.support.sandbox import sandbox_config


def main() -> int:
    port, state = int(sys.argv[1]), Path(sys.argv[2])
    return run_sandbox(sandbox_config(port=port, state_path=state, clock_mode=ClockMode.WALL))


if __name__ == "__main__":
    sys.exit(main())
