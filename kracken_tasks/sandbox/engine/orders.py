"""What an order is: the request as understood, the order as it lives, an execution, a ledger row.

In: scaled integers.  Out: frozen values.  Never: floats, I/O, a dialect's spelling beyond Kraken's names for order types.
Units: prices in ticks (``10**-price_decimals`` of the quote), volumes in lots (``10**-8`` of the base), cost in ticks x lots.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, Self

__all__ = ["CloseTerms", "Fill", "Kind", "LedgerRow", "Order", "OrderSpec", "PriceTerm", "Refused", "Status"]

PPM = 1_000_000


class Kind(StrEnum):
    """Order types, by Kraken's names."""

    MARKET = "market"
    LIMIT = "limit"
    STOP_LOSS = "stop-loss"
    TAKE_PROFIT = "take-profit"
    STOP_LOSS_LIMIT = "stop-loss-limit"
    TAKE_PROFIT_LIMIT = "take-profit-limit"
    TRAILING_STOP = "trailing-stop"
    TRAILING_STOP_LIMIT = "trailing-stop-limit"

    @property
    def is_trailing(self) -> bool:
        return self in (Kind.TRAILING_STOP, Kind.TRAILING_STOP_LIMIT)

    @property
    def waits_for_trigger(self) -> bool:
        return self not in (Kind.MARKET, Kind.LIMIT)

    @property
    def ends_as_limit(self) -> bool:
        return self in (Kind.LIMIT, Kind.STOP_LOSS_LIMIT, Kind.TAKE_PROFIT_LIMIT, Kind.TRAILING_STOP_LIMIT)

    def triggers_when_falling(self, side: int) -> bool:
        """Whether a falling price sets it off: selling to stop a loss, buying to take a profit."""
        takes_profit = self in (Kind.TAKE_PROFIT, Kind.TAKE_PROFIT_LIMIT)
        return (side < 0) != takes_profit


class Status(StrEnum):
    PENDING = "pending"  # accepted, its start time not reached
    OPEN = "open"
    CLOSED = "closed"
    CANCELED = "canceled"
    EXPIRED = "expired"

    @property
    def is_live(self) -> bool:
        return self in (Status.PENDING, Status.OPEN)


class Refused(Exception):
    """The venue says no to a request.  ``reason`` is the venue's own wording; nothing was changed."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class PriceTerm:
    """A price as sent: absolute (sign ``""``) or relative (``+``, ``-``, ``#``), in ticks or millionths of the last price."""

    sign: str
    value: int
    percent: bool = False

    def distance(self, reference: int) -> int:
        return reference * self.value // PPM if self.percent else self.value

    def resolved(self, reference: int, hash_adds: bool) -> int:
        """The price in ticks; ``#`` adds or subtracts as the order needs."""
        if not self.sign:
            return self.value
        adds = self.sign == "+" or (self.sign == "#" and hash_adds)
        return reference + (self.distance(reference) if adds else -self.distance(reference))

    @classmethod
    def from_json(cls, body: dict[str, Any] | None) -> Self | None:
        return None if body is None else cls(**body)


@dataclass(frozen=True, slots=True)
class CloseTerms:
    """What to send for the filled volume whenever the primary order matches."""

    kind: Kind
    price: PriceTerm | None
    price2: PriceTerm | None

    @classmethod
    def from_json(cls, body: dict[str, Any] | None) -> Self | None:
        if body is None:
            return None
        return cls(Kind(body["kind"]), PriceTerm.from_json(body["price"]), PriceTerm.from_json(body["price2"]))


@dataclass(frozen=True, slots=True)
class OrderSpec:
    """An order request, read but not yet judged.  ``quote_volume`` (ticks x lots) replaces ``lots`` when volume is in quote."""

    symbol: str
    side: int  # +1 buy, -1 sell
    kind: Kind
    lots: int
    quote_volume: int = 0
    price: PriceTerm | None = None
    price2: PriceTerm | None = None
    flags: tuple[str, ...] = ("fciq",)
    tif: str = "GTC"
    start_ns: int = 0
    expire_ns: int = 0
    cl_ord_id: str | None = None
    userref: int | None = None
    refid: str | None = None
    trigger: str | None = None
    close: CloseTerms | None = None


@dataclass(frozen=True, slots=True)
class Order:
    """An accepted order at a moment of its life.

    ``price`` is the limit of a limit order and the trigger of a stop; ``price2`` the limit behind a trigger.
    ``stop`` is the level that sets it off now (a trailing stop's moves), ``peak`` the best price a trailing stop has seen.
    ``limit`` is non-zero once the order works as a limit order.  ``fee_e8`` is in quote, at eight decimals.
    """

    txid: str
    no: int
    account: str
    symbol: str
    side: int
    kind: Kind
    lots: int
    price: int
    price2: int
    hold_price: int
    opened_ns: int
    status: Status = Status.OPEN
    quote_volume: int = 0
    trail: PriceTerm | None = None
    trail_limit: PriceTerm | None = None
    stop: int = 0
    peak: int = 0
    limit: int = 0
    flags: tuple[str, ...] = ("fciq",)
    tif: str = "GTC"
    start_ns: int = 0
    expire_ns: int = 0
    cl_ord_id: str | None = None
    userref: int | None = None
    refid: str | None = None
    trigger: str | None = None
    close: CloseTerms | None = None
    triggered: bool = False
    triggered_ns: int = 0
    filled: int = 0
    cost: int = 0
    fee_e8: int = 0
    closed_ns: int = 0
    amended_ns: int = 0
    reason: str | None = None
    trades: tuple[str, ...] = ()

    @property
    def remaining(self) -> int:
        return self.lots - self.filled

    @property
    def fee_in_base(self) -> bool:
        return "fcib" in self.flags

    @property
    def post_only(self) -> bool:
        return "post" in self.flags

    @property
    def waits(self) -> bool:
        """Open and not yet set off."""
        return self.status is Status.OPEN and self.kind.waits_for_trigger and not self.triggered

    @property
    def rests(self) -> bool:
        """Open and standing in the book."""
        return self.status is Status.OPEN and self.limit > 0

    def is_set_off_by(self, price: int) -> bool:
        return price <= self.stop if self.kind.triggers_when_falling(self.side) else price >= self.stop

    def crosses(self, price: int) -> bool:
        """Whether a trade at ``price`` went through the limit."""
        return price < self.limit if self.side > 0 else price > self.limit

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, body: dict[str, Any]) -> Self:
        return cls(
            **{
                **body,
                "kind": Kind(body["kind"]),
                "status": Status(body["status"]),
                "trail": PriceTerm.from_json(body["trail"]),
                "trail_limit": PriceTerm.from_json(body["trail_limit"]),
                "close": CloseTerms.from_json(body["close"]),
                "flags": tuple(body["flags"]),
                "trades": tuple(body["trades"]),
            }
        )


@dataclass(frozen=True, slots=True)
class Fill:
    """One execution.  ``fee_e8`` is told in quote whatever the fee was paid in; ``volume_usd`` (cents) counts for the fee tier.

    ``fee_lots`` is the fee as it was paid where it was paid in base, else 0.
    """

    id: str
    no: int
    account: str
    txid: str
    symbol: str
    side: int
    kind: Kind
    ts_ns: int
    price: int
    lots: int
    fee_e8: int
    maker: bool
    volume_usd: int
    fee_lots: int = 0

    @property
    def cost(self) -> int:
        return self.price * self.lots

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, body: dict[str, Any]) -> Self:
        return cls(**{**body, "kind": Kind(body["kind"])})


@dataclass(frozen=True, slots=True)
class LedgerRow:
    """A change of one asset's balance: ``balance`` = balance before + amount - fee, all in the asset's own decimals."""

    id: str
    no: int
    account: str
    refid: str
    ts_ns: int
    type: str
    asset: str
    amount: int
    fee: int
    balance: int
