"""Pairs with everything the engine needs to judge an order: assets, decimals, minimums, fee schedule.

In: a market's pair specs.  Out: listings, found by any of a pair's names.  Never: prices.
"""

from __future__ import annotations

from dataclasses import dataclass

from kracken_tasks.sandbox.amounts import power_of_ten, rescale_down, rescale_up, scaled
from kracken_tasks.sandbox.assets import Asset, asset_from_key
from kracken_tasks.sandbox.engine.fees import CRYPTO_SCHEDULE, FLAT_SCHEDULE, FeeSchedule
from kracken_tasks.sandbox.market.protocol import Market, PairSpec

__all__ = ["LOT_DECIMALS", "Listing", "Listings"]

LOT_DECIMALS = 8


@dataclass(frozen=True, slots=True)
class Listing:
    """A pair, its assets and its limits in engine units (lots; cost = ticks x lots)."""

    spec: PairSpec
    base: Asset
    quote: Asset
    schedule: FeeSchedule
    ordermin_lots: int
    costmin: int

    @property
    def symbol(self) -> str:
        return self.spec.symbol

    @property
    def price_decimals(self) -> int:
        return self.spec.price_decimals

    @property
    def lot_decimals(self) -> int:
        """A volume fits both the pair and the asset, whichever is coarser."""
        return min(self.spec.lot_decimals, self.base.decimals, LOT_DECIMALS)

    @property
    def step(self) -> int:
        """The smallest volume, in lots."""
        return power_of_ten(LOT_DECIMALS - self.lot_decimals)

    @property
    def cost_decimals(self) -> int:
        """Decimals of ticks x lots."""
        return self.spec.price_decimals + LOT_DECIMALS

    @property
    def counts_for_volume(self) -> bool:
        return not self.base.is_cash

    def base_units(self, lots: int) -> int:
        return rescale_down(lots, LOT_DECIMALS, self.base.decimals)

    def base_units_held(self, lots: int) -> int:
        return rescale_up(lots, LOT_DECIMALS, self.base.decimals)

    def quote_units(self, cost: int) -> int:
        return rescale_down(cost, self.cost_decimals, self.quote.decimals)

    def quote_units_held(self, cost: int) -> int:
        return rescale_up(cost, self.cost_decimals, self.quote.decimals)


class Listings:
    """The pairs of a market, by symbol and by every name Kraken accepts."""

    def __init__(self, market: Market, schedule: FeeSchedule | None = None) -> None:
        self.by_symbol: dict[str, Listing] = {}
        self._by_name: dict[str, Listing] = {}
        for spec in market.pairs:
            listing = _listing(spec, schedule)
            self.by_symbol[spec.symbol] = listing
            for name in (spec.key, spec.altname, spec.wsname, spec.symbol):
                self._by_name[name.upper()] = listing

    def find(self, name: str) -> Listing | None:
        return self._by_name.get(name.upper())

    def assets(self) -> list[Asset]:
        """Every asset of the listed pairs, in order of its key."""
        found = {asset.key: asset for pair in self.by_symbol.values() for asset in (pair.base, pair.quote)}
        return [found[key] for key in sorted(found)]


def _listing(spec: PairSpec, schedule: FeeSchedule | None) -> Listing:
    base, quote = asset_from_key(spec.base), asset_from_key(spec.quote)
    return Listing(
        spec=spec,
        base=base,
        quote=quote,
        schedule=schedule or (FLAT_SCHEDULE if base.is_cash else CRYPTO_SCHEDULE),
        ordermin_lots=scaled(spec.ordermin, LOT_DECIMALS),
        costmin=scaled(spec.costmin, spec.price_decimals + LOT_DECIMALS),
    )
