"""What the signal modules have earned so far, kept in the ledger: learned from closed trades, looked at, and begun anew.

In: the ledger's closed positions and the decisions that opened them.  Out: ``Learned``, and the weights that follow.  Never: wall time,
state outside the ledger; the same entries give the same weights, learned trade by trade or all at once.

Notes under the topic ``signal_weights``, in order:

    trades:E:N   what is known after the first N closed positions, in the E-th run of learning; a line of text per module
    reset:E      begins run E: positions closed before it are not looked at again
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from kracken_tasks.domain.money import plain
from kracken_tasks.errors import BadData, Misconfigured
from kracken_tasks.signals.feedback import Correction, FeedbackConfig, ModuleRecord, TradeOutcome, factor_of

if TYPE_CHECKING:
    from kracken_tasks.ledger import Ledger, NoteEntry, RoundTrip

__all__ = ["TOPIC", "Learned", "Tally", "correction_of", "learn", "learned_before", "reset"]

TOPIC: Final = "signal_weights"


@dataclass(frozen=True, slots=True)
class Tally:
    """One module's trades: how many it leaned in, how many of those went its way, what they brought (quote, after fees)."""

    trades: int = 0
    right: int = 0
    pnl: Decimal = Decimal(0)


@dataclass(frozen=True, slots=True)
class Learned:
    """``run``: how often learning began anew; ``trips``: closed positions looked at or passed over; ``since``: when the run began."""

    run: int = 0
    trips: int = 0
    tallies: Mapping[str, Tally] = field(default_factory=dict)
    since: datetime | None = None


def learn(ledger: Ledger, *, ts: datetime) -> Learned:
    """Learn from the positions that closed since the last time, and write down what is known then; nothing new writes nothing.

    Time: ``ts`` is market time.  Told twice, or by two at once, the first note stands and says the same.
    """
    with ledger.transaction():
        known = _newest(ledger.notes(TOPIC))
        trips = ledger.round_trips()
        found = _after(known, [outcome_of(ledger, trip) for trip in trips[known.trips :]])
        if found.trips > known.trips:
            ledger.note(TOPIC, f"trades:{found.run}:{found.trips}", _told(found), ts=ts)
    return found


def learned_before(ledger: Ledger, seq: int | None = None) -> Learned:
    """What was known when entry ``seq`` was written (None: now); reads only."""
    return _newest([note for note in ledger.notes(TOPIC) if seq is None or note.seq < seq])


def reset(ledger: Ledger, *, by: str, reason: str, ts: datetime) -> Learned:
    """Begin anew: the configured weights hold until trades closed from now on say otherwise.

    Raises: Misconfigured without a name or a reason.
    """
    if not by.strip() or not reason.strip():
        raise Misconfigured("resetting the weights needs a name and a reason", key="by", value=by, allowed="a name")
    with ledger.transaction():
        run = _newest(ledger.notes(TOPIC)).run + 1
        trips = len(ledger.round_trips())
        ledger.note(TOPIC, f"reset:{run}", {"run": f"{run}", "trips": f"{trips}", "by": by, "reason": reason}, ts=ts)
    return Learned(run, trips, {}, ts)


def correction_of(base: Mapping[str, float], learned: Learned, config: FeedbackConfig | None = None) -> Correction:
    """The base weights as what was learned corrects them; modules without trades keep theirs."""
    config = config or FeedbackConfig()
    records = {module: _record(module, learned.tallies.get(module, Tally()), config) for module in base}
    return Correction({module: weight * records[module].factor for module, weight in base.items()}, records)


def outcome_of(ledger: Ledger, trip: RoundTrip) -> TradeOutcome:
    """A closed position with the opinions of the decision that opened it; none where the ledger does not know that decision."""
    for order_id in trip.order_ids[:1]:
        intent = ledger.intent_of_order(order_id)
        decided = None if intent is None else ledger.decision(intent.tick_id, intent.symbol)
        if decided is not None:
            return TradeOutcome(trip.position_id, trip.net, decided.decision.opinions)
    return TradeOutcome(trip.position_id, trip.net, ())


def _after(known: Learned, outcomes: list[TradeOutcome]) -> Learned:
    tallies = dict(known.tallies)
    for outcome in outcomes:
        for opinion in outcome.opinions:
            if opinion.direction:
                before = tallies.get(opinion.module, Tally())
                right = (opinion.direction > 0.0) == (outcome.pnl > 0)
                pnl = before.pnl + Decimal(outcome.pnl)
                tallies[opinion.module] = Tally(before.trades + 1, before.right + right, pnl)
    return replace(known, trips=known.trips + len(outcomes), tallies=tallies)


def _record(module: str, tally: Tally, config: FeedbackConfig) -> ModuleRecord:
    rate = tally.right / tally.trades if tally.trades else float("nan")
    factor = factor_of(tally.trades, tally.right, config)
    return ModuleRecord(module, tally.trades, tally.right, float(tally.pnl), rate, factor)


def _told(learned: Learned) -> dict[str, str]:
    lines = {
        f"module:{module}": f"{tally.trades} {tally.right} {plain(tally.pnl)}"
        for module, tally in sorted(learned.tallies.items())
    }
    return {"run": f"{learned.run}", "trips": f"{learned.trips}", **lines}


def _newest(notes: list[NoteEntry] | tuple[NoteEntry, ...]) -> Learned:
    begun = [note.ts for note in notes if note.key.startswith("reset:")]
    return _read(notes[-1], begun[-1] if begun else None) if notes else Learned()


def _read(note: NoteEntry, since: datetime | None) -> Learned:
    try:
        tallies = {}
        for name, line in note.payload.items():
            if name.startswith("module:"):
                trades, right, pnl = line.split()
                tallies[name.removeprefix("module:")] = Tally(int(trades), int(right), Decimal(pnl))
        return Learned(int(note.payload["run"]), int(note.payload["trips"]), tallies, since)
    except (KeyError, ValueError, ArithmeticError) as odd:
        raise BadData(f"note {note.key} of {TOPIC} cannot be read: {note.payload}", key=note.key) from odd
