"""Who holds the write lock of a SQLite ledger: for the sentence that tells a person which process to look at.

In: the database's path.  Out: words, or nothing where the system does not tell (it does on Linux).  Never: an open of the database's files,
whose close would drop this process's own locks on them.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

__all__ = ["write_lock_holder"]

# Where SQLite's writers lock in the file beside the log: https://www.sqlite.org/walformat.html, "WAL locks".
_WRITE_LOCK_BYTE: Final = "120"
_LOCKS: Final = Path("/proc/locks")


def write_lock_holder(database: Path) -> str:
    """``process 1234``, with ``, which is stopped`` for one that a signal stopped; empty if nobody is known to hold it."""
    try:
        shared = database.with_name(f"{database.name}-shm").stat()
        place = f"{os.major(shared.st_dev):02x}:{os.minor(shared.st_dev):02x}:{shared.st_ino}"
        for line in _LOCKS.read_text(encoding="ascii").splitlines():
            # number: POSIX ADVISORY WRITE pid major:minor:inode first last; a line with an arrow is somebody who waits
            words = line.split()
            if words[1] == "POSIX" and words[5] == place and words[6] == _WRITE_LOCK_BYTE:
                return f"process {words[4]}{', which is stopped' if _stopped(words[4]) else ''}"
    except (OSError, IndexError):
        return ""
    return ""


def _stopped(pid: str) -> bool:
    # The state stands behind the name, which is in brackets and may hold anything.
    return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[0] == "T"
