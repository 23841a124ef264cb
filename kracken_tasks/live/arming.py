"""Arming: a named person's word that an account may trade real money, for a stated time, kept in the ledger.

In: the ledger, who, why, for how long, market time.  Out: whether it is armed, and if not, why.  Never: an arming without an end, one that
is kept anywhere but in the ledger, or one of another account.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from kracken_tasks.domain.clock import iso, parse_utc
from kracken_tasks.errors import Misconfigured
from kracken_tasks.ledger import AlertDraft, AlertKind, AlertLevel, Source

if TYPE_CHECKING:
    from kracken_tasks.ledger import Ledger

__all__ = [
    "LONGEST",
    "Arming",
    "FirstOrders",
    "arm",
    "arming_of",
    "arming_told",
    "disarm",
    "passed_recently",
    "remember",
    "why_not_armed",
]

TOPIC: Final = "arming"
_PREFLIGHT: Final = "preflight"
LONGEST: Final = timedelta(days=30)
_ARMED, _DISARMED = "armed", "disarmed"


@dataclass(frozen=True, slots=True)
class Arming:
    """Somebody's newest word.  ``until``: market time from which it counts no more; the moment of the word itself where it disarmed."""

    account: str
    by: str
    reason: str
    since: datetime
    until: datetime
    armed: bool


@dataclass(frozen=True, slots=True)
class FirstOrders:
    """The cap on an account's first entries: at most ``most`` an order, in quote currency, until ``days`` after its first entry."""

    most: float
    days: int

    def cap(self, ledger: Ledger, now: datetime) -> tuple[float, str] | None:
        """The cap at ``now`` and why; None once the days have passed.  They count from the first entry that filled, not from the arming."""
        opened = [trip.opened_at for trip in ledger.round_trips()]
        opened += [position.opened_at for position in ledger.positions().values()]
        if not opened:
            return (
                self.most,
                f"before its first entry: at most {self.most:.2f} an order, and so for {self.days} days after it",
            )
        ends = min(opened) + timedelta(days=self.days)
        if now >= ends:
            return None
        return self.most, f"first orders: at most {self.most:.2f} an order until {iso(ends)}"


def arm(ledger: Ledger, *, account: str, by: str, reason: str, duration: timedelta, now: datetime) -> Arming:
    """Arm the ledger's account until ``now`` + ``duration``; a newer word takes the place of an older one.

    Time: market time.  Raises: Misconfigured for another account's name, no name or reason, or a duration that is not above zero and at
    most LONGEST.
    """
    if account != ledger.account:
        raise Misconfigured(
            f"account {account!r} is not the one that trades here, {ledger.account!r}; type its name out",
            key="account", value=account, allowed=ledger.account,
        )  # fmt: skip
    if not timedelta(0) < duration <= LONGEST:
        raise Misconfigured(
            f"armed for {duration}: allowed is above zero and at most {LONGEST.days} days",
            key="duration", value=str(duration), allowed=f"above 0, at most {LONGEST.days} days",
        )  # fmt: skip
    return _write(ledger, _ARMED, by, reason, now, now + duration)


def disarm(ledger: Ledger, *, by: str, reason: str, now: datetime) -> Arming:
    """Take the arming back.  Nothing is bought from then on; what is held keeps its stops and is sold by its rules.

    Raises: Misconfigured without a name or a reason.
    """
    return _write(ledger, _DISARMED, by, reason, now, now)


def arming_of(ledger: Ledger) -> Arming | None:
    """The newest word on this account; None if nobody ever armed it."""
    notes = ledger.notes(TOPIC)
    if not notes:
        return None
    newest, said = notes[-1], notes[-1].payload
    armed = said["word"] == _ARMED
    return Arming(ledger.account, said["by"], said["reason"], newest.ts, parse_utc(said["until"]), armed)


def why_not_armed(ledger: Ledger, now: datetime) -> str:
    """Why the account may not buy with real money at ``now``; empty where it may."""
    newest = arming_of(ledger)
    if newest is None:
        return f"account {ledger.account} was never armed (kracken arm)"
    if not newest.armed:
        return f"disarmed by {newest.by} at {iso(newest.since)}: {newest.reason}"
    if now >= newest.until:
        return f"armed by {newest.by} until {iso(newest.until)}, which is over"
    if _restored_since(ledger):
        since = f"armed by {newest.by} at {iso(newest.since)}, and the ledger was restored from a backup after that"
        return f"{since}: nobody knows what was said since (kracken arm)"
    return ""


def _restored_since(ledger: Ledger) -> bool:
    """Whether the newest word stands in a backup that the ledger was made from: it may have been taken back after that was made."""
    # Here and not above: it loads the database's library, and only whoever has a ledger asks.
    from kracken_tasks.ledger.backup import RESTORED

    words, restored = ledger.notes(TOPIC), ledger.notes(RESTORED)
    return bool(words) and bool(restored) and restored[-1].seq > words[-1].seq


def arming_told(ledger: Ledger, first: FirstOrders, now: datetime) -> tuple[str, ...]:
    """How things stand with real money at ``now``, in sentences: armed by whom until when or why not, and the cap on first entries."""
    why_not, cap = why_not_armed(ledger, now), first.cap(ledger, now)
    newest = arming_of(ledger)
    if why_not or newest is None:
        told = f"not armed: {why_not}"
    else:
        told = f"account {newest.account} armed by {newest.by} until {iso(newest.until)}: {newest.reason}"
    return (told,) if cap is None else (told, cap[1])


def remember(ledger: Ledger, *, rules: str, now: datetime) -> None:
    """Keep that every check has passed at ``now`` for settings of this mark, so that the next ticks need not ask the venue all of it."""
    ledger.note(_PREFLIGHT, f"{iso(now)} {rules}", {"rules": rules}, ts=now)


def passed_recently(ledger: Ledger, *, rules: str, now: datetime, within: timedelta) -> bool:
    """Whether every check has passed for settings of this mark within the time before ``now``, and nothing was disarmed since."""
    newest = arming_of(ledger)
    notes = [note for note in ledger.notes(_PREFLIGHT) if note.payload["rules"] == rules]
    if not notes or newest is None or not newest.armed or newest.since > notes[-1].ts:
        return False
    return timedelta(0) <= now - notes[-1].ts <= within


def _write(ledger: Ledger, word: str, by: str, reason: str, now: datetime, until: datetime) -> Arming:
    who, why = " ".join(by.split()), " ".join(reason.split())
    if not (who and why):
        missing = "the name of a person" if not who else "a reason"
        raise Misconfigured(f"arming and disarming need {missing}", key="by" if not who else "reason")
    payload = {"word": word, "by": who, "reason": why, "until": iso(until)}
    summary = f"live trading of account {ledger.account} {word} by {who}: {why}"
    text = f"{summary}; until {iso(until)}" if word == _ARMED else summary
    with ledger.acting(Source.PERSON, who), ledger.transaction():
        number = len(ledger.notes(TOPIC))
        while not ledger.note(TOPIC, f"{number:06d}", payload, ts=now).new:
            number += 1  # somebody else's word has taken this number
        draft = AlertDraft(AlertKind.INFO, f"arming:{number:06d}", {"text": text}, AlertLevel.WARNING)
        ledger.add_alert(draft, ts=now)
    return Arming(ledger.account, who, why, now, until, word == _ARMED)
