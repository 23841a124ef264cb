"""prefect.yaml is the one registry of what runs when."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import pytest
import yaml

from deployments.apply import wanted


@pytest.fixture(scope="module")
def entries(project_root: Path) -> list[dict[str, Any]]:
    registry = yaml.safe_load((project_root / "prefect.yaml").read_text())
    return list(registry["deployments"])


def test_every_flow_is_deployed_for_every_profile(project_root: Path) -> None:
    flows = {path.stem for path in (project_root / "flows").glob("*.py")} - {"__init__"}
    for profile in ("sandbox", "paper", "live"):
        assert {target.name.split("/")[0] for target in wanted(profile)} == flows


def test_every_entrypoint_is_a_flow_that_takes_its_parameters(entries: list[dict[str, Any]]) -> None:
    for entry in entries:
        module, name = entry["entrypoint"].rsplit(".", 1)
        flow = getattr(importlib.import_module(module), name)
        flow.validate_parameters(entry.get("parameters", {}))


def test_no_prefect_limit_sits_on_ticks(entries: list[dict[str, Any]]) -> None:
    assert all("concurrency_limit" not in entry for entry in entries if "trading_tick" in entry["entrypoint"])


def test_every_schedule_has_a_slug_and_a_utc_clock(entries: list[dict[str, Any]]) -> None:
    for entry in entries:
        for schedule in entry["schedules"]:
            assert schedule["slug"]
            assert schedule["timezone"] == "UTC"


def test_an_unknown_profile_names_the_allowed_ones() -> None:
    with pytest.raises(SystemExit, match="allowed: live, paper, sandbox"):
        wanted("lvie")
