"""The nightly check of the books: what the venue says against what stands here, kept as a note, with alerts and typed corrections.

In: a ledger, a venue that tells balances, lines and executions, market time.  Out: ``BooksReport``.  Never: a fill or a deposit booked
(that is reconciling), a correction on the word of one statement alone.
"""

from __future__ import annotations

from collections.abc import Container, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol, cast

from kracken_tasks.domain.clock import iso, parse_utc
from kracken_tasks.domain.market import Balance
from kracken_tasks.domain.money import plain
from kracken_tasks.domain.trading import CashMovement, Fill
from kracken_tasks.errors import RetryLater
from kracken_tasks.ledger.entries import AlertDraft, AlertKind, AlertLevel, CashEntry, Source
from kracken_tasks.ledger.ledger import Ledger
from kracken_tasks.ledger.statement import Booked, Checked, Statement, compare, corrections

__all__ = ["TOPIC", "BooksReport", "VenueBooks", "check_books", "last_agreed"]

TOPIC = "books"  # notes of past checks, by their time

_OVERLAP = timedelta(days=1)
_LISTED_WITHIN = timedelta(minutes=10)
_ATTEMPTS = 3


class VenueBooks(Protocol):
    """The part of a broker that the check reads; ``ledger_lines(start)``, lines of trades included, is used where there is one."""

    def balances(self) -> Mapping[str, Balance]: ...

    def fills(self, start: datetime, known: Container[str] = ()) -> list[Fill]: ...

    def cash_movements(self, start: datetime) -> list[CashMovement]: ...


@dataclass(frozen=True, slots=True)
class BooksReport:
    """What a check found, after ``booked`` corrections; times are market time."""

    at: datetime
    since: datetime
    assets: tuple[Checked, ...]
    booked: tuple[CashEntry, ...]
    lines: int
    fills: int

    @property
    def differing(self) -> tuple[Checked, ...]:
        return tuple(asset for asset in self.assets if not asset.agrees)

    @property
    def unexplained(self) -> tuple[Checked, ...]:
        return tuple(asset for asset in self.assets if asset.rest)

    @property
    def agrees(self) -> bool:
        return not self.differing

    @property
    def sentence(self) -> str:
        held = f"{len(self.assets)} assets, {self.fills} fills and {self.lines} lines since {iso(self.since)}"
        found = "; ".join(asset.told for asset in self.differing)
        return f"balanced: {held}" if self.agrees else f"NOT balanced: {found} ({held})"

    def rows(self) -> list[dict[str, str]]:
        """A row for each asset as it stands after the corrections, then one for each correction; amounts as plain text."""
        assets = [
            {
                "asset": asset.asset, "venue": plain(asset.venue), "ledger": plain(asset.ledger),
                "difference": plain(asset.difference), "because": "" if asset.agrees else asset.told,
            }
            for asset in self.assets
        ]  # fmt: skip
        return assets + [
            {
                "asset": line.asset, "venue": "", "ledger": "", "difference": plain(line.amount),
                "because": f"booked: {line.kind} of {line.reference_id}",
            }
            for line in self.booked
        ]  # fmt: skip


def check_books(ledger: Ledger, venue: VenueBooks, *, at: datetime, since: datetime | None = None) -> BooksReport:
    """Compare, book what both of the venue's statements correct, compare again, and keep what was found.

    ``since``: how far back lines and executions are held against each other; None: from the last check that agreed.
    Raises: RetryLater if a listing cannot be read, or the account moves faster than it can be read; nothing was written then.
    """
    since = since or _begins(ledger, at)
    with ledger.acting(Source.CHECK, f"{TOPIC}@{iso(at)}"):
        found, book, statement = _look(ledger, venue, at, since)
        booked = ledger.book_cash(corrections(book, found))
        if booked:
            found, book, statement = _look(ledger, venue, at, since)
        report = BooksReport(at, since, found, booked, len(statement.lines), len(book.fills))
        with ledger.transaction():
            agreed = last_agreed(ledger)
            ledger.note(TOPIC, iso(at), _payload(report), ts=at)
            for asset in report.differing:
                ledger.add_alert(_alert(asset, agreed), ts=at)
    return report


def last_agreed(ledger: Ledger) -> datetime | None:
    """Market time of the newest check in which nothing differed."""
    agreed = [note.key for note in ledger.notes(TOPIC) if note.payload["agrees"] == "yes"]
    return parse_utc(agreed[-1]) if agreed else None


def _begins(ledger: Ledger, at: datetime) -> datetime:
    agreed = last_agreed(ledger)
    if agreed is not None:
        return agreed - _OVERLAP
    opened = [entry.ts for entry in ledger.cash_entries() if entry.kind == "opening"]
    first = [*opened, *(entry.ts for entry in ledger.intents()[:1]), *(entry.ts for entry in ledger.fills()[:1])]
    return min(first, default=at) - _OVERLAP


def _look(
    ledger: Ledger, venue: VenueBooks, at: datetime, since: datetime
) -> tuple[tuple[Checked, ...], Booked, Statement]:
    """Venue and book of one moment: what moved while they were read is read again."""
    for _ in range(_ATTEMPTS):
        before = _book(ledger, since)
        balances = dict(venue.balances())
        lines, with_trades = _lines(venue, since)
        fills = () if with_trades else tuple(venue.fills(since))
        book = _book(ledger, since)
        if book == before and dict(venue.balances()) == balances:
            statement = Statement(balances, lines, fills, since, at - _LISTED_WITHIN, with_trades)
            return compare(book, statement), book, statement
    raise RetryLater("the account moves while its books are checked; try again when it is quiet", attempts=_ATTEMPTS)


def _lines(venue: VenueBooks, since: datetime) -> tuple[tuple[CashMovement, ...], bool]:
    whole = getattr(venue, "ledger_lines", None)
    if whole is None:
        return tuple(venue.cash_movements(since)), False
    return tuple(cast(Any, whole)(since)), True


def _book(ledger: Ledger, since: datetime) -> Booked:
    # The book's own times are the venue's, and a line may carry the second before its fill's.
    start = since - _LISTED_WITHIN
    return Booked(ledger.cash(), ledger.fills(start), ledger.cash_entries(start))


def _payload(report: BooksReport) -> dict[str, str]:
    told = {f"difference {asset.asset}": asset.told for asset in report.differing}
    corrected = {f"corrected {line.movement_id}": f"{plain(line.amount)} {line.asset}" for line in report.booked}
    counts = {"assets": str(len(report.assets)), "lines": str(report.lines), "fills": str(report.fills)}
    return {"agrees": "yes" if report.agrees else "no", "since": iso(report.since)} | counts | corrected | told


def _alert(asset: Checked, agreed: datetime | None) -> AlertDraft:
    """Told once for a difference and its causes, for as long as it lasts: the same after the books ``agreed`` is news.

    What nothing explains is critical.
    """
    facts = {"venue": plain(asset.venue), "ledger": plain(asset.ledger), "difference": plain(asset.difference)}
    level = AlertLevel.CRITICAL if asset.rest else AlertLevel.WARNING
    payload = {"asset": asset.asset} | facts | {"explained": asset.told}
    return AlertDraft(
        AlertKind.BALANCE_DIFFERENCE,
        f"books:{asset.asset}:{asset.told}:{iso(agreed) if agreed else 'always'}",
        payload,
        level,
    )
