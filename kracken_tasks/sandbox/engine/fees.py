"""What a trade costs: Kraken's maker/taker schedules by 30-day volume.

In: cents of dollar volume.  Out: fees in millionths.  Never: rounding (the booking does that).
Source: Kraken fee schedule (spot crypto; stablecoin, pegged and FX pairs), 2024 to 2026.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

__all__ = ["CRYPTO_SCHEDULE", "FLAT_SCHEDULE", "FeeSchedule", "FeeTier"]


@dataclass(frozen=True, slots=True)
class FeeTier:
    """From this 30-day volume (whole dollars) on, fees in millionths of the cost (4000 = 0.40 %)."""

    volume_usd: int
    taker_ppm: int
    maker_ppm: int


@dataclass(frozen=True, slots=True)
class FeeSchedule:
    tiers: tuple[FeeTier, ...]

    def at(self, volume_cents: int) -> FeeTier:
        return [tier for tier in self.tiers if tier.volume_usd * 100 <= volume_cents][-1]

    def after(self, tier: FeeTier) -> FeeTier | None:
        return next((other for other in self.tiers if other.volume_usd > tier.volume_usd), None)

    @property
    def dearest_ppm(self) -> int:
        """The most any trade may ever cost: what a hold must cover, since a tier can be lost while an order rests."""
        return max(max(tier.taker_ppm, tier.maker_ppm) for tier in self.tiers)


CRYPTO_SCHEDULE: Final = FeeSchedule(
    (
        FeeTier(0, 4000, 2500),
        FeeTier(10_000, 3500, 2000),
        FeeTier(50_000, 2400, 1400),
        FeeTier(100_000, 2200, 1200),
        FeeTier(250_000, 2000, 1000),
        FeeTier(500_000, 1800, 800),
        FeeTier(1_000_000, 1600, 600),
        FeeTier(2_500_000, 1400, 400),
        FeeTier(5_000_000, 1200, 200),
        FeeTier(10_000_000, 1000, 0),
    )
)
FLAT_SCHEDULE: Final = FeeSchedule(
    (
        FeeTier(0, 2000, 2000),
        FeeTier(50_000, 1600, 1600),
        FeeTier(100_000, 1200, 1200),
        FeeTier(250_000, 800, 800),
        FeeTier(500_000, 400, 400),
        FeeTier(1_000_000, 0, 0),
    )
)
