"""Children of the stack are found again after a crash, and strangers are left alone."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from kracken_tasks.errors import Misconfigured, RetryLater
from kracken_tasks.local_stack import processes

SLEEPER = [sys.executable, "-c", "import signal; signal.pause()"]


def _environment(home: Path) -> dict[str, str]:
    return {**os.environ, processes.HOME_MARK: str(home.resolve())}


def test_a_child_and_what_it_started_end_together(tmp_path: Path) -> None:
    program = f"import subprocess, sys, signal; subprocess.Popen({SLEEPER!r}); print('up', flush=True); signal.pause()"
    child = processes.start(
        "parent", [sys.executable, "-c", program], _environment(tmp_path), home=tmp_path, cwd=tmp_path
    )
    processes.wait_until(lambda: "up" in child.log_tail(), child, seconds=20, what="the parent")
    family = psutil.Process(child.process.pid).children(recursive=True)
    assert family
    processes.stop(child, tmp_path)
    assert not any(member.is_running() and member.status() != psutil.STATUS_ZOMBIE for member in family)
    assert not list((tmp_path / "run").glob("*.json"))


def test_after_a_kill_of_the_stack_its_orphans_are_found_and_ended(tmp_path: Path) -> None:
    child = processes.start("orphan", SLEEPER, _environment(tmp_path), home=tmp_path, cwd=tmp_path)
    unrecorded = subprocess.Popen(SLEEPER, env=_environment(tmp_path), start_new_session=True)
    stranger = subprocess.Popen(SLEEPER, env={**os.environ, "KRACKEN_HOME": str(tmp_path)}, start_new_session=True)
    try:
        processes.wait_until(
            lambda: {child.process.pid, unrecorded.pid} <= {p.pid for p in processes.leftovers(tmp_path)},
            child, seconds=20, what="the orphans",
        )  # fmt: skip
        assert processes.end_leftovers(tmp_path) == 2
        unrecorded.wait(timeout=20)
        assert not psutil.pid_exists(unrecorded.pid)
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_a_record_whose_pid_was_given_to_somebody_else_ends_nobody(tmp_path: Path) -> None:
    stranger = subprocess.Popen(SLEEPER, start_new_session=True)
    try:
        record = tmp_path / "run" / "old.json"
        record.parent.mkdir()
        record.write_text(f'{{"pid": {stranger.pid}, "started": 1.0}}')
        assert processes.end_leftovers(tmp_path) == 0
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_a_child_that_dies_while_starting_is_reported_with_its_last_words(tmp_path: Path) -> None:
    child = processes.start(
        "broken",
        [sys.executable, "-c", "raise SystemExit('no such key')"],
        _environment(tmp_path),
        home=tmp_path,
        cwd=tmp_path,
    )
    with pytest.raises(RetryLater, match="no such key"):
        processes.wait_until(lambda: False, child, seconds=20, what="the broken one")


def test_two_stacks_on_one_home_are_refused(tmp_path: Path) -> None:
    with (
        processes.only_stack(tmp_path),
        pytest.raises(Misconfigured, match="already running"),
        processes.only_stack(tmp_path),
    ):
        pass
    with processes.only_stack(tmp_path):
        pass


def test_a_taken_port_names_the_setting(tmp_path: Path) -> None:
    program = "import socket, signal; s = socket.create_server(('127.0.0.1', 0)); print(s.getsockname()[1], flush=True); signal.pause()"
    child = processes.start(
        "listener", [sys.executable, "-c", program], _environment(tmp_path), home=tmp_path, cwd=tmp_path
    )
    try:
        processes.wait_until(lambda: child.log_tail().strip().isdigit(), child, seconds=20, what="the listener")
        with pytest.raises(Misconfigured, match=r"prefect\.port.*KRACKEN_PREFECT__PORT"):
            processes.require_port(int(child.log_tail()), key="prefect.port")
    finally:
        os.killpg(child.process.pid, signal.SIGKILL)
        child.process.wait()
