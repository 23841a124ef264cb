"""Double entry: nothing comes from nowhere, per asset, whatever is booked."""

from __future__ import annotations

from collections import defaultdict
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from kracken_tasks.domain.trading import Purpose, Side
from kracken_tasks.ledger import CashEntry, Entry, FillEntry
from kracken_tasks.ledger.accounts import EXTERNAL, FEES, TRADING, VENUE, AccountFold, accounts_from, postings
from kracken_tasks.ledger.cash import cash_from
from tests.support.ledger import NOON

ASSETS = ("BTC", "ETH", "USD", "KFEE")
KINDS = ("deposit", "withdrawal", "opening", "staking", "trade", "trade/tradespot", "transfer/spottofutures")

# Up to 10^9 with ten decimals, as venues tell them.
amounts = st.integers(1, 10**19).map(lambda units: Decimal(units).scaleb(-10))
fees = st.integers(0, 10**12).map(lambda units: Decimal(units).scaleb(-10))


@st.composite
def fills(draw: st.DrawFn) -> FillEntry:
    amount, price = draw(amounts), draw(st.integers(1, 10**8).map(lambda cents: Decimal(cents).scaleb(-2)))
    return FillEntry(
        NOON, f"T{draw(st.integers())}", "O1", draw(st.sampled_from(["BTC/USD", "ETH/USD", "ETH/BTC"])), draw(st.sampled_from(Side)),
        amount, price, amount * price, draw(fees), draw(st.sampled_from(ASSETS)), "taker", Purpose.ENTRY, None, "", None, False, False,
    )  # fmt: skip


@st.composite
def lines(draw: st.DrawFn) -> CashEntry:
    amount = draw(amounts) * draw(st.sampled_from([1, -1]))
    return CashEntry(NOON, "m", "r", draw(st.sampled_from(KINDS)), draw(st.sampled_from(ASSETS)), amount, draw(fees))


books = st.lists(st.one_of(fills(), lines()), max_size=30)


@given(st.one_of(fills(), lines()))
def test_every_single_entry_gives_to_one_account_what_it_takes_from_another(entry: Entry) -> None:
    sums: dict[str, Decimal] = defaultdict(Decimal)
    for posting in postings(entry):
        sums[posting.asset] += posting.amount
    assert set(sums.values()) <= {Decimal(0)}


@given(books)
def test_all_accounts_of_a_book_sum_to_zero_in_every_asset(entries: list[Entry]) -> None:
    assert accounts_from(entries).unbalanced() == {}


@given(books)
def test_the_venue_s_account_is_the_balance_that_the_venue_is_compared_with(entries: list[Entry]) -> None:
    held = {asset: amount for asset, amount in cash_from(entries).items() if amount}
    assert accounts_from(entries).of(VENUE) == held


@given(books)
def test_fees_are_what_the_entries_say_they_cost_and_a_trade_line_costs_nothing_twice(entries: list[Entry]) -> None:
    paid: dict[str, Decimal] = defaultdict(Decimal)
    for entry in entries:
        if isinstance(entry, FillEntry):
            paid[entry.fee_currency] += entry.fee
        elif isinstance(entry, CashEntry) and not entry.kind.startswith("trade"):
            paid[entry.asset] += entry.fee
    assert accounts_from(entries).of(FEES) == {asset: amount for asset, amount in paid.items() if amount}


@given(books)
def test_what_we_hold_is_what_came_in_less_what_trading_gave_away_and_fees_took(entries: list[Entry]) -> None:
    fold = accounts_from(entries)
    parts = [fold.of(account) for account in (EXTERNAL, TRADING, FEES)]
    for asset in ASSETS:
        assert fold.of(VENUE).get(asset, Decimal(0)) == -sum(
            (part.get(asset, Decimal(0)) for part in parts), Decimal(0)
        )


@given(books, st.integers(0, 30))
def test_the_accounts_do_not_depend_on_where_the_fold_was_cut_nor_on_the_order(entries: list[Entry], cut: int) -> None:
    fold = AccountFold()
    for part in (entries[cut:], entries[:cut]):
        for entry in part:
            fold.apply(entry)
    assert fold.balances == accounts_from(entries).balances


def test_a_sum_that_had_to_be_rounded_is_not_hidden() -> None:
    huge = CashEntry(NOON, "m1", "r", "deposit", "USD", Decimal(10) ** 36, Decimal(0))
    tiny = CashEntry(NOON, "m2", "r", "staking", "USD", Decimal("0.000000001"), Decimal(0))
    assert accounts_from([huge, tiny]).unbalanced() == {"USD": Decimal("-0.000000001")}
