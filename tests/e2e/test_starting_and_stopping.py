"""``kracken up`` and ``kracken demo`` as processes: stopped wherever they are, refused where they cannot run."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from kracken_tasks.local_stack.processes import HOME_MARK
from tests.support.running_stack import RunningStack, running_stack
from tests.support.sandbox import REPOSITORY

SECONDS = 120.0


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[RunningStack]:
    with running_stack(tmp_path / "home", KRACKEN_SANDBOX__WARM_UP_MINUTES="30", KRACKEN_PAIRS="[BTC/USD]") as found:
        yield found


def test_stopped_at_any_stage_of_its_start_it_ends_quietly_and_leaves_no_process(stack: RunningStack) -> None:
    for reached, number in (
        ("Kracken", signal.SIGINT),  # about to look for leftovers
        ("done .*End what", signal.SIGTERM),  # starting the exchange
        ("done .*Start the exchange", signal.SIGINT),  # living through the last hours
        ("done .*Start the exchange", signal.SIGHUP),  # a second start, which resumes
    ):
        stack.start()
        stack.wait_for(reached, SECONDS)
        code, seconds = stack.end_with(number)
        assert code == 0 or (code == 130 and reached == "Kracken"), stack.output
        assert stack.processes() == []
        assert "Traceback" not in stack.output, stack.output
        assert code == 130 or "kracken up` resumes" in stack.output
        assert seconds < 20
    assert not list((stack.home / "run").glob("*.json"))


def test_a_second_stack_on_a_home_is_refused_and_an_impatient_end_of_the_first_is_a_clean_one(
    stack: RunningStack,
) -> None:
    stack.start()
    stack.wait_for("done .*Start the exchange", SECONDS)
    second = _run(["up"], stack.environment)
    assert second.returncode == 2
    assert "a stack is already running on" in second.stderr
    assert "KRACKEN_HOME" in second.stderr
    assert "Traceback" not in second.stdout + second.stderr
    assert stack.process is not None
    assert stack.process.poll() is None
    assert stack.answers()
    for _ in range(5):
        stack.process.send_signal(signal.SIGINT)
    assert stack.process.wait(40) == 0
    assert stack.processes() == []
    assert "Traceback" not in stack.output


@pytest.mark.parametrize("key", ["prefect.port", "sandbox.port"])
def test_a_taken_port_names_the_setting_and_leaves_no_process(stack: RunningStack, key: str) -> None:
    port = stack.prefect_port if key == "prefect.port" else stack.sandbox_port
    with socket.create_server(("127.0.0.1", port)):
        refused = _run(["up"], stack.environment)
    assert refused.returncode == 2
    assert f"port {port} is taken by another program; set {key}" in refused.stderr
    assert f"KRACKEN_{key.upper().replace('.', '__')}" in refused.stderr
    assert "Traceback" not in refused.stdout + refused.stderr
    assert stack.processes() == []


def test_an_interrupted_demo_leaves_neither_process_nor_folder(tmp_path: Path) -> None:
    environment = {**_plain_environment(), "TMPDIR": str(tmp_path)}
    with _started(["demo"], environment, tmp_path / "out.txt") as demo:
        _wait_until(lambda: len(_marked(tmp_path)) == 2, demo)  # exchange and Prefect server are starting
        demo.send_signal(signal.SIGINT)
        assert demo.wait(60) == 130
    said = (tmp_path / "out.txt").read_text()
    assert "Traceback" not in said, said
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith("kracken")] == []
    assert _marked(tmp_path) == []


def test_a_demo_that_cannot_begin_says_why(tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "precious.txt").write_text("mine")
    refused = _run(["demo", "--out", str(tmp_path / "full")], _plain_environment())
    assert refused.returncode == 1
    assert "full is not empty; name a new folder for the demo" in refused.stderr
    assert (tmp_path / "full" / "precious.txt").read_text() == "mine"
    (tmp_path / "empty").mkdir()
    refused = _run(["demo", "--data", str(tmp_path / "empty")], _plain_environment())
    assert refused.returncode == 2
    assert "cannot replay" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_a_demo_whose_step_fails_ends_with_its_sentence_and_leaves_no_process(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    hours = [f"{1735689600 + hour * 3600},100,101,99,100.5,12,30\n" for hour in range(800)]
    (data / "XBTUSD_60.csv").write_text("".join([*hours[:400], "1737129600,100,99,101,none,1,1\n", *hours[400:]]))
    failed = _run(["demo", "--data", str(data), "--out", str(tmp_path / "out")], _plain_environment())
    assert failed.returncode in (1, 2), failed.stdout
    assert "XBTUSD_60.csv" in failed.stderr
    assert "401" in failed.stderr
    assert "Traceback" not in failed.stdout + failed.stderr
    assert _marked(tmp_path) == []


def _plain_environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith(("KRACKEN_", "PREFECT_"))}


def _run(arguments: list[str], environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "kracken_tasks.cli", *arguments]
    return subprocess.run(
        command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, timeout=SECONDS, check=False
    )


@contextmanager
def _started(arguments: list[str], environment: dict[str, str], out: Path) -> Iterator[subprocess.Popen[bytes]]:
    with out.open("wb") as sink:
        command = [sys.executable, "-m", "kracken_tasks.cli", *arguments]
        process = subprocess.Popen(command, cwd=REPOSITORY, env=environment, stdout=sink, stderr=subprocess.STDOUT)
        try:
            yield process
        finally:
            process.kill()
            process.wait(20)


def _wait_until(ready: Callable[[], bool], process: subprocess.Popen[bytes]) -> None:
    give_up = time.monotonic() + SECONDS
    while not ready():
        assert process.poll() is None
        assert time.monotonic() < give_up


def _marked(folder: Path) -> list[psutil.Process]:
    """Processes of a stack whose home lies in the folder."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get(HOME_MARK, "").startswith(str(folder)):
                found.append(process)
        except (psutil.Error, OSError):
            continue
    return found
