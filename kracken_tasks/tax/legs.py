"""What a trade does to lots: the leg rules.

In: trades, values of what is not money.  Out: matches and open lots.  Never: a fee counted twice.

1. Bought with money: basis = cost + fee.  Sold for money: proceeds = cost - fee.
2. Fee withheld in the coin received: the lot is the net amount, all that was paid is its basis.  Fee in the coin given: it leaves on
   top, the disposal is amount + fee, proceeds are the gross value.
3. Fee in a third coin: that coin is disposed of at its value (kind ``fee``), and the value joins the basis or leaves the proceeds.
4. Coin for coin: the given coin is disposed of at the trade's value, the received one is a lot at the same value and moment; a fee in
   money or a third coin lowers the disposal's proceeds only (US Reg. 1.1001-7), one in either coin follows rule 2.
5. Lots are usable at their own timestamp: of one instant, what came is booked before what left.

Money is every FIAT currency; one that is not the reporting currency is valued, never a lot.  Kraken's fee credits cost nothing.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal, localcontext
from itertools import groupby

from kracken_tasks.domain.money import MONEY
from kracken_tasks.domain.trading import Side
from kracken_tasks.errors import BadData
from kracken_tasks.tax.lots import Acquisition, Disposal, DisposalKind, Lot, LotBook, Match, Method, Scope, method_named
from kracken_tasks.tax.trade import Trade, once_each
from kracken_tasks.tax.values import FIAT, FREE_CREDITS, FairValues, ValueLookup, value_at

__all__ = ["Legs", "LotsResult", "compute_lots", "legs_of"]

_ZERO = Decimal(0)
_NO_VALUES = FairValues()


@dataclass(frozen=True, slots=True)
class Legs:
    """What one trade brought and took."""

    acquired: tuple[Acquisition, ...]
    disposed: tuple[Disposal, ...]


@dataclass(frozen=True, slots=True)
class LotsResult:
    """All matches in the order of disposal, and the lots that are left, by acquisition.  Unrounded, in ``currency``."""

    matches: tuple[Match, ...]
    open_lots: tuple[Lot, ...]
    currency: str

    @property
    def gain(self) -> Decimal:
        """Of everything whose cost is known."""
        with localcontext(MONEY):
            return sum((match.gain for match in self.matches if match.lot.basis_known), _ZERO)


def compute_lots(
    trades: Iterable[Trade],
    *,
    values: ValueLookup = _NO_VALUES,
    currency: str = "USD",
    method: Method | None = None,
    scope: Scope = Scope.PER_WALLET,
    received: Iterable[Acquisition] = (),
) -> LotsResult:
    """Match every disposal to its lots.

    ``received``: coins that came without a trade; they are there for what is disposed of at their own instant.
    Time:   trades are taken in time order, those of one instant in the order given.
    Raises: BadData if more is sold than held, a value is missing, or one id names two trades.
    """
    book = LotBook(method or method_named("fifo"), scope)
    matches: list[Match] = []
    waiting = deque(sorted(received, key=lambda coins: (coins.timestamp, coins.acquired_id)))
    for moment, together in groupby(once_each(trades), key=lambda trade: trade.timestamp):
        while waiting and waiting[0].timestamp <= moment:
            book.acquire(waiting.popleft())
        legs = [legs_of(trade, values=values, currency=currency) for trade in together]
        for acquisition in (one for leg in legs for one in leg.acquired):
            book.acquire(acquisition)
        for disposal in (one for leg in legs for one in leg.disposed):
            matches.extend(book.dispose(disposal))
    for coins in waiting:
        book.acquire(coins)
    return LotsResult(tuple(matches), tuple(book.open_lots()), currency)


def legs_of(trade: Trade, *, values: ValueLookup, currency: str) -> Legs:
    """The lots a trade opens and the disposals it makes.

    Raises: BadData if a value is missing, or the fee takes more than what was received.
    """
    with localcontext(MONEY):
        return _Ruling(trade, values, currency).legs()


class _Ruling:
    """One trade under the rules, seen as a coin or money given and a coin or money received."""

    def __init__(self, trade: Trade, values: ValueLookup, currency: str) -> None:
        self._trade, self._values, self._currency = trade, values, currency
        base, quote = (trade.base, trade.amount), (trade.quote, trade.cost)
        buys = trade.side is Side.BUY
        self.given, self.given_amount = quote if buys else base
        self.received, self.received_amount = base if buys else quote
        free = trade.fee_currency in FREE_CREDITS
        self.fee, self.fee_currency = (_ZERO, "") if free else (trade.fee_cost, trade.fee_currency)

    def legs(self) -> Legs:
        gives_coin, receives_coin = not self._is_money(self.given), not self._is_money(self.received)
        if not gives_coin and not receives_coin:
            return Legs((), tuple(self._fee_disposals()))
        worth = self._trade.cost * self._value(self._trade.quote)
        outside = self._fee_value()
        acquired: list[Acquisition] = []
        disposed: list[Disposal] = []
        if gives_coin:
            disposed.append(self._disposal(worth - outside))
        if receives_coin:
            # Coin for coin: the fee has lowered the proceeds already and must not raise the basis too.
            acquired.append(self._acquisition(worth if gives_coin else worth + outside))
        disposed.extend(self._fee_disposals())
        return Legs(tuple(acquired), tuple(disposed))

    def _is_money(self, asset: str) -> bool:
        return asset in FIAT or asset == self._currency

    def _value(self, asset: str) -> Decimal:
        trade = self._trade
        return value_at(self._values, asset, trade.timestamp, currency=self._currency, trade_id=trade.trade_id)

    def _is_third_coin(self) -> bool:
        return (
            bool(self.fee)
            and not self._is_money(self.fee_currency)
            and self.fee_currency not in (self.given, self.received)
        )

    def _fee_value(self) -> Decimal:
        """Worth of a fee paid beside the two coins: in money, or in a third coin."""
        if not self.fee or not (self._is_money(self.fee_currency) or self._is_third_coin()):
            return _ZERO
        return self.fee * self._value(self.fee_currency)

    def _fee_disposals(self) -> Iterator[Disposal]:
        if self._is_third_coin():
            trade = self._trade
            yield Disposal(
                trade.timestamp,
                trade.exchange,
                self.fee_currency,
                self.fee,
                self._fee_value(),
                DisposalKind.FEE,
                trade.trade_id,
            )

    def _disposal(self, proceeds: Decimal) -> Disposal:
        trade = self._trade
        on_top = self.fee if self.fee_currency == self.given else _ZERO
        return Disposal(
            trade.timestamp,
            trade.exchange,
            self.given,
            self.given_amount + on_top,
            proceeds,
            DisposalKind.TRADE,
            trade.trade_id,
        )

    def _acquisition(self, basis: Decimal) -> Acquisition:
        trade = self._trade
        withheld = self.fee if self.fee_currency == self.received else _ZERO
        if withheld > self.received_amount:
            raise BadData(
                f"trade {trade.trade_id}: a fee of {withheld} {self.received} is more than the {self.received_amount} received",
                trade_id=trade.trade_id, asset=self.received, column="fee_cost",
            )  # fmt: skip
        return Acquisition(
            trade.timestamp, trade.exchange, self.received, self.received_amount - withheld, basis, trade.trade_id
        )
