"""The commit log: ``_commits/<seq>.json``, created exclusively, numbered without holes, never changed.

In: a store.  Out: the ``State`` at any commit.  The head is found by looking for numbers (doubling, then halving), never by
listing; folding starts at the nearest of the checkpoints that are written every CHECKPOINT_EVERY commits, so that neither
reading nor committing grows with history.  A checkpoint is only a short cut: without it the fold starts further back.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator
from typing import Final

from kracken_tasks.errors import BadData
from kracken_tasks.lake.manifest import Commit, State, digest
from kracken_tasks.lake.store import Store

__all__ = ["CHECKPOINT_EVERY", "CommitLog"]

CHECKPOINT_EVERY: Final = 32
# Old checkpoints are thinned out to these: an old snapshot then costs a fold over so many commits at most.
KEPT_CHECKPOINT_EVERY: Final = 32 * CHECKPOINT_EVERY
_OLD_STATES: Final = 16


class CommitLog:
    """Reads and extends the log of one lake; safe to share between threads."""

    def __init__(self, store: Store) -> None:
        self._store = store
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
        if not self._store.put_if_absent(name, raw) and self._store.get(name) != raw:
            return None
        with self._lock:
            if self._newest.seq == base.seq:
                self._newest = after
        if after.seq % CHECKPOINT_EVERY == 0:
            self._store.put_if_absent(_checkpoint_name(after.seq), after.to_bytes())
        return after

    def commit(self, seq: int) -> Commit:
        name = _commit_name(seq)
        return Commit.from_bytes(self._store.get(name), name)

    def commits(self, upto: int) -> Iterator[Commit]:
        """All commits from the first to ``upto``: for reports; its cost is the length of history."""
        return (self.commit(seq) for seq in range(1, upto + 1))

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
        low, step = self._newest.seq, 1
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
        for number in range(state.seq + 1, seq + 1):
            name = _commit_name(number)
            raw = self._store.get(name)
            state = state.after(Commit.from_bytes(raw, name), digest(raw))
        return state

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
