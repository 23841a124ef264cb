"""What is money, and what everything else was worth when it mattered.

In: rows of ``fmv.csv`` or a mapping, and rates that the user states.  Out: the value of one unit in the reporting currency.
Never: a stable coin taken for money (it is property), a price looked up anywhere, a missing value guessed.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from decimal import Decimal

from kracken_tasks.domain.clock import from_ms, iso, to_ms
from kracken_tasks.domain.money import FREE_CREDITS
from kracken_tasks.errors import BadData

__all__ = ["FIAT", "FREE_CREDITS", "FairValues", "ValueLookup", "value_at"]

# ISO 4217 codes that spot venues quote in.  Money is never a lot.
FIAT = frozenset(
    {
        "AUD", "BRL", "CAD", "CHF", "CZK", "DKK", "EUR", "GBP", "HKD", "JPY",
        "KRW", "MXN", "NOK", "NZD", "PLN", "SEK", "SGD", "TRY", "USD", "ZAR",
    }
)  # fmt: skip

# The worth of one unit of an asset at an instant, or None if it is not known.
ValueLookup = Callable[[str, datetime], Decimal | None]

_EXACT = timedelta(0)


class FairValues:
    """Values per unit in the reporting currency.

    ``stated`` holds at all times (a user's own rate, say USDT 1.00) and gives way to a row.  ``max_age``: how old the newest row at or
    before the instant may be; the default wants a row at the instant itself.
    """

    def __init__(
        self,
        rows: Iterable[tuple[datetime, str, Decimal]] = (),
        *,
        stated: Mapping[str, Decimal] | None = None,
        max_age: timedelta = _EXACT,
    ) -> None:
        self._stated = dict(stated or {})
        self._max_age = max_age
        by_asset: dict[str, dict[datetime, Decimal]] = {}
        for told, asset, value in rows:
            moment = from_ms(to_ms(told))  # trades are kept to the millisecond too
            if by_asset.setdefault(asset, {}).setdefault(moment, value) != value:
                raise BadData(f"two values of {asset} at {iso(moment)}", asset=asset, timestamp=iso(moment))
        self._moments = {asset: sorted(values) for asset, values in by_asset.items()}
        self._values = by_asset

    def __call__(self, asset: str, moment: datetime) -> Decimal | None:
        moments = self._moments.get(asset, [])
        index = bisect_right(moments, moment) - 1
        if index >= 0 and moment - moments[index] <= self._max_age:
            return self._values[asset][moments[index]]
        return self._stated.get(asset)


def value_at(values: ValueLookup, asset: str, moment: datetime, *, currency: str, trade_id: str) -> Decimal:
    """The value of one ``asset`` in ``currency`` at an instant; 1 for the currency itself.

    Raises: BadData naming trade, asset and instant if it is not known.
    """
    if asset == currency:
        return Decimal(1)
    value = values(asset, moment)
    if value is None:
        raise BadData(
            f"trade {trade_id}: the value of {asset} in {currency} at {iso(moment)} is not known; add a row to fmv.csv or state a rate",
            trade_id=trade_id, asset=asset, timestamp=iso(moment), currency=currency,
        )  # fmt: skip
    return value
