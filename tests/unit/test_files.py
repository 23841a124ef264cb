"""Whole files or none."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from kracken_tasks.files import create_file, publish, replace_file, replacing


def names(folder):
    return sorted(path.name for path in folder.rglob("*"))


def test_files_are_written_in_order_and_nothing_else_is_left(tmp_path):
    paths = publish(tmp_path / "new" / "folder", {"b.csv": b"2", "a.csv": b"1"})
    assert [path.name for path in paths] == ["b.csv", "a.csv"]
    assert names(tmp_path / "new" / "folder") == ["a.csv", "b.csv"]


def test_what_stood_there_is_replaced_and_strangers_stay(tmp_path):
    (tmp_path / "mine.txt").write_text("keep")
    publish(tmp_path, {"a.csv": b"old and longer"})
    publish(tmp_path, {"a.csv": b"new"})
    assert (tmp_path / "a.csv").read_bytes() == b"new"
    assert names(tmp_path) == ["a.csv", "mine.txt"]


def test_a_file_that_cannot_be_staged_leaves_all_as_it_was(tmp_path):
    publish(tmp_path, {"a.csv": b"old"})
    with pytest.raises(OSError, match="no such folder"):
        publish(tmp_path, {"a.csv": b"new", "no such folder/b.csv": b"2"})
    assert (tmp_path / "a.csv").read_bytes() == b"old"
    assert names(tmp_path) == ["a.csv"]


def test_a_file_is_replaced_whole_and_missing_folders_are_made(tmp_path):
    path = tmp_path / "new" / "folder" / "a.csv"
    assert replace_file(path, b"old and longer") == path
    replace_file(path, b"new")
    assert path.read_bytes() == b"new"
    assert names(tmp_path) == ["a.csv", "folder", "new"]


def test_a_writer_that_fails_half_way_leaves_the_old_file_and_no_other(tmp_path):
    path = replace_file(tmp_path / "a.csv", b"old")

    def fail_half_way():
        with replacing(path) as scratch:
            scratch.write_bytes(b"ne")
            raise ValueError("the disk of the writer's mind is full")

    with pytest.raises(ValueError, match="full"):
        fail_half_way()
    assert path.read_bytes() == b"old"
    assert names(tmp_path) == ["a.csv"]


def test_until_the_writer_is_through_readers_see_the_old_file(tmp_path):
    path = replace_file(tmp_path / "a.csv", b"old")
    with replacing(path) as scratch:
        scratch.write_bytes(b"new")
        assert path.read_bytes() == b"old"
    assert path.read_bytes() == b"new"


def test_a_file_is_created_once(tmp_path):
    path = tmp_path / "records" / "1.json"
    assert create_file(path, b"first")
    assert not create_file(path, b"second")
    assert path.read_bytes() == b"first"
    assert names(tmp_path) == ["1.json", "records"]


def test_of_many_that_create_one_file_exactly_one_does(tmp_path):
    path = tmp_path / "1.json"
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda number: create_file(path, str(number).encode()), range(32)))
    assert made.count(True) == 1
    assert path.read_bytes() == str(made.index(True)).encode()
    assert names(tmp_path) == ["1.json"]


def test_a_file_is_as_readable_as_any_other(tmp_path):
    (tmp_path / "plain").write_bytes(b"")
    mode = (tmp_path / "plain").stat().st_mode
    create_file(tmp_path / "created", b"")
    publish(tmp_path, {"published": b""})
    replace_file(tmp_path / "replaced", b"")
    assert {path.stat().st_mode for path in tmp_path.iterdir()} == {mode}
