"""Pages on disk: what a kill leaves is the first pages, never later ones without them."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from kracken_tasks.candles.spool import FolderSpool, Page
from kracken_tasks.domain.clock import utc
from tests.support.candle_source import trades_at


def page(number: int) -> Page:
    return Page(trades_at([utc(2026, 1, 10) + timedelta(minutes=number)], [100.0 + number], [1.0]), f"cursor-{number}")


def test_killed_while_it_is_cleared_a_spool_keeps_its_first_pages_only(tmp_path: Path) -> None:
    spool = FolderSpool(tmp_path / "spool")
    for number in range(5):
        spool.add(page(number))
    stuck = tmp_path / "spool" / "000002.parquet"
    stuck.unlink()
    stuck.mkdir()  # what cannot be removed stops the clearing there, as a kill would
    with pytest.raises(OSError, match=stuck.name):
        spool.clear()
    assert sorted(path.name for path in (tmp_path / "spool").iterdir()) == [
        "000000.parquet", "000001.parquet", "000002.parquet",
    ]  # fmt: skip
    assert [one.cursor for one in spool.pages()] == ["cursor-0", "cursor-1"]
    stuck.rmdir()
    spool.add(page(7))
    assert [one.cursor for one in FolderSpool(tmp_path / "spool").pages()] == ["cursor-0", "cursor-1", "cursor-7"]
    spool.clear()
    assert (spool.pages(), (tmp_path / "spool").exists()) == ([], False)
