"""The journal put together: one mapping, checked against its schema when written.

In: a ledger, a period, the user's choices.  Out: plain mappings, ready for JSON.
Never: the moment of building, or anything else that would make two journals of the same facts differ.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal, localcontext
from typing import TYPE_CHECKING, Any

from kracken_tasks.domain.clock import iso
from kracken_tasks.domain.money import MONEY
from kracken_tasks.journal.agents import agent_rows
from kracken_tasks.journal.equity import EquityStory, Money, tell_equity
from kracken_tasks.journal.facts import Blocked, Facts, Period, gather
from kracken_tasks.journal.summary import summarise
from kracken_tasks.journal.trips import event_rows, open_position_rows, trip_rows, unattached_fill_ids

if TYPE_CHECKING:
    from kracken_tasks.ledger import Ledger

__all__ = ["SCHEMA_VERSION", "build_journal"]

SCHEMA_VERSION = "1"


@dataclass(frozen=True, slots=True)
class _Head:
    """What the ledger does not know."""

    mode: str
    version: str
    tax_timezone: str
    base_currency: str
    method: str
    scope: str
    exports_sha256: Mapping[str, str]


def build_journal(
    ledger: Ledger,
    *,
    period_start: datetime | None = None,
    period_end: datetime,
    mode: str,
    version: str,
    tax_timezone: str = "UTC",
    base_currency: str = "USD",
    method: str = "fifo",
    scope: str = "per_wallet",
    rates: Mapping[str, Decimal] | None = None,
    exports_sha256: Mapping[str, str] | None = None,
    first_agent: str = "",
) -> dict[str, Any]:
    """The journal of [``period_start``, ``period_end``); without a start from the ledger's beginning.

    ``mode`` sandbox, paper or live; ``rates``: stated worth of other money in ``base_currency``; ``exports_sha256`` by file name.
    ``first_agent``: whose the trades are that came before several agents shared the account; ``agents`` is told only where they do.
    Time:   ``export_timestamp`` is the period's end (the ledger cut-off), never the wall's time.
    Units:  decimals are text; the promised keys are numbers, undefined ones null with an entry in ``reasons``.
    Raises: BadData unless the period begins before it ends.
    """
    head = _Head(mode, version, tax_timezone, base_currency, method, scope, exports_sha256 or {})
    period = Period(period_start, period_end)
    facts = gather(ledger, period)
    with localcontext(MONEY):
        agents = agent_rows(ledger, period, heir=first_agent)
        built = _built(facts, Money(base_currency, rates or {}), head)
    return {**built, "agents": agents} if agents else built


def _built(facts: Facts, money: Money, head: _Head) -> dict[str, Any]:
    story = tell_equity(facts, money)
    journal: dict[str, Any] = {
        "performance_summary": summarise(facts, story, money),
        "trade_history": event_rows(facts),
        "round_trips": trip_rows(facts),
        "open_positions": open_position_rows(facts),
        "unattached_fill_ids": unattached_fill_ids(facts),
        "daily_equity": _daily_rows(story),
        "blocked_decisions": [_blocked_row(one) for one in facts.blocked],
    }
    return {"metadata": _metadata(facts, story, head, journal), **journal}


def _metadata(facts: Facts, story: EquityStory, head: _Head, journal: Mapping[str, Any]) -> dict[str, Any]:
    end = iso(facts.period.end)
    counted = ("trade_history", "round_trips", "open_positions", "daily_equity", "blocked_decisions")
    counts = {"fills": len(facts.fills_in_period), **{name: len(journal[name]) for name in counted}}
    return {
        "schema_version": SCHEMA_VERSION,
        "bot_version": head.version,
        "code_version": head.version,
        "export_timestamp": end,
        "generated_at": end,
        "initial_capital": None if story.starting is None else float(story.starting),
        "final_portfolio_value": None if story.ending is None else float(story.ending),
        "mode": head.mode,
        "exchange": facts.exchange,
        "account": facts.account,
        "base_currency": head.base_currency,
        "tax_timezone": head.tax_timezone,
        "period_start": iso(facts.began),
        "period_end": end,
        "decisions_from": iso(facts.decisions_from),
        "sources": [f"ledger:{facts.account}@{facts.exchange}"],
        "method": head.method,
        "scope": head.scope,
        "row_counts": counts,
        "exports_sha256": dict(sorted(head.exports_sha256.items())),
    }


def _daily_rows(story: EquityStory) -> list[dict[str, Any]]:
    """Equity at each 00:00 UTC, and what was paid in (or out) since the one before."""
    daily = story.daily
    if daily is None:
        return []
    flows = [0.0, *(round(flow, 6) for flow in daily.flows.tolist())]  # read off units of twelve digits
    return [
        {"date": iso(day), "equity": equity, "flow": flow}
        for day, equity, flow in zip(daily.dates, daily.values.tolist(), flows, strict=True)
    ]


def _blocked_row(one: Blocked) -> dict[str, Any]:
    return {
        "symbol": one.symbol,
        "guard": one.guard,
        "count": one.count,
        "first_at": iso(one.first_at),
        "last_at": iso(one.last_at),
        "reason": one.reason,
    }
