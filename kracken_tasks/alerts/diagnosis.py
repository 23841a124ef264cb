"""Diagnosis: from what a run left behind to a value that says what happened and what to do.

In: facts of a failed or crashed run, as plain values.  Out: a frozen Diagnosis.  Never: I/O, Prefect, a secret.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from kracken_tasks.domain.clock import iso
from kracken_tasks.errors import BadData, KrackenError, Misconfigured, RetryLater, StateUnknown, TradeRefused
from kracken_tasks.ledger.entries import AlertLevel

__all__ = ["Category", "Diagnosis", "RunFacts", "diagnose"]

_DETAIL_LIMIT = 600


class Category(StrEnum):
    """Stable names for what went wrong; dashboards and automations may rely on them."""

    UNREACHABLE = "unreachable"
    BAD_DATA = "bad_data"
    REFUSED = "refused"
    STATE_UNKNOWN = "state_unknown"
    MISCONFIGURED = "misconfigured"
    TIMED_OUT = "timed_out"
    CRASHED = "crashed"
    BUG = "bug"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class RunFacts:
    """What is known of a run that did not end well.

    ``state`` is the orchestrator's word for how it ended (``FAILED``, ``CRASHED``, ``TIMEDOUT``); ``message`` its own sentence.
    """

    flow: str
    run: str
    state: str
    message: str = ""
    error: BaseException | None = None
    parameters: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Diagnosis:
    level: AlertLevel
    category: Category
    summary: str
    detail: str
    what_to_do: str


@dataclass(frozen=True, slots=True)
class _Finding:
    level: AlertLevel
    category: Category
    verdict: str
    what_to_do: str


# By kind of error: the order of the error tree, which is by what the caller should do.
_BY_ERROR: tuple[tuple[type[BaseException], _Finding], ...] = (
    (
        RetryLater,
        _Finding(
            AlertLevel.WARNING, Category.UNREACHABLE, "something outside could not be reached",
            "Nothing was changed. The next scheduled run tries again; if this repeats, check the venue's status page and the network.",
        ),
    ),
    (
        BadData,
        _Finding(
            AlertLevel.WARNING, Category.BAD_DATA, "input broke a promise",
            "The rows are in quarantine and the rest went on. Look at the named rule and rows, then fetch them again or release them.",
        ),
    ),
    (
        TradeRefused,
        _Finding(
            AlertLevel.WARNING, Category.REFUSED, "the venue refused an order",
            "The order does not exist and is not sent again. Check balance, minimum sizes and the status of the pair.",
        ),
    ),
    (
        StateUnknown,
        _Finding(
            AlertLevel.CRITICAL, Category.STATE_UNKNOWN, "it is not certain what happened",
            "Trading of what it touches has stopped. Run `kracken status`, compare with the venue, and let the next tick reconcile.",
        ),
    ),
    (
        Misconfigured,
        _Finding(
            AlertLevel.CRITICAL, Category.MISCONFIGURED, "the configuration cannot be right",
            "Correct the named file and key; the allowed values are in the detail.",
        ),
    ),
)  # fmt: skip

_TIMED_OUT = _Finding(
    AlertLevel.WARNING, Category.TIMED_OUT, "the run took longer than it may",
    "A late tick is worthless and the next one starts afresh. If this repeats, look at the durations in the run's report.",
)  # fmt: skip
_CRASHED = _Finding(
    AlertLevel.CRITICAL, Category.CRASHED, "the process ended without a word",
    "Look at the worker's and the pod's log (out of memory, eviction, a lost node). The next tick reconciles before it trades.",
)  # fmt: skip
_BUG = _Finding(
    AlertLevel.CRITICAL, Category.BUG, "an error nobody expected",
    "Keep the run's log and report it. The next tick reconciles before it trades.",
)  # fmt: skip
_UNKNOWN = _Finding(
    AlertLevel.WARNING, Category.UNKNOWN, "the run did not complete", "Look at the run's log for the state it ended in."
)

_BY_STATE = {"TIMEDOUT": _TIMED_OUT, "CRASHED": _CRASHED}


def diagnose(facts: RunFacts) -> Diagnosis:
    """Say what happened to a run, how bad it is, and what to do."""
    finding = _finding(facts)
    error = facts.error
    said = error.message if isinstance(error, KrackenError) else _said(error) if error is not None else facts.message
    return Diagnosis(
        level=finding.level,
        category=finding.category,
        summary=f"{facts.flow}: {finding.verdict}",
        detail=_detail(facts, said),
        what_to_do=finding.what_to_do,
    )


def _finding(facts: RunFacts) -> _Finding:
    for kind, finding in _BY_ERROR:
        if isinstance(facts.error, kind):
            return finding
    if facts.state.upper() in _BY_STATE:
        return _BY_STATE[facts.state.upper()]
    if isinstance(facts.error, TimeoutError):
        return _TIMED_OUT
    return _UNKNOWN if facts.error is None else _BUG


def _detail(facts: RunFacts, said: str) -> str:
    fields = facts.error.fields if isinstance(facts.error, KrackenError) else {}
    parts = [f"run {facts.run} {facts.state.lower()}", *([said] if said else [])]
    parts += [f"{name}={_shown(value)}" for name, value in [*fields.items(), *facts.parameters.items()]]
    text = "; ".join(parts)
    return text if len(text) <= _DETAIL_LIMIT else text[: _DETAIL_LIMIT - 1] + "…"


def _said(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}".rstrip(": ")


def _shown(value: object) -> str:
    return iso(value) if isinstance(value, datetime) and value.tzinfo is not None else str(value)
