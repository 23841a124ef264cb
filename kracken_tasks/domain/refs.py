"""References: what travels between tasks instead of frames.

A reference names exact bytes by their content hash; whoever holds one can read the same rows again.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from kracken_tasks.domain.market import DataKey

__all__ = ["CommitRef", "Finding", "StagedBatch", "StagedSeries", "Verdict"]


@dataclass(frozen=True, slots=True)
class StagedSeries:
    """Candles of one series, or events of one tape, fetched but not yet checked: a Parquet file in the staging folder.

    ``content_hash`` is the SHA-256 (hex) of the file's bytes; ``first_ts``/``last_ts`` are open times (of a tape: the venue's
    stamps); rows may be 0 (path "").
    """

    key: DataKey
    path: str
    content_hash: str
    rows: int
    first_ts: datetime | None
    last_ts: datetime | None
    asked_from: datetime
    asked_to: datetime
    source: str


@dataclass(frozen=True, slots=True)
class StagedBatch:
    """All staged series of one ingest run: the unit of checking and of committing."""

    series: tuple[StagedSeries, ...]

    @property
    def rows(self) -> int:
        return sum(item.rows for item in self.series)


@dataclass(frozen=True, slots=True)
class Finding:
    """One rule's result on one series or tape.

    ``action``: ``reject_rows`` (to quarantine), ``reject_batch`` (the series is not committed), ``warn``.  ``rows``: how many broke
    the rule, 0 where it is about the series.  ``detail`` is a sentence that says so by itself.  ``why`` and ``contract`` (name and
    start of its hash) are the rule's reason and source; ``sample`` the first rows that broke it, as text.
    """

    rule: str
    action: str
    key: DataKey
    rows: int
    first_ts: datetime | None
    detail: str
    why: str = ""
    contract: str = ""
    sample: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the contract says about exact bytes.  The lake commits nothing without one.

    ``accepted`` maps each series to the hash of the file that passed (the staged file itself, or one with the rejected rows
    removed); ``quarantined`` names the files of rows that did not.
    """

    contract: str
    batch_hash: str
    accepted: tuple[StagedSeries, ...]
    quarantined: tuple[StagedSeries, ...]
    findings: tuple[Finding, ...]
    checked_at: datetime

    @property
    def clean(self) -> bool:
        return not self.findings


@dataclass(frozen=True, slots=True)
class CommitRef:
    """A commit of the lake: everything at or below ``seq`` is what readers of this snapshot see."""

    seq: int
    content_hash: str
    known_at: datetime
    rows_added: int = 0
    rows_revised: int = 0
    rows_unchanged: int = 0
