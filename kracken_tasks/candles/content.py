"""Where a file's bytes are: on disk, or packed inside one of Kraken's zip archives, which need not be unpacked.

In: a path, a member's name.  Out: bytes to read, a name for people.  Never: a write.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePath, PurePosixPath
from typing import IO

from kracken_tasks.errors import BadData

__all__ = ["Content", "members_of"]


@dataclass(frozen=True, slots=True, order=True)
class Content:
    """A file, or with ``member`` a file inside the zip at ``path``."""

    path: Path
    member: str = ""

    def __str__(self) -> str:
        return f"{self.path}!{self.member}" if self.member else str(self.path)

    @property
    def named(self) -> PurePath:
        """The name that tells what is inside."""
        return PurePosixPath(self.member) if self.member else self.path

    @contextmanager
    def open(self) -> Iterator[IO[bytes]]:
        """Raises: BadData if the zip is damaged or the member is not there."""
        if not self.member:
            with self.path.open("rb") as file:
                yield file
            return
        try:
            with zipfile.ZipFile(self.path) as archive, archive.open(self.member) as file:
                yield file
        except (zipfile.BadZipFile, KeyError, NotImplementedError, RuntimeError) as error:
            raise BadData(
                f"{self}: {error}; nothing of the file is used", file=str(self), line=0, reason=str(error)
            ) from error


def members_of(path: Path) -> list[Content]:
    """The files inside a zip.  Raises: BadData if it is none."""
    try:
        with zipfile.ZipFile(path) as archive:
            return [Content(path, info.filename) for info in archive.infolist() if not info.is_dir()]
    except zipfile.BadZipFile as error:
        raise BadData(
            f"{path.name}: {error}; nothing of the file is used", file=str(path), line=0, reason=str(error)
        ) from error
