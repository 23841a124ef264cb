"""Scenes of an order's life, each a quiet preparation and one act that may be struck at any of its points.

In: a stage with the sandbox, the ledger's address and the round's clock.  Out: acts on a venue and a ledger of their own.
Never: an act that outlives its process.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from kracken_tasks.domain.clock import FixedClock
from kracken_tasks.domain.market import SeriesKey, Timeframe
from kracken_tasks.domain.trading import Action
from kracken_tasks.exchange.venue import CcxtVenue
from kracken_tasks.execution.advanced import AdvancedOrders
from kracken_tasks.execution.desk import ExecutionConfig
from kracken_tasks.execution.flatten import flatten
from kracken_tasks.execution.orders import SendRules
from kracken_tasks.execution.report import TickReport
from kracken_tasks.execution.tick import run_tick
from kracken_tasks.execution.tick_deps import TickDeps, TickSlot
from kracken_tasks.ledger import Ledger
from kracken_tasks.risk.limits import RiskLimits
from kracken_tasks.risk.stops import StopRules
from tests.support.bench import WALL, TellingStrategy
from tests.support.crash_market import SYMBOL
from tests.support.sandbox_tick import VenueCandles

if TYPE_CHECKING:
    from tests.support.crash_stage import Stage

__all__ = ["SCENES", "Act", "Scene", "tick"]

Act = Callable[[CcxtVenue, Ledger, float], None]

LIMITS = RiskLimits(
    cooldown_minutes=0, daily_loss_limit=0.5, max_drawdown_limit=0.5, max_consecutive_losses=50, max_daily_turnover=100.0,
    max_spread_fraction=0.05, price_collar_fraction=0.2, correlation_threshold=0.99,
    kelly_min_trades=10_000,  # every life ends with a small loss: Kelly would rightly bet nothing after thirty of them
)  # fmt: skip
MARKET = ExecutionConfig(send=SendRules(market_orders=True))


@dataclass(frozen=True, slots=True)
class Scene:
    """``prepare`` runs undisturbed and returns the minute of the round at which ``act`` begins."""

    name: str
    prepare: Callable[[Stage], int]
    act: Act


def tick(
    venue: CcxtVenue,
    ledger: Ledger,
    minutes: float,
    says: Action = Action.HOLD,
    stops: StopRules | None = None,
    config: ExecutionConfig | None = None,
) -> TickReport:
    """A tick at this moment of the market; the wall clock stands ``minutes`` after its start."""
    key = SeriesKey("kraken", SYMBOL, Timeframe.H1)
    deps = TickDeps(
        broker=venue,
        ledger=ledger,
        wall=FixedClock(WALL + timedelta(minutes=minutes)),
        holder=f"tick at minute {minutes:g}",
        snapshot=lambda: VenueCandles(venue),
        series={SYMBOL: key},
        strategies={SYMBOL: TellingStrategy({SYMBOL: says})},
        row_findings=lambda frame, series, now: (),
        limits=LIMITS,
        stops=stops or StopRules(),
        config=config or ExecutionConfig(),
    )
    return run_tick(deps, TickSlot("crash", venue.now(), f"{minutes:g}"))


def ticking(says: Action = Action.HOLD, stops: StopRules | None = None, config: ExecutionConfig | None = None) -> Act:
    def act(venue: CcxtVenue, ledger: Ledger, minutes: float) -> None:
        tick(venue, ledger, minutes, says, stops, config)

    return act


def advanced(venue: CcxtVenue, ledger: Ledger, minutes: float) -> AdvancedOrders:
    return AdvancedOrders(venue, ledger, wall=FixedClock(WALL + timedelta(minutes=minutes)))


def bracket(venue: CcxtVenue, ledger: Ledger, minutes: float) -> None:
    orders = advanced(venue, ledger, minutes)
    orders.bracket(SYMBOL, "3", key=f"{minutes:g}", stop_price="97", take_profit_price="105")


def resting_bracket(venue: CcxtVenue, ledger: Ledger, minutes: float) -> None:
    """The limit lies above the thin ask: two coins fill at once, the rest rests."""
    orders = advanced(venue, ledger, minutes)
    orders.bracket(SYMBOL, "5", key=f"{minutes:g}", stop_price="97", take_profit_price="105", entry_price="100.2")


def oco(venue: CcxtVenue, ledger: Ledger, minutes: float) -> None:
    advanced(venue, ledger, minutes).oco(SYMBOL, stop_price="98", take_profit_price="106")


def watch(venue: CcxtVenue, ledger: Ledger, minutes: float) -> None:
    advanced(venue, ledger, minutes).watch()


def flattening(venue: CcxtVenue, ledger: Ledger, minutes: float) -> None:
    flatten(venue, ledger, FixedClock(WALL + timedelta(minutes=minutes)), holder="flatten", by="the matrix")


def flat(minute: int) -> Callable[[Stage], int]:
    return lambda stage: minute


def holding(minute: int, stops: StopRules | None = None) -> Callable[[Stage], int]:
    def prepare(stage: Stage) -> int:
        stage.quietly(ticking(Action.BUY, stops))
        return minute

    return prepare


def bracketed(stage: Stage) -> int:
    stage.quietly(bracket)
    return 65


def naked(stage: Stage) -> int:
    stage.quietly(ticking(Action.BUY))
    for order in stage.venue.open_orders():
        stage.venue.cancel(order.order_id)
    return 20


TRAILING = StopRules(trailing_pct=0.03, take_profit_pct=1.0)

SCENES = (
    Scene("limit entry", flat(15), ticking(Action.BUY)),
    Scene("market entry", flat(15), ticking(Action.BUY, config=MARKET)),
    Scene("partly filled entry", flat(35), ticking(Action.BUY)),
    Scene("exit by signal", holding(20), ticking(Action.SELL)),
    Scene("partly filled exit", holding(35), ticking(Action.SELL)),
    Scene("target", holding(65), ticking()),
    Scene("stop that filled", holding(185), ticking()),
    Scene("stop placed anew", naked, ticking()),
    Scene("stop raised", holding(65, TRAILING), ticking(stops=TRAILING)),
    Scene("bracket", flat(15), bracket),
    Scene("bracket partly filled", flat(35), resting_bracket),
    Scene("bracket at its target", bracketed, watch),
    Scene("one cancels the other", holding(20), oco),
    Scene("flatten", holding(20), flattening),
)
