"""What a paper fill costs in fees: one rate for all, a schedule by 30-day volume, or the instrument's own.

In: an instrument, a liquidity, what was traded in 30 days.  Out: fractions of the cost.  Never: rounding, state.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Final

from kracken_tasks.domain.market import Instrument

__all__ = ["VOLUME_WINDOW", "FeeSchedule", "FeeTier", "instrument_fraction"]

VOLUME_WINDOW: Final = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class FeeTier:
    """From this 30-day volume (quote currency) on, fees in basis points of the cost (40 is 0.40 %)."""

    volume: Decimal
    maker_bps: Decimal
    taker_bps: Decimal


@dataclass(frozen=True, slots=True)
class FeeSchedule:
    """Fees by the volume of the last 30 days.  Raises: ValueError unless the first tier begins at 0 and the volumes rise."""

    tiers: tuple[FeeTier, ...]

    def __post_init__(self) -> None:
        volumes = [tier.volume for tier in self.tiers]
        if not volumes or volumes[0] != 0 or any(low >= high for low, high in pairwise(volumes)):
            told = ", ".join(map(str, volumes)) or "none"
            raise ValueError(f"a fee schedule begins at volume 0 and its volumes rise: {told}")
        if any(min(tier.maker_bps, tier.taker_bps) < 0 for tier in self.tiers):
            raise ValueError("fees of a schedule are not negative")

    def fraction(self, liquidity: str, volume: Decimal) -> Decimal:
        """The fee as a fraction of the cost, for an account that has traded ``volume`` in 30 days."""
        tier = [tier for tier in self.tiers if tier.volume <= volume][-1]
        return (tier.maker_bps if liquidity == "maker" else tier.taker_bps) / 10_000

    @property
    def dearest(self) -> Decimal:
        """The most any fill may ever cost: what a hold covers, since a tier can be lost while an order rests."""
        return max(max(tier.maker_bps, tier.taker_bps) for tier in self.tiers) / 10_000


def instrument_fraction(liquidity: str, instrument: Instrument) -> Decimal:
    """What the venue itself tells for this market."""
    return instrument.maker_fee if liquidity == "maker" else instrument.taker_fee
