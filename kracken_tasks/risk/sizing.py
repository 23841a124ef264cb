"""From equity to whole lots, one named cut after the other, with a receipt from which the size can be computed again.

In: a frozen ``SizingInput`` and the limits.  Out: a ``SizeReceipt`` whose cuts are in the stated order and never grow.  Never:
rounding up, or a reason left out; a size of zero says which cut made it so.

A cut is three functions: which figures it needs (``given``, written into the receipt), what it makes of a notional and those figures
alone (``apply``), and how it says so (``words``).  ``computed_again`` runs ``apply`` and ``words`` on a receipt and needs nothing else.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal, localcontext
from typing import Final

from kracken_tasks.domain.market import Instrument, split_symbol
from kracken_tasks.domain.money import MONEY, amount_of, as_decimal, price_of, ticks_at_or_above
from kracken_tasks.domain.trading import SizeCut, SizeReceipt
from kracken_tasks.risk import arithmetic
from kracken_tasks.risk.kelly import KellyEstimate
from kracken_tasks.risk.limits import RiskLimits

__all__ = ["CUTS", "SizingInput", "computed_again", "size_entry"]


@dataclass(frozen=True, slots=True)
class SizingInput:
    """What a size depends on, and nothing else.

    Units: equity, cash (free, in the instrument's quote currency) and exposure (market value of all holdings plus resting entries)
    in quote currency; price the ask the entry is planned at; stop_pct the distance to the stop as a fraction of price; volatility
    the daily standard deviation of log returns as a fraction; correlation_factor in [0, 1] from ``correlation_cut``, with the figure
    per holding in ``correlations``; cluster_exposure the market value of the holdings that move with the candidate.
    ``kelly`` None: no closed trades are known, no Kelly cut.  ``first_order_cap``: most that one order may be worth for now, in quote
    currency; None where no such time is set.
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
    correlations: Mapping[str, float] = field(default_factory=dict)
    cluster: tuple[str, ...] = ()
    cluster_exposure: float = 0.0
    first_order_cap: float | None = None
    first_order_reason: str = ""

    @property
    def fee(self) -> float:
        return float(self.instrument.taker_fee) if self.fee_fraction is None else self.fee_fraction


Given = Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Cut:
    """One step of sizing.  ``words`` (of symbol, notional before, figures) are the reason unless the caller has told one (``told``)."""

    rule: str
    given: Callable[[SizingInput, RiskLimits], Given]
    apply: Callable[[float, Given], float]
    words: Callable[[str, float, Given], str]
    told: Callable[[SizingInput], str] | None = None


def size_entry(facts: SizingInput, limits: RiskLimits) -> SizeReceipt:
    """Size one long entry.

    Units: receipt.price is the planned price; notional = amount x that price at its tick; a cut's figures are quote currency.
    """
    notional, cuts = facts.equity, []
    for cut in CUTS:
        given = cut.given(facts, limits)
        after = cut.apply(notional, given)
        told = "" if cut.told is None else cut.told(facts)
        cuts.append(
            SizeCut(cut.rule, notional, after, told or cut.words(facts.instrument.symbol, notional, given), given)
        )
        notional = after
    lots = _lots(cuts[-1].before, cuts[-1].given)
    amount = amount_of(lots, facts.instrument)
    return SizeReceipt(
        facts.instrument.symbol, facts.price, tuple(cuts), lots, amount, _worth(amount, facts) if lots else Decimal(0)
    )


def computed_again(receipt: SizeReceipt) -> SizeReceipt:
    """The receipt as it follows from its first notional and the figures its cuts hold, to the last digit; equal to ``receipt``
    unless something in it was changed.

    Raises: ValueError where the cuts are not those of this version, in this order, with their figures.
    """
    _require_these_cuts(receipt)
    notional, cuts = receipt.cuts[0].before, []
    for cut, written in zip(CUTS, receipt.cuts, strict=True):
        try:
            after = cut.apply(notional, written.given)
            words = cut.words(receipt.symbol, notional, written.given) if cut.told is None else written.reason
        except KeyError as missing:
            raise ValueError(f"receipt for {receipt.symbol}: {cut.rule} does not say its {missing.args[0]}") from None
        cuts.append(SizeCut(cut.rule, notional, after, words, written.given))
        notional = after
    last = cuts[-1]
    lots = _lots(last.before, last.given)
    with localcontext(MONEY):
        # The shortest text of a float gives back the decimal step it was made from.
        amount = lots * as_decimal(repr(last.given["lot_step"]))
        tick = as_decimal(repr(last.given["price_tick"]))
        # float() of a decimal tick and back is the same tick, so the same rounding to ticks.
        price = arithmetic.steps_at_or_above(last.given["price"], last.given["price_tick"]) * tick
        worth = amount * price if lots else Decimal(0)
    return SizeReceipt(receipt.symbol, last.given["price"], tuple(cuts), lots, amount, worth)


def _require_these_cuts(receipt: SizeReceipt) -> None:
    if tuple(cut.rule for cut in receipt.cuts) != tuple(cut.rule for cut in CUTS):
        raise ValueError(f"receipt for {receipt.symbol}: its cuts are not those of this version, in this order")


def _worth(amount: Decimal, facts: SizingInput) -> Decimal:
    with localcontext(MONEY):
        return amount * price_of(ticks_at_or_above(facts.price, facts.instrument), facts.instrument)


# -- what is wanted ------------------------------------------------------------------------------------------------------


def _full_given(_: SizingInput, limits: RiskLimits) -> Given:
    return {"max_position_size": limits.max_position_size}


def _full(before: float, given: Given) -> float:
    return arithmetic.full_size(before, given["max_position_size"])


def _full_words(_: str, before: float, given: Given) -> str:
    return f"{_pct(given['max_position_size'])} of equity {before:.2f}"


# -- what experience allows ----------------------------------------------------------------------------------------------


def _kelly_given(facts: SizingInput, _: RiskLimits) -> Given:
    kelly = facts.kelly
    if kelly is None:
        return {}
    evidence = {"trades": float(kelly.trades), "win_rate": kelly.win_rate, "payoff": kelly.payoff}
    known = {name: value for name, value in evidence.items() if math.isfinite(value)}
    return known if kelly.fraction is None else {"equity": facts.equity, "fraction": kelly.fraction, **known}


def _kelly(before: float, given: Given) -> float:
    if "fraction" not in given:
        return before
    return arithmetic.cap_kelly(before, given["equity"], given["fraction"])


def _kelly_words(*_: object) -> str:
    return "no closed trades are known"


def _kelly_told(facts: SizingInput) -> str:
    return "" if facts.kelly is None else facts.kelly.reason


# -- what may be lost, how wild, how sure --------------------------------------------------------------------------------


def _risk_given(facts: SizingInput, limits: RiskLimits) -> Given:
    return {"equity": facts.equity, "max_risk_per_trade": limits.max_risk_per_trade, "stop_pct": facts.stop_pct}


def _risk(before: float, given: Given) -> float:
    return arithmetic.cap_risk(before, given["equity"], given["max_risk_per_trade"], given["stop_pct"])


def _risk_words(_: str, __: float, given: Given) -> str:
    return f"at most {_pct(given['max_risk_per_trade'])} of equity lost at a stop {_pct(given['stop_pct'])} away"


def _volatility_given(facts: SizingInput, limits: RiskLimits) -> Given:
    return {"volatility": facts.volatility, "reference_volatility": limits.reference_volatility}


def _volatility(before: float, given: Given) -> float:
    return arithmetic.scale_volatility(before, given["volatility"], given["reference_volatility"])


def _volatility_words(_: str, __: float, given: Given) -> str:
    if math.isnan(given["volatility"]):
        return "volatility is unknown"
    return f"daily volatility {_pct(given['volatility'])} against {_pct(given['reference_volatility'])}"


def _confidence_given(facts: SizingInput, _: RiskLimits) -> Given:
    return {"confidence": facts.confidence}


def _confidence(before: float, given: Given) -> float:
    return arithmetic.scale_confidence(before, given["confidence"])


def _confidence_words(_: str, __: float, given: Given) -> str:
    return f"confidence {given['confidence']:.3f}"


# -- how alike, and how much room ----------------------------------------------------------------------------------------


def _correlation_given(facts: SizingInput, _: RiskLimits) -> Given:
    return {"factor": facts.correlation_factor, **facts.correlations}


def _correlation(before: float, given: Given) -> float:
    return arithmetic.scale_correlation(before, given["factor"])


def _correlation_words(_: str, __: float, given: Given) -> str:
    return f"factor {given['factor']:.3f}"


def _cluster_given(facts: SizingInput, limits: RiskLimits) -> Given:
    if not facts.cluster:  # a position that moves with nothing has its own cap, the first
        return {}
    most = limits.max_cluster_exposure
    return {"equity": facts.equity, "max_cluster_exposure": most, "cluster_exposure": facts.cluster_exposure}


def _cluster(before: float, given: Given) -> float:
    if "cluster_exposure" not in given:
        return before
    return arithmetic.cap_room(before, given["equity"], given["max_cluster_exposure"], given["cluster_exposure"])


def _cluster_words(_: str, __: float, given: Given) -> str:
    if "cluster_exposure" not in given:
        return "nothing held moves with it"
    most = _pct(given["max_cluster_exposure"])
    return f"what moves with it is worth {given['cluster_exposure']:.2f}, together at most {most} of equity"


def _exposure_given(facts: SizingInput, limits: RiskLimits) -> Given:
    return {"equity": facts.equity, "max_total_exposure": limits.max_total_exposure, "exposure": facts.exposure}


def _exposure(before: float, given: Given) -> float:
    return arithmetic.cap_room(before, given["equity"], given["max_total_exposure"], given["exposure"])


def _exposure_words(_: str, __: float, given: Given) -> str:
    return f"exposure {given['exposure']:.2f} of at most {_pct(given['max_total_exposure'])} of equity"


def _first_given(facts: SizingInput, _: RiskLimits) -> Given:
    return {} if facts.first_order_cap is None else {"cap": facts.first_order_cap}


def _first(before: float, given: Given) -> float:
    return arithmetic.cap_amount(before, given["cap"]) if "cap" in given else before


def _first_words(_: str, __: float, given: Given) -> str:
    return f"at most {given['cap']:.2f} an order" if "cap" in given else "first orders are not capped"


def _first_told(facts: SizingInput) -> str:
    return facts.first_order_reason


# -- what is paid for, and what the venue takes --------------------------------------------------------------------------


def _cash_given(facts: SizingInput, limits: RiskLimits) -> Given:
    return {"cash": facts.cash, "price_cap_fraction": limits.price_cap_fraction, "fee": facts.fee}


def _cash(before: float, given: Given) -> float:
    return arithmetic.cap_cash(before, given["cash"], given["price_cap_fraction"], given["fee"])


def _cash_words(_: str, __: float, given: Given) -> str:
    cap, fee = _pct(given["price_cap_fraction"]), _pct(given["fee"])
    return f"cash {given['cash']:.2f} at up to {cap} above the price, fee {fee}"


def _venue_given(facts: SizingInput, _: RiskLimits) -> Given:
    book = facts.instrument
    return {
        "price": facts.price,
        "stop_pct": facts.stop_pct,
        "fee": facts.fee,
        "lot_step": float(book.lot_step),
        "price_tick": float(book.price_tick),
        "min_amount": float(book.min_amount),
        "min_cost": float(book.min_cost),
    }


def _lots(notional: float, given: Given) -> int:
    figures = (given[name] for name in ("price", "stop_pct", "fee", "lot_step", "min_amount", "min_cost"))
    return arithmetic.venue_lots(notional, *figures)


def _venue(before: float, given: Given) -> float:
    return _lots(before, given) * given["lot_step"] * given["price"]


def _venue_words(symbol: str, before: float, given: Given) -> str:
    if not before > 0.0:
        return "nothing left to buy"
    lots, (base, quote) = _lots(before, given), split_symbol(symbol)
    if lots:
        return f"{lots} lots of {_shortest(given['lot_step'])} {base}"
    least = f"{_shortest(given['min_amount'])} {base} and {_shortest(given['min_cost'])} {quote}"
    return f"below what the venue takes: at least {least}, sellable again at the stop"


def _shortest(value: float) -> str:
    return f"{as_decimal(repr(value)).normalize():f}"


def _pct(fraction: float) -> str:
    return f"{100.0 * fraction:.2f} %"


# The order is the specification: what is wanted, what experience allows, what may be lost, how wild, how sure, how alike, how much
# room among its like and in all, what the first days allow, what is paid for, what the venue takes.
CUTS: Final[tuple[Cut, ...]] = (
    Cut("max_position_size", _full_given, _full, _full_words),
    Cut("kelly", _kelly_given, _kelly, _kelly_words, _kelly_told),
    Cut("risk_per_trade", _risk_given, _risk, _risk_words),
    Cut("volatility", _volatility_given, _volatility, _volatility_words),
    Cut("confidence", _confidence_given, _confidence, _confidence_words),
    Cut("correlation", _correlation_given, _correlation, _correlation_words, lambda facts: facts.correlation_reason),
    Cut("cluster", _cluster_given, _cluster, _cluster_words),
    Cut("exposure", _exposure_given, _exposure, _exposure_words),
    Cut("first_orders", _first_given, _first, _first_words, _first_told),
    Cut("cash", _cash_given, _cash, _cash_words),
    Cut("venue", _venue_given, _venue, _venue_words),
)
