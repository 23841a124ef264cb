"""Trades for tax tests at round numbers.

In: texts.  Out: ``Trade`` values.  Never: a clock.
"""

from __future__ import annotations

from decimal import Decimal

from kracken_tasks.domain.clock import parse_utc
from kracken_tasks.domain.trading import Side
from kracken_tasks.tax.trade import Trade


def trade(
    trade_id: str, side: str, amount: str, price: str, *, at: str = "2024-01-01T00:00:00Z", symbol: str = "BTC/USD",
    fee: str = "0", fee_currency: str = "", exchange: str = "kraken",
) -> Trade:  # fmt: skip
    return Trade(
        parse_utc(at),
        exchange,
        symbol,
        Side(side),
        Decimal(amount),
        Decimal(price),
        Decimal(fee),
        fee_currency,
        trade_id,
        f"O-{trade_id}",
    )
