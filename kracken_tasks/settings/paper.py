"""Settings of the paper broker: what its fills cost and how much of the market is its own."""

from __future__ import annotations

from decimal import Decimal
from itertools import pairwise

from pydantic import Field, field_validator

from kracken_tasks.settings.fields import Group

__all__ = ["PaperSettings"]

FeeRow = tuple[Decimal, Decimal, Decimal]


class PaperSettings(Group):
    """``paper_trading``: the paper broker's model of a venue."""

    simulate_latency: bool = True
    simulate_slippage: bool = True
    simulate_fees: bool = True
    execution_delay_ms: int = Field(100, ge=0, le=60_000, description="Time between order and arrival.")
    slippage_bps: Decimal = Field(Decimal(5), ge=0, le=1000, description="Paid beyond the touch, in basis points.")
    commission_bps: Decimal | None = Field(Decimal(10), ge=0, le=1000, description="Fee; null: the venue's own tier.")
    fee_tiers: tuple[FeeRow, ...] = Field(
        (),
        description="With `commission_bps: null`: rows of 30-day volume, maker and taker fee in basis points, the first from 0.",
    )
    simulate_depth: bool = Field(False, description="Takers walk the venue's order book, in place of `slippage_bps`.")
    depth_share: Decimal = Field(Decimal(1), gt=0, le=1, description="What a taker gets of each level of the book.")
    simulate_queue: bool = Field(
        False,
        description="As simulate_depth; and resting limits wait behind the book and are filled by real trades alone.",
    )
    volume_share: Decimal = Field(Decimal("0.5"), gt=0, le=1, description="What resting limits get of each such trade.")

    @field_validator("fee_tiers")
    @classmethod
    def _rise_from_zero(cls, rows: tuple[FeeRow, ...]) -> tuple[FeeRow, ...]:
        volumes = [volume for volume, _, _ in rows]
        if rows and (volumes[0] != 0 or any(low >= high for low, high in pairwise(volumes))):
            raise ValueError("volumes of fee tiers begin at 0 and rise")
        if any(not 0 <= fee <= 1000 for _, *fees in rows for fee in fees):
            raise ValueError("fees of fee tiers lie from 0 to 1000 basis points")
        return rows
