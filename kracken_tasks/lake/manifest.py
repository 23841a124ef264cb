"""What a commit says, and the state that all commits up to one add up to.

In: values and the JSON of ``_commits/`` and ``_checkpoints/``.  Out: frozen values and canonical JSON bytes (sorted keys, no
spaces, integers and text only).  Never: touching storage or reading a candle.  Moments of
commits are milliseconds since the epoch, times of rows and spans in the unit of their dataset.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from kracken_tasks.domain.clock import from_ms, to_ms
from kracken_tasks.domain.market import DataKey, SeriesKey, Tape, TapeKey, Timeframe, key_parts
from kracken_tasks.domain.refs import Finding
from kracken_tasks.errors import BadData
from kracken_tasks.lake import spans
from kracken_tasks.lake.block import GROUP_ROWS, Block, uniform
from kracken_tasks.lake.spans import Spans

__all__ = ["Change", "Commit", "FileEntry", "Group", "QuarantineEntry", "SeriesState", "State", "digest", "file_entry"]

FORMAT = 1


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
        }  # fmt: skip

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> FileEntry:
        groups = tuple(Group(*group) for group in data["groups"])
        return cls(**{**data, "groups": groups, "same": tuple(sorted(data["same"].items()))})


@dataclass(frozen=True, slots=True)
class QuarantineEntry:
    """A file of rows that the contract kept out, with the rule and reason of each."""

    name: str
    sha256: str
    rows: int

    def to_json(self) -> dict[str, Any]:
        return {"name": self.name, "sha256": self.sha256, "rows": self.rows}


@dataclass(frozen=True, slots=True)
class Change:
    """What one commit does to one series.  ``blocked``: the contract refused the whole series."""

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

    def to_json(self) -> dict[str, Any]:
        return {
            "key": list(key_parts(self.key)), "added": self.added, "revised": self.revised, "unchanged": self.unchanged,
            "blocked": self.blocked, "asked": self.asked, "rejected": self.rejected,
            "files_added": [entry.to_json() for entry in self.files_added], "files_removed": list(self.files_removed),
            "quarantine": [entry.to_json() for entry in self.quarantine],
            "findings": [_finding_json(finding) for finding in self.findings],
        }  # fmt: skip

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Change:
        key = _key(data["key"])
        return cls(
            key, data["added"], data["revised"], data["unchanged"], data["blocked"],
            _spans(data["asked"]), _spans(data["rejected"]),
            tuple(FileEntry.from_json(entry) for entry in data["files_added"]), tuple(data["files_removed"]),
            tuple(QuarantineEntry(**entry) for entry in data["quarantine"]),
            tuple(_finding(finding, key) for finding in data["findings"]),
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Commit:
    """One line of the log.  ``kind``: ``commit``, or ``compact`` (files change, no candle does).  ``parent``: hash of the one before."""

    seq: int
    parent: str
    known_at: int
    kind: str
    contract: str
    batch_hash: str
    checked_at: int
    changes: tuple[Change, ...]

    def to_bytes(self) -> bytes:
        return _canonical({
            "format": FORMAT, "seq": self.seq, "parent": self.parent, "known_at": self.known_at, "kind": self.kind,
            "contract": self.contract, "batch_hash": self.batch_hash, "checked_at": self.checked_at,
            "changes": [change.to_json() for change in self.changes],
        })  # fmt: skip

    @classmethod
    def from_bytes(cls, raw: bytes, name: str) -> Commit:
        data = _loaded(raw, name)
        return cls(
            data["seq"], data["parent"], data["known_at"], data["kind"], data["contract"], data["batch_hash"],
            data["checked_at"], tuple(Change.from_json(change) for change in data["changes"]),
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class SeriesState:
    """One series or tape: its live files by time, what was asked, what is kept out, and the newest verdict on it."""

    key: DataKey
    files: tuple[FileEntry, ...] = ()
    asked: Spans = ()
    rejected: Spans = ()
    blocked: bool = False
    quarantine: tuple[QuarantineEntry, ...] = ()
    findings: tuple[Finding, ...] = ()
    verdict_seq: int = 0

    def after(self, change: Change, seq: int, *, judged: bool) -> SeriesState:
        gone = set(change.files_removed)
        files = [entry for entry in self.files if entry.name not in gone] + list(change.files_added)
        files.sort(key=lambda entry: (entry.first, entry.last, entry.name))
        state = replace(self, files=tuple(files))
        if not judged:
            return state
        asked = spans.union(self.asked, change.asked)
        rejected = spans.subtract(spans.union(self.rejected, change.rejected), change.asked)
        return replace(
            state, asked=asked, rejected=rejected, blocked=change.blocked, quarantine=change.quarantine,
            findings=change.findings, verdict_seq=seq,
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
            series[change.key] = before.after(change, commit.seq, judged=commit.kind == "commit")
        return State(commit.seq, commit_hash, commit.known_at, series)

    def to_bytes(self) -> bytes:
        return _canonical({
            "format": FORMAT, "seq": self.seq, "hash": self.hash, "known_at": self.known_at,
            "series": [
                {
                    "key": list(key_parts(key)), "files": [entry.to_json() for entry in one.files], "asked": one.asked,
                    "rejected": one.rejected, "blocked": one.blocked, "verdict_seq": one.verdict_seq,
                    "quarantine": [entry.to_json() for entry in one.quarantine],
                    "findings": [_finding_json(finding) for finding in one.findings],
                }
                for key, one in sorted(self.series.items(), key=lambda item: key_parts(item[0]))
            ],
        })  # fmt: skip

    @classmethod
    def from_bytes(cls, raw: bytes, name: str) -> State:
        data = _loaded(raw, name)
        return cls(data["seq"], data["hash"], data["known_at"], {one.key: one for one in map(_series, data["series"])})


def digest(raw: bytes) -> str:
    """SHA-256 in hex."""
    return hashlib.sha256(raw).hexdigest()


def file_entry(folder: str, block: Block, raw: bytes) -> FileEntry:
    """Describe an encoded block; the name is made of its first open time and its content."""
    ts, seqs = block["ts"], block["commit_seq"]
    cuts = range(0, len(block), GROUP_ROWS)
    groups = tuple(
        Group(len(part), int(part[0]), int(part[-1]), int(seqs[at : at + GROUP_ROWS].min()))
        for at in cuts for part in [ts[at : at + GROUP_ROWS]]
    )  # fmt: skip
    sha256 = digest(raw)
    return FileEntry(
        f"{folder}/{block.dataset.moment(int(ts[0])):%Y%m%dT%H%M%S}-{sha256[:20]}.parquet", sha256, len(raw), len(block),
        1 + int(np.count_nonzero(np.diff(ts))), int(ts[0]), int(ts[-1]), int(seqs.max()), int(block["revision"].max()),
        groups, tuple(sorted(uniform(block).items())),
    )  # fmt: skip


def _series(data: Mapping[str, Any]) -> SeriesState:
    key = _key(data["key"])
    return SeriesState(
        key, tuple(FileEntry.from_json(entry) for entry in data["files"]), _spans(data["asked"]), _spans(data["rejected"]),
        data["blocked"], tuple(QuarantineEntry(**entry) for entry in data["quarantine"]),
        tuple(_finding(finding, key) for finding in data["findings"]), data["verdict_seq"],
    )  # fmt: skip


def _canonical(data: Mapping[str, Any]) -> bytes:
    return json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False).encode()


def _loaded(raw: bytes, name: str) -> dict[str, Any]:
    try:
        data = json.loads(raw)
    except ValueError as error:
        raise BadData(f"{name} is not JSON", name=name) from error
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        raise BadData(f"{name} is of a format this version cannot read", name=name, allowed=FORMAT)
    return data


def _key(data: Iterable[str]) -> DataKey:
    exchange, symbol, last = data
    if last in set(Tape):
        return TapeKey(exchange, symbol, Tape(last))
    return SeriesKey(exchange, symbol, Timeframe(last))


def _spans(data: Iterable[Iterable[int]]) -> Spans:
    return tuple((start, end) for start, end in data)


def _finding_json(finding: Finding) -> dict[str, Any]:
    first = None if finding.first_ts is None else to_ms(finding.first_ts)
    return {
        "rule": finding.rule,
        "action": finding.action,
        "rows": finding.rows,
        "first_ts": first,
        "detail": finding.detail,
        "why": finding.why,
        "contract": finding.contract,
        "sample": list(finding.sample),
    }


def _finding(data: Mapping[str, Any], key: DataKey) -> Finding:
    first = None if data["first_ts"] is None else from_ms(data["first_ts"])
    return Finding(
        data["rule"], data["action"], key, data["rows"], first, data["detail"],
        data.get("why", ""), data.get("contract", ""), tuple(data.get("sample", ())),  # older commits do not tell these
    )  # fmt: skip
