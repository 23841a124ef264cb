"""Settings into what coins were worth.

In: ``Settings``.  Out: a lookup over the lake.  Never: a price that was known only later than the instant asked about.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

from kracken_tasks.domain.market import SeriesKey, Timeframe
from kracken_tasks.domain.money import as_decimal
from kracken_tasks.settings import Settings
from kracken_tasks.wiring.stores import lake

if TYPE_CHECKING:
    from kracken_tasks.tax.values import ValueLookup

__all__ = ["fair_values"]

# A close older than this says nothing about a coin's worth.
_OLDEST = timedelta(days=3)
_FINEST_FIRST = sorted(Timeframe, key=lambda timeframe: timeframe.seconds)


def fair_values(settings: Settings) -> ValueLookup:
    """Worth of one coin in the base currency: the newest close at or before the instant, on the traded venue."""
    base, snapshot = settings.tax.base_currency, lake(settings).snapshot()

    def worth(asset: str, at: datetime) -> Decimal | None:
        closes: list[tuple[datetime, Decimal]] = []
        for timeframe in _FINEST_FIRST:
            key = SeriesKey(settings.exchange, f"{asset}/{base}", timeframe)
            # A candle that opens up to its own width before the instant is closed then, and no later one.
            rows = snapshot.candles(key, at - _OLDEST, at - timeframe.delta + timedelta(milliseconds=1), last=1)
            if not rows.empty:
                closed = rows["ts"].iloc[-1].to_pydatetime() + timeframe.delta
                closes.append((closed, as_decimal(repr(float(rows["close"].iloc[-1])))))
        return max(closes, key=lambda found: found[0])[1] if closes else None  # of equals the finest

    return worth
