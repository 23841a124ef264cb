"""The servers of one machine as one thing: sandbox exchange, Prefect server, worker.

In: settings.  Out: running servers and the environment in which flows find them.  Never: flows, schedules, trading.
"""

from __future__ import annotations

import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from kracken_tasks.domain.clock import iso
from kracken_tasks.local_stack import processes
from kracken_tasks.local_stack.processes import Child
from kracken_tasks.settings import Profile, Settings
from kracken_tasks.settings.sources import environment, without_settings

__all__ = ["PROJECT", "WORK_POOL", "Stack", "child_environment"]

PROJECT = Path(__file__).resolve().parents[2]
WORK_POOL = "local"

# Nothing leaves the machine: no telemetry, no promotional content; the plain UI asks no outside host.
_QUIET_PREFECT = {
    "DO_NOT_TRACK": "1",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_SERVER_UI_V2_ENABLED": "false",
    "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
    "PREFECT_CLI_PROMPT": "false",
    "PREFECT_CLI_COLORS": "false",
    "PREFECT_LOGGING_EXTRA_LOGGERS": "kracken,kracken_tasks",  # what rooms log is shown with the run
    "PREFECT_LOGGING_TO_API_WHEN_MISSING_FLOW": "ignore",  # and what they log outside a run is no mistake
}


def child_environment(settings: Settings, config_dir: Path, *, own_settings: bool = True) -> dict[str, str]:
    """The environment of every process of the stack: this machine's, with home, ports and profile made explicit.

    ``own_settings`` False leaves out whatever the user's environment says about Kracken: a demo is the same everywhere.
    """
    around = environment() if own_settings else without_settings(environment())
    inherited = {name: value for name, value in around.items() if not name.startswith("PREFECT_")}
    return {
        **inherited,
        **_QUIET_PREFECT,
        "PYTHONPATH": str(PROJECT),
        "PREFECT_HOME": str(settings.paths.prefect),
        "PREFECT_API_URL": f"http://127.0.0.1:{settings.prefect.port}/api",
        "KRACKEN_HOME": str(settings.paths.home),
        "KRACKEN_CONFIG_DIR": str(config_dir.resolve()),
        "KRACKEN_PROFILE": settings.profile.value,
        "KRACKEN_SANDBOX__PORT": str(settings.sandbox.port),
        "KRACKEN_PREFECT__PORT": str(settings.prefect.port),
        **_replayed(settings),
        processes.HOME_MARK: str(settings.paths.home),
    }


def _replayed(settings: Settings) -> dict[str, str]:
    """What a replay changes in the settings, for the exchange and for every flow: its data, its beginning, its symbols."""
    options = settings.sandbox
    if options.data is None:
        return {}
    start = {} if options.start is None else {"KRACKEN_SANDBOX__START": iso(options.start)}
    return {
        "KRACKEN_SANDBOX__DATA": str(options.data.resolve()),
        "KRACKEN_PAIRS": f"[{', '.join(settings.pairs)}]",
        **start,
    }


@dataclass(slots=True)
class Stack:
    """Servers on one home.  Start what is wanted, in any order; ``stop`` ends all of it, newest first."""

    settings: Settings
    env: Mapping[str, str]
    children: list[Child] = field(default_factory=list)

    @property
    def home(self) -> Path:
        return self.settings.paths.home

    def start_sandbox(self, *arguments: str) -> Child:
        """Start the exchange (it is the venue only in the sandbox profile); ready when its health endpoint answers."""
        options = self.settings.sandbox
        processes.require_port(options.port, key="sandbox.port", host=options.host)
        return self._start("sandbox", processes.python("-m", "kracken_tasks.cli", "sandbox", *arguments))

    def await_sandbox(self, child: Child) -> None:
        url = f"http://127.0.0.1:{self.settings.sandbox.port}/control/health"
        processes.wait_until(lambda: _answers(url), child, seconds=90, what="the sandbox exchange")

    def start_prefect_server(self) -> Child:
        processes.require_port(self.settings.prefect.port, key="prefect.port", host=self.settings.prefect.host)
        self.settings.paths.prefect.mkdir(parents=True, exist_ok=True)
        host, port = self.settings.prefect.host, str(self.settings.prefect.port)
        command = processes.python("-m", "prefect", "server", "start", "--host", host, "--port", port)
        return self._start("prefect-server", command)

    def await_prefect_server(self, child: Child) -> None:
        url = f"{self.env['PREFECT_API_URL']}/health"
        processes.wait_until(lambda: _answers(url), child, seconds=120, what="the Prefect server")

    def start_worker(self) -> Child:
        command = processes.python("-m", "prefect", "worker", "start", "--pool", WORK_POOL, "--type", "process")
        return self._start("worker", command, {"PREFECT_WORKER_QUERY_SECONDS": "1"})

    def stop(self) -> None:
        processes.stop_all(reversed(self.children), self.home)
        self.children.clear()

    @property
    def sandboxed(self) -> bool:
        return self.settings.profile is Profile.SANDBOX

    def _start(self, name: str, command: list[str], more: Mapping[str, str] | None = None) -> Child:
        child = processes.start(name, command, {**self.env, **(more or {})}, home=self.home, cwd=PROJECT)
        self.children.append(child)
        return child


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False
