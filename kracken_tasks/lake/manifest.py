"""What a commit says, and the state that all commits up to one add up to.

In: values and the JSON of ``_commits/`` and ``_checkpoints/``.  Out: frozen values and canonical JSON bytes (sorted keys, no
spaces, integers and text only).  Never: touching storage or reading a candle.  Moments of
commits are milliseconds since the epoch, times of rows and spans in the unit of their dataset.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import numpy as np

from kracken_tasks.domain.market import DataKey, key_parts
from kracken_tasks.domain.refs import Finding
from kracken_tasks.errors import BadData
from kracken_tasks.lake import spans
from kracken_tasks.lake.block import GROUP_ROWS, Block, uniform
from kracken_tasks.lake.manifest_json import FORMAT, canonical, finding_from, finding_json, key_from, loaded, spans_from
from kracken_tasks.lake.spans import Spans

__all__ = [
    "Change",
    "Commit",
    "FileEntry",
    "Group",
    "Outage",
    "QuarantineEntry",
    "SeriesState",
    "State",
    "data_name",
    "described",
    "digest",
    "file_entry",
]


@dataclass(frozen=True, slots=True)
class Group:
    """One row group of a data file: what a reader must know to leave it unread."""

    rows: int
    first: int
    last: int
    min_seq: int


@dataclass(frozen=True, slots=True)
class FileEntry:
    """One immutable data file.  ``candles`` counts distinct times, ``rows`` every revision of them.

    ``first`` and ``last`` (and those of groups and spans) count the dataset's unit: milliseconds, of tapes microseconds.
    ``bare``: the file lacks the columns of BOOKKEEPING, each of which is one value that ``same`` tells.  ``at``: the file is a pack, which
    holds rows of other series too; those of this one begin with that row group.
    """

    name: str
    sha256: str
    bytes: int
    rows: int
    candles: int
    first: int
    last: int
    max_seq: int
    max_revision: int
    groups: tuple[Group, ...]
    same: tuple[tuple[str, int], ...]
    bare: bool = False
    at: int | None = None

    @property
    def min_seq(self) -> int:
        return min(group.min_seq for group in self.groups)

    def whole(self, step_ms: int) -> bool:
        """True when no window between first and last is empty, told without opening the file."""
        return self.candles == (self.last - self.first) // step_ms + 1

    def to_json(self) -> dict[str, Any]:
        return {
            "name": self.name, "sha256": self.sha256, "bytes": self.bytes, "rows": self.rows, "candles": self.candles,
            "first": self.first, "last": self.last, "max_seq": self.max_seq, "max_revision": self.max_revision,
            "groups": [[g.rows, g.first, g.last, g.min_seq] for g in self.groups], "same": dict(self.same),
            **({"bare": True} if self.bare else {}), **({} if self.at is None else {"at": self.at}),
        }  # fmt: skip

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> FileEntry:
        groups = tuple(Group(*group) for group in data["groups"])
        return cls(**{**data, "groups": groups, "same": tuple(sorted(data["same"].items()))})


@dataclass(frozen=True, slots=True)
class QuarantineEntry:
    """A file of rows that the contract kept out, with the rule and reason of each; [first, last] are the times of its rows."""

    name: str
    sha256: str
    rows: int
    first: int
    last: int

    def to_json(self) -> dict[str, Any]:
        return {"name": self.name, "sha256": self.sha256, "rows": self.rows, "first": self.first, "last": self.last}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> QuarantineEntry:
        # Older commits do not tell the times; they are then taken to reach everywhere.
        return cls(data["name"], data["sha256"], data["rows"], data.get("first", -(2**62)), data.get("last", 2**62))


@dataclass(frozen=True, slots=True, order=True)
class Outage:
    """[start, end) in which a venue did not answer, and what it said or failed to say."""

    start: int
    end: int
    reason: str

    def to_json(self) -> list[Any]:
        return [self.start, self.end, self.reason]


@dataclass(frozen=True, slots=True)
class Change:
    """What one commit does to one series or tape.  ``blocked``: the contract refused the whole; ``released``: times let out of it."""

    key: DataKey
    added: int = 0
    revised: int = 0
    unchanged: int = 0
    blocked: bool = False
    asked: Spans = ()
    rejected: Spans = ()
    files_added: tuple[FileEntry, ...] = ()
    files_removed: tuple[str, ...] = ()
    quarantine: tuple[QuarantineEntry, ...] = ()
    findings: tuple[Finding, ...] = ()
    released: Spans = ()
    outages: tuple[Outage, ...] = ()

    def to_json(self) -> dict[str, Any]:
        return {
            "key": list(key_parts(self.key)), "added": self.added, "revised": self.revised, "unchanged": self.unchanged,
            "blocked": self.blocked, "asked": self.asked, "rejected": self.rejected,
            "files_added": [entry.to_json() for entry in self.files_added], "files_removed": list(self.files_removed),
            "quarantine": [entry.to_json() for entry in self.quarantine],
            "findings": [finding_json(finding) for finding in self.findings],
            **({"released": self.released} if self.released else {}),
            **({"outages": [one.to_json() for one in self.outages]} if self.outages else {}),
        }  # fmt: skip

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Change:
        key = key_from(data["key"])
        return cls(
            key, data["added"], data["revised"], data["unchanged"], data["blocked"],
            spans_from(data["asked"]), spans_from(data["rejected"]),
            tuple(FileEntry.from_json(entry) for entry in data["files_added"]), tuple(data["files_removed"]),
            tuple(QuarantineEntry.from_json(entry) for entry in data["quarantine"]),
            tuple(finding_from(finding, key) for finding in data["findings"]),
            spans_from(data.get("released", ())), _outages(data),
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Commit:
    """One line of the log.  ``parent``: hash of the one before.

    ``kind``: ``commit`` (what a verdict accepted), ``compact`` (files change, no row does), ``outage`` (why windows are empty),
    ``sweep`` (nothing: a fence against writers of older states),
    ``release`` (a person lets rows out of quarantine: ``by`` and ``reason`` say who and why).
    """

    seq: int
    parent: str
    known_at: int
    kind: str
    contract: str
    batch_hash: str
    checked_at: int
    changes: tuple[Change, ...]
    by: str = ""
    reason: str = ""

    def to_bytes(self) -> bytes:
        who = {"by": self.by, "reason": self.reason} if self.by else {}
        return canonical({
            **who,
            "format": FORMAT, "seq": self.seq, "parent": self.parent, "known_at": self.known_at, "kind": self.kind,
            "contract": self.contract, "batch_hash": self.batch_hash, "checked_at": self.checked_at,
            "changes": [change.to_json() for change in self.changes],
        })  # fmt: skip

    @classmethod
    def from_bytes(cls, raw: bytes, name: str) -> Commit:
        data = loaded(raw, name)
        return cls(
            data["seq"], data["parent"], data["known_at"], data["kind"], data["contract"], data["batch_hash"],
            data["checked_at"], tuple(Change.from_json(change) for change in data["changes"]),
            data.get("by", ""), data.get("reason", ""),
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class SeriesState:
    """One series or tape: its live files by time, what was asked, what is kept out, and the newest verdict on it.

    ``quarantine`` is what the newest verdict kept out, ``held`` all that was ever kept out and neither released nor replaced by
    good rows for the same times.  ``outages`` are those that nobody has asked again for; ``released`` all times that a person let a row
    in for.
    """

    key: DataKey
    files: tuple[FileEntry, ...] = ()
    asked: Spans = ()
    rejected: Spans = ()
    blocked: bool = False
    quarantine: tuple[QuarantineEntry, ...] = ()
    findings: tuple[Finding, ...] = ()
    verdict_seq: int = 0
    held: tuple[QuarantineEntry, ...] = ()
    outages: tuple[Outage, ...] = ()
    released: Spans = ()

    def after(self, change: Change, commit: Commit) -> SeriesState:
        gone = set(change.files_removed)
        files = [entry for entry in self.files if entry.name not in gone] + list(change.files_added)
        files.sort(key=lambda entry: (entry.first, entry.last, entry.name))
        state = replace(self, files=tuple(files))
        if commit.kind == "commit":
            return state._judged(change, commit.seq)
        if commit.kind == "release":
            return state._released(change)
        if commit.kind == "outage":
            return replace(state, outages=_open_outages((*state.outages, *change.outages), state.asked))
        return state

    def _judged(self, change: Change, seq: int) -> SeriesState:
        asked = spans.union(self.asked, change.asked)
        rejected = spans.subtract(spans.union(self.rejected, change.rejected), change.asked)
        held = {entry.sha256: entry for entry in (*self.held, *change.quarantine)}
        return replace(
            self, asked=asked, rejected=rejected, blocked=change.blocked, quarantine=change.quarantine,
            findings=change.findings, verdict_seq=seq, held=_still_held(held.values(), rejected),
            outages=_open_outages(self.outages, asked),
        )  # fmt: skip

    def _released(self, change: Change) -> SeriesState:
        rejected = spans.subtract(self.rejected, change.released)
        quarantine = _still_held(self.quarantine, rejected)
        return replace(
            self, rejected=rejected, held=_still_held(self.held, rejected), quarantine=quarantine,
            asked=spans.union(self.asked, change.released), blocked=self.blocked and bool(quarantine),
            released=spans.union(self.released, change.released),
        )  # fmt: skip

    def to_json(self) -> dict[str, Any]:
        return {
            "key": list(key_parts(self.key)), "files": [entry.to_json() for entry in self.files], "asked": self.asked,
            "rejected": self.rejected, "blocked": self.blocked, "verdict_seq": self.verdict_seq,
            "quarantine": [entry.to_json() for entry in self.quarantine],
            "findings": [finding_json(finding) for finding in self.findings],
            "held": [entry.to_json() for entry in self.held], "outages": [one.to_json() for one in self.outages],
            **({"released": self.released} if self.released else {}),
        }  # fmt: skip

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> SeriesState:
        key = key_from(data["key"])
        return cls(
            key, tuple(FileEntry.from_json(entry) for entry in data["files"]), spans_from(data["asked"]),
            spans_from(data["rejected"]), data["blocked"],
            tuple(QuarantineEntry.from_json(entry) for entry in data["quarantine"]),
            tuple(finding_from(finding, key) for finding in data["findings"]), data["verdict_seq"],
            tuple(QuarantineEntry.from_json(entry) for entry in data.get("held", data["quarantine"])), _outages(data),
            spans_from(data.get("released", ())),
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class State:
    """The fold of the log up to ``seq`` (0: an empty lake)."""

    seq: int = 0
    hash: str = ""
    known_at: int = 0
    series: Mapping[DataKey, SeriesState] = field(default_factory=dict)

    def after(self, commit: Commit, commit_hash: str) -> State:
        """Raises: BadData if ``commit`` does not continue this very history."""
        if commit.seq != self.seq + 1 or commit.parent != self.hash:
            raise BadData(
                f"commit {commit.seq} does not continue commit {self.seq}", seq=commit.seq, parent=commit.parent
            )
        series = dict(self.series)
        for change in commit.changes:
            before = series.get(change.key, SeriesState(change.key))
            series[change.key] = before.after(change, commit)
        return State(commit.seq, commit_hash, commit.known_at, series)

    def to_bytes(self) -> bytes:
        return canonical({
            "format": FORMAT, "seq": self.seq, "hash": self.hash, "known_at": self.known_at,
            "series": [one.to_json() for _, one in sorted(self.series.items(), key=lambda item: key_parts(item[0]))],
        })  # fmt: skip

    @classmethod
    def from_bytes(cls, raw: bytes, name: str) -> State:
        data = loaded(raw, name)
        return cls(
            data["seq"],
            data["hash"],
            data["known_at"],
            {one.key: one for one in map(SeriesState.from_json, data["series"])},
        )


def digest(raw: bytes) -> str:
    """SHA-256 in hex."""
    return hashlib.sha256(raw).hexdigest()


def file_entry(folder: str, block: Block, raw: bytes, mark: str = "") -> FileEntry:
    """Describe an encoded block; the name is made of its first open time, its content, and ``mark``."""
    sha256 = digest(raw)
    first = block.dataset.moment(int(block["ts"][0]))
    return described(data_name(folder, first, sha256, mark), sha256, len(raw), block)


def described(name: str, sha256: str, size: int, block: Block, at: int | None = None) -> FileEntry:
    """A block in the file ``name`` of ``size`` bytes; ``at``: from that row group of a pack on."""
    ts, seqs = block["ts"], block["commit_seq"]
    cuts = range(0, len(block), GROUP_ROWS)
    groups = tuple(
        Group(len(part), int(part[0]), int(part[-1]), int(seqs[at : at + GROUP_ROWS].min()))
        for at in cuts for part in [ts[at : at + GROUP_ROWS]]
    )  # fmt: skip
    return FileEntry(
        name, sha256, size, len(block),
        1 + int(np.count_nonzero(np.diff(ts))), int(ts[0]), int(ts[-1]), int(seqs.max()), int(block["revision"].max()),
        groups, tuple(sorted(uniform(block).items())), at=at,
    )  # fmt: skip


def data_name(folder: str, first: datetime, sha256: str, mark: str = "") -> str:
    """A data file's name: of its first open time, its content, and ``mark``."""
    return f"{folder}/{first:%Y%m%dT%H%M%S}-{sha256[:20]}{mark}.parquet"


def _still_held(entries: Iterable[QuarantineEntry], rejected: Spans) -> tuple[QuarantineEntry, ...]:
    """Files of which some time is still without a good row (``rejected`` holds whole windows, so its ends lie outside the rows)."""
    return tuple(e for e in entries if any(start <= e.last and e.first < end for start, end in rejected))


def _open_outages(outages: Iterable[Outage], asked: Spans) -> tuple[Outage, ...]:
    """Outages that nobody asked again for since, those of one reason that touch made one."""
    by_reason: dict[str, list[tuple[int, int]]] = {}
    for one in outages:
        by_reason.setdefault(one.reason, []).append((one.start, one.end))
    merged = [Outage(*span, reason) for reason, parts in by_reason.items() for span in spans.union(parts)]
    return tuple(sorted(one for one in merged if spans.subtract([(one.start, one.end)], asked)))


def _outages(data: Mapping[str, Any]) -> tuple[Outage, ...]:
    return tuple(Outage(*one) for one in data.get("outages", ()))
