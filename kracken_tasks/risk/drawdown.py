"""Drawdown: how far below the best, and when that is too far.

In: balances.  Out: a fraction and a verdict.  Never: a halt that lifts by itself.
"""

from __future__ import annotations

from dataclasses import dataclass

from kracken_tasks.errors import Misconfigured

__all__ = ["DrawdownControl", "drawdown_of", "reached"]


def drawdown_of(peak: float, value: float) -> float:
    """Fraction of ``peak`` that is lost at ``value``; 0 at or above it, 1 where nothing is left or the value is not a number."""
    if not value > 0.0 or not peak > 0.0:
        return 1.0
    return max(0.0, (peak - value) / peak)


def reached(value: float, limit: float) -> bool:
    """Whether a loss has reached its limit; one that is not a number has."""
    # A hair early: a loss of exactly the limit may come out of floats a digit short of it.
    return not value < limit - 1e-9


@dataclass(slots=True)
class DrawdownControl:
    """The toolkit's drawdown stop.  Once tripped it stays so until ``release``; a bounce is no reason to trade again."""

    max_drawdown: float = 0.20
    peak: float = 0.0
    current_drawdown: float = 0.0
    halted: bool = False

    def __post_init__(self) -> None:
        if not 0.0 < self.max_drawdown < 1.0:
            raise Misconfigured(
                f"max_drawdown {self.max_drawdown!r}: allowed is above 0 and below 1",
                key="max_drawdown", value=self.max_drawdown, allowed="above 0 and below 1",
            )  # fmt: skip

    def update(self, current_balance: float) -> bool:
        """Take in the balance of now; True: trading is allowed."""
        self.peak = max(self.peak, current_balance)
        self.current_drawdown = drawdown_of(self.peak, current_balance)
        self.halted = self.halted or reached(self.current_drawdown, self.max_drawdown)
        return not self.halted

    def release(self) -> None:
        """Allow trading again, measuring from the next balance."""
        self.peak, self.current_drawdown, self.halted = 0.0, 0.0, False
