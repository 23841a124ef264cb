"""The life of an order: its states, every legal step with its cause, and where the ledger says an order stands.

In: news about an order, in any order, late, early or repeated.  Out: ``OrderLife``.  Never: I/O but reading the ledger; a step that is not
written down here.

An order is driven by its intent: it begins as INTENDED, before anything is sent.  UNKNOWN is a state like the others: the answer was lost,
and until the venue's listings or the deadline say what became of the order nothing else happens on its symbol.  News that tell no more
than is known are no step.  A step that ``TRANSITIONS`` does not list raises ``IllegalTransition``: whoever drives the order books what the
venue says all the same, because money has moved, and tells people.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from enum import StrEnum
from types import MappingProxyType

from kracken_tasks.domain.money import plain
from kracken_tasks.domain.trading import OrderRequest, OrderStatus, VenueOrder
from kracken_tasks.errors import StateUnknown
from kracken_tasks.ledger import IntentResult, Ledger

__all__ = [
    "TRANSITIONS",
    "Cause",
    "IllegalTransition",
    "News",
    "OrderLife",
    "OrderState",
    "Transition",
    "life_of_intent",
    "life_of_order",
    "news_of_order",
    "news_of_result",
]


class IllegalTransition(StateUnknown):
    """News that cannot follow what is known of an order.  ``fields``: order, state, cause."""


class OrderState(StrEnum):
    """Where an order stands, as far as the ledger and the venue have told."""

    INTENDED = "intended"  # written down; not sent, or nobody has written what came of it
    UNKNOWN = "unknown"  # sent, and the answer was lost or made no sense
    RESTING = "resting"  # the venue has it; nothing filled
    PARTLY_FILLED = "partly_filled"  # the venue has it; some filled
    FILLED = "filled"  # all of it filled
    CANCELED = "canceled"  # taken back; some may have filled
    EXPIRED = "expired"  # ended by its own terms, as what an immediate-or-cancel order leaves; some may have filled
    REFUSED = "refused"  # the venue said no: it does not exist
    NEVER_ARRIVED = "never_arrived"  # it surely did not reach the venue in time
    WITHDRAWN = "withdrawn"  # decided against before it was sent

    @property
    def doubtful(self) -> bool:
        """Whether the order may or may not exist."""
        return self in (OrderState.INTENDED, OrderState.UNKNOWN)

    @property
    def working(self) -> bool:
        """Whether the venue has it and more of it may fill."""
        return self in (OrderState.RESTING, OrderState.PARTLY_FILLED)

    @property
    def over(self) -> bool:
        """Whether nothing of ours may bring it back; late news may still say more of it filled."""
        return not self.doubtful and not self.working


class Cause(StrEnum):
    """What makes an order step."""

    DOUBT = "doubt"  # the answer to sending was lost, was no answer, or named no order
    ACCEPTED = "accepted"  # the venue named it or lists it, nothing filled
    PART_FILL = "part_fill"  # the venue says that some of it filled
    LAST_FILL = "last_fill"  # the venue says that all of it filled
    CANCEL = "cancel"  # the venue says that it was canceled
    EXPIRY = "expiry"  # the venue says that it ended by its own terms
    REFUSAL = "refusal"  # the venue said no
    NOT_SENT = "not_sent"  # the request surely never left: no connection
    UNSEEN = "unseen"  # its deadline, the clock skew and the listing lag are over, and two looks did not find it
    WITHDRAWAL = "withdrawal"  # lease, trading state or quote changed between writing and sending


@dataclass(frozen=True, slots=True)
class Transition:
    """One legal step.  ``told``: it is legal because venues do it, and odd enough that people are told."""

    source: OrderState
    cause: Cause
    target: OrderState
    why: str
    told: bool = False


_FOUND = "the venue's answer or a listing shows it"
_ENDED = "a look finds it when it has ended already"
_Row, _S, _C = Transition, OrderState, Cause
_ROWS = (
    _Row(_S.INTENDED, _C.DOUBT, _S.UNKNOWN, "sent, and nobody knows whether it arrived"),
    _Row(_S.INTENDED, _C.ACCEPTED, _S.RESTING, _FOUND),
    _Row(_S.INTENDED, _C.PART_FILL, _S.PARTLY_FILLED, _FOUND),
    _Row(_S.INTENDED, _C.LAST_FILL, _S.FILLED, _ENDED),
    _Row(_S.INTENDED, _C.CANCEL, _S.CANCELED, _ENDED),
    _Row(_S.INTENDED, _C.EXPIRY, _S.EXPIRED, _ENDED),
    _Row(_S.INTENDED, _C.REFUSAL, _S.REFUSED, "the venue said no"),
    _Row(_S.INTENDED, _C.NOT_SENT, _S.NEVER_ARRIVED, "the request never left"),
    _Row(_S.INTENDED, _C.UNSEEN, _S.NEVER_ARRIVED, "the process died around sending, and no look has found it in time"),
    _Row(_S.INTENDED, _C.WITHDRAWAL, _S.WITHDRAWN, "decided against before sending"),
    _Row(_S.UNKNOWN, _C.DOUBT, _S.UNKNOWN, "still nobody knows"),
    _Row(_S.UNKNOWN, _C.ACCEPTED, _S.RESTING, "a look found it"),
    _Row(_S.UNKNOWN, _C.PART_FILL, _S.PARTLY_FILLED, "a look found it"),
    _Row(_S.UNKNOWN, _C.LAST_FILL, _S.FILLED, _ENDED),
    _Row(_S.UNKNOWN, _C.CANCEL, _S.CANCELED, _ENDED),
    _Row(_S.UNKNOWN, _C.EXPIRY, _S.EXPIRED, _ENDED),
    _Row(_S.UNKNOWN, _C.REFUSAL, _S.REFUSED, "the venue lists it as rejected"),
    _Row(
        _S.UNKNOWN,
        _C.UNSEEN,
        _S.NEVER_ARRIVED,
        "two looks after the last moment it could have arrived did not find it",
    ),
    _Row(_S.RESTING, _C.DOUBT, _S.RESTING, "doubt after certainty"),
    _Row(_S.RESTING, _C.ACCEPTED, _S.RESTING, "listed again, or amended"),
    _Row(_S.RESTING, _C.PART_FILL, _S.PARTLY_FILLED, "it filled in part"),
    _Row(_S.RESTING, _C.LAST_FILL, _S.FILLED, "it filled whole"),
    _Row(_S.RESTING, _C.CANCEL, _S.CANCELED, "it was canceled"),
    _Row(_S.RESTING, _C.EXPIRY, _S.EXPIRED, "its terms ended it"),
    _Row(_S.RESTING, _C.REFUSAL, _S.REFUSED, "the venue took it and rejected it afterwards", told=True),
    _Row(_S.PARTLY_FILLED, _C.DOUBT, _S.PARTLY_FILLED, "doubt after certainty"),
    _Row(_S.PARTLY_FILLED, _C.ACCEPTED, _S.PARTLY_FILLED, "an older page"),
    _Row(_S.PARTLY_FILLED, _C.PART_FILL, _S.PARTLY_FILLED, "more of it filled, or it was amended"),
    _Row(_S.PARTLY_FILLED, _C.LAST_FILL, _S.FILLED, "the rest filled, or was amended away"),
    _Row(_S.PARTLY_FILLED, _C.CANCEL, _S.CANCELED, "the rest was canceled"),
    _Row(_S.PARTLY_FILLED, _C.EXPIRY, _S.EXPIRED, "its terms ended the rest"),
    _Row(_S.FILLED, _C.DOUBT, _S.FILLED, "doubt after certainty"),
    _Row(_S.FILLED, _C.ACCEPTED, _S.FILLED, "an older page"),
    _Row(_S.FILLED, _C.PART_FILL, _S.FILLED, "an older page"),
    _Row(_S.FILLED, _C.LAST_FILL, _S.FILLED, "told again"),
    _Row(_S.FILLED, _C.CANCEL, _S.FILLED, "the cancel came after the last fill"),
    _Row(_S.FILLED, _C.EXPIRY, _S.FILLED, "its terms ended nothing any more"),
    _Row(_S.CANCELED, _C.DOUBT, _S.CANCELED, "doubt after certainty"),
    _Row(_S.CANCELED, _C.ACCEPTED, _S.CANCELED, "an older page"),
    _Row(_S.CANCELED, _C.PART_FILL, _S.CANCELED, "a fill from before the cancel, told after it"),
    _Row(_S.CANCELED, _C.LAST_FILL, _S.FILLED, "the cancel was too late: all of it had filled"),
    _Row(_S.CANCELED, _C.CANCEL, _S.CANCELED, "told again"),
    _Row(_S.CANCELED, _C.EXPIRY, _S.CANCELED, "one end under two names"),
    _Row(_S.EXPIRED, _C.DOUBT, _S.EXPIRED, "doubt after certainty"),
    _Row(_S.EXPIRED, _C.ACCEPTED, _S.EXPIRED, "an older page"),
    _Row(_S.EXPIRED, _C.PART_FILL, _S.EXPIRED, "a fill from before its end, told after it"),
    _Row(_S.EXPIRED, _C.LAST_FILL, _S.FILLED, "all of it had filled before its end"),
    _Row(_S.EXPIRED, _C.CANCEL, _S.EXPIRED, "one end under two names"),
    _Row(_S.EXPIRED, _C.EXPIRY, _S.EXPIRED, "told again"),
    _Row(_S.NEVER_ARRIVED, _C.DOUBT, _S.NEVER_ARRIVED, "doubt after certainty"),
    _Row(_S.NEVER_ARRIVED, _C.NOT_SENT, _S.NEVER_ARRIVED, "told again"),
    _Row(_S.NEVER_ARRIVED, _C.UNSEEN, _S.NEVER_ARRIVED, "told again"),
    _Row(_S.NEVER_ARRIVED, _C.ACCEPTED, _S.RESTING, "the venue listed it later than it may", told=True),
    _Row(_S.NEVER_ARRIVED, _C.PART_FILL, _S.PARTLY_FILLED, "the venue listed it later than it may", told=True),
    _Row(_S.NEVER_ARRIVED, _C.LAST_FILL, _S.FILLED, "the venue listed it later than it may", told=True),
    _Row(_S.NEVER_ARRIVED, _C.CANCEL, _S.CANCELED, "the venue listed it later than it may", told=True),
    _Row(_S.NEVER_ARRIVED, _C.EXPIRY, _S.EXPIRED, "the venue listed it later than it may", told=True),
    _Row(_S.REFUSED, _C.DOUBT, _S.REFUSED, "doubt after certainty"),
    _Row(_S.REFUSED, _C.REFUSAL, _S.REFUSED, "told again"),
    _Row(_S.WITHDRAWN, _C.WITHDRAWAL, _S.WITHDRAWN, "told again"),
)

TRANSITIONS: Mapping[tuple[OrderState, Cause], Transition] = MappingProxyType(
    {(row.source, row.cause): row for row in _ROWS}
)


@dataclass(frozen=True, slots=True)
class News:
    """What somebody says of an order.  ``filled`` and ``amount`` are totals in base units, as told; None: not told."""

    cause: Cause
    order_id: str | None = None
    filled: Decimal | None = None
    amount: Decimal | None = None


@dataclass(frozen=True, slots=True)
class OrderLife:
    """An order as far as it is known.  ``amount`` is what it was asked or amended for, ``filled`` what is known to have filled (base)."""

    name: str  # what errors call it
    state: OrderState
    amount: Decimal
    filled: Decimal = Decimal(0)
    order_id: str | None = None

    @classmethod
    def intended(cls, request: OrderRequest) -> OrderLife:
        """The beginning: written down, not sent."""
        return cls(request.client_order_id, OrderState.INTENDED, request.amount)

    @classmethod
    def placed_by_venue(cls, order: VenueOrder) -> OrderLife:
        """The beginning of an order that the venue placed by itself, such as a conditional close."""
        return cls(order.order_id, OrderState.INTENDED, order.amount)

    def after(self, news: News) -> OrderLife:
        """The order after the news; itself if they tell no more than is known.

        Raises: IllegalTransition for a step that is not written down, news of another order, or more filled than the order is for.
        """
        if news.order_id is not None and self.order_id is not None and news.order_id != self.order_id:
            raise self._illegal(news, f"order {news.order_id} answers for it, which was {self.order_id}")
        amount = self.amount if news.amount is None or not self._amendable else news.amount
        filled = self.filled if news.filled is None else max(self.filled, news.filled)
        if filled > amount:
            raise self._illegal(news, f"{plain(filled)} filled of {plain(amount)}")
        step = self.step_for(news)
        return replace(self, state=step.target, amount=amount, filled=filled, order_id=self.order_id or news.order_id)

    @property
    def _amendable(self) -> bool:
        """Whether what it is for may still change: an older page must not bring back what an ended order once was for."""
        return not self.state.over or self.state is OrderState.NEVER_ARRIVED

    def step_for(self, news: News) -> Transition:
        """The written step that ``news`` make this order take.  Raises: IllegalTransition if there is none."""
        step = TRANSITIONS.get((self.state, news.cause))
        if step is None:
            allowed = ", ".join(cause for state, cause in TRANSITIONS if state is self.state)
            raise self._illegal(news, f"allowed: {allowed}")
        return step

    def _illegal(self, news: News, why: str) -> IllegalTransition:
        return IllegalTransition(
            f"order {self.name} is {self.state} and cannot take {news.cause}: {why}",
            order=self.name, order_id=news.order_id, state=self.state.value, cause=news.cause.value,
        )  # fmt: skip


_RESULTS: Mapping[IntentResult, Cause] = MappingProxyType(
    {
        IntentResult.UNKNOWN: Cause.DOUBT,
        IntentResult.ACCEPTED: Cause.ACCEPTED,
        IntentResult.REFUSED: Cause.REFUSAL,
        IntentResult.NEVER_ARRIVED: Cause.UNSEEN,
        IntentResult.WITHDRAWN: Cause.WITHDRAWAL,
    }
)

_ENDS: Mapping[OrderStatus, Cause] = MappingProxyType(
    {OrderStatus.CANCELED: Cause.CANCEL, OrderStatus.EXPIRED: Cause.EXPIRY, OrderStatus.REJECTED: Cause.REFUSAL}
)


def news_of_result(result: IntentResult, order_id: str | None = None) -> News:
    """What an outcome in the ledger says."""
    return News(_RESULTS[result], order_id)


def news_of_order(order: VenueOrder) -> News:
    """What the venue's view of an order says.

    A closed order whose listed fills do not reach its amount has lost its rest some other way: that is an expiry.
    """
    if order.filled >= order.amount:
        cause = Cause.LAST_FILL
    elif order.status is OrderStatus.CLOSED:
        cause = Cause.EXPIRY
    elif not order.status.resting:
        cause = _ENDS[order.status]
    else:
        cause = Cause.PART_FILL if order.filled > 0 else Cause.ACCEPTED
    return News(cause, order.order_id, order.filled, order.amount)


def life_of_intent(ledger: Ledger, client_order_id: str) -> OrderLife:
    """Where the order of an intent stands, by its outcome and by how the venue last showed it.

    Raises: StateUnknown if the ledger holds no such intent.
    """
    intent = ledger.intent(client_order_id)
    if intent is None:
        raise StateUnknown("an order without an intent", client_order_id=client_order_id)
    life = OrderLife.intended(intent.request)
    outcome = ledger.outcome(client_order_id)
    if outcome is None:
        return life
    life = life.after(news_of_result(outcome.result, outcome.order_id))
    return life if outcome.order_id is None else _as_shown(ledger, life, outcome.order_id)


def life_of_order(ledger: Ledger, order: VenueOrder) -> OrderLife:
    """Where an order the venue shows stands by the ledger: its intent's life, or its own where the venue placed it by itself."""
    intent = None if order.client_order_id is None else ledger.intent(order.client_order_id)
    intent = intent or ledger.intent_of_order(order.order_id)  # adopted
    if intent is None:
        return _as_shown(ledger, OrderLife.placed_by_venue(order), order.order_id)
    life = life_of_intent(ledger, intent.client_order_id)
    return life if life.order_id is not None else _as_shown(ledger, life, order.order_id)


def _as_shown(ledger: Ledger, life: OrderLife, order_id: str) -> OrderLife:
    known = ledger.order(order_id)
    return life if known is None else life.after(news_of_order(known))
