"""What the account may do, and what moves it from one state to another.

In: the state now, facts, limits.  Out: the next state with its cause and reason.  Never: a way out of a halt but a named release.

    NORMAL ── venue and ledger differ ──> REDUCE_ONLY until they agree
    NORMAL ── losing streak ────────────> REDUCE_ONLY until released
    NORMAL ── daily loss ───────────────> REDUCE_ONLY until the day ends
    any    ── drawdown ─────────────────> HALTED: close everything, until released
    any    ── a person's word ──────────> REDUCE_ONLY or HALTED until resumed or released; never out of a halt
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from kracken_tasks.domain.trading import TradingState
from kracken_tasks.risk.drawdown import reached
from kracken_tasks.risk.limits import RiskLimits

__all__ = ["AccountFacts", "AccountState", "Cause", "losing_streak", "next_state", "ordered", "released", "resumed"]


class Cause(StrEnum):
    NONE = "none"
    DAILY_LOSS = "daily_loss"
    STREAK = "streak"
    DRAWDOWN = "drawdown"
    RECONCILE = "reconcile"  # venue and ledger differ
    OPERATOR = "operator"


@dataclass(frozen=True, slots=True)
class AccountState:
    """``day``: the trading day a daily-loss stop belongs to."""

    state: TradingState = TradingState.NORMAL
    cause: Cause = Cause.NONE
    reason: str = ""
    day: date | None = None

    @property
    def close_everything(self) -> bool:
        return self.state is TradingState.HALTED and self.cause in (Cause.DRAWDOWN, Cause.OPERATOR)


@dataclass(frozen=True, slots=True)
class AccountFacts:
    """Fractions from ``UnitMark``; ``losing_streak`` counts closed trades since the last release; ``mismatch`` names the asset
    and amount in which venue and ledger differ, empty if they agree."""

    day: date
    drawdown: float
    daily_loss: float
    losing_streak: int
    mismatch: str = ""


def next_state(current: AccountState, facts: AccountFacts, limits: RiskLimits) -> AccountState:
    """The state after these facts; ``current`` itself where nothing changes.

    A figure that is not a number counts as beyond its limit.
    """
    if current.state is TradingState.HALTED:
        return current
    if reached(facts.drawdown, limits.max_drawdown_limit):
        return AccountState(
            TradingState.HALTED, Cause.DRAWDOWN, _beyond("drawdown", facts.drawdown, limits.max_drawdown_limit)
        )
    if _lasts(current, facts, limits):
        return current
    fresh = _judged(facts, limits)
    return current if (fresh.state, fresh.cause, fresh.day) == (current.state, current.cause, current.day) else fresh


def _lasts(current: AccountState, facts: AccountFacts, limits: RiskLimits) -> bool:
    if current.cause is Cause.DAILY_LOSS and facts.losing_streak >= limits.max_consecutive_losses:
        return False  # the streak holds for longer
    if current.cause is Cause.DAILY_LOSS:
        return current.day is not None and facts.day <= current.day
    return current.cause in (Cause.STREAK, Cause.OPERATOR)


def _judged(facts: AccountFacts, limits: RiskLimits) -> AccountState:
    """The stop that lasts longest comes first: a difference that is gone in an hour must not hide one that holds until the day ends."""
    if facts.losing_streak >= limits.max_consecutive_losses:
        return AccountState(
            TradingState.REDUCE_ONLY, Cause.STREAK, f"{facts.losing_streak} losses in a row; until released"
        )
    if reached(facts.daily_loss, limits.daily_loss_limit):
        reason = f"{_beyond('day', facts.daily_loss, limits.daily_loss_limit)}; until {facts.day} ends"
        return AccountState(TradingState.REDUCE_ONLY, Cause.DAILY_LOSS, reason, facts.day)
    if facts.mismatch:
        return AccountState(TradingState.REDUCE_ONLY, Cause.RECONCILE, f"venue and ledger differ: {facts.mismatch}")
    return AccountState()


def _beyond(what: str, value: float, limit: float) -> str:
    return f"{what} -{100 * value:.2f} % of at most {100 * limit:.2f} %"


def released(current: AccountState, by: str) -> AccountState:
    """Back to normal by a named person.  The caller also goes on from ``UnitMark.released`` and counts the streak from here.

    Raises: ValueError without a name.
    """
    if not by.strip():
        raise ValueError("a release carries the name of who released")
    if current.state is TradingState.NORMAL:
        return current
    return AccountState(reason=f"released by {by.strip()} from {current.state.value} ({current.cause.value})")


def ordered(current: AccountState, wanted: TradingState, by: str, reason: str) -> AccountState:
    """REDUCE_ONLY or HALTED by a named person; ``current`` itself where the account is halted already: a word loosens nothing.

    Raises: ValueError without a name or a reason, and for NORMAL, which only ``resumed`` and ``released`` lead to.
    """
    who, why = _said(by, reason)
    if wanted is TradingState.NORMAL:
        raise ValueError("an order stops; resuming and releasing are words of their own")
    if current.state is TradingState.HALTED:
        return current
    return AccountState(wanted, Cause.OPERATOR, f"{wanted.value} by {who}: {why}")


def resumed(current: AccountState, before: AccountState, by: str, reason: str) -> AccountState:
    """What holds once a person's stop is taken back: the state ``before`` it, with its limits measured as they were.

    ``current`` itself unless it is a person's: what a limit stopped is ended by a release or by itself.
    Raises: ValueError without a name or a reason.
    """
    who, why = _said(by, reason)
    if current.state is TradingState.NORMAL or current.cause is not Cause.OPERATOR:
        return current
    note = f"resumed by {who} from {current.state.value}: {why}"
    if before.state is TradingState.NORMAL:
        return AccountState(reason=note)
    return AccountState(before.state, before.cause, f"{before.reason}; {note}", before.day)


def _said(by: str, reason: str) -> tuple[str, str]:
    who, why = " ".join(by.split()), " ".join(reason.split())
    if not (who and why):
        raise ValueError("a person's word carries a name and a reason")
    return who, why


def losing_streak(profits: Iterable[float]) -> int:
    """Losses in a row at the end of ``profits`` (closed trades, oldest first; a zero ends no streak and adds nothing)."""
    streak = 0
    for profit in profits:
        streak = streak + 1 if profit < 0.0 else 0 if profit > 0.0 else streak
    return streak
