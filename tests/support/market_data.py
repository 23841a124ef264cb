"""Small made-up markets for tests: instruments, and quotes that a test moves by hand."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from decimal import Decimal

from kracken_tasks.domain.clock import utc
from kracken_tasks.domain.market import Instrument, Quote

START = utc(2024, 3, 1, 12)
BTC, ETH = "BTC/USD", "ETH/USD"


def instrument(symbol: str = BTC, **changes: object) -> Instrument:
    """Like Kraken's BTC/USD: ticks of 0.1, lots of 1e-8, at least 0.0001 and 5 USD."""
    values: dict[str, object] = {
        "exchange": "kraken",
        "symbol": symbol,
        "price_tick": Decimal("0.1"),
        "lot_step": Decimal("0.00000001"),
        "min_amount": Decimal("0.0001"),
        "min_cost": Decimal("5"),
        "maker_fee": Decimal("0.0025"),
        "taker_fee": Decimal("0.004"),
    }
    return Instrument(**(values | changes))  # type: ignore[arg-type]  # a test names fields of the dataclass


class HandMovedMarket:
    """A clock and quotes that stand still until the test moves them; ``asked`` counts quote calls."""

    def __init__(self, prices: dict[str, float] | None = None, at: datetime = START, spread: float = 0.0002) -> None:
        self.at, self.spread, self.asked = at, spread, 0
        self.prices = prices or {BTC: 50_000.0, ETH: 2_500.0}
        self.listed = {symbol: instrument(symbol) for symbol in self.prices}

    def now(self) -> datetime:
        return self.at

    def pass_time(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)

    def instruments(self) -> dict[str, Instrument]:
        return self.listed

    def quotes(self, symbols: Iterable[str]) -> dict[str, Quote]:
        self.asked += 1
        return {symbol: self.quote(symbol) for symbol in symbols}

    def quote(self, symbol: str = BTC) -> Quote:
        price = self.prices[symbol]
        half = price * self.spread / 2.0
        return Quote(symbol, round(price - half, 1), round(price + half, 1), price, self.at)
