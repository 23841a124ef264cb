"""A quarter of an hour of the simulated day: what `make simulated-day` goes through for all of it."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from kracken_tasks.domain.clock import utc
from tests.e2e.simulated_day import programme, run


def test_a_day_has_every_scheduled_run_of_the_sandbox_at_its_moment() -> None:
    begin = utc(2025, 2, 27)
    dues = programme(begin, begin + timedelta(days=1))
    flows = [due.flow for due in dues]
    assert flows.count("trading_tick") == 1440
    assert flows.count("ingest_ohlcv") == 1440 + 24
    assert flows.count("nightly_exports") == flows.count("check_day") == flows.count("maintain_lake") == 1
    assert all(begin <= due.at < begin + timedelta(days=1) for due in dues)
    assert dues == sorted(dues)


@pytest.mark.parametrize("database", ["sqlite", "postgres"])
def test_a_quarter_of_an_hour_in_bad_weather_keeps_every_promise(tmp_path: Path, database: str) -> None:
    assert run(tmp_path, 0.25, 11, database) == []
