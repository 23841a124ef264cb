"""A sandbox process whose clock stands until it is moved, on replayed candles: ``python -m ... PORT STATE MARKET START FEE_PPM``."""

from __future__ import annotations

import sys
from pathlib import Path

from kracken_tasks.domain.clock import parse_utc
from kracken_tasks.sandbox.engine.fees import FeeTier
from kracken_tasks.sandbox.server import run_sandbox
from tests.support.sandbox import sandbox_config


def main() -> int:
    port, state, market, start, fee = sys.argv[1:]
    config = sandbox_config(
        port=int(port), state_path=Path(state), market=f"replay:{market}", clock_start=parse_utc(start),
        fee_tiers=(FeeTier(0, int(fee), int(fee)),), tier="pro",
    )  # fmt: skip
    return run_sandbox(config)


if __name__ == "__main__":
    sys.exit(main())
