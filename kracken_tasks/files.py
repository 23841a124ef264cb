"""Whole files or none: how whatever is a file of its own reaches the disk.

In: a path and complete content.  Out: the file under its own name, durable.  Never: a half-written file under its own name; a
file of a set renamed before all of the set lie complete beside it; a decision about names.

- ``replace_file`` ``replacing``  one file, old or new, never between
- ``create_file``                 one file, by exactly one of all who try
- ``publish``                     a set of files
- ``make_folder`` ``sync_folder`` names that survive a power cut
- ``sync_file``                   bytes that do
"""

from __future__ import annotations

import itertools
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

__all__ = ["create_file", "make_folder", "publish", "replace_file", "replacing", "sync_file", "sync_folder"]

_serial = itertools.count()


def publish(folder: Path, files: Mapping[str, bytes]) -> list[Path]:
    """Stage all contents, sync them, then rename each into ``folder``; what stood there under the same name is replaced.

    Killed before the first rename: nothing changed but a hidden ``.staging-`` folder.  Returns the paths in the order of ``files``.
    """
    make_folder(folder)
    staging = Path(tempfile.mkdtemp(prefix=".staging-", dir=folder))
    try:
        for name, content in files.items():
            _write_durably(staging / name, content)
        for name in files:
            (staging / name).replace(folder / name)
        sync_folder(folder)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return [folder / name for name in files]


def replace_file(path: Path, content: bytes) -> Path:
    """Put ``content`` under ``path``, whole or not at all; missing folders are made."""
    with replacing(path) as scratch:
        scratch.write_bytes(content)
    return path


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A hidden name beside ``path`` to write to; on leaving it takes the place of ``path``, after an error it is gone.

    For content that another library writes, or that is too large to hold.
    """
    make_folder(path.parent)
    scratch = _scratch(path)
    try:
        yield scratch
        _sync(scratch)
        scratch.replace(path)
        sync_folder(path.parent)
    finally:
        scratch.unlink(missing_ok=True)


def create_file(path: Path, content: bytes) -> bool:
    """Put ``content`` under ``path`` unless something is there: of all processes that try, one succeeds.

    Returns whether it was this call.  Raises: OSError on a file system without hard links.
    """
    if path.exists():
        return False
    make_folder(path.parent)
    scratch = _scratch(path)
    try:
        _write_durably(scratch, content)
        os.link(scratch, path)
    except FileExistsError:
        return False
    finally:
        scratch.unlink(missing_ok=True)
    sync_folder(path.parent)
    return True


def make_folder(folder: Path) -> None:
    """Make a folder and its parents, each durable in the one above it."""
    missing = [one for one in (folder, *folder.parents) if not one.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    for one in missing:
        sync_folder(one.parent)


def sync_folder(folder: Path) -> None:
    """The names in a folder are on the disk: without this a power cut can forget a rename."""
    _sync(folder)


def sync_file(path: Path) -> None:
    """What was written to a file is on the disk."""
    _sync(path)


def _scratch(path: Path) -> Path:
    # Process id and a counter are unique among the living; what a dead process of the same id left is overwritten.
    return path.with_name(f".{path.name}.{os.getpid()}-{next(_serial)}.part")


def _write_durably(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
