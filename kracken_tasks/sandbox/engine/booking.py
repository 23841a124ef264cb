"""Who owns what: balances, holds, fees and the two ledger rows of every execution.

In: orders and executions in engine units.  Out: balances and ledger rows in the assets' own decimals.  Never: a match.
What is taken from an account is cut down to the asset's decimals and what is held is rounded up, so that no sequence of
partial fills can take more than was held.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from kracken_tasks.sandbox import ids
from kracken_tasks.sandbox.amounts import ceil_div, power_of_ten, rescale_down
from kracken_tasks.sandbox.assets import DOLLAR_LIKE
from kracken_tasks.sandbox.clock import NS_PER_SECOND
from kracken_tasks.sandbox.engine.fees import FeeTier
from kracken_tasks.sandbox.engine.orders import PPM, Fill, Order
from kracken_tasks.sandbox.listing import Listing, Listings
from kracken_tasks.sandbox.market.protocol import Market
from kracken_tasks.sandbox.state import State

__all__ = ["Booking"]

_VOLUME_NS: Final = 30 * 86_400 * NS_PER_SECOND
_USD = "ZUSD"


class Booking:
    """Reads and moves money.  All amounts returned are in the asset's decimals unless the name says cost (ticks x lots)."""

    def __init__(self, market: Market, listings: Listings, state: State) -> None:
        self._market = market
        self._listings = listings
        self._state = state

    def deposit(self, account: str, asset: str, amount: int, ts_ns: int) -> None:
        number = self._state.next_number("deposit")
        kind = "deposit" if amount >= 0 else "withdrawal"
        self._state.book(account, asset, amount, 0, ids.fill_id(f"{self._state.seed}:{kind}", number), kind, ts_ns)

    def hold_of(self, order: Order) -> tuple[str, int]:
        """The asset an order ties up, and how much of it."""
        listing = self._listings.by_symbol[order.symbol]
        dearest = listing.schedule.dearest_ppm
        if order.side < 0:
            fee = ceil_div(order.remaining * dearest, PPM) if order.fee_in_base else 0
            return listing.base.key, listing.base_units_held(order.remaining + fee)
        cost = order.remaining * order.hold_price
        fee = 0 if order.fee_in_base else ceil_div(cost * dearest, PPM)
        return listing.quote.key, listing.quote_units_held(cost + fee)

    def held(self, account: str, asset: str, but: str | None = None) -> int:
        holds = (self.hold_of(order) for order in self._state.orders_of(account) if order.txid != but)
        return sum(amount for key, amount in holds if key == asset)

    def free(self, account: str, asset: str, but: str | None = None) -> int:
        """Balance minus holds; ``but`` leaves one order's own hold out."""
        return self._state.balances.get((account, asset), 0) - self.held(account, asset, but)

    def volume_cents(self, account: str, now_ns: int) -> int:
        """Dollar volume of the last 30 days, in cents."""
        rows = self._state.volumes.get(account)
        if not rows:
            return 0
        while rows and rows[0][0] <= now_ns - _VOLUME_NS:
            rows.popleft()
        return sum(cents for _, cents in rows)

    def tier(self, account: str, listing: Listing, now_ns: int) -> FeeTier:
        return listing.schedule.at(self.volume_cents(account, now_ns))

    def cost_within(self, units: int, listing: Listing, ppm: int) -> int:
        """The largest cost (ticks x lots) that ``units`` of quote pay for, fee included."""
        return rescale_down(units, listing.quote.decimals, listing.cost_decimals) * PPM // (PPM + ppm)

    def execute(self, order: Order, price: int, lots: int, maker: bool, ts_ns: int) -> Order:
        """Book one execution: a fill, two ledger rows, the order's new totals."""
        state, listing = self._state, self._listings.by_symbol[order.symbol]
        tier = self.tier(order.account, listing, ts_ns)
        ppm = tier.maker_ppm if maker else tier.taker_ppm
        cost = price * lots
        number = state.next_number("fill")
        fill = Fill(
            id=ids.fill_id(state.seed, number),
            no=number,
            account=order.account,
            txid=order.txid,
            symbol=order.symbol,
            side=order.side,
            kind=order.kind,
            ts_ns=ts_ns,
            price=price,
            lots=lots,
            fee_e8=cost * ppm // (PPM * power_of_ten(listing.price_decimals)),
            maker=maker,
            volume_usd=self._usd_cents(listing, cost, ts_ns),
            fee_lots=lots * ppm // PPM if order.fee_in_base else 0,
        )
        state.add_fill(fill)
        base_fee = listing.base_units(lots * ppm // PPM) if order.fee_in_base else 0
        quote_fee = 0 if order.fee_in_base else listing.quote_units(cost * ppm // PPM)
        base, quote = order.side * listing.base_units(lots), -order.side * listing.quote_units(cost)
        state.book(order.account, listing.base.key, base, base_fee, fill.id, "trade", ts_ns)
        state.book(order.account, listing.quote.key, quote, quote_fee, fill.id, "trade", ts_ns)
        return state.put_order(
            replace(
                order,
                filled=order.filled + lots,
                cost=order.cost + cost,
                fee_e8=order.fee_e8 + fill.fee_e8,
                trades=(*order.trades, fill.id),
            )
        )

    def base_fee_lots(self, order: Order, lots: int, ts_ns: int) -> int:
        """What a fee in base takes out of ``lots`` just bought, at the present taker fee."""
        if not order.fee_in_base or order.side < 0:
            return 0
        tier = self.tier(order.account, self._listings.by_symbol[order.symbol], ts_ns)
        return ceil_div(lots * max(tier.taker_ppm, tier.maker_ppm), PPM)

    def _usd_cents(self, listing: Listing, cost: int, ts_ns: int) -> int:
        """An execution's worth in dollar cents; none for stable coins and FX, which count for no fee tier."""
        if not listing.counts_for_volume:
            return 0
        cents = cost * 100 // power_of_ten(listing.cost_decimals)
        if listing.quote.key in DOLLAR_LIKE:
            return cents
        for other in self._listings.by_symbol.values():
            if other.base.key == listing.quote.key and other.quote.key == _USD:
                last = self._market.last_trade_before(other.symbol, ts_ns)
                if len(last):
                    worth = cost * int(last.price[0]) * 100
                    return worth // power_of_ten(listing.cost_decimals + other.price_decimals)
        return cents  # no dollar price is known: the quote counts one to one
