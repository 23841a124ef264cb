"""A day held against its replay: every decision computed again, every order beside what the bar model makes of it.

In: the ledger, the lake as of each decision and as it is now, today's strategies and limits.  Out: ``DayReport``.  Never: a day summed
with a decision left out silently: what could not be replayed is told.

Each decision is replayed from the account as it stood, so that a difference does not breed others.  Orders without a decision of their
own are held against the bar model as they are: a stop fills at its trigger, or at the open behind a gap, also one that the market went
through and the venue did not fill; any other exit at the open of the bar it was sent in.  A person's sale is no decision: all of it stands
under signal.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from kracken_tasks.domain.clock import iso, utc
from kracken_tasks.domain.market import SeriesKey, split_symbol
from kracken_tasks.domain.money import as_decimal
from kracken_tasks.domain.trading import Action, Decision, Purpose, Side
from kracken_tasks.errors import BadData, KrackenError
from kracken_tasks.explain.missed_stops import missed_stops
from kracken_tasks.explain.parity import Actual, Column, Expected, Row, split
from kracken_tasks.explain.replay import SeenCandles, recorded_facts, replay
from kracken_tasks.ledger.entries import DecisionEntry, FillEntry, IntentEntry
from kracken_tasks.ledger.ledger import Ledger
from kracken_tasks.risk.limits import RiskLimits
from kracken_tasks.risk.stops import StopRules
from kracken_tasks.strategies.proposal import Strategy

__all__ = ["DayReport", "Replays", "hold_against_replay", "span_of"]

_LATER = timedelta(hours=1)  # an order of the day's last tick may fill after it


@dataclass(frozen=True, slots=True)
class Replays:
    """What a day is computed again with.

    ``deciding`` gives the strategy and stop rules behind a recorded decision, None where today's settings have none; ``as_of`` the lake
    as of a commit, ``now`` as it is; ``fee`` a symbol's taker fee as a fraction, for orders whose decision wrote none down.
    """

    series: Mapping[str, SeriesKey]
    deciding: Callable[[DecisionEntry], tuple[Strategy, StopRules] | None]
    limits: RiskLimits
    as_of: Callable[[int], SeenCandles]
    now: SeenCandles
    fee: Callable[[str], Decimal]


@dataclass(frozen=True, slots=True)
class DayReport:
    """``problems``: what could not be held against its replay, and why; ``identical`` of ``replayed`` decisions came out the same."""

    start: datetime
    end: datetime
    rows: tuple[Row, ...]
    replayed: int
    identical: int
    problems: tuple[str, ...]

    def totals(self, currency: str) -> dict[Column, Decimal]:
        """Sum of each column over the orders paid in ``currency``."""
        rows = [row for row in self.rows if row.currency == currency]
        return {column: sum((row.columns[column] for row in rows), Decimal("0.00")) for column in Column}

    @property
    def currencies(self) -> tuple[str, ...]:
        return tuple(sorted({row.currency for row in self.rows}))

    def difference(self, currency: str) -> Decimal:
        return sum((row.difference for row in self.rows if row.currency == currency), Decimal("0.00"))

    @property
    def sentence(self) -> str:
        told = []
        for currency in self.currencies:
            causes = [f"{column.value} {amount}" for column, amount in self.totals(currency).items() if amount]
            told.append(f"{self.difference(currency)} {currency}" + (f" ({', '.join(causes)})" if causes else ""))
        against = "; ".join(told) or "nothing was traded"
        unsure = f", {len(self.problems)} not replayed" if self.problems else ""
        return f"against its replay: {against}; {self.identical} of {self.replayed} decisions identical{unsure}"


def span_of(day: datetime | None, now: datetime) -> tuple[datetime, datetime]:
    """The UTC day that ``day`` lies in, up to ``now``; None: the last whole day."""
    at = now - timedelta(days=1) if day is None else day.astimezone(UTC)
    start = utc(at.year, at.month, at.day)
    return start, min(start + timedelta(days=1), now)


def hold_against_replay(ledger: Ledger, start: datetime, end: datetime, tools: Replays) -> DayReport:
    """Replay the decisions in [start, end) and split what their orders, and all other orders of the span, came to.

    Time: market time; orders are marked at the newest close up to ``end``.
    """
    return _Day(ledger, start, end, tools).told()


class _Day:
    """One span: its orders by the decision or position they belong to."""

    def __init__(self, ledger: Ledger, start: datetime, end: datetime, tools: Replays) -> None:
        self.ledger, self.start, self.end, self.tools = ledger, start, end, tools
        self.problems: list[str] = []
        self.replayed = self.identical = 0
        self.marks: dict[str, Decimal | None] = {}
        self.intents = {entry.client_order_id: entry for entry in ledger.intents(start, end)}
        self.by_decision: dict[tuple[str, str, Purpose], list[IntentEntry]] = defaultdict(list)
        for intent in self.intents.values():
            self.by_decision[intent.tick_id, intent.symbol, intent.purpose].append(intent)
        self.by_intent: dict[str, list[FillEntry]] = defaultdict(list)
        self.fills = ledger.fills(start, end + _LATER)
        for fill in self.fills:
            if fill.client_order_id is not None and fill.purpose is not Purpose.STOP:
                self.by_intent[fill.client_order_id].append(fill)
        self.views: dict[int, SeenCandles] = {}

    def told(self) -> DayReport:
        together: dict[tuple[str, str], list[DecisionEntry]] = defaultdict(list)  # agents of one tick share one order
        for entry in self.ledger.decisions(self.start, self.end):
            together[entry.tick_id, entry.symbol].append(entry)
        rows = [row for entries in together.values() for row in self._decided(entries)]
        rows += self._undecided()
        rows += self._stopped()
        rows += self._not_stopped()
        rows.sort(key=lambda row: (row.ts, row.symbol, row.purpose))
        return DayReport(self.start, self.end, tuple(rows), self.replayed, self.identical, tuple(self.problems))

    # -- decisions -----------------------------------------------------------------------------------------------------------

    def _decided(self, entries: Sequence[DecisionEntry]) -> Iterator[Row]:
        """The order of one tick for one symbol, bought or sold, whoever decided it."""
        decided = [(entry, entry.decision, self._again(entry)) for entry in entries]
        for entry, was, now in decided:
            if not entry.facts and _buys(now) and not _buys(was):
                self.problems.append(f"{entry.symbol} in {entry.tick_id}: the replay buys, and no facts say how much")
        first = next((entry for entry in entries if entry.facts), entries[0])
        for purpose, side in ((Purpose.ENTRY, Side.BUY), (Purpose.EXIT, Side.SELL)):
            if purpose is Purpose.EXIT and not any(_sells(was) or _sells(now) for _, was, now in decided):
                continue  # an exit that no signal asked for is told with the others of its kind
            intents = self.by_decision.pop((first.tick_id, first.symbol, purpose), [])
            asked = sum((intent.request.amount for intent in intents), Decimal(0))
            wanted = self._wanted([was for _, was, _ in decided], asked, side)
            wants = self._wanted([now for _, _, now in decided], asked, side)
            if intents or wants:
                yield from self._ordered(first, purpose, side, intents, wanted, wants)

    def _ordered(
        self, entry: DecisionEntry, purpose: Purpose, side: Side, intents: list[IntentEntry], wanted: Decimal, wants: Decimal
    ) -> Iterator[Row]:  # fmt: skip
        mark, price = self._mark(entry.symbol), self._model_price(entry)
        if mark is None or price is None:
            self.problems.append(f"{entry.symbol} in {entry.tick_id}: the lake has no candle to fill or to mark it at")
            return
        facts = recorded_facts(entry)
        fee = as_decimal(repr(facts.fee_fraction)) if facts is not None else self.tools.fee(entry.symbol)
        middle = None if facts is None else (as_decimal(repr(facts.quote.bid)) + as_decimal(repr(facts.quote.ask))) / 2
        asked = sum((intent.request.amount for intent in intents), Decimal(0)) if intents else wanted
        crossed = wanted - asked if intents and wanted else Decimal(0)  # what agents gave each other needs no order
        fills = tuple(fill for intent in intents for fill in self.by_intent[intent.client_order_id])
        expected = Expected(wants - crossed, price, fee) if wants > crossed else None
        actual = Actual(asked, fills, middle) if asked else None
        yield self._row(entry.tick_id, entry.ts, entry.symbol, side, purpose, expected, actual, mark)

    def _again(self, entry: DecisionEntry) -> Decision:
        """The decision as it comes out now; one that cannot be computed again is taken as recorded, and told."""
        key = self.tools.series.get(entry.symbol)
        try:
            decided = self.tools.deciding(entry)
            if key is None or decided is None:
                raise BadData(f"today's settings have no {entry.strategy} on {entry.symbol}")
            result = replay(entry, decided[0], self._view(entry), key, self.tools.limits, decided[1])
        except KrackenError as error:
            self.problems.append(f"{entry.symbol} in {entry.tick_id}: {error.message}")
            return entry.decision
        self.replayed += 1
        self.identical += result.identical
        return entry.decision if result.identical or result.partly else result.decision

    def _view(self, entry: DecisionEntry) -> SeenCandles:
        seq = entry.decision.commit_seq
        if seq not in self.views:
            self.views.clear()  # decisions come in order of time: the ones of a tick share their commit
            self.views[seq] = self.tools.as_of(seq)
        return self.views[seq]

    def _wanted(self, decisions: Sequence[Decision], asked: Decimal, side: Side) -> Decimal:
        """What decisions ask for together: their sizes, or for a sale what was held, which the order that was sent says."""
        if side is Side.SELL:
            return asked if any(_sells(decision) for decision in decisions) else Decimal(0)
        receipts = [decision.receipt for decision in decisions if _buys(decision)]
        return sum((receipt.amount for receipt in receipts if receipt is not None), Decimal(0))

    def _model_price(self, entry: DecisionEntry) -> Decimal | None:
        """The open of the bar that begins with the tick's slot: the first one after the candles it was to decide on."""
        tick = self.ledger.tick(entry.tick_id)
        key = self.tools.series.get(entry.symbol)
        return None if key is None else self._open(key, entry.ts if tick is None else min(tick.slot, entry.ts))

    # -- other orders --------------------------------------------------------------------------------------------------------

    def _undecided(self) -> Iterator[Row]:
        """Exits that no signal asked for: targets, time, trailing, limits of the account, people."""
        for (tick_id, symbol, purpose), intents in self.by_decision.items():
            fills = tuple(fill for intent in intents for fill in self.by_intent[intent.client_order_id])
            if purpose is Purpose.STOP or (not fills and purpose is Purpose.ENTRY):
                continue  # stops are told by their fills
            key, ts = self.tools.series.get(symbol), intents[0].ts
            mark, price = self._mark(symbol), None if key is None else self._open(key, ts)
            if mark is None or price is None:
                self.problems.append(f"{symbol} in {tick_id}: the lake has no candle to fill or to mark it at")
                continue
            side = intents[0].request.side
            asked = sum((intent.request.amount for intent in intents), Decimal(0))
            decided = purpose not in (Purpose.FLATTEN, Purpose.ENTRY)
            expected = Expected(asked, price, self.tools.fee(symbol)) if decided else None
            yield self._row(tick_id, ts, symbol, side, purpose, expected, Actual(asked, fills), mark)

    def _stopped(self) -> Iterator[Row]:
        """Fills of resting stops, one row an order: the bar model fills them at the trigger, or at the open behind a gap."""
        orders: dict[str, list[FillEntry]] = defaultdict(list)
        for fill in self.fills:
            if fill.purpose is Purpose.STOP and fill.ts < self.end:
                orders[fill.order_id].append(fill)
        for order_id, fills in orders.items():
            symbol, ts = fills[0].symbol, fills[0].ts
            order, key, mark = self.ledger.order(order_id), self.tools.series.get(symbol), self._mark(symbol)
            opened = None if key is None else self._open(key, ts)
            if order is None or order.trigger_price is None or opened is None or mark is None:
                self.problems.append(
                    f"stop {order_id} of {symbol}: its trigger, or the candle it filled in, is not known"
                )
                continue
            amount = sum((fill.amount for fill in fills), Decimal(0))
            expected = Expected(amount, min(order.trigger_price, opened), self.tools.fee(symbol))
            yield self._row("", ts, symbol, Side.SELL, Purpose.STOP, expected, Actual(amount, tuple(fills)), mark)

    def _not_stopped(self) -> Iterator[Row]:
        """Stops that a candle went through while they rested and that the venue never filled."""
        filled, tools = {fill.order_id for fill in self.fills}, self.tools
        for missed in missed_stops(
            self.ledger, self.start, self.end, filled=filled, series=tools.series, candles=tools.now
        ):
            mark = self._mark(missed.symbol)
            if mark is None:
                self.problems.append(f"stop {missed.order_id} of {missed.symbol}: the lake has no candle to mark it at")
                continue
            expected = Expected(missed.amount, missed.price, tools.fee(missed.symbol))
            row = self._row(
                "", missed.ts, missed.symbol, Side.SELL, Purpose.STOP, expected, Actual(missed.amount, ()), mark
            )
            yield replace(
                row, note=f"stop {missed.order_id}: the candle of {iso(missed.ts)} went through it, nothing filled"
            )

    # -- prices --------------------------------------------------------------------------------------------------------------

    def _open(self, key: SeriesKey, at: datetime) -> Decimal | None:
        begins = key.timeframe.floor(at)
        rows = self.tools.now.candles(key, begins, begins + key.timeframe.delta)
        return None if rows.empty else as_decimal(repr(float(rows["open"].iloc[0])))

    def _mark(self, symbol: str) -> Decimal | None:
        if symbol not in self.marks:
            key = self.tools.series.get(symbol)
            self.marks[symbol] = None if key is None else self._close(key)
        return self.marks[symbol]

    def _close(self, key: SeriesKey) -> Decimal | None:
        last = key.timeframe.last_closed(self.end)
        rows = self.tools.now.candles(key, last - 100 * key.timeframe.delta, last + key.timeframe.delta)
        return None if rows.empty else as_decimal(repr(float(rows["close"].iloc[-1])))

    def _row(
        self, tick_id: str, ts: datetime, symbol: str, side: Side, purpose: Purpose, expected: Expected | None, actual: Actual | None,
        mark: Decimal,
    ) -> Row:  # fmt: skip
        real, replayed, columns = split(side, expected, actual, mark)
        currency = split_symbol(symbol)[1]
        row = Row(tick_id, ts, symbol, side, purpose.value, currency, real, replayed, columns)
        return row if tick_id else replace(row, note=f"venue's own order of {iso(ts)}")


def _buys(decision: Decision) -> bool:
    return decision.action is Action.BUY and decision.blocked_by is None


def _sells(decision: Decision) -> bool:
    return decision.action is Action.SELL
