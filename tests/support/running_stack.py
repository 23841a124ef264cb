"""``kracken up`` as a user runs it: a process of its own, on a home and ports of its own, that may be killed.

In: a folder.  Out: hands on its processes, its ledger, its exchange and its Prefect server.  Never: a process left behind.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from http import HTTPStatus
from pathlib import Path
from typing import Any

import psutil

from kracken_tasks.domain.clock import iso
from kracken_tasks.ledger import Ledger
from kracken_tasks.local_stack.processes import HOME_MARK
from tests.support.sandbox import REPOSITORY, ControlClient, ControlError, free_port

__all__ = ["RunningStack", "running_stack"]

_POLL_SECONDS = 0.02


@dataclass
class RunningStack:
    """One home; its stack may be started, killed and started again."""

    home: Path
    settings: Mapping[str, str] = field(default_factory=dict)
    prefect_port: int = field(default_factory=free_port)
    sandbox_port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None
    starts: int = 0

    @property
    def output(self) -> str:
        path = self._output_path
        return path.read_text(errors="replace") if path.exists() else ""

    @property
    def control(self) -> ControlClient:
        return ControlClient(f"http://127.0.0.1:{self.sandbox_port}")

    @property
    def environment(self) -> dict[str, str]:
        around = {name: value for name, value in os.environ.items() if not name.startswith(("KRACKEN_", "PREFECT_"))}
        return {
            **around,
            "KRACKEN_HOME": str(self.home),
            "KRACKEN_CONFIG_DIR": str(self.home / "config"),
            "KRACKEN_PREFECT__PORT": str(self.prefect_port),
            "KRACKEN_SANDBOX__PORT": str(self.sandbox_port),
            **self.settings,
        }

    def start(self, *arguments: str) -> float:
        """Run ``kracken up`` without waiting for anything; the steady clock's time of the start."""
        self.starts += 1
        command = [sys.executable, "-m", "kracken_tasks.cli", "up", *arguments]
        self.home.mkdir(parents=True, exist_ok=True)
        with self._output_path.open("wb") as sink:
            self.process = subprocess.Popen(
                command, cwd=REPOSITORY, env=self.environment, stdout=sink, stderr=subprocess.STDOUT, start_new_session=True
            )  # fmt: skip
        return time.monotonic()

    def wait_for(self, text: str, seconds: float) -> None:
        """Until the output says so."""
        self.wait_until(lambda: re.search(text, self.output) is not None, seconds, f"{text!r} in the output")

    def wait_until(self, ready: Callable[[], bool], seconds: float, what: str) -> None:
        """Raises: TimeoutError with the output; AssertionError if ``kracken up`` ends first."""
        give_up = time.monotonic() + seconds
        while not ready():
            assert self.process is not None
            assert self.process.poll() is None, f"kracken up ended while waiting for {what}:\n{self.output}"
            if time.monotonic() > give_up:
                raise TimeoutError(f"no {what} within {seconds:.0f} s:\n{self.output}\n{self.logs()}")
            time.sleep(_POLL_SECONDS)

    def processes(self) -> list[psutil.Process]:
        """Every process of the stack that is alive: the command itself, servers, worker, flow runs."""
        found = []
        for process in psutil.process_iter():
            try:
                ours = process.environ().get(HOME_MARK) == str(self.home.resolve())
                command = self.process is not None and process.pid == self.process.pid
                if (ours or command) and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(process)
            except (psutil.Error, OSError):
                continue
        return found

    def kill_everything(self, order: Callable[[list[psutil.Process]], list[psutil.Process]] = list) -> int:
        """SIGKILL to all of it, as a power cut would; how many there were."""
        doomed = order(self.processes())
        for process in doomed:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        while left := self.processes():  # a process that was being born
            for process in left:
                with suppress(psutil.NoSuchProcess):
                    process.kill()
        assert self.process is not None
        self.process.wait(20)
        return len(doomed)

    def end_with(self, number: signal.Signals, seconds: float = 40) -> tuple[int, float]:
        """Send a signal to ``kracken up`` alone, as a terminal would; its exit code and how long it took."""
        assert self.process is not None
        began = time.monotonic()
        self.process.send_signal(number)
        return self.process.wait(seconds), time.monotonic() - began

    @contextmanager
    def ledger(self) -> Iterator[Ledger]:
        url = f"sqlite:///{self.home / 'ledger' / 'ledger.sqlite'}"
        with Ledger.open(url, account="main", exchange="kraken") as ledger:
            yield ledger

    def account(self) -> dict[str, Any]:
        """The exchange's own truth: open and closed orders, trades, balances."""
        return self.control.account()

    def unfinished_runs(self, before: datetime) -> list[dict[str, Any]]:
        """Flow runs that should have begun before that moment and have not ended."""
        asked = {
            "flow_runs": {
                "state": {"type": {"any_": ["RUNNING", "PENDING", "SCHEDULED", "CANCELLING"]}},
                "expected_start_time": {"before_": iso(before)},
            }
        }
        found: list[dict[str, Any]] = self.prefect("flow_runs/filter", asked)
        return found

    def run_flow(self, name: str, **parameters: Any) -> str:
        """Ask for a run of ``flow/deployment`` now; its id."""
        deployment = self.prefect(f"deployments/name/{name}")
        body = {"parameters": parameters, "state": {"type": "SCHEDULED"}}
        return str(self.prefect(f"deployments/{deployment['id']}/create_flow_run", body)["id"])

    def prefect(self, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """Ask the Prefect server; again while its database is busy, as Prefect's own client does."""
        data = None if body is None else json.dumps(body).encode()
        url = f"http://127.0.0.1:{self.prefect_port}/api/{path}"
        request = urllib.request.Request(url, data, {"Content-Type": "application/json"})
        give_up = time.monotonic() + 20
        while True:
            try:
                with urllib.request.urlopen(request, timeout=30) as answer:
                    return json.load(answer)
            except urllib.error.HTTPError as refused:
                if refused.code != HTTPStatus.SERVICE_UNAVAILABLE or time.monotonic() > give_up:
                    raise
            time.sleep(10 * _POLL_SECONDS)

    def answers(self) -> bool:
        """Whether the exchange is up."""
        try:
            self.control.health()
        except (OSError, ControlError):
            return False
        return True

    def logs(self) -> str:
        parts = []
        for path in sorted((self.home / "logs").glob("*.log")):
            tail = path.read_text(errors="replace").splitlines()[-25:]
            parts.append("\n".join([f"--- {path.name}", *tail]))
        return "\n".join(parts)

    @property
    def _output_path(self) -> Path:
        return self.home / f"up-{self.starts}.out"


@contextmanager
def running_stack(home: Path, **settings: str) -> Iterator[RunningStack]:
    """A stack that may be started; whatever is left of it at the end is killed."""
    stack = RunningStack(home.resolve(), settings)
    try:
        yield stack
    finally:
        if stack.process is not None:
            stack.kill_everything()
