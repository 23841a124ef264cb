"""Tidying: pinned snapshots, what may be deleted, and what a round of upkeep did.

In: a store and its log.  Out: names of snapshots, counts.  Never: deleting what a commit names and no newer file holds, or what
somebody may still be at work with.

Two clocks: replaced files wait by the market time of the commit that replaced them (readers and writers at work may still hold the
older state); staged rows and files that no commit ever named (their writer was killed, or another was first) wait by the storage's
own stamps.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from kracken_tasks.domain.clock import from_ms, to_ms
from kracken_tasks.errors import BadData
from kracken_tasks.lake.kept_out import commit_of
from kracken_tasks.lake.log import CommitLog
from kracken_tasks.lake.manifest import State
from kracken_tasks.lake.staging import STAGING
from kracken_tasks.lake.store import Store

__all__ = ["Pin", "Swept", "UpkeepReport", "pin_of", "pins_of", "put_pin", "remove_pin", "sweep", "upkeep_rows"]

_PINS: Final = "_pins"
_SWEPT: Final = "_upkeep/swept.json"
_NAME: Final = re.compile(r"^[a-z0-9][a-z0-9._-]{0,60}$")


@dataclass(frozen=True, slots=True)
class Pin:
    """A snapshot with a name: commit ``seq``, whose state hashes to ``content_hash``.  ``pinned_at``: market time."""

    name: str
    seq: int
    content_hash: str
    pinned_at: datetime


@dataclass(frozen=True, slots=True)
class Swept:
    """Objects deleted: ``replaced`` by newer files, ``staged`` rows, ``unnamed`` by any commit, old ``checkpoints``; ``commits`` were
    folded into segments of the log."""

    replaced: int = 0
    staged: int = 0
    unnamed: int = 0
    checkpoints: int = 0
    commits: int = 0

    @property
    def objects(self) -> int:
        return self.replaced + self.staged + self.unnamed + self.checkpoints + self.commits


@dataclass(frozen=True, slots=True)
class UpkeepReport:
    """What a round did to the live files of all series and tapes; ``rewritten_bytes``: what compaction wrote."""

    seq: int
    files_before: int
    files_after: int
    bytes_before: int
    bytes_after: int
    rewritten_bytes: int
    swept: Swept
    seconds: float


def upkeep_rows(report: UpkeepReport) -> list[dict[str, str]]:
    """A round as rows of named cells."""
    swept = report.swept
    cells = {
        "live files": f"{report.files_before} before, {report.files_after} after",
        "their size": f"{report.bytes_before / 1e6:.1f} MB before, {report.bytes_after / 1e6:.1f} MB after",
        "written by compaction": f"{report.rewritten_bytes / 1e6:.1f} MB",
        "deleted": f"{swept.replaced} replaced, {swept.staged} staged, {swept.unnamed} left by killed writers",
        "checkpoints thinned out": str(swept.checkpoints),
        "commits folded": str(swept.commits),
        "took": f"{report.seconds:.1f} s",
    }
    return [{"what": what, "value": value} for what, value in cells.items()]


def put_pin(store: Store, name: str, state: State, pinned_at: datetime) -> Pin:
    """Raises: BadData for a name that is taken by another snapshot, or is none."""
    if not _NAME.match(name):
        raise BadData(
            f"{name!r} is no name for a pin; small letters, digits, dots, dashes and underscores are, a letter or digit first",
            name=name, allowed=_NAME.pattern,
        )  # fmt: skip
    pin = Pin(name, state.seq, state.hash, pinned_at)
    told = {"seq": pin.seq, "content_hash": pin.content_hash, "pinned_at": to_ms(pinned_at)}
    if store.put_if_absent(_pin_name(name), json.dumps(told, sort_keys=True).encode()):
        return pin
    there = pin_of(store, name)
    if there.seq != pin.seq:
        raise BadData(f"{name!r} pins commit {there.seq} already, not {pin.seq}", name=name, seq=there.seq)
    return there


def pin_of(store: Store, name: str) -> Pin:
    """Raises: BadData if there is no such pin."""
    if not _NAME.match(name) or not store.exists(_pin_name(name)):
        known = ", ".join(pin.name for pin in pins_of(store)) or "none"
        raise BadData(f"no snapshot is pinned as {name!r}; pinned: {known}", name=name, allowed=known)
    told = json.loads(store.get(_pin_name(name)))
    return Pin(name, told["seq"], told["content_hash"], from_ms(told["pinned_at"]))


def pins_of(store: Store) -> list[Pin]:
    names = [path.removeprefix(f"{_PINS}/").removesuffix(".json") for path in store.list(_PINS)]
    return sorted((pin_of(store, name) for name in names), key=lambda pin: (pin.seq, pin.name))


def remove_pin(store: Store, name: str) -> Pin:
    """Raises: BadData if there is no such pin."""
    pin = pin_of(store, name)
    store.delete(_pin_name(name))
    return pin


def sweep(
    store: Store,
    log: CommitLog,
    fence: Callable[[], State],
    *,
    replaced_before: datetime | None,
    staged_before: datetime | None,
) -> Swept:
    """Delete what is past its time; what any snapshot reads stays the same.

    ``fence``: appends a commit that says nothing, and gives the state after it.  A writer that found an unnamed file and left it in
    its place, or that slept since it wrote one, then has a base that is not the head: it drafts again, under new names.

    ``replaced_before``: files that commits known up to this market time replaced (None: up to the head).  ``staged_before``: staged
    rows and unnamed files that the storage stamped before this moment (None: leave them).
    """
    stale = store.written_before(STAGING, staged_before) if staged_before else []
    old = store.written_before("data", staged_before) if staged_before else []
    told = _swept(store)
    kept_out = _new_quarantine(store, staged_before, told) if staged_before else []
    named = log.head()
    left = set(old) - _names(named) - set(_replaced(log, named, told)) or _unnamed_quarantine(log, named, kept_out)
    head = fence() if left else named
    live = _names(head)
    upto = _upto(log, head, replaced_before)
    replaced = _replaced(log, head, told)
    doomed = [name for name, seq in replaced.items() if seq <= upto and name not in live and store.exists(name)]
    unnamed = [name for name in old if name not in live and name not in replaced]
    unnamed += _unnamed_quarantine(log, head, kept_out)
    checkpoints = log.spare_checkpoints(head.seq)
    for name in (*doomed, *stale, *unnamed, *checkpoints):
        store.delete(name)
    looked = {
        "seq": max(upto, told["seq"]),
        "kept_out": max(told["kept_out"], to_ms(staged_before) if staged_before else 0),
    }
    if looked != told:
        store.put_scratch(_SWEPT, json.dumps(looked, sort_keys=True).encode())
    return Swept(len(doomed), len(stale), len(unnamed), len(checkpoints), log.fold())


def _names(state: State) -> set[str]:
    return {entry.name for series in state.series.values() for entry in series.files}


def _replaced(log: CommitLog, head: State, told: Mapping[str, int]) -> dict[str, int]:
    """Files that were replaced since the last sweep, and by which commit: what was named once is live, or here, or gone."""
    seqs = range(told["seq"] + 1, head.seq + 1)
    return {name: seq for seq in seqs for change in log.commit(seq).changes for name in change.files_removed}


def _new_quarantine(store: Store, before: datetime, told: Mapping[str, int]) -> list[str]:
    """Quarantine that is old enough and that no sweep has looked at: what counted then counts for ever."""
    looked_at = set(store.written_before("quarantine", from_ms(told["kept_out"])))
    return [name for name in store.written_before("quarantine", before) if name not in looked_at]


def _unnamed_quarantine(log: CommitLog, head: State, names: Iterable[str]) -> list[str]:
    """Those whose commit was never made, or is another one."""
    unnamed = []
    for name in names:
        seq = commit_of(name)
        if seq is None:
            continue
        changes = log.commit(seq).changes if 0 < seq <= head.seq else ()
        if not any(entry.name == name for change in changes for entry in change.quarantine):
            unnamed.append(name)
    return unnamed


def _upto(log: CommitLog, head: State, before: datetime | None) -> int:
    return head.seq if before is None else log.seq_known_at(to_ms(before))


def _swept(store: Store) -> dict[str, int]:
    """``seq``: up to which commit replaced files are gone; ``kept_out``: up to which stamp (ms) quarantine was looked at.  Short cuts, so
    that a round costs what happened since the last."""
    told = json.loads(store.get(_SWEPT)) if store.exists(_SWEPT) else {}
    return {name: int(told.get(name, 0)) for name in ("seq", "kept_out")}


def _pin_name(name: str) -> str:
    return f"{_PINS}/{name}.json"
