"""From equity to whole lots, one named cut after the other, with a receipt from which the size can be computed again.

In: a frozen ``SizingInput`` and the limits.  Out: a ``SizeReceipt`` whose cuts are in the stated order and never grow.  Never:
rounding up, or a reason left out; a size of zero says which cut made it so.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal, localcontext
from itertools import pairwise
from typing import Final

from kracken_tasks.domain.market import Instrument
from kracken_tasks.domain.money import MONEY, amount_of, price_of, ticks_at_or_above
from kracken_tasks.domain.trading import SizeCut, SizeReceipt
from kracken_tasks.risk import arithmetic
from kracken_tasks.risk.kelly import KellyEstimate
from kracken_tasks.risk.limits import RiskLimits

__all__ = ["CUTS", "SizingInput", "lots_from_receipt", "size_entry"]


@dataclass(frozen=True, slots=True)
class SizingInput:
    """What a size depends on, and nothing else.

    Units: equity, cash (free, in the instrument's quote currency) and exposure (market value of all holdings plus resting entries)
    in quote currency; price the ask the entry is planned at; stop_pct the distance to the stop as a fraction of price; volatility
    the daily standard deviation of log returns as a fraction; correlation_factor in [0, 1] from ``correlation_cut``.
    ``kelly`` None: no closed trades are known, no Kelly cut.
    """

    instrument: Instrument
    equity: float
    cash: float
    price: float
    stop_pct: float
    confidence: float
    volatility: float
    exposure: float = 0.0
    correlation_factor: float = 1.0
    correlation_reason: str = ""
    kelly: KellyEstimate | None = None
    fee_fraction: float | None = None  # None: the instrument's taker fee

    @property
    def fee(self) -> float:
        return float(self.instrument.taker_fee) if self.fee_fraction is None else self.fee_fraction


Cut = Callable[[float, SizingInput, RiskLimits], tuple[float, str]]


def size_entry(facts: SizingInput, limits: RiskLimits) -> SizeReceipt:
    """Size one long entry.

    Units: receipt.price is the planned price; notional = amount x that price at its tick; a cut's figures are quote currency.
    """
    notional, cuts = facts.equity, []
    for rule, cut in CUTS:
        after, reason = cut(notional, facts, limits)
        cuts.append(SizeCut(rule, notional, after, reason))
        notional = after
    lots = _lots(cuts[-1].before, facts) if notional > 0.0 else 0
    amount = amount_of(lots, facts.instrument)
    return SizeReceipt(
        facts.instrument.symbol, facts.price, tuple(cuts), lots, amount, _worth(amount, facts) if lots else Decimal(0)
    )


def lots_from_receipt(receipt: SizeReceipt, instrument: Instrument) -> int:
    """Compute the lots again from the receipt alone.

    Raises: ValueError where the receipt's cuts do not follow from each other.
    """
    if tuple(cut.rule for cut in receipt.cuts) != tuple(rule for rule, _ in CUTS):
        raise ValueError(f"receipt for {receipt.symbol}: its cuts are not those of this version, in this order")
    for earlier, later in pairwise(receipt.cuts):
        if later.before != earlier.after or later.after > later.before + _money_slack(later.before):
            raise ValueError(f"receipt for {receipt.symbol}: {later.rule} does not follow from {earlier.rule}")
    last = receipt.cuts[-1]
    if not last.after > 0.0:
        return 0
    return arithmetic.steps_at_or_below(last.before / receipt.price, float(instrument.lot_step))


def _money_slack(notional: float) -> float:
    # Rounding to lots may land a billionth of a step above: domain.money's one stated rule.
    return 1e-9 * (1.0 + notional)


def _lots(notional: float, facts: SizingInput) -> int:
    book = facts.instrument
    return arithmetic.venue_lots(
        notional,
        facts.price,
        facts.stop_pct,
        facts.fee,
        float(book.lot_step),
        float(book.min_amount),
        float(book.min_cost),
    )


def _worth(amount: Decimal, facts: SizingInput) -> Decimal:
    with localcontext(MONEY):
        return amount * price_of(ticks_at_or_above(facts.price, facts.instrument), facts.instrument)


def _full(_: float, facts: SizingInput, limits: RiskLimits) -> tuple[float, str]:
    after = arithmetic.full_size(facts.equity, limits.max_position_size)
    return after, f"{_pct(limits.max_position_size)} of equity {facts.equity:.2f}"


def _kelly(before: float, facts: SizingInput, _: RiskLimits) -> tuple[float, str]:
    if facts.kelly is None:
        return before, "no closed trades are known"
    if facts.kelly.fraction is None:
        return before, facts.kelly.reason
    return arithmetic.cap_kelly(before, facts.equity, facts.kelly.fraction), facts.kelly.reason


def _risk(before: float, facts: SizingInput, limits: RiskLimits) -> tuple[float, str]:
    after = arithmetic.cap_risk(before, facts.equity, limits.max_risk_per_trade, facts.stop_pct)
    return after, f"at most {_pct(limits.max_risk_per_trade)} of equity lost at a stop {_pct(facts.stop_pct)} away"


def _volatility(before: float, facts: SizingInput, limits: RiskLimits) -> tuple[float, str]:
    after = arithmetic.scale_volatility(before, facts.volatility, limits.reference_volatility)
    if math.isnan(facts.volatility):
        return after, "volatility is unknown"
    return after, f"daily volatility {_pct(facts.volatility)} against {_pct(limits.reference_volatility)}"


def _confidence(before: float, facts: SizingInput, _: RiskLimits) -> tuple[float, str]:
    return arithmetic.scale_confidence(before, facts.confidence), f"confidence {facts.confidence:.3f}"


def _correlation(before: float, facts: SizingInput, _: RiskLimits) -> tuple[float, str]:
    after = arithmetic.scale_correlation(before, facts.correlation_factor)
    return after, facts.correlation_reason or f"factor {facts.correlation_factor:.3f}"


def _exposure(before: float, facts: SizingInput, limits: RiskLimits) -> tuple[float, str]:
    after = arithmetic.cap_room(before, facts.equity, limits.max_total_exposure, facts.exposure)
    return after, f"exposure {facts.exposure:.2f} of at most {_pct(limits.max_total_exposure)} of equity"


def _cash(before: float, facts: SizingInput, limits: RiskLimits) -> tuple[float, str]:
    after = arithmetic.cap_cash(before, facts.cash, limits.price_cap_fraction, facts.fee)
    return (
        after,
        f"cash {facts.cash:.2f} at up to {_pct(limits.price_cap_fraction)} above the price, fee {_pct(facts.fee)}",
    )


def _venue(before: float, facts: SizingInput, _: RiskLimits) -> tuple[float, str]:
    book = facts.instrument
    lots = _lots(before, facts)
    if not before > 0.0:
        return 0.0, "nothing left to buy"
    if lots:
        return lots * float(book.lot_step) * facts.price, f"{lots} lots of {book.lot_step:f} {book.base}"
    return 0.0, (
        f"below what {book.exchange} takes: at least {book.min_amount:f} {book.base} and {book.min_cost:f} {book.quote}, "
        "sellable again at the stop"
    )


def _pct(fraction: float) -> str:
    return f"{100.0 * fraction:.2f} %"


# The order is the specification: what is wanted, what experience allows, what may be lost, how wild, how sure, how alike, how much
# room, what is paid for, what the venue takes.
CUTS: Final[tuple[tuple[str, Cut], ...]] = (
    ("max_position_size", _full),
    ("kelly", _kelly),
    ("risk_per_trade", _risk),
    ("volatility", _volatility),
    ("confidence", _confidence),
    ("correlation", _correlation),
    ("exposure", _exposure),
    ("cash", _cash),
    ("venue", _venue),
)
