"""Invariants of the folds: coins and money are conserved, whatever the fills."""

from __future__ import annotations

from collections import defaultdict
from datetime import timedelta
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from kracken_tasks.domain.trading import Fill, Purpose, Side
from kracken_tasks.ledger.cash import cash_from
from kracken_tasks.ledger.entries import Booking, FillEntry
from kracken_tasks.ledger.positions import PositionFold, positions_from, round_trips_from
from tests.support.ledger import NOON

SYMBOLS = ("BTC/USD", "ETH/USD")
STEP = Decimal("0.0001")

amounts = st.integers(1, 50_000).map(lambda n: Decimal(n) / 10_000)
prices = st.integers(1, 1_000_000).map(lambda n: Decimal(n) / 100)
fees = st.tuples(st.integers(0, 50).map(lambda n: Decimal(n) / 100_000), st.sampled_from(["base", "quote", "KFEE"]))
raw_fills = st.tuples(st.sampled_from(SYMBOLS), st.sampled_from(["buy", "sell", "all"]), amounts, prices, fees)


def _booked(raw: list[tuple[str, str, Decimal, Decimal, tuple[Decimal, str]]]) -> list[FillEntry]:
    """Fills as a venue without short selling can produce them, placed by the fold."""
    fold, entries = PositionFold(), []
    for number, (symbol, side, amount, price, (rate, fee_in)) in enumerate(raw):
        held = fold.positions().get(symbol)
        fee_currency = {"base": symbol[:3], "quote": "USD"}.get(fee_in, fee_in)
        if side != "buy":
            if held is None or held.amount <= 0:
                continue
            amount = held.amount if side == "all" else min(amount, held.amount)
            fee_currency = "USD" if fee_in == "base" else fee_currency
        fee = rate * (amount if fee_in == "base" and side == "buy" else amount * price)
        fill = Fill(
            f"T{number}", f"O{number}", symbol, Side.BUY if side == "buy" else Side.SELL, amount, price, amount * price, fee, fee_currency,
            NOON + timedelta(hours=number), "taker",
        )  # fmt: skip
        entry = fold.place(Booking(fill, Purpose.ENTRY if side == "buy" else Purpose.EXIT), STEP)
        fold.apply(entry)
        entries.append(entry)
    return entries


@given(st.lists(raw_fills, max_size=40))
def test_coins_are_in_positions_or_dust_and_nowhere_else(
    raw: list[tuple[str, str, Decimal, Decimal, tuple[Decimal, str]]],
) -> None:
    entries = _booked(raw)
    cash, positions, trips = cash_from(entries), positions_from(entries), round_trips_from(entries)
    for symbol in SYMBOLS:
        held = positions[symbol].amount if symbol in positions else Decimal(0)
        dust = sum((trip.dust for trip in trips if trip.symbol == symbol), Decimal(0))
        assert held + dust == cash.get(symbol[:3], Decimal(0))


@given(st.lists(raw_fills, max_size=40))
def test_money_gained_is_the_net_of_trips_less_what_open_positions_cost(
    raw: list[tuple[str, str, Decimal, Decimal, tuple[Decimal, str]]],
) -> None:
    entries = _booked(raw)
    fold = PositionFold()
    for entry in entries:
        fold.apply(entry)
    realised = fold.realised_since(NOON).get("USD", Decimal(0))
    costs = sum((position.cost for position in fold.positions().values()), Decimal(0))
    assert realised - costs == cash_from(entries).get("USD", Decimal(0))


@given(st.lists(raw_fills, max_size=40))
def test_every_fill_belongs_to_one_position_that_opens_and_closes_once(
    raw: list[tuple[str, str, Decimal, Decimal, tuple[Decimal, str]]],
) -> None:
    seen: dict[str, list[FillEntry]] = defaultdict(list)
    for entry in _booked(raw):
        assert entry.position_id is not None
        seen[entry.position_id].append(entry)
    for fills in seen.values():
        assert [fill.opens for fill in fills] == [True] + [False] * (len(fills) - 1)
        assert not any(fill.closes for fill in fills[:-1])
        assert len({fill.symbol for fill in fills}) == 1


@given(st.lists(raw_fills, max_size=40), st.integers(0, 40))
def test_folding_in_two_steps_equals_folding_at_once(
    raw: list[tuple[str, str, Decimal, Decimal, tuple[Decimal, str]]], cut: int
) -> None:
    entries = _booked(raw)
    fold = PositionFold()
    for part in (entries[:cut], entries[cut:]):
        for entry in part:
            fold.apply(entry)
        fold.positions()
    assert fold.positions() == positions_from(entries)
    assert tuple(fold.trips) == round_trips_from(entries)
