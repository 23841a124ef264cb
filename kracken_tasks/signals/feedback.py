"""Weights corrected, within bounds, by how each module's signals turned out.

In: the base weights and closed trades with the opinions they were entered on.  Out: corrected weights and, per module, the figures
behind them.  Never: hidden state; the same trades give the same weights, in whatever order they are told.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal

from kracken_tasks.domain.trading import Opinion
from kracken_tasks.errors import Misconfigured

__all__ = ["Correction", "FeedbackConfig", "ModuleRecord", "TradeOutcome", "corrected_weights", "factor_of"]


@dataclass(frozen=True, slots=True)
class TradeOutcome:
    """A closed long trade: ``pnl`` in quote currency after fees, and the opinions at its entry."""

    position_id: str
    pnl: float | Decimal
    opinions: tuple[Opinion, ...]


@dataclass(frozen=True, slots=True)
class FeedbackConfig:
    """``prior_trades`` imaginary trades at one half keep few trades from moving much; the factor stays within [lowest, highest]."""

    prior_trades: float = 20.0
    lowest: float = 0.5
    highest: float = 1.5

    def __post_init__(self) -> None:
        if not (self.prior_trades > 0.0 and 0.0 < self.lowest <= 1.0 <= self.highest):
            raise Misconfigured(
                f"feedback {self}: allowed is prior_trades > 0 and 0 < lowest <= 1 <= highest",
                key="feedback", value=str(self), allowed="prior_trades > 0, 0 < lowest <= 1 <= highest",
            )  # fmt: skip


@dataclass(frozen=True, slots=True)
class ModuleRecord:
    """One module's trades: ``right`` where it leaned to the side that paid; ``hit_rate`` NaN before the first trade."""

    module: str
    trades: int
    right: int
    pnl: float
    hit_rate: float
    factor: float


@dataclass(frozen=True, slots=True)
class Correction:
    weights: Mapping[str, float]
    records: Mapping[str, ModuleRecord]


def corrected_weights(
    base: Mapping[str, float], outcomes: Iterable[TradeOutcome], config: FeedbackConfig | None = None
) -> Correction:
    """Scale each module's base weight by how often it was right: factor = 2 x shrunk hit rate, within bounds.

    A module was right when it leaned up and the trade paid, or leaned down and it did not; one that leaned nowhere is not counted.
    A position told twice counts once.
    """
    config = config or FeedbackConfig()
    counted: dict[str, list[tuple[bool, float]]] = {module: [] for module in base}
    for outcome in {outcome.position_id: outcome for outcome in outcomes}.values():
        for opinion in outcome.opinions:
            if opinion.direction and opinion.module in counted:
                counted[opinion.module].append(((opinion.direction > 0.0) == (outcome.pnl > 0), float(outcome.pnl)))
    records = {module: _record(module, trades, config) for module, trades in counted.items()}
    return Correction({module: weight * records[module].factor for module, weight in base.items()}, records)


def factor_of(trades: int, right: int, config: FeedbackConfig) -> float:
    """What a module's base weight is multiplied by: twice its shrunk hit rate, within bounds."""
    shrunk = (right + config.prior_trades / 2.0) / (trades + config.prior_trades)
    return min(config.highest, max(config.lowest, 2.0 * shrunk))


def _record(module: str, trades: list[tuple[bool, float]], config: FeedbackConfig) -> ModuleRecord:
    count, right = len(trades), sum(hit for hit, _ in trades)
    # fsum: the same to the last digit in whatever order the trades are told.
    return ModuleRecord(
        module,
        count,
        right,
        math.fsum(pnl for _, pnl in trades),
        right / count if count else math.nan,
        factor_of(count, right, config),
    )
