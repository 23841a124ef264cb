"""Settings into what live trading is checked and armed by.

In: ``Settings``.  Out: the preflight, and who says whether a tick may enter.  Never: a way around a check.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from kracken_tasks.domain import clock
from kracken_tasks.domain.market import SeriesKey
from kracken_tasks.errors import KrackenError, Misconfigured
from kracken_tasks.settings import Profile, Settings
from kracken_tasks.wiring.limits import risk_limits, stop_rules
from kracken_tasks.wiring.research import strategy
from kracken_tasks.wiring.stores import ledger
from kracken_tasks.wiring.venues import keyed_venue

if TYPE_CHECKING:
    from kracken_tasks.live import AgentRehearsals, FirstOrders, Preflight, PreflightPlan

__all__ = ["entries_allowed", "first_orders", "preflight", "require_ready"]


def preflight(settings: Settings) -> Preflight:
    """Ask every check now, and keep in the ledger that they passed, if they did."""
    from kracken_tasks.live import remember, run_preflight

    found = run_preflight(_plan(settings), keyed_venue(settings), lambda: ledger(settings), clock.WallClock())
    if found.passed and found.ts is not None:
        remember(ledger(settings), rules=_rules(settings), now=found.ts)
    return found


def require_ready(settings: Settings) -> None:
    """Refuse to start live trading that is not ready, unless something is held: then exits and stops go on, and nothing is entered.

    Play money never goes on in the book of real money, either.
    Raises: Misconfigured naming every failed check and what to do.
    """
    from kracken_tasks.live import arming_of

    book = ledger(settings)
    if settings.profile is not Profile.LIVE:
        if arming_of(book) is not None:
            raise Misconfigured(
                f"account {book.account} of this ledger has been armed for real money; profile {settings.profile.value} needs a home "
                "or an account name of its own",
                key="profile", value=settings.profile.value, allowed="live",
            )  # fmt: skip
        return
    if book.positions() or book.open_orders() or book.open_intents():
        return
    why = _why_not(settings, _market_now(settings))
    if why:
        raise Misconfigured(f"live trading is not ready: {why}", key="profile", value="live")


def _market_now(settings: Settings) -> datetime | None:
    """None where nobody tells: then every check is asked anew, and says so."""
    keyed = keyed_venue(settings)
    try:
        return None if keyed is None else keyed.now()
    except KrackenError:
        return None


def entries_allowed(settings: Settings) -> Callable[[datetime], str]:
    """Why a tick may not enter at a moment of market time; empty where it may.  Asked of the venue once a tick at most."""
    if settings.profile is not Profile.LIVE:
        return lambda now: ""
    told: list[str] = []

    def why(now: datetime) -> str:
        from kracken_tasks.live import why_not_armed

        if not told:
            told.append(_why_not(settings, now))
        return told[0] or why_not_armed(ledger(settings), now)

    return why


def _why_not(settings: Settings, now: datetime | None) -> str:
    """Every failed check; a preflight of these very rules that passed a short while ago is not asked again, the arming always is."""
    from kracken_tasks.live import passed_recently, why_not_armed

    if now is not None:
        within = timedelta(hours=settings.live.preflight_hours)
        if passed_recently(ledger(settings), rules=_rules(settings), now=now, within=within):
            return why_not_armed(ledger(settings), now)
    return preflight(settings).sentence()


def first_orders(settings: Settings) -> FirstOrders:
    from kracken_tasks.live import FirstOrders

    return FirstOrders(settings.live.first_order_cap, settings.live.first_days)


def _plan(settings: Settings) -> PreflightPlan:
    from kracken_tasks.live import PreflightPlan
    from kracken_tasks.risk import StopKind

    each = [stop_rules(settings, agent) for agent in settings.agents]
    farthest = max(one.max_stop_pct if one.kind is StopKind.VOLATILITY else one.stop_loss_pct for one in each)
    return PreflightPlan(
        profile=settings.profile.value,
        account=settings.trading.account,
        confirmed=settings.live.confirm_account,
        symbols=settings.traded_symbols,
        currency=settings.tax.base_currency,
        max_clock_skew=timedelta(seconds=settings.trading.clock_skew_seconds),
        limits=risk_limits(settings),
        stop_pct=farthest,
        first_orders=first_orders(settings),
        rehearsals=_rehearsals(settings),
        max_rehearsal_age=timedelta(days=settings.live.max_backtest_age_days),
    )


def _rehearsals(settings: Settings) -> tuple[AgentRehearsals, ...]:
    from kracken_tasks.live import AgentRehearsals
    from kracken_tasks.live.rehearsals import find_rehearsed, rules_mark

    folder, limits = settings.paths.reports / "backtests", risk_limits(settings)
    found = []
    for agent in settings.agents:
        rules = rules_mark(strategy(settings, agent.strategy, agent.parameters), limits, stop_rules(settings, agent))
        symbols = settings.symbols_of(agent)
        keys = [SeriesKey(settings.exchange, symbol, settings.trading.timeframe) for symbol in symbols]
        newest = {key.symbol: find_rehearsed(folder, agent.strategy, key) for key in keys}
        found.append(AgentRehearsals(agent.name, agent.strategy, rules, newest))
    return tuple(found)


def _rules(settings: Settings) -> str:
    """The mark of everything a preflight depends on in the settings: changed ones are checked again."""
    from kracken_tasks.live.rehearsals import digest

    plan = _plan(settings)
    return digest(repr((plan, settings.exchange)))
