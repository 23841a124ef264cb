"""One Prefect server for all tests here; each test brings its own home and exchange."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.flow_stage import Stage, prefect_server, stage_at

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.e2e)


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real Prefect server; the address of its API."""
    with prefect_server(tmp_path_factory.mktemp("server")) as api:
        yield api


@pytest.fixture
def stage(server: str, tmp_path: Path) -> Iterator[Stage]:
    """An empty home and a fresh exchange."""
    with stage_at(tmp_path / "home") as found:
        yield found
