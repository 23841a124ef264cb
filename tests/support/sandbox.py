"""A sandbox exchange for tests: a real server on a free port, and a hand on its back door.

In: a market and settings.  Out: a running server that ccxt clients talk to.  Never: the internet, a sleep.
The server runs in a thread of its own, so that synchronous and asynchronous clients both reach it.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from kracken_tasks.sandbox.client_config import DEMO_KEY, VENUE_OPTIONS, kraken_options
from kracken_tasks.sandbox.clock import ClockMode
from kracken_tasks.sandbox.config import SandboxConfig
from kracken_tasks.sandbox.market.protocol import Market
from kracken_tasks.sandbox.server import SandboxServer

__all__ = [
    "ControlClient",
    "ControlError",
    "RunningSandbox",
    "free_port",
    "running_sandbox",
    "sandbox_config",
    "sandbox_process",
]

REPOSITORY = Path(__file__).parents[2]
_START_SECONDS = 20.0


class ControlError(Exception):
    """The control endpoint refused."""


class ControlClient:
    """The sandbox's back door."""

    def __init__(self, base_url: str, token: str | None = None) -> None:
        self._base = f"{base_url}/control"
        self._headers = {"Content-Type": "application/json"} | ({"X-Control-Token": token} if token else {})

    def call(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self._base}/{path}", data, self._headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                found: dict[str, Any] = json.load(answer)
                return found
        except urllib.error.HTTPError as error:
            raise ControlError(f"{error.code} {error.read().decode()}") from None

    def health(self) -> dict[str, Any]:
        return self.call("GET", "health")

    def now_ms(self) -> int:
        return int(self.health()["now_ns"]) // 1_000_000

    def advance(self, seconds: float) -> dict[str, Any]:
        return self.call("POST", "clock", {"advance_seconds": str(seconds)})

    def set_clock(self, moment: str) -> dict[str, Any]:
        return self.call("POST", "clock", {"set": moment})

    def fault(self, endpoint: str, **rule: Any) -> int:
        return int(self.call("POST", "faults", {"endpoint": endpoint, **rule})["id"])

    def faults(self) -> list[dict[str, Any]]:
        listed: list[dict[str, Any]] = self.call("GET", "faults")["faults"]
        return listed

    def clear_faults(self) -> None:
        self.call("DELETE", "faults")

    def settings(self, **changed: Any) -> dict[str, Any]:
        return self.call("POST", "settings", changed)

    def halt(self, symbol: str, status: str = "cancel_only") -> None:
        self.settings(pair_status={symbol: status})

    def deposit(self, asset: str, amount: str, venue: str = "kraken") -> dict[str, Any]:
        return self.call("POST", "deposit", {"asset": asset, "amount": amount, "venue": venue})

    def state(self, venue: str = "kraken") -> dict[str, Any]:
        return self.call("GET", f"state?venue={venue}")

    def account(self, name: str = "demo", venue: str = "kraken") -> dict[str, Any]:
        found: dict[str, Any] = self.state(venue)["accounts"][name]
        return found


class RunningSandbox:
    """A server that answers: its address, its back door, and options for ccxt."""

    def __init__(
        self, base_url: str, server: SandboxServer | None = None, process: subprocess.Popen[bytes] | None = None
    ) -> None:
        self.base_url = base_url
        self.control = ControlClient(base_url)
        self.server = server
        self.process = process

    def ccxt_options(self, key: str = DEMO_KEY) -> dict[str, Any]:
        return kraken_options(self.base_url, key)

    def options_of(self, venue: str, **changed: str) -> dict[str, Any]:
        """Options for ccxt's class of that name."""
        return VENUE_OPTIONS[venue](self.base_url, **changed)

    def kill_only(self) -> None:
        """kill -9 by whoever is not its parent and cannot wait for it."""
        assert self.process is not None
        os.kill(self.process.pid, signal.SIGKILL)

    def kill(self) -> None:
        """kill -9, and wait until it is dead.  Only for a server in a process of its own."""
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(_START_SECONDS)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def sandbox_config(**changed: Any) -> SandboxConfig:
    """A manual clock, no rate limits (the clock stands still, so counters would never decay), a small purse."""
    base = SandboxConfig(port=0, clock_mode=ClockMode.MANUAL, tier="unlimited")
    return replace(base, **changed)


@contextmanager
def running_sandbox(market: Market | None = None, config: SandboxConfig | None = None) -> Iterator[RunningSandbox]:
    """Run a server in a thread until the block is left."""
    loop = asyncio.new_event_loop()
    started: list[SandboxServer] = []
    failed: list[BaseException] = []
    ready, stop = threading.Event(), asyncio.Event()

    async def serve() -> None:
        try:
            server = SandboxServer(config or sandbox_config(), market)
            await server.start()
        except BaseException as error:
            failed.append(error)
            ready.set()
            return
        started.append(server)
        ready.set()
        await stop.wait()
        await server.stop()

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()), name="sandbox", daemon=True)
    thread.start()
    ready.wait(_START_SECONDS)
    if failed:
        raise failed[0]
    try:
        yield RunningSandbox(started[0].base_url, server=started[0])
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(_START_SECONDS)
        loop.close()


@contextmanager
def sandbox_process(script: str, state_path: Path, *arguments: str) -> Iterator[RunningSandbox]:
    """Run a server in a process of its own, which may be killed.  ``script`` is a module of tests/support to run."""
    port = free_port()
    command = [sys.executable, "-m", script, str(port), str(state_path), *arguments]
    process = subprocess.Popen(command, cwd=REPOSITORY, env={**os.environ, "PYTHONPATH": str(REPOSITORY)})
    running = RunningSandbox(f"http://127.0.0.1:{port}", process=process)
    try:
        _wait_until_up(running, process)
        yield running
    finally:
        if process.poll() is None:
            process.terminate()
        process.wait(_START_SECONDS)


def _wait_until_up(running: RunningSandbox, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"the sandbox process ended with {process.returncode}")
        try:
            running.control.health()
        except (OSError, ControlError):
            continue
        return
    raise TimeoutError("the sandbox process does not answer")


test_config = sandbox_config  # its former name
