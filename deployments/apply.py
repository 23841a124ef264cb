"""Put the deployments of ``prefect.yaml`` on the server, and nothing else.

    python -m deployments.apply --profile sandbox            create or update, then remove what the file no longer names
    python -m deployments.apply --profile sandbox --check    change nothing; exit 1 and list the differences if there are any

Prefect's own ``deploy`` leaves a schedule on the server that was deleted from the file; such a schedule would go on trading.
The profile picks the deployments whose name is the profile or begins with ``<profile>-``.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.client.schemas.filters import DeploymentFilter, DeploymentFilterTags
from prefect.client.schemas.responses import DeploymentResponse
from prefect.exceptions import ObjectAlreadyExists

REGISTRY = Path(__file__).resolve().parents[1] / "prefect.yaml"
TAG = "kracken"
POOL_TYPE = "process"


@dataclass(frozen=True, slots=True)
class Wanted:
    """One deployment of the file: its full name, and when its schedules run, by slug."""

    name: str
    schedules: Mapping[str, str]


def wanted(profile: str, registry: Path = REGISTRY) -> list[Wanted]:
    """The deployments of a profile.

    Raises: SystemExit naming the profiles there are.
    """
    entries = _entries(registry)["deployments"]
    chosen = [entry for entry in entries if _belongs(entry["name"], profile)]
    if not chosen:
        names = sorted({entry["name"].split("-")[0] for entry in entries})
        raise SystemExit(f"{registry.name} has no deployments for profile {profile!r}; allowed: {', '.join(names)}")
    return [
        Wanted(
            f"{entry['entrypoint'].rsplit('.', 1)[1]}/{entry['name']}",
            {schedule["slug"]: _when(schedule) for schedule in entry.get("schedules", ())},
        )
        for entry in chosen
    ]


def apply(profile: str, registry: Path = REGISTRY) -> list[str]:
    """Create the pool, deploy, remove leftovers; what was removed."""
    targets = wanted(profile, registry)
    with get_client(sync_client=True) as client:
        _create_pool(client, registry)
        _deploy(profile, registry)
        return _remove_leftovers(client, targets)


def drift(profile: str, registry: Path = REGISTRY) -> list[str]:
    """Differences between file and server, a sentence each."""
    targets = {target.name: target for target in wanted(profile, registry)}
    with get_client(sync_client=True) as client:
        found = {_full_name(client, deployment): deployment for deployment in _deployed(client)}
    problems = [f"{name}: not on the server" for name in sorted(targets.keys() - found.keys())]
    problems += [f"{name}: on the server, not in the file" for name in sorted(found.keys() - targets.keys())]
    for name in sorted(targets.keys() & found.keys()):
        wished, there = targets[name].schedules, _schedules(found[name])
        problems += [f"{name}: schedule {slug} is not on the server" for slug in sorted(wished.keys() - there.keys())]
        problems += [f"{name}: schedule {slug} is not in the file" for slug in sorted(there.keys() - wished.keys())]
        problems += [
            f"{name}: schedule {slug} runs {there[slug]} on the server, {wished[slug]} in the file"
            for slug in sorted(wished.keys() & there.keys())
            if wished[slug] != there[slug]
        ]
    return problems


def _deploy(profile: str, source: Path) -> None:
    """Prefect's own ``deploy`` over a copy of the registry that holds this profile's deployments and no others.

    Its name patterns would do, were they understood for flows that are named by module.
    Raises: SystemExit with what it said.
    """
    registry = _entries(source)
    chosen = [entry for entry in registry["deployments"] if _belongs(entry["name"], profile)]
    with tempfile.TemporaryDirectory() as folder:
        part = Path(folder) / "prefect.yaml"
        part.write_text(yaml.safe_dump({**registry, "deployments": chosen}, sort_keys=False), encoding="utf-8")
        command = [sys.executable, "-m", "prefect", "--no-prompt", "deploy", "--all", "--prefect-file", str(part)]
        done = subprocess.run(command, check=False, cwd=REGISTRY.parent, capture_output=True, text=True)
    if done.returncode != 0:
        raise SystemExit(f"deploying failed:\n{done.stdout}{done.stderr}")


def _entries(registry: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(registry.read_text(encoding="utf-8"))
    return loaded


def _create_pool(client: SyncPrefectClient, registry: Path) -> None:
    for pool in sorted({entry["work_pool"]["name"] for entry in _entries(registry)["deployments"]}):
        try:
            client.create_work_pool(WorkPoolCreate(name=pool, type=POOL_TYPE))
        except ObjectAlreadyExists:
            continue


def _remove_leftovers(client: SyncPrefectClient, targets: Iterable[Wanted]) -> list[str]:
    schedules = {target.name: target.schedules for target in targets}
    removed = []
    for deployment in _deployed(client):
        name = _full_name(client, deployment)
        if name not in schedules:
            client.delete_deployment(deployment.id)
            removed.append(name)
            continue
        for schedule in deployment.schedules:
            if str(schedule.slug) not in schedules[name]:
                client.delete_deployment_schedule(deployment.id, schedule.id)
                removed.append(f"{name}: schedule {schedule.slug}")
    return removed


def _deployed(client: SyncPrefectClient) -> list[DeploymentResponse]:
    return client.read_deployments(deployment_filter=DeploymentFilter(tags=DeploymentFilterTags(all_=[TAG])))


def _full_name(client: SyncPrefectClient, deployment: DeploymentResponse) -> str:
    return f"{client.read_flow(deployment.flow_id).name}/{deployment.name}"


def _belongs(name: str, profile: str) -> bool:
    return name == profile or name.startswith(f"{profile}-")


def _schedules(deployment: DeploymentResponse) -> dict[str, str]:
    """When a deployment runs according to the server, by slug."""
    return {str(one.slug): _when(one.schedule.model_dump(mode="json")) for one in deployment.schedules}


def _when(schedule: Mapping[str, Any]) -> str:
    """A schedule in words that are the same for the file and the server."""
    if "cron" in schedule:
        return f"at {schedule['cron']} ({schedule.get('timezone') or 'UTC'})"
    anchor = datetime.fromisoformat(str(schedule["anchor_date"])).astimezone(UTC)
    return f"every {float(schedule['interval']):g} s from {anchor.isoformat()}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--profile", default="sandbox", help="sandbox (default), paper or live")
    parser.add_argument("--check", action="store_true", help="only compare file and server")
    parser.add_argument("--file", type=Path, default=REGISTRY, help="another registry than prefect.yaml")
    arguments = parser.parse_args()
    if not arguments.check:
        for name in apply(arguments.profile, arguments.file):
            sys.stdout.write(f"removed {name}\n")
    problems = drift(arguments.profile, arguments.file)
    sys.stdout.writelines(f"{problem}\n" for problem in problems)
    return 1 if problems else 0


if __name__ == "__main__":
    raise SystemExit(main())
