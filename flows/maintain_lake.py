"""Join the lake's small files and delete what is past its time.  No snapshot changes; doing it twice harms nothing."""

from __future__ import annotations

from prefect import flow

from kracken_tasks.alerts import hooks
from kracken_tasks.lake import tasks as lake_tasks


@flow(
    name="maintain_lake",
    description="Compaction, retention of replaced and staged files with time for readers at work, and a map of what there is.",
    flow_run_name="upkeep",
    on_failure=[hooks.alert_failure],
    on_crashed=[hooks.alert_failure],
)
async def maintain_lake(
    verify: bool = False,
) -> int:
    """Returns the number of live files afterwards.

    Args:
        verify: Read every file and compare it with its hash, too
    """
    report = lake_tasks.tidy_lake()
    damaged = lake_tasks.verify_lake(verify)
    lake_tasks.describe_upkeep(report, damaged)
    lake_tasks.draw_coverage()
    return report.files_after
