"""The venues of the sandbox: what each lists and charges, and how its prices differ from the market's.

In: a market.  Out: the market as a venue shows it.  Never: an order.  Kraken sees the market itself; the others see it a little
later and a little off (``market/venue_view``).
Sources: the venues' published fee pages and instrument lists, lowest volume tiers first, read 2024 to 2026.  Lags, basis and
shares of volume are assumptions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from kracken_tasks.sandbox.engine.fees import FeeSchedule, FeeTier
from kracken_tasks.sandbox.market.basis import Breaks
from kracken_tasks.sandbox.market.pairs import kraken_asset
from kracken_tasks.sandbox.market.peg import PEG_SYMBOL
from kracken_tasks.sandbox.market.protocol import Market, PairSpec
from kracken_tasks.sandbox.market.venue_view import VenueView, ViewCharacter, ViewedPair

__all__ = ["BINANCE", "BITSTAMP", "COINBASE", "KRAKEN", "PROFILES", "VenueProfile", "market_of"]

_MS: Final = 1_000_000
_MOST_PRICE_DECIMALS: Final = 8


@dataclass(frozen=True, slots=True)
class VenueProfile:
    """A venue.  ``schedule`` None is Kraken's own, by kind of pair; ``view`` None is the market itself.

    ``grid`` gives price and lot decimals by base asset (others keep the market's and eight); ``costmin`` the least cost by quote
    (``""`` for all others).
    ``tier`` replaces the configured rate tier, for venues that do not count as Kraken does.
    """

    name: str
    schedule: FeeSchedule | None = None
    view: ViewCharacter | None = None
    in_tether: bool = False
    pair_id: Callable[[str, str], str] = lambda base, quote: base + quote
    grid: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    lot_decimals: int = 8
    costmin: Mapping[str, str] = field(default_factory=dict)
    tier: str | None = None

    @property
    def money(self) -> str:
        """What a deposit in dollars becomes here."""
        return "USDT" if self.in_tether else "USD"


def _schedule(*tiers: tuple[int, int, int]) -> FeeSchedule:
    return FeeSchedule(tuple(FeeTier(*tier) for tier in tiers))


KRAKEN: Final = VenueProfile("kraken")
# Breaks are sized by what a round trip against Kraken costs (both taker fees): some stay within it, most do not.
BINANCE: Final = VenueProfile(
    "binance",
    schedule=_schedule((0, 1000, 1000)),
    view=ViewCharacter("binance", 150 * _MS, 0.0006, Breaks(4.0, 0.0045, 0.0130), 2.0),
    in_tether=True,
    grid={"BTC": (2, 5), "ETH": (2, 4), "SOL": (2, 3), "ADA": (4, 1), "XRP": (4, 1), "LTC": (2, 3), "DOGE": (5, 0)},
    costmin={"": "5", "BTC": "0.0001", "ETH": "0.001"},
    tier="unlimited",
)
COINBASE: Final = VenueProfile(
    "coinbase",
    schedule=_schedule((0, 6000, 4000), (10_000, 4000, 2500), (50_000, 2500, 1500), (100_000, 2000, 1000)),
    view=ViewCharacter("coinbase", 400 * _MS, 0.0006, Breaks(4.0, 0.0085, 0.0220), 0.8),
    pair_id=lambda base, quote: f"{base}-{quote}",
    grid={"BTC": (2, 8), "ETH": (2, 8), "SOL": (2, 8), "ADA": (4, 8), "XRP": (4, 6), "LTC": (2, 8), "DOGE": (5, 1)},
    costmin={"": "1", "BTC": "0.000016", "ETH": "0.00022"},
    tier="unlimited",
)
BITSTAMP: Final = VenueProfile(
    "bitstamp",
    schedule=_schedule((0, 4000, 3000), (10_000, 3000, 2000), (100_000, 2000, 1000), (500_000, 1800, 800)),
    view=ViewCharacter("bitstamp", 1_200 * _MS, 0.0007, Breaks(4.0, 0.0065, 0.0190), 0.3),
    pair_id=lambda base, quote: (base + quote).lower(),
    grid={"BTC": (2, 8), "ETH": (2, 8), "SOL": (3, 8), "ADA": (5, 8), "XRP": (5, 8), "LTC": (2, 8), "DOGE": (5, 8)},
    costmin={"": "10", "BTC": "0.0002", "ETH": "0.003"},
    tier="unlimited",
)
PROFILES: Final = {profile.name: profile for profile in (KRAKEN, BINANCE, COINBASE, BITSTAMP)}


def market_of(profile: VenueProfile, market: Market, key: str) -> Market:
    """The market as the venue shows it; ``key`` seeds how it strays."""
    if profile.view is None:
        return market
    return VenueView(market, key, profile.view, _listed(profile, market))


def _listed(profile: VenueProfile, market: Market) -> list[ViewedPair]:
    native = {spec.symbol for spec in market.pairs}
    pairs = []
    for source in market.pairs:
        base, _, quote = source.symbol.partition("/")
        in_tether = profile.in_tether and quote == "USD"
        if in_tether and (source.symbol == PEG_SYMBOL or f"{base}/USDT" in native):
            continue  # a tether is not sold for tethers, and a pair the data hold themselves comes first
        pairs.append(ViewedPair(_spec(profile, source, base, "USDT" if in_tether else quote), source, in_tether))
    return pairs


def _spec(profile: VenueProfile, source: PairSpec, base: str, quote: str) -> PairSpec:
    prices, lots = profile.grid.get(base, (min(source.price_decimals, _MOST_PRICE_DECIMALS), profile.lot_decimals))
    if quote in ("BTC", "ETH"):  # the grid is for money
        prices = min(source.price_decimals, _MOST_PRICE_DECIMALS)
    return replace(
        source,
        symbol=f"{base}/{quote}",
        key=profile.pair_id(base, quote),
        altname=base + quote,
        wsname=f"{base}/{quote}",
        quote=kraken_asset(quote),
        price_decimals=prices,
        lot_decimals=lots,
        ordermin="0." + "0" * (lots - 1) + "1" if lots else "1",
        costmin=profile.costmin.get(quote, profile.costmin[""]),
    )
