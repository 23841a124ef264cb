"""Equity over a period: where it began and ended, day by day, and what explains the difference.

In: marks, fills, cash lines, trips; stated rates of other money.  Out: ``EquityStory``.  Never: a deposit taken for a profit, a
remainder called a profit: what cannot be explained stands under its own name.

    ending = starting + net profit + deposits - withdrawals + income + unrealised change + unexplained

The open result at a mark is the worth of what is held (equity - cash) plus all money that trading moved until then, less the net
profit of the trips closed by then; a correction of a fill belongs to its trip.  Deposits and income are those booked between the two
marks.  What coins were worth that a person paid in or out the ledger does not say: then the open result cannot be told from them, and
both stand under ``unexplained``.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

import numpy as np

from kracken_tasks.analytics.daily import DailyEquity, daily_equity
from kracken_tasks.domain.market import split_symbol
from kracken_tasks.domain.trading import Side
from kracken_tasks.journal.facts import Facts
from kracken_tasks.ledger.cash import CORRECTION
from kracken_tasks.ledger.entries import CashEntry, EquityEntry, FillEntry

__all__ = ["EquityStory", "Money", "tell_equity"]

_ZERO = Decimal(0)
# Money that a person moves; every other kind of line is income or a cost.
_FLOWS = frozenset({"deposit", "withdrawal", "transfer", "opening"})


@dataclass(frozen=True, slots=True)
class Money:
    """What counts as money: the base currency, and others at a stated rate."""

    currency: str
    rates: Mapping[str, Decimal]

    def worth(self, asset: str, amount: Decimal) -> Decimal:
        """In the base currency; an asset that is no money counts as nothing here."""
        return amount * self.rate(asset)

    def rate(self, asset: str) -> Decimal:
        return Decimal(1) if asset == self.currency else self.rates.get(asset, _ZERO)

    def knows(self, asset: str) -> bool:
        return asset == self.currency or asset in self.rates


@dataclass(frozen=True, slots=True)
class EquityStory:
    """``first`` and ``last`` marks (None: there is none); amounts in the base currency; ``income`` by kind and asset, in the asset;
    ``untraded`` coins that were paid in (or out), by asset."""

    first: EquityEntry | None
    last: EquityEntry | None
    daily: DailyEquity | None
    net_profit: Decimal
    deposits: Decimal
    withdrawals: Decimal
    income: Mapping[tuple[str, str], Decimal]
    income_worth: Decimal
    unrealised_change: Decimal
    unexplained: Decimal
    untraded: Mapping[str, Decimal]

    @property
    def starting(self) -> Decimal | None:
        return None if self.first is None else self.first.equity

    @property
    def ending(self) -> Decimal | None:
        return None if self.last is None else self.last.equity


def tell_equity(facts: Facts, money: Money) -> EquityStory:
    """Where equity began, where it ended, and why.

    The period begins with the newest mark at or before its start; without one, with its first mark (which holds the opening deposit).
    """
    marks = [mark for mark in facts.marks if mark.currency == money.currency]
    before = [mark for mark in marks if mark.ts <= facts.began]
    inside = [mark for mark in marks if mark.ts > facts.began]
    first = before[-1] if before else (inside[0] if inside else None)
    last = marks[-1] if marks else None
    net = _net(facts, money, facts.period.begins, facts.period.end)
    booked = [line for line in facts.cash if not _corrects(line)]  # what a fill moved otherwise stands in its trip
    flows = [line for line in booked if first is not None and last is not None and first.seq < line.seq < last.seq]
    came, went, income = _sorted_flows(flows, money)
    income_worth = sum((money.worth(asset, amount) for (_, asset), amount in income.items()), _ZERO)
    unrealised = unexplained = _ZERO
    if first is not None and last is not None:
        closed_before = _net(facts, money, None, facts.period.begins)
        unrealised = _open_result(facts, money, last, closed_before + net) - _open_result(
            facts, money, first, closed_before
        )
        unexplained = last.equity - first.equity - net - came + went - income_worth - unrealised
    untraded = _untraded(flows, money)
    if untraded:
        unrealised, unexplained = _ZERO, unexplained + unrealised
    daily = None if first is None else _daily(first, [mark for mark in inside if mark.seq != first.seq], facts.began)
    return EquityStory(first, last, daily, net, came, went, income, income_worth, unrealised, unexplained, untraded)


def _net(facts: Facts, money: Money, start: datetime | None, end: datetime) -> Decimal:
    """Net profit of the trips closed in [start, end)."""
    closed = (trip for trip in facts.trips if (start is None or trip.closed_at >= start) and trip.closed_at < end)
    return sum((money.worth(trip.quote, trip.net) for trip in closed), _ZERO)


def _sorted_flows(lines: Iterable[CashEntry], money: Money) -> tuple[Decimal, Decimal, dict[tuple[str, str], Decimal]]:
    """(deposits, withdrawals) in the base currency, and other lines by kind and asset."""
    came = went = _ZERO
    income: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
    for line in lines:
        change = line.amount - line.fee
        if line.kind.partition("/")[0] not in _FLOWS:
            income[line.kind, line.asset] += change
        elif change >= 0:
            came += money.worth(line.asset, change)
        else:
            went -= money.worth(line.asset, change)
    return came, went, {key: amount for key, amount in sorted(income.items()) if amount}


def _untraded(lines: Iterable[CashEntry], money: Money) -> dict[str, Decimal]:
    """Coins paid in or out, by asset; what only changed its pocket adds up to nothing."""
    coins: dict[str, Decimal] = defaultdict(Decimal)
    for line in lines:
        if line.kind.partition("/")[0] in _FLOWS and not money.knows(line.asset):
            coins[line.asset] += line.amount - line.fee
    return {asset: amount for asset, amount in sorted(coins.items()) if amount}


def _open_result(facts: Facts, money: Money, mark: EquityEntry, closed: Decimal) -> Decimal:
    traded = sum((_money_moved(fill, money) for fill in facts.fills if fill.seq < mark.seq), _ZERO)
    fixes = (line for line in facts.cash if _corrects(line) and line.seq < mark.seq)
    moved = sum((money.worth(line.asset, line.amount - line.fee) for line in fixes), _ZERO)
    return mark.equity - mark.cash + traded + moved - closed


def _corrects(line: CashEntry) -> bool:
    return line.kind.partition("/")[0] == CORRECTION


def _money_moved(fill: FillEntry, money: Money) -> Decimal:
    """Money that came (or went) with a fill, its fee included if that was paid in money."""
    base, quote = split_symbol(fill.symbol)
    sign = 1 if fill.side is Side.BUY else -1
    legs = ((base, sign * fill.amount), (quote, -sign * fill.cost), (fill.fee_currency, -fill.fee))
    return sum((money.worth(asset, change) for asset, change in legs), _ZERO)


def _daily(first: EquityEntry, later: list[EquityEntry], began: datetime) -> DailyEquity:
    """Equity at each 00:00 UTC; what was paid in or out is read off the units, which deposits change and profits do not."""
    start = max(first.ts, began) if later else first.ts
    times = [mark.ts for mark in later]
    values = daily_equity(
        times, [_figure(mark.equity) for mark in later], starting_equity=_figure(first.equity), start=start
    ).values
    units = daily_equity(
        times, [_figure(mark.unit_value) for mark in later], starting_equity=_figure(first.unit_value), start=start
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        grown = values[:-1] * units.values[1:] / units.values[:-1]
    flows = np.nan_to_num(values[1:] - grown, nan=0.0, posinf=0.0, neginf=0.0)
    flows[np.abs(flows) < 1e-6 * np.abs(values[:-1])] = 0.0  # marks are written with 12 digits: less is their rounding
    return DailyEquity(units.first_day, values, flows)


def _figure(amount: Decimal) -> float:
    return float(amount)
