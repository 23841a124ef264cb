"""Child processes of the local stack: started with a log file, found again after a crash, never left behind.

In: a name, a command, an environment.  Out: running processes, and their records under ``<home>/run``.
A record names pid and start time, so that a later start recognises its own leftovers and never signals a stranger
that was given the same pid.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil

from kracken_tasks.domain import clock
from kracken_tasks.errors import Misconfigured, RetryLater

__all__ = [
    "HOME_MARK",
    "Child",
    "end_leftovers",
    "leftovers",
    "only_stack",
    "port_is_free",
    "python",
    "require_port",
    "start",
    "stop",
    "stop_all",
    "wait_until",
]

# Every process of a stack, and only those, carries this variable with the absolute path of its home.
HOME_MARK = "KRACKEN_STACK"
_GRACE_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Child:
    """A process that was started here."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path

    @property
    def running(self) -> bool:
        return self.process.poll() is None

    def log_tail(self, lines: int = 20) -> str:
        text = self.log.read_text(errors="replace") if self.log.exists() else ""
        return "\n".join(text.splitlines()[-lines:])


def python(*arguments: str) -> list[str]:
    """A command run by this very interpreter, so that a stack never mixes environments."""
    return [sys.executable, *arguments]


def start(name: str, command: list[str], env: Mapping[str, str], *, home: Path, cwd: Path) -> Child:
    """Start a process in a session of its own, so that Ctrl-C reaches only us and the order of stopping is ours."""
    log = home / "logs" / f"{name}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as sink:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=subprocess.STDOUT,
            env=dict(env),
            cwd=cwd,
            start_new_session=True,
        )
    _record(name, process.pid, home)
    return Child(name, process, log)


def wait_until(ready: Callable[[], bool], child: Child, *, seconds: float, what: str) -> None:
    """Wait until ``ready()``; a child that ends first, or does not get there in time, is an error with its last words.

    Raises: RetryLater with the end of the log.
    """
    give_up = clock.monotonic_seconds() + seconds
    while not ready():
        if not child.running or clock.monotonic_seconds() > give_up:
            how = "ended" if not child.running else f"was not ready within {seconds:.0f} s"
            raise RetryLater(f"{what} {how}; last lines of {child.log}:\n{child.log_tail()}", log=str(child.log))
        clock.sleep(0.1)


def stop(child: Child, home: Path) -> None:
    """End a child and everything it started: SIGTERM, a grace period, then SIGKILL."""
    _end(_family(child.process.pid))
    child.process.wait(timeout=_GRACE_SECONDS)
    _forget(child.name, home)


def stop_all(children: Iterable[Child], home: Path) -> None:
    """Stop in the given order; every one is tried even if an earlier one fails."""
    failures = []
    for child in children:
        try:
            stop(child, home)
        except (psutil.Error, subprocess.TimeoutExpired) as error:
            failures.append(f"{child.name}: {error}")
    _end(leftovers(home))
    if failures:
        raise RetryLater(f"could not stop {'; '.join(failures)}")


def leftovers(home: Path) -> list[psutil.Process]:
    """Processes of an earlier stack on this home: recorded ones, and any other that carries the home's mark.

    This process and the ones it descends from are never among them.
    """
    mine = {process.pid for process in (psutil.Process(), *psutil.Process().parents())}
    found = {process.pid: process for process in _recorded(home)}
    for process in psutil.process_iter():
        try:
            if process.environ().get(HOME_MARK) == str(home.resolve()):
                found[process.pid] = process
        except (psutil.Error, OSError):
            continue  # somebody else's, or gone
    return [process for pid, process in found.items() if pid not in mine and process.is_running()]


def end_leftovers(home: Path) -> int:
    """Kill what an earlier stack left behind; their number.  Nothing of it may trade beside a new stack."""
    remains = leftovers(home)
    _end(remains)
    for record in _records(home).glob("*.json"):
        record.unlink(missing_ok=True)
    return len(remains)


@contextlib.contextmanager
def only_stack(home: Path) -> Iterator[None]:
    """Hold the home for one stack; the lock dies with the process, however that dies.

    Raises: Misconfigured if another stack runs on this home.
    """
    path = _records(home) / "stack.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Misconfigured(
                f"a stack is already running on {home}; stop it first (Ctrl-C there), or choose another KRACKEN_HOME",
                home=str(home),
            ) from None
        yield


def port_is_free(port: int, host: str = "127.0.0.1") -> bool:
    """Whether a server could listen there now."""
    with socket.socket() as probe:
        # As servers do: a connection of the last one that is still closing takes nothing.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
            probe.listen()
        except OSError:
            return False
    return True


def require_port(port: int, *, key: str, host: str = "127.0.0.1") -> None:
    """Raises: Misconfigured naming the setting, if somebody else listens on the port, or it may not be used."""
    if not port_is_free(port, host):
        variable = "KRACKEN_" + key.upper().replace(".", "__")
        raise Misconfigured(
            f"port {port} is taken by another program; set {key} (environment: {variable}) to a free port between 1 and 65535",
            key=key, port=port,
        )  # fmt: skip


def _family(pid: int) -> list[psutil.Process]:
    try:
        parent = psutil.Process(pid)
        return [parent, *parent.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def _end(processes: list[psutil.Process]) -> None:
    for process in processes:
        _signal(process, signal.SIGTERM)
    _, alive = psutil.wait_procs(processes, timeout=_GRACE_SECONDS)
    for process in alive:
        _signal(process, signal.SIGKILL)
    psutil.wait_procs(alive, timeout=_GRACE_SECONDS)


def _signal(process: psutil.Process, number: signal.Signals) -> None:
    with contextlib.suppress(psutil.NoSuchProcess):  # gone already: where we want it
        process.send_signal(number)


def _records(home: Path) -> Path:
    return home / "run"


def _record(name: str, pid: int, home: Path) -> None:
    path = _records(home) / f"{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"pid": pid, "started": psutil.Process(pid).create_time()}))


def _forget(name: str, home: Path) -> None:
    (_records(home) / f"{name}.json").unlink(missing_ok=True)


def _recorded(home: Path) -> list[psutil.Process]:
    found = []
    for path in sorted(_records(home).glob("*.json")):
        try:
            record = json.loads(path.read_text())
            process = psutil.Process(record["pid"])
            if process.create_time() == record["started"]:
                found.append(process)
        except (psutil.Error, ValueError, KeyError):
            continue  # the record of a process that is gone
    return found
