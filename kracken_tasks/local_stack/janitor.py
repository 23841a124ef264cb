"""After a crash: end runs that nobody executes any more, and drop slots that have passed.

A killed worker leaves its runs ``Running`` or ``Pending`` for ever, and a server that was away finds its schedule full of
late ticks.  A late tick is worthless; the next one reconciles whatever the last one left behind.
"""

from __future__ import annotations

from typing import Any, Final

from prefect.client.orchestration import SyncPrefectClient, get_client

from kracken_tasks.domain.clock import WallClock, iso
from kracken_tasks.errors import RetryLater

__all__ = ["end_orphaned_runs"]

_BATCH: Final = 50  # the most the server changes in one request
_ROUNDS: Final = 100
_ROUTE: Final = "/flow_runs/bulk_set_state"
_EXECUTED: Final = ["RUNNING", "PENDING", "CANCELLING"]


def end_orphaned_runs() -> int:
    """Crash every run that was being executed and cancel every slot whose time has passed; their number.

    Slots still to come stay: the scheduler never makes the same one twice, so a cancelled one would stay empty.
    Call only while no worker runs: then nobody can be executing any of them.
    Raises: RetryLater if the server does not get through with it.
    """
    now = iso(WallClock().now())
    executed: dict[str, Any] = {"state": {"type": {"any_": _EXECUTED}}}
    late: dict[str, Any] = {"state": {"type": {"any_": ["SCHEDULED"]}}, "expected_start_time": {"before_": now}}
    with get_client(sync_client=True) as client:
        return _end(client, executed, "CRASHED", "its process is gone") + _end(
            client, late, "CANCELLED", "its time passed while nothing ran"
        )


def _end(client: SyncPrefectClient, chosen: dict[str, Any], kind: str, why: str) -> int:
    """In batches: single changes would each get in the way of the server's own look for late runs, and be refused for seconds."""
    state = {"type": kind, "name": kind.capitalize(), "message": why}
    ended = 0
    for _ in range(_ROUNDS):
        body = {"flow_runs": chosen, "state": state, "force": True, "limit": _BATCH}
        answer = client.request("POST", _ROUTE, json=body)  # type: ignore[arg-type]  # its list of routes lacks this one
        results = answer.json()["results"]
        if not results:
            return ended
        ended += sum(1 for one in results if one["status"] == "ACCEPT")
    raise RetryLater(f"the Prefect server did not end all runs left as {kind.lower()}", ended=ended)
