"""Who did what, where several agents share the account: each one's closed results and what it holds, as rows of the journal.

In: a ledger, a period.  Out: plain mappings, ready for JSON; none for an account that one agent has to itself.  Never: a coin or a cent
that is two agents' or nobody's: the parts are those of ``strategies.shares``.
"""

from __future__ import annotations

from collections import defaultdict
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from kracken_tasks.journal.facts import Period
from kracken_tasks.journal.trips import text

if TYPE_CHECKING:
    from kracken_tasks.ledger import Entry, Ledger
    from kracken_tasks.strategies.shares import AgentBook

__all__ = ["agent_rows"]

_TOPIC = "agents"  # strategies.shares.TOPIC; that room loads the indicators' library, which an account of one agent needs not


def agent_rows(ledger: Ledger, period: Period, *, heir: str) -> list[dict[str, Any]]:
    """A row for each agent, by name: ``closed`` in the period and ``held`` at its end, both by symbol.

    ``heir``: whose the fills are that came before there were several.  Units: ``net`` in the symbol's quote currency after fees, amounts in
    its base, all as text.
    """
    notes = [note for note in ledger.notes(_TOPIC) if note.ts < period.end]
    if not notes:
        return []
    from kracken_tasks.strategies.shares import Shares

    shares = Shares(heir)
    entries: list[Entry] = [*notes, *ledger.intents(), *ledger.fills(end=period.end)]
    for entry in sorted(entries, key=lambda entry: entry.seq):
        shares.apply(entry)
    return [_row(shares.books[name], period) for name in sorted(shares.books)]


def _row(book: AgentBook, period: Period) -> dict[str, Any]:
    results: dict[str, list[Decimal]] = defaultdict(list)
    for at, symbol, result in book.results:
        if period.has(at):
            results[symbol].append(result)
    return {
        "agent": book.agent,
        "closed": [
            {"symbol": symbol, "sales": len(found), "net": text(sum(found, Decimal(0)))}
            for symbol, found in sorted(results.items())
        ],
        "held": [
            {"symbol": symbol, "amount": text(amount), "cost": text(book.cost.get(symbol, Decimal(0)))}
            for symbol, amount in sorted(book.coins.items())
            if amount
        ],
    }
