"""``prefect.yaml`` on a real server: what is applied, what drifts, what is removed; and what the janitor ends."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import yaml
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId
from prefect.client.schemas.objects import FlowRun, State, StateType
from prefect.states import Pending, Running, Scheduled

from deployments.apply import REGISTRY, apply, drift
from kracken_tasks.local_stack.janitor import end_orphaned_runs

_SCHEDULED_SECONDS = 30.0  # Prefect looks at new deployments every few seconds


@pytest.fixture(scope="module")
def applied(server: str) -> Iterator[None]:
    """The sandbox's deployments, on the server."""
    apply("sandbox")
    yield
    with get_client(sync_client=True) as client:
        for deployment in client.read_deployments():
            client.delete_deployment(deployment.id)


def edited(folder: Path, change: Callable[[dict[str, Any]], dict[str, Any] | None]) -> Path:
    """A copy of the registry with some deployments changed, or left out."""
    registry = yaml.safe_load(REGISTRY.read_text(encoding="utf-8"))
    registry["deployments"] = [found for entry in registry["deployments"] if (found := change(entry)) is not None]
    path = folder / "prefect.yaml"
    path.write_text(yaml.safe_dump(registry, sort_keys=False), encoding="utf-8")
    return path


def test_what_was_applied_does_not_differ_from_the_file(applied: None) -> None:
    assert drift("sandbox") == []


def test_the_scheduler_makes_runs_of_what_was_applied(applied: None) -> None:
    give_up = time.monotonic() + _SCHEDULED_SECONDS
    names: set[str] = set()
    with get_client(sync_client=True) as client:
        deployments = {one.id: client.read_flow(one.flow_id).name for one in client.read_deployments() if one.schedules}
        while names != set(deployments.values()) and time.monotonic() < give_up:
            runs = [run for run in client.read_flow_runs() if run.auto_scheduled]
            names = {deployments[run.deployment_id] for run in runs if run.deployment_id}
    nightly = {"retrain_lstm", "run_backtest", "nightly_exports", "check_day", "maintain_lake"}
    assert names == {"ingest_ohlcv", "trading_tick", *nightly}


def test_a_schedule_that_was_taken_out_or_changed_is_found_and_applying_mends_it(applied: None, tmp_path: Path) -> None:
    def without_ticks_and_later_exports(entry: dict[str, Any]) -> dict[str, Any] | None:
        if "trading_tick" in str(entry["entrypoint"]):
            return {**entry, "schedules": []}
        if "run_backtest" in str(entry["entrypoint"]):
            return None
        if "nightly_exports" in str(entry["entrypoint"]):
            return {**entry, "schedules": [{"cron": "15 0 * * *", "timezone": "UTC", "slug": "nightly"}]}
        return entry

    registry = edited(tmp_path, without_ticks_and_later_exports)
    assert drift("sandbox", registry) == [
        "run_backtest/sandbox: on the server, not in the file",
        "nightly_exports/sandbox: schedule nightly runs at 10 0 * * * (UTC) on the server, at 15 0 * * * (UTC) in the file",
        "trading_tick/sandbox: schedule every-tick is not in the file",
    ]
    assert sorted(apply("sandbox", registry)) == ["run_backtest/sandbox", "trading_tick/sandbox: schedule every-tick"]
    assert drift("sandbox", registry) == []
    assert drift("sandbox")  # and now the real file is the one that differs


def test_the_janitor_ends_what_nobody_executes_and_leaves_what_is_to_come(server: str) -> None:
    now = datetime.now(UTC)
    with get_client(sync_client=True) as client:
        flow_id = client.create_flow_from_name("left_behind")
        states: dict[str, State[Any]] = {
            "running": Running(),
            "pending": Pending(),
            "late": Scheduled(scheduled_time=now - timedelta(minutes=3)),
            "to come": Scheduled(scheduled_time=now + timedelta(minutes=3)),
        }
        runs = {name: _create(client, flow_id, name, state) for name, state in states.items()}
    assert end_orphaned_runs() >= 3
    ended = {run.name: run.state.type for run in _read(runs.values()) if run.state}
    assert ended == {
        "running": StateType.CRASHED,
        "pending": StateType.CRASHED,
        "late": StateType.CANCELLED,
        "to come": StateType.SCHEDULED,
    }
    assert end_orphaned_runs() == 0


def test_a_night_of_slots_that_passed_is_cleared_at_once(server: str) -> None:
    """The server looks for late runs at the same time, and both write to one SQLite file."""
    now = datetime.now(UTC)
    with get_client(sync_client=True) as client:
        flow_id = client.create_flow_from_name("slept_through")
        for minute in range(120):
            _create(client, flow_id, f"slot {minute}", Scheduled(scheduled_time=now - timedelta(minutes=minute + 1)))
    began = time.monotonic()
    assert end_orphaned_runs() == 120
    assert time.monotonic() - began < 30


def _create(client: SyncPrefectClient, flow_id: UUID, name: str, state: State[Any]) -> UUID:
    """A run as a killed worker leaves it: known to the server, executed by nobody."""
    wished = {
        "type": state.type.value,
        "name": state.name,
        "state_details": state.state_details.model_dump(mode="json"),
    }
    answer = client.request("POST", "/flow_runs/", json={"flow_id": str(flow_id), "name": name, "state": wished})
    return UUID(answer.json()["id"])


def _read(ids: Iterable[UUID]) -> list[FlowRun]:
    with get_client(sync_client=True) as client:
        return client.read_flow_runs(flow_run_filter=FlowRunFilter(id=FlowRunFilterId(any_=list(ids))))
