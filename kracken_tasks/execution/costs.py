"""What a trade is expected to cost, before it is sent: the figures sizing and the size receipt use.

In: instrument, quote, side, settings as fractions.  Out: floats (estimates, decision side).  Never: amounts that are booked; those come
from fills.
"""

from __future__ import annotations

from dataclasses import dataclass

from kracken_tasks.domain.market import Instrument, Quote
from kracken_tasks.domain.trading import Side

__all__ = ["CostEstimate", "CostModel", "estimate"]


@dataclass(frozen=True, slots=True)
class CostModel:
    """How costs are guessed.  ``commission_bps`` None takes the venue's own tier; ``slippage_bps`` is taken off the touch price."""

    slippage_bps: float = 5.0
    commission_bps: float | None = None

    def __post_init__(self) -> None:
        if self.slippage_bps < 0 or (self.commission_bps is not None and self.commission_bps < 0):
            raise ValueError("slippage_bps and commission_bps are not negative")

    def fee_fraction(self, instrument: Instrument) -> float:
        """Taker fee as a fraction of the notional (0.0026 is 0.26 %)."""
        return float(instrument.taker_fee) if self.commission_bps is None else self.commission_bps / 10_000.0


@dataclass(frozen=True, slots=True)
class CostEstimate:
    """Per unit of notional, one way.  ``price`` is where a marketable order is expected to fill, in quote currency."""

    price: float
    fee_fraction: float
    slippage_fraction: float
    half_spread_fraction: float

    @property
    def one_way_fraction(self) -> float:
        return self.fee_fraction + self.slippage_fraction + self.half_spread_fraction

    @property
    def round_trip_fraction(self) -> float:
        return 2.0 * self.one_way_fraction


def estimate(instrument: Instrument, quote: Quote, side: Side, model: CostModel) -> CostEstimate:
    """Expected price and costs of taking the touch now: a buy pays the ask and slips up, a sell gets the bid and slips down."""
    slip = model.slippage_bps / 10_000.0
    price = quote.ask * (1.0 + slip) if side is Side.BUY else quote.bid * (1.0 - slip)
    return CostEstimate(
        price=price,
        fee_fraction=model.fee_fraction(instrument),
        slippage_fraction=slip,
        half_spread_fraction=quote.spread_fraction / 2.0,
    )
