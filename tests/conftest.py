"""Fixtures every test may use, and the one way in which Hypothesis looks for counter-examples."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    from tests.support.s3_server import S3Server

ROOT = Path(__file__).resolve().parents[1]

# Which examples are tried depends on the test, and on the constants in the modules that its process has loaded; not on chance, and
# not on how busy the machine is.  A failure prints what repeats it.
# Looking further: pytest --hypothesis-profile=explore, which draws other examples each time.
settings.register_profile(
    "steady", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow], print_blob=True
)
settings.register_profile("thorough", settings.get_profile("steady"), max_examples=300)
settings.register_profile("explore", deadline=None, max_examples=500, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("steady")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--every-step", action="store_true", help="stop ticks at every single step, not once at each kind of step"
    )
    parser.addoption(
        "--month", action="store_true", help="kill a backfill of a month ten times, not of a week three times"
    )


@pytest.fixture(scope="session")
def every_step(request: pytest.FixtureRequest) -> bool:
    return bool(request.config.getoption("--every-step"))


@pytest.fixture(scope="session")
def project_root() -> Path:
    return ROOT


@pytest.fixture(scope="session")
def bucket_server() -> Iterator[S3Server]:
    """An S3 server on this machine; it loads boto3 and moto, so only tests that ask for a bucket pay for it."""
    from tests.support.s3_server import s3_server

    with s3_server() as server:
        yield server
