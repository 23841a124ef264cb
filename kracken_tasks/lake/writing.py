"""What the rows of a commit become: staged files taken over as they are, files of their own, and packs.

In: what merging decided, series by series.  Out: changes that name new files, and the bytes to store before they are committed.  Never:
touching storage.

A pack is one file for the newest rows of many series, a row group each: a live feed commits a row a series, and a file each would cost
ten times as much, most of it in making files durable.  The next commit of a series takes its rows out of the pack, as it would replace
a small file of its own; a pack that nobody needs is swept away like any file that was replaced.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from typing import Final, TypeAlias

from kracken_tasks.domain.market import DataKey
from kracken_tasks.lake.arrivals import Arrival
from kracken_tasks.lake.block import SMALL_TABLE, Block, encode, encode_pack
from kracken_tasks.lake.dataset import folder_of
from kracken_tasks.lake.manifest import Change, FileEntry, SeriesState, data_name, described, digest, file_entry
from kracken_tasks.lake.merge import SMALL_ROWS, Rewrite, stands_alone

__all__ = ["Drawn", "NewFiles", "taken_over", "written"]

_ENCODERS: Final = 2
_PACKS: Final = "data/_packs"
# A reader of one series opens the pack's whole footer.
_MOST_IN_A_PACK: Final = 64
_Job: TypeAlias = tuple[int, Block]


@dataclass(slots=True)
class NewFiles:
    """Objects by name, of which some lie in the store already under other names; and the rows of those that were encoded."""

    objects: dict[str, bytes] = field(default_factory=dict)
    lying: dict[str, str] = field(default_factory=dict)
    blocks: list[tuple[FileEntry, Block]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Drawn:
    """A change, and blocks that are to replace files of its series but have no files yet."""

    change: Change
    rewrites: Sequence[Rewrite] = ()


def taken_over(series: SeriesState, arrival: Arrival, seq: int, known_at: int, files: NewFiles) -> Change | None:
    """All rows are news and their staged file becomes the data file; None where they have to be joined with others."""
    part = arrival.sole
    if part is None or part.ready is None:
        return None
    ready = part.ready
    if not stands_alone(series.files, ready.rows, ready.first, ready.last):
        return None
    folder = f"data/{folder_of(series.key)}"
    entry = ready.entry(folder, part.staged.content_hash, len(part.raw), seq=seq, known_at=known_at)
    files.objects[entry.name] = part.raw
    files.lying[entry.name] = part.staged.path
    return Change(series.key, ready.rows, files_added=(entry,))


def written(drawn: Sequence[Drawn], files: NewFiles, mark: str = "") -> list[Change]:
    """The changes with their new files, whose names end in ``mark``."""
    jobs = [(at, block) for at, one in enumerate(drawn) for rewrite in one.rewrites for block in rewrite.blocks]
    packs, alone = _packed(jobs)
    made: dict[int, list[FileEntry]] = {at: list(one.change.files_added) for at, one in enumerate(drawn)}
    # A long history comes as several files, and encoding lets go of the interpreter's lock.
    many = sum(len(block) > SMALL_TABLE for _, block in alone) > 1
    with ThreadPoolExecutor(_ENCODERS) if many else nullcontext() as pool:
        raws = list((pool.map if pool else map)(encode, [block for _, block in alone]))
    for (at, block), raw in zip(alone, raws, strict=True):
        entry = file_entry(_folder(drawn[at].change.key), block, raw, mark)
        files.objects[entry.name] = raw
        files.blocks.append((entry, block))
        made[at].append(entry)
    for pack in packs:
        for (at, block), entry in zip(pack, _pack(pack, files, mark), strict=True):
            files.blocks.append((entry, block))
            made[at].append(entry)
    return [
        replace(one.change, files_added=_by_time(made[at]), files_removed=_removed(one)) for at, one in enumerate(drawn)
    ]


def _packed(jobs: Sequence[_Job]) -> tuple[list[list[_Job]], list[_Job]]:
    """Small blocks of several series as packs, and all others."""
    kinds: dict[str, list[_Job]] = {}
    for at, block in jobs:
        if len(block) < SMALL_ROWS:
            kinds.setdefault(block.dataset.name, []).append((at, block))
    packs = [
        some[start : start + _MOST_IN_A_PACK] for some in kinds.values() for start in range(0, len(some), _MOST_IN_A_PACK)
    ]  # fmt: skip
    packs = [pack for pack in packs if len(pack) > 1]
    inside = {id(block) for pack in packs for _, block in pack}
    return packs, [job for job in jobs if id(job[1]) not in inside]


def _pack(pack: Sequence[_Job], files: NewFiles, mark: str) -> list[FileEntry]:
    blocks = [block for _, block in pack]
    raw = encode_pack(blocks)
    sha256, dataset = digest(raw), blocks[0].dataset
    name = data_name(_PACKS, dataset.moment(max(int(block["ts"][-1]) for block in blocks)), sha256, mark)
    files.objects[name] = raw
    return [described(name, sha256, len(raw), block, at) for at, block in enumerate(blocks)]


def _by_time(entries: Iterable[FileEntry]) -> tuple[FileEntry, ...]:
    return tuple(sorted(entries, key=lambda entry: (entry.first, entry.last, entry.name)))


def _removed(one: Drawn) -> tuple[str, ...]:
    return (*one.change.files_removed, *(entry.name for rewrite in one.rewrites for entry in rewrite.removed))


def _folder(key: DataKey) -> str:
    return f"data/{folder_of(key)}"
