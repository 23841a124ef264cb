"""The chain of an id as a tree: position, tick, decision, intent, orders, fills, cash, tax lots.

In: a ledger, an id it knows.  Out: a ``Branch``, each entry with what wrote it.  Never: a write; lots matched otherwise than the
export does.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Protocol

from kracken_tasks.domain.clock import iso
from kracken_tasks.domain.money import plain
from kracken_tasks.domain.trading import Decision
from kracken_tasks.errors import BadData
from kracken_tasks.explain.branch import Branch
from kracken_tasks.explain.sources import Sources
from kracken_tasks.ledger.entries import (
    DecisionEntry,
    FillEntry,
    IntentEntry,
    OrderEntry,
    Plan,
    Source,
)
from kracken_tasks.ledger.ledger import Ledger
from kracken_tasks.ledger.reading import Chain
from kracken_tasks.tax.exports import TaxChoices
from kracken_tasks.tax.from_ledger import movements_from_ledger, trades_from_ledger
from kracken_tasks.tax.legs import LotsResult
from kracken_tasks.tax.lots import Acquisition
from kracken_tasks.tax.values import FairValues, ValueLookup

__all__ = ["explain"]


def explain(
    ledger: Ledger,
    asked: str,
    *,
    sources: Sources,
    choices: TaxChoices | None = None,
    values: ValueLookup | None = None,
) -> Branch:
    """Everything that hangs together with ``asked``: a client or venue order id, a fill, a position, a tick, an alert.

    A tax lot goes by the id of the fill that acquired it, as in the lots' own files.
    Raises: BadData for an id that the ledger does not know.
    """
    chain = ledger.chain(asked)
    if chain is None:
        raise BadData(
            f"the ledger knows no {asked!r}; an order (client or venue id), fill, position, tax lot, tick or alert is explained",
            id=asked,
        )
    return _Story(ledger, chain, sources, choices or TaxChoices(), values or FairValues()).told()


class _Story:
    """One telling: the chain, and which of it hangs where."""

    def __init__(
        self, ledger: Ledger, chain: Chain, sources: Sources, choices: TaxChoices, values: ValueLookup
    ) -> None:
        self.ledger, self.chain, self.sources = ledger, chain, sources
        self.lots, self.no_lots = _lots(ledger, choices, values) if chain.fills else (None, "")
        self.order_of_intent = {
            outcome.client_order_id: outcome.order_id for outcome in chain.outcomes if outcome.order_id is not None
        }

    def told(self) -> Branch:
        return Branch(self._kind(), self.chain.asked, {}, (*self._ticks(), *self._without_intent(), *self._positions()))

    def _kind(self) -> str:
        chain, asked = self.chain, self.chain.asked
        kinds = {
            "tick": set(self._tick_ids()),
            "order": {*chain.order_ids, *(intent.client_order_id for intent in chain.intents)},
            "position": set(chain.position_ids),
            "fill": {fill.trade_id for fill in chain.fills},
        }
        return next((kind for kind, ids in kinds.items() if asked in ids), "alert")

    def _tick_ids(self) -> tuple[str, ...]:
        chain = self.chain
        ended, decided = [entry.tick_id for entry in chain.ticks], [entry.tick_id for entry in chain.decisions]
        return tuple(dict.fromkeys([*ended, *decided, *(intent.tick_id for intent in chain.intents)]))

    # -- tick, decision ------------------------------------------------------------------------------------------------------

    def _ticks(self) -> tuple[Branch, ...]:
        chain = self.chain
        names = self._tick_ids()
        ends = {entry.tick_id: entry for entry in chain.ticks}
        found = []
        for name in names:
            end = ends.get(name)
            facts = {"result": "not finished"}
            if end is not None:
                facts = {"result": end.result, "ended": iso(end.ts)} | _written(end)
            decided = [self._decision(entry) for entry in chain.decisions if entry.tick_id == name]
            sent = [self._intent(intent) for intent in chain.intents if intent.tick_id == name]
            found.append(Branch("tick", name, facts, (*decided, *sent)))
        return tuple(found)

    def _decision(self, entry: DecisionEntry) -> Branch:
        decision = entry.decision
        facts = {
            "action": decision.action.value, "strategy": entry.strategy, "confidence": f"{decision.confidence:.4f}",
            "reason": decision.reason, "decided": iso(entry.ts), **_written(entry),
        }  # fmt: skip
        behind = (*_guards(decision), *_size(decision), *_signals(decision), *self.sources.behind(decision))
        return Branch("decision", entry.symbol, facts, behind)

    # -- intent, orders, fills -----------------------------------------------------------------------------------------------

    def _intent(self, intent: IntentEntry) -> Branch:
        request = intent.request
        facts = {
            "purpose": intent.purpose.value, "order": f"{request.side.value} {plain(request.amount)} {intent.symbol}",
            "kind": request.kind.value, "limit": _amount(request.limit_price), "trigger": _amount(request.trigger_price),
            "reason": intent.reason, "committed": iso(intent.ts), "fencing token": str(intent.lease_token or ""),
            **_written(intent),
        }  # fmt: skip
        outcomes = [
            Branch(
                "outcome",
                item.result.value,
                {"order": item.order_id or "", "reason": item.reason, "at": iso(item.ts)} | _written(item),
            )
            for item in self.chain.outcomes
            if item.client_order_id == intent.client_order_id
        ]
        plan = () if intent.plan is None else (Branch("plan", intent.symbol, _plan_facts(intent.plan)),)
        order_id = self.order_of_intent.get(intent.client_order_id)
        fills = [fill for fill in self.chain.fills if fill.client_order_id == intent.client_order_id]
        ids = dict.fromkeys([*([order_id] if order_id else []), *(fill.order_id for fill in fills)])
        return Branch("intent", intent.client_order_id, facts, (*plan, *outcomes, *(self._order(name) for name in ids)))

    def _order(self, order_id: str) -> Branch:
        states = [entry for entry in self.chain.orders if entry.order_id == order_id]
        facts = _order_facts(states[-1]) if states else {"seen": "only by its fills"}
        seen = [
            Branch("seen", entry.status.value, {"filled": plain(entry.filled), "at": iso(entry.ts)} | _written(entry))
            for entry in states
        ]
        fills = [self._fill(fill) for fill in self.chain.fills if fill.order_id == order_id]
        return Branch("order", order_id, facts, (*seen, *fills))

    def _without_intent(self) -> tuple[Branch, ...]:
        """Orders that no intent of ours became: closes the venue placed by itself, and what a person placed."""
        ours = set(self.order_of_intent.values())
        known = {intent.client_order_id for intent in self.chain.intents}
        ours |= {fill.order_id for fill in self.chain.fills if fill.client_order_id in known}
        return tuple(self._order(name) for name in self.chain.order_ids if name not in ours)

    def _fill(self, fill: FillEntry) -> Branch:
        facts = {
            "trade": f"{fill.side.value} {plain(fill.amount)} {fill.symbol}", "price": plain(fill.price), "cost": plain(fill.cost),
            "fee": f"{plain(fill.fee)} {fill.fee_currency}", "purpose": fill.purpose.value, "position": fill.position_id or "none",
            "at": iso(fill.ts), **_written(fill),
        }  # fmt: skip
        cash = [
            Branch(
                "cash",
                line.movement_id,
                {"amount": f"{plain(line.amount)} {line.asset}", "fee": plain(line.fee)} | _written(line),
            )
            for line in self.chain.cash
            if line.reference_id == fill.trade_id
        ]
        return Branch("fill", fill.trade_id, facts, (*cash, *self._tax(fill)))

    # -- tax and journal -----------------------------------------------------------------------------------------------------

    def _tax(self, fill: FillEntry) -> tuple[Branch, ...]:
        """Rows of the tax files that this fill stands in."""
        if self.lots is None:
            return (Branch("lots", "none", {"reason": self.no_lots}),)
        left = [
            Branch(
                "open lot",
                fill.trade_id,
                {"amount": f"{plain(lot.amount)} {lot.source.asset}", "basis": _cost(lot.basis, lot.source)},
            )
            for lot in self.lots.open_lots
            if lot.source.acquired_id == fill.trade_id
        ]
        gains = [
            Branch(
                "gain", f"{match.disposal.disposal_id} of lot {match.lot.acquired_id}",
                {
                    "amount": f"{plain(match.amount)} {match.disposal.asset}", "proceeds": _money(match.proceeds),
                    "basis": _cost(match.basis, match.lot), "gain": _cost(match.gain, match.lot), "kind": match.disposal.kind.value,
                },
            )
            for match in self.lots.matches
            if fill.trade_id in (match.lot.acquired_id, match.disposal.disposal_id)
        ]  # fmt: skip
        return (*left, *gains)

    def _positions(self) -> tuple[Branch, ...]:
        """Positions as the journal tells them: closed ones as trips, open ones as they stand."""
        found = []
        for trip in self.chain.trips:
            facts = {
                "is": f"closed {trip.symbol}", "entry price": _money(trip.entry_price), "exit price": _money(trip.exit_price),
                "net": f"{_money(trip.net)} {trip.quote}", "exit": f"{trip.exit_purpose.value} {trip.exit_reason}".strip(),
                "opened": iso(trip.opened_at), "closed": iso(trip.closed_at),
            }  # fmt: skip
            found.append(Branch("position", trip.position_id, facts, self._plans(trip.position_id)))
        closed = {trip.position_id for trip in self.chain.trips}
        for position in self.ledger.positions().values():
            if position.position_id in self.chain.position_ids and position.position_id not in closed:
                facts = {
                    "is": f"open {position.symbol}",
                    "amount": plain(position.amount),
                    "cost": _money(position.cost),
                    "opened": iso(position.opened_at),
                }
                found.append(Branch("position", position.position_id, facts, self._plans(position.position_id)))
        return tuple(found)

    def _plans(self, position_id: str) -> tuple[Branch, ...]:
        plans = [entry for entry in self.chain.plans if entry.position_id == position_id]
        return tuple(
            Branch("plan", entry.symbol, {"from": iso(entry.ts)} | _plan_facts(entry.plan) | _written(entry))
            for entry in plans
        )


def _lots(ledger: Ledger, choices: TaxChoices, values: ValueLookup) -> tuple[LotsResult | None, str]:
    """All lots of the account, or why they cannot be matched."""
    try:
        received = choices.received(movements_from_ledger(ledger), values, ledger.exchange)
        return choices.lots(trades_from_ledger(ledger), values, received), ""
    except BadData as error:
        return None, error.message


def _cost(amount: Decimal, lot: Acquisition) -> str:
    return _money(amount) if lot.basis_known else "not known"


def _guards(decision: Decision) -> Sequence[Branch]:
    return [
        Branch("guard", item.guard, {"answer": "passed" if item.passed else "BLOCKED", "reason": item.reason})
        for item in decision.guards
    ]


def _size(decision: Decision) -> Sequence[Branch]:
    receipt = decision.receipt
    if receipt is None:
        return ()
    cuts = tuple(
        Branch("cut", cut.rule, {"before": f"{cut.before:.2f}", "after": f"{cut.after:.2f}", "reason": cut.reason})
        for cut in receipt.cuts
    )
    facts = {"amount": plain(receipt.amount), "notional": plain(receipt.notional), "at price": str(receipt.price)}
    return (Branch("size", receipt.symbol, facts, cuts),)


def _signals(decision: Decision) -> Sequence[Branch]:
    found = []
    for opinion in decision.opinions:
        direction = "none" if opinion.direction is None else f"{opinion.direction:+.4f}"
        facts = {"direction": direction, "confidence": f"{opinion.confidence:.4f}", "reason": opinion.reason}
        found.append(
            Branch("signal", opinion.module, facts | {name: str(value) for name, value in opinion.values.items()})
        )
    return found


def _order_facts(order: OrderEntry) -> dict[str, str]:
    return {
        "order": f"{order.side.value} {plain(order.amount)} {order.symbol}", "kind": order.kind.value, "status": order.status.value,
        "limit": _amount(order.limit_price), "trigger": _amount(order.trigger_price), "parent": order.parent_id or "",
        "opened": iso(order.opened_at),
    }  # fmt: skip


def _plan_facts(plan: Plan) -> dict[str, str]:
    return {
        "stop": _amount(plan.stop_price),
        "target": _amount(plan.take_profit_price),
        "longest": "" if plan.max_holding is None else str(plan.max_holding),
        "trailing": _amount(plan.trail_fraction),
        "strategy": plan.strategy,
    }


class _Written(Protocol):
    """Every kind of entry."""

    @property
    def source(self) -> Source: ...

    @property
    def cause(self) -> str: ...


def _written(entry: _Written) -> dict[str, str]:
    """What kind of work wrote an entry, and which one; empty for entries of a release that did not say."""
    return {"written by": "" if entry.source is Source.UNTOLD else f"{entry.source.value} {entry.cause}".strip()}


def _amount(value: Decimal | None) -> str:
    return "" if value is None else plain(value)


def _money(value: Decimal) -> str:
    return plain(value, 8)
