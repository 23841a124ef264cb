"""The one place that touches storage: names in, bytes out, and one atomic step.

In: names with ``/`` (``data/kraken/BTC-USD/1h/...parquet``) and bytes.  Out: bytes.  Never: overwriting, partial objects, or
anything that a bucket with conditional writes (``If-None-Match: *``) could not do as well.
"""

from __future__ import annotations

import errno
import itertools
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from types import MappingProxyType
from typing import Final, Protocol

from kracken_tasks.errors import BadData, Misconfigured
from kracken_tasks.files import make_folder, sync_file, sync_folder

__all__ = ["NOTHING", "LocalStore", "Store", "check_name", "is_name", "open_store"]

NOTHING: Final[Mapping[str, str]] = MappingProxyType({})

_SYNCS_AT_ONCE: Final = 8
_NAME = re.compile(r"^[A-Za-z0-9_][A-Za-z0-9_.=-]*(/[A-Za-z0-9_][A-Za-z0-9_.=-]*)*$")


class Store(Protocol):
    """A flat name space of immutable objects.

    ``put_if_absent`` is atomic and durable when it returns: readers see all bytes or no object, and of two writers of one name
    exactly one gets True.  ``put_many`` does the same for many names, in any order, and is not atomic over them; ``lying`` says
    under which other name an object's bytes lie here already, if they do, so that they need not be written again.
    """

    def put_if_absent(self, name: str, data: bytes) -> bool: ...

    def put_many(self, objects: Mapping[str, bytes], lying: Mapping[str, str] = NOTHING) -> None: ...

    def put_scratch(self, name: str, data: bytes) -> None:
        """Put something that can be made again: atomic, replacing what has the name, and possibly lost when power fails."""
        ...

    def get(self, name: str) -> bytes:
        """The object's bytes.  Raises BadData (field ``name``) if there is none."""
        ...

    def get_part(self, name: str, start: int, size: int) -> bytes:
        """``size`` (at least 1) of its bytes from ``start`` on, fewer at its end.  Raises BadData (field ``name``) if there is none."""
        ...

    def exists(self, name: str) -> bool: ...

    def list(self, prefix: str) -> list[str]:
        """All names under the folder ``prefix`` (``.``: all there are), sorted."""
        ...

    def written_before(self, prefix: str, moment: datetime) -> Sequence[str]:
        """Names under the folder ``prefix`` that the storage stamped before a moment, sorted."""
        ...

    def delete(self, name: str) -> None:
        """Remove an object; one that is not there is no error."""
        ...

    def local_path(self, name: str) -> Path | None:
        """Where the object lies on this machine, if it does: lets Parquet be read without copying."""
        ...


class LocalStore:
    """A folder on a local disk.

    An object is written to a temporary name, fsynced, then linked to its own name: the link fails if the name is taken, which
    makes it the exclusive step.  What a kill leaves behind is a ``.tmp-`` file, which no listing shows.
    """

    def __init__(self, root: Path) -> None:
        self.root = Path(root)
        self._serial = itertools.count()
        # Starting threads costs as much as a small commit's syncs; those of a pool end with it.
        self._pool = ThreadPoolExecutor(max_workers=_SYNCS_AT_ONCE)

    def put_if_absent(self, name: str, data: bytes) -> bool:
        path = self._path(name)
        if path.exists():
            return False
        made = self._write(path, data)
        if made:
            sync_folder(path.parent)
        return made

    def put_many(self, objects: Mapping[str, bytes], lying: Mapping[str, str] = NOTHING) -> None:
        # First all files, then all their folders, each side by side: a disk commits many syncs at the price of few.
        # Folders of files that were there already are synced too: whoever put them may not have come to it yet.
        paths = {name: self._path(name) for name in sorted(objects)}
        absent = [name for name, path in paths.items() if not path.exists()]
        list(self._pool.map(lambda name: self._put(paths[name], objects[name], lying.get(name)), absent))
        list(self._pool.map(sync_folder, sorted({path.parent for path in paths.values()})))

    def put_scratch(self, name: str, data: bytes) -> None:
        path = self._path(name)
        self._write_temporary(path, data, durable=False).replace(path)

    def get(self, name: str) -> bytes:
        try:
            return self._path(name).read_bytes()
        except FileNotFoundError as error:
            raise BadData(f"the lake has no object {name!r} under {self.root}", name=name) from error

    def get_part(self, name: str, start: int, size: int) -> bytes:
        try:
            with self._path(name).open("rb") as file:
                file.seek(start)
                return file.read(size)
        except FileNotFoundError as error:
            raise BadData(f"the lake has no object {name!r} under {self.root}", name=name) from error

    def exists(self, name: str) -> bool:
        return self._path(name).exists()

    def list(self, prefix: str) -> list[str]:
        folder = self.root / prefix
        return sorted(self._names(folder)) if folder.is_dir() else []

    def written_before(self, prefix: str, moment: datetime) -> Sequence[str]:
        return [name for name in self.list(prefix) if (self.root / name).stat().st_mtime < moment.timestamp()]

    def delete(self, name: str) -> None:
        self._path(name).unlink(missing_ok=True)

    def local_path(self, name: str) -> Path | None:
        return self._path(name)

    def _put(self, path: Path, data: bytes, lying: str | None) -> None:
        if lying is None or not self._take_over(self._path(lying), path):
            self._write(path, data)

    def _take_over(self, there: Path, path: Path) -> bool:
        """Give what lies ``there`` a second name, once it is on the disk; False if it was swept away meanwhile."""
        make_folder(path.parent)
        try:
            sync_file(there)
            _link(there, path)
        except FileNotFoundError:
            return False
        except FileExistsError:
            pass
        return True

    def _write(self, path: Path, data: bytes) -> bool:
        temporary = self._write_temporary(path, data)
        try:
            _link(temporary, path)
        except FileExistsError:
            return False
        finally:
            temporary.unlink(missing_ok=True)
        return True

    def _write_temporary(self, path: Path, data: bytes, *, durable: bool = True) -> Path:
        # Process id and a counter are unique among the living; O_TRUNC takes over what a dead process of the same id left.
        temporary = path.parent / f".tmp-{os.getpid()}-{id(self):x}-{next(self._serial)}"
        try:
            handle = os.open(temporary, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o644)
        except FileNotFoundError:
            make_folder(path.parent)
            handle = os.open(temporary, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o644)
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        return temporary

    def _names(self, folder: Path) -> Iterator[str]:
        for base, _, files in os.walk(folder):
            relative = Path(base).relative_to(self.root)
            for file in files:
                if not file.startswith(".tmp-"):
                    yield (relative / file).as_posix()

    def _path(self, name: str) -> Path:
        return self.root / check_name(name)


def _link(there: Path, path: Path) -> None:
    try:
        os.link(there, path)
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP):
            raise
        raise Misconfigured(
            f"{path.parent} lies on a file system without hard links, which commits need", folder=str(path.parent)
        ) from error


def open_store(url: str, *, endpoint: str | None = None, region: str | None = None) -> Store:
    """The store at ``s3://bucket/prefix``, or in a folder.  Nothing is touched yet.

    Raises: Misconfigured for an address that cannot be one.
    """
    if "://" not in url:
        return LocalStore(Path(url).expanduser())
    from kracken_tasks.lake.s3 import S3Store

    return S3Store(url, endpoint=endpoint, region=region)


def check_name(name: str) -> str:
    """The name itself, if it can be one in every store.  Raises: BadData otherwise."""
    if not is_name(name):
        raise BadData(f"{name!r} is no object name", name=name, allowed=_NAME.pattern)
    return name


def is_name(text: str) -> bool:
    return bool(_NAME.match(text))
