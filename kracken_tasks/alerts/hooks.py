"""State hooks of flows: a failed or crashed run is diagnosed and told.

Declared on each flow's decorator.  Never: an error of its own that would hide the run's.
"""

from __future__ import annotations

import logging
from typing import Any

from prefect import Flow
from prefect.client.schemas.objects import FlowRun, State

from kracken_tasks import wiring
from kracken_tasks.alerts.diagnosis import RunFacts, diagnose
from kracken_tasks.alerts.messages import message_of_diagnosis
from kracken_tasks.settings import load_settings

__all__ = ["alert_failure"]

_log = logging.getLogger("kracken.alerts")


async def alert_failure(flow: Flow[..., Any], flow_run: FlowRun, state: State[Any]) -> None:
    """Tell the channel what went wrong with a run, how bad it is, and what to do."""
    facts = RunFacts(
        flow=flow.name,
        run=flow_run.name,
        state=state.type.value,
        message=state.message or "",
        error=await _error_of(state),
        parameters={name: str(value) for name, value in (flow_run.parameters or {}).items() if value is not None},
    )
    try:
        await wiring.channel(load_settings()).send(message_of_diagnosis(diagnose(facts), flow_run.name))
    except Exception:  # the run has failed already; an alert that cannot leave must not hide why
        _log.exception("the alert about %s could not be sent", flow_run.name)


async def _error_of(state: State[Any]) -> BaseException | None:
    try:
        found = await state.aresult(raise_on_failure=False)
    except Exception:
        return None  # the result is gone with its process; the state's message remains
    return found if isinstance(found, BaseException) else None
