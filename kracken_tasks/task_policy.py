"""Named Prefect options: what may be retried, cached or repeated, decided once.

    NETWORK_READ   asks a venue: retried with growing pauses, but only on RetryLater (nothing happened)
    LOCAL_COMPUTE  pure work on local data: not retried, the same input fails the same way
    LAKE_WRITE     idempotent commit: retried once, doing it twice equals doing it once
    MONEY          may move money: never retried, never cached

Retry numbers stand here and nowhere else.
"""

from __future__ import annotations

from typing import Any, Final

from prefect import Task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State, TaskRun

from kracken_tasks.errors import RetryLater

__all__ = ["LAKE_WRITE", "LOCAL_COMPUTE", "MONEY", "NETWORK_READ"]


async def _nothing_happened(task: Task[..., Any], run: TaskRun, state: State[Any]) -> bool:
    """Retry only what surely did not happen."""
    try:
        await state.aresult()
    except RetryLater:
        return True
    except Exception:
        return False
    return False


NETWORK_READ: Final[dict[str, Any]] = {
    "retries": 4,
    "retry_delay_seconds": [1, 2, 5, 10],
    "retry_jitter_factor": 0.5,
    "retry_condition_fn": _nothing_happened,
    "cache_policy": NO_CACHE,
}
LOCAL_COMPUTE: Final[dict[str, Any]] = {"retries": 0, "cache_policy": NO_CACHE}
LAKE_WRITE: Final[dict[str, Any]] = {
    "retries": 1,
    "retry_delay_seconds": 1,
    "retry_condition_fn": _nothing_happened,
    "cache_policy": NO_CACHE,
}
MONEY: Final[dict[str, Any]] = {"retries": 0, "cache_policy": NO_CACHE}
