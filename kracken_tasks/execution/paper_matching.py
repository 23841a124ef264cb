"""How the paper broker fills orders: pure functions from an order and a quote to executions.

In: an order, a quote or a book, the fill rules.  Out: executions in whole ticks and lots.  Never: state, I/O, randomness.

Prices move against the trader: a taker's buy pays the ask plus slippage rounded up to a tick, a sale gets the bid less slippage rounded
down.  A limit is never exceeded.  Stops are triggered by the last trade, as Kraken's default is, and then take the touch.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal, localcontext
from types import MappingProxyType

from kracken_tasks.domain.market import Instrument, Quote
from kracken_tasks.domain.money import MONEY, floor_to_step, price_of, ticks_at_or_above, ticks_at_or_below
from kracken_tasks.domain.trading import (
    ConditionalClose,
    OrderKind,
    OrderStatus,
    Side,
    VenueOrder,
)
from kracken_tasks.execution.paper_fees import FeeSchedule, instrument_fraction

__all__ = [
    "TRAILING",
    "Execution",
    "FillRules",
    "PaperBook",
    "PaperOrder",
    "TakenLiquidity",
    "dearest_fraction",
    "executions",
    "fee_of",
    "hold_of",
    "is_triggered",
    "touch_price",
]

TRAILING = frozenset({OrderKind.TRAILING_STOP, OrderKind.TRAILING_STOP_LIMIT})
_STOPS = frozenset({OrderKind.STOP_LOSS, OrderKind.STOP_LOSS_LIMIT}) | TRAILING
_TARGETS = frozenset({OrderKind.TAKE_PROFIT, OrderKind.TAKE_PROFIT_LIMIT})
_FEE_PLACES = Decimal(1).scaleb(-8)
_NOTHING_TAKEN: Mapping[tuple[Side, Decimal], Decimal] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class FillRules:
    """What a paper fill costs, and how much of the market is ours.

    ``commission_bps`` None takes ``fees`` by the account's 30-day volume, and without them the instrument's own maker and taker fees.
    ``depth_share`` (0 to 1) is what takers get of each level of a book, ``volume_share`` what resting limits get of each trade.
    """

    slippage_bps: float = 5.0
    commission_bps: Decimal | None = None
    latency: timedelta = timedelta(milliseconds=100)
    fees: FeeSchedule | None = None
    volume_share: Decimal = Decimal(1)
    depth_share: Decimal = Decimal(1)

    def __post_init__(self) -> None:
        if self.slippage_bps < 0 or self.latency < timedelta(0) or (self.commission_bps or 0) < 0:
            raise ValueError("slippage_bps, commission_bps and latency are not negative")
        for name, share in (("volume_share", self.volume_share), ("depth_share", self.depth_share)):
            if not 0 < share <= 1:
                raise ValueError(f"{name} is above 0 and at most 1, not {share}")

    @property
    def by_volume(self) -> bool:
        """Whether a fee depends on what the account has traded."""
        return self.commission_bps is None and self.fees is not None


@dataclass(frozen=True, slots=True)
class PaperBook:
    """Simulated depth, best level first: (price, amount) pairs.  With a book, depth takes slippage's place.

    Two books with the same levels are one snapshot, unless the source counts its snapshots in ``epoch``.
    """

    bids: tuple[tuple[Decimal, Decimal], ...]
    asks: tuple[tuple[Decimal, Decimal], ...]
    epoch: int | None = None


@dataclass(frozen=True, slots=True)
class Execution:
    """One fill to be: ``price`` in quote, ``amount`` in base."""

    price: Decimal
    amount: Decimal
    liquidity: str


@dataclass(frozen=True, slots=True)
class PaperOrder:
    """An order as the paper venue keeps it: the public view and what drives it.  ``cost`` sums price x amount of its fills.

    ``ahead``: base that stands before a resting limit at its price; None where no book was known.  ``trail``: how far a trailing stop
    stays behind the best price, as a fraction of it where ``trail_is_fraction``; ``limit_offset``: its limit, behind its trigger.
    """

    view: VenueOrder
    time_in_force: str
    close: ConditionalClose | None
    triggered: bool = False
    cost: Decimal = Decimal(0)
    ahead: Decimal | None = None
    trail: Decimal | None = None
    trail_is_fraction: bool = False
    limit_offset: Decimal | None = None

    @property
    def rests_untriggered(self) -> bool:
        return not self.triggered and self.view.kind in _STOPS | _TARGETS

    @property
    def limit(self) -> Decimal | None:
        """The worst price it may take; None for market orders and plain stops."""
        return self.view.limit_price

    def after(self, execution: Execution, at: datetime) -> PaperOrder:
        """The order once ``execution`` has happened; closed when nothing remains."""
        with localcontext(MONEY):
            cost = self.cost + execution.price * execution.amount
            filled = self.view.filled + execution.amount
            average = cost / filled
        done = filled >= self.view.amount
        view = replace(
            self.view,
            filled=filled,
            average_price=average,
            status=OrderStatus.CLOSED if done else self.view.status,
            closed_at=at if done else None,
        )
        return replace(self, view=view, cost=cost)

    def canceled(self, at: datetime) -> PaperOrder:
        return replace(self, view=replace(self.view, status=OrderStatus.CANCELED, closed_at=at))


def touch_price(side: Side, quote: Quote, instrument: Instrument, slippage_bps: float) -> Decimal:
    """Where a taker is filled: in whole ticks, rounded against the trader."""
    slip = slippage_bps / 10_000.0
    if side is Side.BUY:
        return price_of(ticks_at_or_above(quote.ask * (1.0 + slip), instrument), instrument)
    return price_of(max(1, ticks_at_or_below(quote.bid * (1.0 - slip), instrument)), instrument)


def is_triggered(order: PaperOrder, quote: Quote) -> bool:
    """Whether the last trade has reached a resting trigger.  A sale's stop triggers at or below it, a sale's target at or above.

    An answer without prices on both sides is no news of the market, and sets nothing off.
    """
    trigger = order.view.trigger_price
    if not quote.usable:
        return False
    if trigger is None:
        return True
    level = float(trigger)
    downwards = (order.view.kind in _STOPS) == (order.view.side is Side.SELL)
    return quote.last <= level if downwards else quote.last >= level


class TakenLiquidity:
    """What the account's own takers took out of each book they met: a snapshot gives its depth once, a new one is whole again."""

    def __init__(self) -> None:
        self._books: dict[str, tuple[PaperBook, dict[tuple[Side, Decimal], Decimal]]] = {}

    def of(self, symbol: str, book: PaperBook | None) -> Mapping[tuple[Side, Decimal], Decimal]:
        """By the taker's side and the price, in base; empty for a book not met before."""
        met = self._books.get(symbol)
        return met[1] if met is not None and met[0] == book else {}

    def take(self, symbol: str, book: PaperBook | None, side: Side, taken: Iterable[Execution]) -> None:
        if book is None:
            return
        gone = dict(self.of(symbol, book))
        for one in taken:
            if one.liquidity == "taker":
                gone[side, one.price] = gone.get((side, one.price), Decimal(0)) + one.amount
        self._books[symbol] = (book, gone)


def executions(
    order: PaperOrder,
    quote: Quote,
    book: PaperBook | None,
    instrument: Instrument,
    rules: FillRules,
    *,
    resting: bool,
    taken: Mapping[tuple[Side, Decimal], Decimal] = _NOTHING_TAKEN,
) -> list[Execution]:
    """What fills now, in order.  ``resting``: the order waited in the book, so a limit fills at its own price as maker.

    ``taken``: what the account had from this very book before, by the taker's side and the price.
    """
    side, limit, wanted = order.view.side, order.limit, order.view.remaining
    if not quote.usable:
        return []  # nobody is there to trade with; a bid of nothing would be sold at
    best = touch_price(side, quote, instrument, 0.0)
    if limit is not None and _beyond(side, best, limit):
        return []
    if resting and limit is not None and not order.triggered:
        return [Execution(limit, wanted, "maker")]
    if book is None:
        price = touch_price(side, quote, instrument, rules.slippage_bps)
        return [Execution(limit if limit is not None and _beyond(side, price, limit) else price, wanted, "taker")]
    levels = book.asks if side is Side.BUY else book.bids
    ours = [
        (price, floor_to_step(amount * rules.depth_share, instrument.lot_step) - taken.get((side, price), Decimal(0)))
        for price, amount in levels
    ]
    return _walk(ours, side, limit, wanted)


def _walk(levels: list[tuple[Decimal, Decimal]], side: Side, limit: Decimal | None, wanted: Decimal) -> list[Execution]:
    found: list[Execution] = []
    for price, amount in levels:
        if wanted <= 0 or (limit is not None and _beyond(side, price, limit)):
            break
        taken = min(wanted, amount)
        if taken > 0:
            found.append(Execution(price, taken, "taker"))
        wanted -= taken
    return found


def _beyond(side: Side, price: Decimal, limit: Decimal) -> bool:
    return price > limit if side is Side.BUY else price < limit


def fee_of(execution: Execution, instrument: Instrument, rules: FillRules, volume: Decimal = Decimal(0)) -> Decimal:
    """The fee in quote currency, to 8 decimals.  ``volume``: what the account traded in 30 days, in quote currency."""
    with localcontext(MONEY):
        if rules.commission_bps is not None:
            fraction = rules.commission_bps / 10_000
        elif rules.fees is not None:
            fraction = rules.fees.fraction(execution.liquidity, volume)
        else:
            fraction = instrument_fraction(execution.liquidity, instrument)
        return (execution.price * execution.amount * fraction).quantize(_FEE_PLACES)


def hold_of(order: PaperOrder, price: Decimal, instrument: Instrument, rules: FillRules) -> tuple[str, Decimal]:
    """The asset an open order holds back and how much.  ``price`` serves a buy that names none."""
    if order.view.side is Side.SELL:
        return instrument.base, order.view.remaining
    with localcontext(MONEY):
        worst = order.limit or order.view.trigger_price or price
        return instrument.quote, order.view.remaining * worst * (1 + dearest_fraction(instrument, rules))


def dearest_fraction(instrument: Instrument, rules: FillRules) -> Decimal:
    """The most of its cost that any fill may pay as a fee."""
    if rules.commission_bps is not None:
        return rules.commission_bps / 10_000
    return instrument.taker_fee if rules.fees is None else rules.fees.dearest
