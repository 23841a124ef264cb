"""Stops that the market went through and that never filled: the bar model sells there, the venue did not.

In: the ledger's orders and their histories, candles.  Out: ``MissedStop``.  Never: a candle in which the stop rested only for a part of
it, or at another trigger; a trailing stop, whose trigger the ledger does not see move.
"""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from kracken_tasks.domain.market import SeriesKey
from kracken_tasks.domain.money import as_decimal
from kracken_tasks.domain.trading import OrderKind, Side
from kracken_tasks.explain.replay import SeenCandles
from kracken_tasks.ledger.entries import OrderEntry
from kracken_tasks.ledger.ledger import Ledger

__all__ = ["MissedStop", "missed_stops"]

_STOPS = (OrderKind.STOP_LOSS, OrderKind.STOP_LOSS_LIMIT)


@dataclass(frozen=True, slots=True)
class MissedStop:
    """``ts``: open of the first candle whose low lies below the trigger; ``price``: what the bar model sells ``amount`` (base) at."""

    order_id: str
    symbol: str
    ts: datetime
    amount: Decimal
    price: Decimal


def missed_stops(
    ledger: Ledger,
    start: datetime,
    end: datetime,
    *,
    filled: Container[str],
    series: Mapping[str, SeriesKey],
    candles: SeenCandles,
) -> Iterator[MissedStop]:
    """Stops resting in [start, end) of which nothing filled, with the first candle that went through them.

    Time: market time.  ``filled``: ids of orders with fills; ``candles``: the lake as it is now.
    """
    for order_id, order in ledger.orders().items():
        stop = order.kind in _STOPS and order.side is Side.SELL
        over = order.opened_at >= end or (order.closed_at is not None and order.closed_at <= start)
        key = series.get(order.symbol)
        if not stop or over or key is None or order.filled or order_id in filled:
            continue
        found = _touched(ledger.order_history(order_id), start, end, key, candles)
        if found is not None:
            yield found


def _touched(
    history: tuple[OrderEntry, ...], start: datetime, end: datetime, key: SeriesKey, candles: SeenCandles
) -> MissedStop | None:
    """The ledger writes an order down when it looks different: each state holds from its look up to the next."""
    for place, state in enumerate(history):
        since = max(state.ts, start)
        until = min(history[place + 1].ts if place + 1 < len(history) else end, end)
        if not state.status.resting or state.trigger_price is None or since >= until:
            continue
        rows = candles.candles(key, since, until)
        whole = rows[(rows["ts"] >= since) & (rows["ts"] + key.timeframe.delta <= until)]
        through = whole[whole["low"] < float(state.trigger_price)]
        if len(through):
            bar = through.iloc[0]
            opened = as_decimal(repr(float(bar["open"])))
            return MissedStop(
                state.order_id, state.symbol, bar["ts"].to_pydatetime(), state.order.remaining,
                min(state.trigger_price, opened),
            )  # fmt: skip
    return None
