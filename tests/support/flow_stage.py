"""A stage for flows: a real Prefect server, and for each test a home with an exchange of its own, in this process's settings.

In: a folder.  Out: flows that can be called here and that the server records; looks at what the server holds.
Never: the user's own settings or Prefect profile.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterFlowRunId, FlowRunFilter, FlowRunFilterId
from prefect.client.schemas.objects import Artifact, FlowRun, TaskRun
from prefect.settings import PREFECT_API_URL, PREFECT_HOME, PREFECT_LOGGING_TO_API_WHEN_MISSING_FLOW, temporary_settings

from kracken_tasks import wiring
from kracken_tasks.lake import Lake
from kracken_tasks.ledger import Ledger
from kracken_tasks.local_stack.flow_runs import send_what_waits
from kracken_tasks.local_stack.stack import Stack, child_environment
from kracken_tasks.sandbox.config import SandboxConfig
from kracken_tasks.settings import Settings, load_settings
from tests.support.sandbox import ControlClient, RunningSandbox, free_port, running_sandbox, sandbox_config

__all__ = ["Stage", "prefect_server", "stage_at"]


@dataclass(frozen=True)
class Stage:
    """One home and its exchange; flows called meanwhile work there."""

    settings: Settings
    sandbox: RunningSandbox

    @property
    def control(self) -> ControlClient:
        return self.sandbox.control

    @property
    def lake(self) -> Lake:
        return wiring.lake(self.settings)

    @property
    def ledger(self) -> Ledger:
        return wiring.ledger(self.settings)

    def orders(self) -> dict[str, Any]:
        """Every order the exchange has ever taken."""
        account = self.control.account()
        return {**account["open"], **account["closed"]}


@contextmanager
def prefect_server(folder: Path) -> Iterator[str]:
    """A server of its own; its API's address.  This process's flows are recorded there."""
    settings = _settings(folder, {"prefect": {"port": free_port()}})
    env = child_environment(settings, folder / "config", own_settings=False)
    stack = Stack(settings, env)
    try:
        stack.await_prefect_server(stack.start_prefect_server())
        api, home = env["PREFECT_API_URL"], settings.paths.prefect
        updates = {PREFECT_API_URL: api, PREFECT_HOME: home, PREFECT_LOGGING_TO_API_WHEN_MISSING_FLOW: "ignore"}
        with temporary_settings(updates), _environment({"PREFECT_API_URL": api, "PREFECT_HOME": str(home)}):
            yield api
            send_what_waits()  # while there is somebody to tell
    finally:
        stack.stop()


@contextmanager
def stage_at(home: Path, config: SandboxConfig | None = None, **settings: str) -> Iterator[Stage]:
    """A home, an exchange whose clock stands, and one symbol with hourly candles; ``settings`` as environment variables."""
    with running_sandbox(config=config or sandbox_config()) as sandbox:
        port = sandbox.base_url.rsplit(":", 1)[1]
        names = {
            "KRACKEN_HOME": str(home),
            "KRACKEN_CONFIG_DIR": str(home / "config"),
            "KRACKEN_SANDBOX__PORT": port,
            "KRACKEN_PAIRS": "[BTC/USD]",
            "KRACKEN_TIMEFRAMES": "[1h]",
            **settings,
        }
        with _environment(names):
            yield Stage(load_settings(), sandbox)


def run_of(api_run_id: Any) -> FlowRun:
    with get_client(sync_client=True) as client:
        return client.read_flow_run(api_run_id)


def newest_run(flow: str) -> FlowRun:
    """The run of a flow that began last."""
    from prefect.client.schemas.filters import FlowFilter, FlowFilterName
    from prefect.client.schemas.sorting import FlowRunSort

    with get_client(sync_client=True) as client:
        (run,) = client.read_flow_runs(
            flow_filter=FlowFilter(name=FlowFilterName(any_=[flow])), sort=FlowRunSort.START_TIME_DESC, limit=1
        )
        return run


def task_runs_of(run: FlowRun) -> list[TaskRun]:
    with get_client(sync_client=True) as client:
        return client.read_task_runs(flow_run_filter=FlowRunFilter(id=FlowRunFilterId(any_=[run.id])))


def artifacts_of(run: FlowRun) -> Mapping[str, Artifact]:
    """What a run left to look at, by key."""
    with get_client(sync_client=True) as client:
        found = client.read_artifacts(
            artifact_filter=ArtifactFilter(flow_run_id=ArtifactFilterFlowRunId(any_=[run.id]))
        )
    return {str(one.key): one for one in found}


def _settings(home: Path, overrides: Mapping[str, Any]) -> Settings:
    return load_settings(home / "config", env={}, overrides={"home": home, **overrides})


@contextmanager
def _environment(names: Mapping[str, str]) -> Iterator[None]:
    """Settings for the while of a block; nothing else of Kracken's is set meanwhile."""
    before = dict(os.environ)
    for name in [name for name in before if name.startswith("KRACKEN_")]:
        del os.environ[name]
    os.environ.update(names)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
