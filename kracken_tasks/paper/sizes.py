"""What an entry would be worth: the sizing room asked on behalf of a person.

In: a paper account's tools, its mark, quotes.  Out: a ``SizeReceipt``, and it as a mapping.  Never: an order, a cut of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kracken_tasks.domain.market import Quote
from kracken_tasks.domain.trading import SizeReceipt
from kracken_tasks.execution.tick_deps import TickDeps
from kracken_tasks.risk.equity import UnitMark
from kracken_tasks.risk.kelly import recent_kelly
from kracken_tasks.risk.sizing import SizingInput, size_entry

__all__ = ["answer_of", "size_of"]


def size_of(
    tools: TickDeps, mark: UnitMark, quotes: Mapping[str, Quote], symbol: str, *,
    confidence: float, volatility: float, correlation: float,
) -> SizeReceipt:  # fmt: skip
    """Size one long entry at the ask; ``correlation`` in [0, 1] as the caller says it."""
    ledger, limits = tools.ledger, tools.limits
    instrument = tools.broker.instruments()[symbol]
    held = ledger.positions()
    trips = [(trip.closed_at, float(trip.net)) for trip in ledger.round_trips()]
    facts = SizingInput(
        instrument=instrument,
        equity=mark.equity,
        cash=float(ledger.cash().get(instrument.quote, 0)),
        price=quotes[symbol].ask,
        stop_pct=tools.stops.stop_loss_pct,
        confidence=confidence,
        volatility=volatility,
        exposure=sum(float(one.amount) * quotes[name].bid for name, one in held.items() if name in quotes),
        correlation_factor=correlation,
        correlation_reason=f"as said: {correlation:g}",
        kelly=recent_kelly(trips, mark.ts, limits) if trips else None,
        fee_fraction=tools.config.costs.fee_fraction(instrument),
    )
    return size_entry(facts, limits)


def answer_of(receipt: SizeReceipt) -> dict[str, Any]:
    """``quantity`` in base, ``notional`` in quote, ``cuts`` in order: rule, before, after, reason."""
    return {
        "symbol": receipt.symbol,
        "price": receipt.price,
        "quantity": float(receipt.amount),
        "notional": float(receipt.notional),
        "cuts": [
            {"rule": cut.rule, "before": cut.before, "after": cut.after, "reason": cut.reason} for cut in receipt.cuts
        ],
    }
