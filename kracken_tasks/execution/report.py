"""The report of a tick: everything worth showing, as one frozen value.

In: what the tick did.  Out: rows and Markdown for artifacts and terminals.  Never: figures the ledger does not hold, except durations.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from kracken_tasks.domain.clock import iso
from kracken_tasks.domain.money import plain
from kracken_tasks.domain.trading import Decision, Fill, TradingState, VenueOrder
from kracken_tasks.execution.exits import Exit
from kracken_tasks.execution.protect import Protection
from kracken_tasks.execution.reconcile import Resolution
from kracken_tasks.execution.sending import Sent
from kracken_tasks.execution.unprotected import Exposure
from kracken_tasks.ledger import BalanceLine, FillEntry, IntentResult

__all__ = ["TickReport"]


@dataclass(frozen=True, slots=True)
class TickReport:
    """One tick.  ``result`` is ``done``, ``repeated``, ``lease lost`` or ``skipped: lease held by ... until ...``.

    ``equity`` and ``unit_value`` are None when the account could not be marked; ``seconds`` are wall time by stage.
    """

    tick_id: str
    slot: datetime
    result: str
    now: datetime | None = None
    commit_seq: int | None = None
    state: TradingState = TradingState.NORMAL
    state_reason: str = ""
    currency: str = ""
    equity: float | None = None
    unit_value: float | None = None
    drawdown: float = 0.0
    decisions: tuple[Decision, ...] = ()
    sent: tuple[Sent, ...] = ()
    exits: tuple[Exit, ...] = ()
    fills: tuple[FillEntry, ...] = ()
    protections: tuple[Protection, ...] = ()
    exposures: tuple[Exposure, ...] = ()
    resolved: tuple[Resolution, ...] = ()
    foreign_orders: tuple[VenueOrder, ...] = ()
    foreign_fills: tuple[Fill, ...] = ()
    differences: tuple[BalanceLine, ...] = ()
    unpriced: tuple[str, ...] = ()
    unknown: Mapping[str, str] = field(default_factory=dict)
    problems: Mapping[str, str] = field(default_factory=dict)
    seconds: Mapping[str, float] = field(default_factory=dict)

    @property
    def done(self) -> bool:
        return self.result == "done"

    @property
    def unprotected(self) -> tuple[Protection, ...]:
        """Positions whose stops do not add up, with the problem."""
        return tuple(item for item in self.protections if not item.protected)

    def rows(self) -> list[dict[str, str]]:
        """One row per symbol: the decision, what stood against it, its size, and what became of it."""
        sent = {item.key.symbol: item for item in self.sent}
        left = {item.symbol: item for item in self.exits}
        return [
            self._row(decision, sent.get(decision.symbol), left.get(decision.symbol)) for decision in self.decisions
        ]

    def _row(self, decision: Decision, sent: Sent | None, left: Exit | None) -> dict[str, str]:
        blocked = decision.blocked_by
        receipt = decision.receipt
        return {
            "symbol": decision.symbol,
            "action": decision.action.value,
            "confidence": f"{decision.confidence:.2f}",
            "strategy": decision.strategy,
            "bar": "" if decision.bar_ts is None else iso(decision.bar_ts),
            "guard": "" if blocked is None else f"{blocked.guard}: {blocked.reason}",
            "size": "" if receipt is None else f"{plain(receipt.amount)} ({plain(receipt.notional, 2)})",
            "order": _order_text(sent) if sent is not None else "" if left is None else f"exit: {left.reason}",
            "reason": decision.reason,
        }

    def to_markdown(self) -> str:
        """The tick on one page."""
        parts = [f"# Tick {self.tick_id}", f"{self.result}, slot {iso(self.slot)}, {self._account_text()}"]
        parts += _section("Decisions", _table(self.rows()))
        parts += _section("Fills", _table([_fill_row(fill) for fill in self.fills]))
        parts += _section(
            "Exits", [f"- {item.symbol}: {item.purpose}, {item.reason} {item.problem}".rstrip() for item in self.exits]
        )
        parts += _section("Stops", [f"- {_protection_text(item)}" for item in self.protections])
        parts += _section("Unprotected seconds", [f"- {_exposure_text(item)}" for item in self.exposures])
        parts += _section("Recovered", [f"- {item.symbol}: {item.detail}" for item in self.resolved])
        parts += _section(
            "Not ours", [f"- {order.symbol} {order.order_id} {order.status}" for order in self.foreign_orders]
        )
        parts += _section(
            "Venue and ledger differ", [f"- {line.asset}: {plain(line.difference)}" for line in self.differences]
        )
        parts += _section("In doubt", [f"- {symbol}: {reason}" for symbol, reason in self.unknown.items()])
        parts += _section("Problems", [f"- {symbol}: {reason}" for symbol, reason in self.problems.items()])
        parts += _section("Receipts", [line for decision in self.decisions for line in _receipt_lines(decision)])
        return "\n".join(parts) + "\n"

    def _account_text(self) -> str:
        worth = (
            ""
            if self.equity is None
            else f", equity {self.equity:,.2f} {self.currency}, drawdown {100 * self.drawdown:.2f} %"
        )
        why = f" ({self.state_reason})" if self.state_reason else ""
        seen = "" if self.commit_seq is None else f", candles as of commit {self.commit_seq}"
        return f"state {self.state}{why}{worth}{seen}"


def _order_text(sent: Sent) -> str:
    if sent.result is not IntentResult.ACCEPTED:
        return f"{sent.result}: {sent.reason}"
    filled = sum((fill.amount for fill in sent.fills), Decimal(0))
    return f"{sent.order_id} filled {plain(filled)} of {plain(sent.request.amount)}"


def _fill_row(fill: FillEntry) -> dict[str, str]:
    return {
        "symbol": fill.symbol,
        "side": fill.side.value,
        "amount": plain(fill.amount),
        "price": plain(fill.price),
        "fee": f"{plain(fill.fee)} {fill.fee_currency}",
        "purpose": fill.purpose.value,
        "position": fill.position_id or "",
    }


def _protection_text(item: Protection) -> str:
    state = "protected" if item.protected else f"NOT PROTECTED for {item.naked_seconds:.0f} s"
    did = f"; {', '.join(item.actions)}" if item.actions else ""
    why = f"; {item.problem}" if item.problem else ""
    return f"{item.symbol}: {state}, {plain(item.resting)} of {plain(item.wanted)}{did}{why}"


def _exposure_text(item: Exposure) -> str:
    exiting = f", {item.exiting:.0f} s while it was being sold" if item.exiting else ""
    return f"{item.position_id}: {item.unprotected:.0f} s without a stop of its size{exiting}"


def _receipt_lines(decision: Decision) -> list[str]:
    if decision.receipt is None:
        return []
    cuts = " -> ".join(f"{cut.rule} {cut.after:,.2f}" for cut in decision.receipt.cuts)
    return [f"- {decision.symbol}: {cuts} -> {plain(decision.receipt.amount)}"]


def _table(rows: list[dict[str, str]]) -> list[str]:
    if not rows:
        return []
    names = list(rows[0])
    lines = ["| " + " | ".join(names) + " |", "|" + "---|" * len(names)]
    return lines + ["| " + " | ".join(row[name].replace("|", "/") for name in names) + " |" for row in rows]


def _section(title: str, lines: list[str]) -> list[str]:
    return ["", f"## {title}", "", *lines] if lines else []
