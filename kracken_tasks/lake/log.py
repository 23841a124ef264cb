"""The commit log: ``_commits/<seq>.json``, created exclusively, numbered without holes, never changed.

In: a store.  Out: the ``State`` at any commit.  The head is found by looking for numbers (doubling, then halving), never by
listing; folding starts at the nearest of the checkpoints that are written every CHECKPOINT_EVERY commits, so that neither
reading nor committing grows with history.  A checkpoint is only a short cut: without it the fold starts further back.  Old commits
are folded into segments (``segments``), which hold them as they were written.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator
from typing import Final

from kracken_tasks.errors import BadData
from kracken_tasks.lake.manifest import Commit, State, digest
from kracken_tasks.lake.segments import Segments
from kracken_tasks.lake.store import Store

__all__ = ["CHECKPOINT_EVERY", "CommitLog"]

CHECKPOINT_EVERY: Final = 32
# Old checkpoints are thinned out to these: an old snapshot then costs a fold over so many commits at most.
KEPT_CHECKPOINT_EVERY: Final = 32 * CHECKPOINT_EVERY
_OLD_STATES: Final = 16
# Commits that a report reads between two looks at what was folded.
_AT_ONCE: Final = 64


class CommitLog:
    """Reads and extends the log of one lake; safe to share between threads."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._segments = Segments(store)
        self._lock = threading.Lock()
        self._newest = State()
        self._old: OrderedDict[int, State] = OrderedDict()
        self._known_at: dict[int, int] = {}

    def head(self) -> State:
        """The newest whole snapshot."""
        with self._lock:
            seq = self._head_seq()
            if seq != self._newest.seq:
                self._newest = self._fold(self._newest, seq)
            return self._newest

    def state(self, seq: int) -> State:
        """The state right after commit ``seq``.

        Raises: BadData if there is no such commit.
        """
        head = self.head()
        if seq == head.seq:
            return head
        if not 0 <= seq < head.seq:
            raise BadData(f"the lake has commits 1 to {head.seq}, not {seq}", seq=seq, allowed=f"0..{head.seq}")
        with self._lock:
            state = self._old.pop(seq, None) or self._fold(State(), seq)
            self._old[seq] = state
            while len(self._old) > _OLD_STATES:
                self._old.popitem(last=False)
            return state

    def append(self, base: State, commit: Commit) -> State | None:
        """Extend ``base`` by ``commit``; None when another writer was first, and nothing happened."""
        raw = commit.to_bytes()
        after = base.after(commit, digest(raw))
        name = _commit_name(commit.seq)
        # A bucket whose answer was lost is asked again and then refuses our own commit: the same bytes are the same commit.
        if not self._store.put_if_absent(name, raw) and self.raw(commit.seq) != raw:
            return None
        if self._segments.look(commit.seq) and self._segments.get(commit.seq) != raw:
            self._store.delete(
                name
            )  # the name was free because the commit that had it is folded: this writer slept too long
            return None
        with self._lock:
            if self._newest.seq == base.seq:
                self._newest = after
        if after.seq % CHECKPOINT_EVERY == 0:
            self._store.put_if_absent(_checkpoint_name(after.seq), after.to_bytes())
        return after

    def commit(self, seq: int) -> Commit:
        return Commit.from_bytes(self.raw(seq), _commit_name(seq))

    def raw(self, seq: int) -> bytes:
        """A commit's bytes, as they were written.  Raises: BadData if there is none."""
        return self._raws(seq, seq)[0]

    def fold(self) -> int:
        """Put old commits into segments and free their names; how many were folded.  What is read stays the same."""
        folded = self._segments.fold(self.head().seq, self.raw)
        for name in self._store.list("_commits"):
            if int(name.removesuffix(".json").rpartition("/")[2]) <= self._segments.upto:
                self._store.delete(name)
        return folded

    def commits(self, upto: int) -> Iterator[Commit]:
        """All commits from the first to ``upto``: for reports; its cost is the length of history."""
        for first in range(1, upto + 1, _AT_ONCE):
            for seq, raw in enumerate(self._raws(first, min(first + _AT_ONCE - 1, upto)), start=first):
                yield Commit.from_bytes(raw, _commit_name(seq))

    def seq_known_at(self, moment_ms: int) -> int:
        """The last commit that was known at a moment (``known_at`` never decreases along the log)."""
        low, high = 0, self.head().seq
        while low < high:
            middle = (low + high + 1) // 2
            if self._commit_known_at(middle) <= moment_ms:
                low = middle
            else:
                high = middle - 1
        return low

    def spare_checkpoints(self, head: int) -> list[str]:
        """Names of checkpoints that are old and lie between two of the kept ones."""
        oldest_whole = head - KEPT_CHECKPOINT_EVERY
        numbers = [int(name.removesuffix(".json").rpartition("/")[2]) for name in self._store.list("_checkpoints")]
        return [_checkpoint_name(n) for n in numbers if n < oldest_whole and n % KEPT_CHECKPOINT_EVERY]

    def _commit_known_at(self, seq: int) -> int:
        if seq not in self._known_at:
            self._known_at[seq] = self.commit(seq).known_at
        return self._known_at[seq]

    def _head_seq(self) -> int:
        while True:
            low = max(self._newest.seq, self._segments.upto)
            found = self._last_after(low)
            # Asked last: what was folded before or while we looked may have made names free, and a sleeper may have taken one.
            if not self._segments.look(low + 1):
                return found

    def _last_after(self, low: int) -> int:
        step = 1
        while self._store.exists(_commit_name(low + step)):
            low, step = low + step, step * 2
        high = low + step  # missing, so the head lies in [low, high)
        while high - low > 1:
            middle = (low + high) // 2
            if self._store.exists(_commit_name(middle)):
                low = middle
            else:
                high = middle
        return low

    def _fold(self, start: State, seq: int) -> State:
        state = self._checkpoint(start, seq)
        for number, raw in enumerate(self._raws(state.seq + 1, seq), start=state.seq + 1):
            state = state.after(Commit.from_bytes(raw, _commit_name(number)), digest(raw))
        return state

    def _raws(self, first: int, last: int) -> list[bytes]:
        """The bytes of commits first..last, wherever they lie."""
        while True:
            upto = self._segments.upto
            try:
                found = [
                    self._segments.get(seq) if seq <= upto else self._store.get(_commit_name(seq))
                    for seq in range(first, last + 1)
                ]
            except BadData:
                if not self._segments.look(max(first, upto + 1)):
                    raise
                continue
            # As in ``_head_seq``: what was read under a name that has been freed is not the commit.
            if last <= upto or not self._segments.look(max(first, upto + 1)):
                return found

    def _checkpoint(self, start: State, seq: int) -> State:
        """The newest checkpoint in (start.seq, seq], or ``start``."""
        for number in range(seq - seq % CHECKPOINT_EVERY, start.seq, -CHECKPOINT_EVERY):
            name = _checkpoint_name(number)
            if self._store.exists(name):
                return State.from_bytes(self._store.get(name), name)
        return start


def _commit_name(seq: int) -> str:
    return f"_commits/{seq:012d}.json"


def _checkpoint_name(seq: int) -> str:
    return f"_checkpoints/{seq:012d}.json"
