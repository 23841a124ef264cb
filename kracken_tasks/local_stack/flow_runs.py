"""Start a deployment's run and wait for its end."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import (
    FlowFilter,
    FlowFilterName,
    FlowRunFilter,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import StateType
from prefect.events.worker import EventsWorker
from prefect.logging.handlers import APILogWorker
from prefect.states import Scheduled

from kracken_tasks.domain import clock
from kracken_tasks.errors import RetryLater

__all__ = ["FlowRunResult", "has_completed", "run_deployment", "send_what_waits"]


@dataclass(frozen=True, slots=True)
class FlowRunResult:
    """How a run ended."""

    name: str
    run_id: UUID
    state: str
    message: str

    @property
    def completed(self) -> bool:
        return self.state == "Completed"


def has_completed(flow: str) -> bool:
    """Whether the flow has ever come to a good end on this server."""
    completed = FlowRunFilter(state=FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType.COMPLETED])))
    with get_client(sync_client=True) as client:
        return bool(
            client.read_flow_runs(
                flow_filter=FlowFilter(name=FlowFilterName(any_=[flow])), flow_run_filter=completed, limit=1
            )
        )


def run_deployment(name: str, *, parameters: Mapping[str, Any] | None = None, seconds: float = 600.0) -> FlowRunResult:
    """Run ``flow/deployment`` once and wait until it has ended.

    Raises: RetryLater if it has not ended within ``seconds`` of wall time.
    """
    give_up = clock.monotonic_seconds() + seconds
    with get_client(sync_client=True) as client:
        deployment = client.read_deployment_by_name(name)
        run = client.create_flow_run_from_deployment(
            deployment.id, parameters=dict(parameters or {}), state=Scheduled()
        )
        while True:
            run = client.read_flow_run(run.id)
            if run.state is not None and run.state.is_final():
                return FlowRunResult(name, run.id, run.state.name or run.state.type.value, run.state.message or "")
            if clock.monotonic_seconds() > give_up:
                raise RetryLater(f"run {run.name} of {name} has not ended within {seconds:.0f} s", run=str(run.id))
            clock.sleep(0.3)


def send_what_waits() -> None:
    """Hand the server the logs and events of flows that ran in this process, before the server is stopped.

    Otherwise Prefect would try to reach it for minutes when the process ends.
    """
    APILogWorker.drain_all()
    EventsWorker.drain_all()
