"""A sandbox process over a market that repeats itself every four hours, to be killed and started again: ``python -m ... PORT STATE``.

In: a port and a state file.  Out: a server.  Never: chance.

A round: 100 from its beginning, a thin book from minute 30 to 50, 108 in the minutes 60 to 80, 94 in the minutes 180 to 200, 100 again.
"""

from __future__ import annotations

import sys
from pathlib import Path

from kracken_tasks.domain.clock import to_ns
from kracken_tasks.sandbox.market.protocol import Book
from kracken_tasks.sandbox.server import run_sandbox
from tests.support.sandbox import sandbox_config
from tests.support.scripted_market import NS, START, ScriptedMarket, Step

__all__ = ["ROUND_MINUTES", "SYMBOL", "CrashMarket", "script"]

SYMBOL = "BTC/USD"
ROUND_MINUTES = 240
_ROUNDS = 1500
_TEN = 600.0


def price_at(minute: int) -> str:
    """The price at a minute of the round."""
    if 60 <= minute < 80:
        return "108.0"
    return "94.0" if 180 <= minute < 200 else "100.0"


def script(rounds: int = _ROUNDS) -> list[Step]:
    """A trade every ten minutes, from two days before the start."""
    return [
        (number * _TEN, price_at(number * 10 % ROUND_MINUTES), "1")
        for number in range(-288, rounds * ROUND_MINUTES // 10)
    ]


class CrashMarket(ScriptedMarket):
    """Deep but for twenty minutes of every round."""

    def __init__(self) -> None:
        super().__init__({SYMBOL: script()}, depth="50")

    def book(self, symbol: str, at_ns: int, depth: int) -> Book:
        whole = super().book(symbol, at_ns, depth)
        minute = (at_ns - to_ns(START)) // NS // 60 % ROUND_MINUTES
        if not 30 <= minute < 50:
            return whole
        # Hypothetical lots of the first level only: two coins.
        bids, asks = (tuple((price, 2 * 10**8) for price, _ in side[:1]) for side in (whole.bids, whole.asks))
        return Book(bids=bids, asks=asks, ts_ns=whole.ts_ns, epoch=whole.epoch)


def main() -> int:
    config = sandbox_config(
        market="crash", port=int(sys.argv[1]), state_path=Path(sys.argv[2]), opening_balances={"USD": "100000"}
    )
    return run_sandbox(config, CrashMarket())


if __name__ == "__main__":
    sys.exit(main())
