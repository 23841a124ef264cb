"""Whatever happened, the journal explains where equity ended, and tells every fill once."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from kracken_tasks.domain.clock import utc
from kracken_tasks.journal import build_journal, cut_off
from kracken_tasks.journal.writing import check_journal
from tests.support.journal_ledger import Bookkeeper
from tests.support.ledger import temporary_ledger

START = utc(2024, 3, 1)
steps = st.tuples(
    st.sampled_from(["buy", "sell", "part", "pay", "take", "mark"]),
    st.integers(1, 30),  # hours until the next
    st.integers(10_000, 60_000),  # price in cents
    st.sampled_from(["0", "0.26", "1.07"]),
)


def play(books: Bookkeeper, history) -> None:
    """Every step is followed by what it needs to be true: no sale of what is not held, a mark of all that is."""
    held, flow, at, price = Decimal(0), Decimal(0), START, "100"
    books.pay("L", "10000", at)
    books.mark(at)
    for number, (what, hours, cents, fee) in enumerate(history):
        at += timedelta(hours=hours)
        price = str(Decimal(cents) / 100)
        if what == "buy":
            books.buy(f"T{number}", "ETH/USD", "1.5", price, fee, at)
            held += Decimal("1.5")
        elif what in ("sell", "part") and held:
            amount = held if what == "sell" else Decimal("0.5")
            books.sell(f"T{number}", "ETH/USD", str(amount), price, fee, at)
            held -= amount
        elif what in ("pay", "take"):
            amount = "250" if what == "pay" else "-250"
            books.pay(f"L{number}", amount, at, kind="deposit" if what == "pay" else "withdrawal")
            flow += Decimal(amount)
        elif what == "mark":
            books.mark(at, flow=str(flow), ETH=price)
            flow = Decimal(0)
    books.mark(at + timedelta(hours=1), flow=str(flow), ETH=price)


@given(st.lists(steps, max_size=10), st.integers(1, 100))
@settings(max_examples=20, deadline=None)
def test_equity_is_explained_and_fills_are_told_once(tmp_path_factory, history, percent):
    with temporary_ledger(tmp_path_factory.mktemp("ledger")) as ledger:
        play(Bookkeeper(ledger), history)
        last = cut_off(ledger)
        assert last is not None
        end = START + (last - START) * percent / 100
        for start in (None, START + (end - START) / 2):
            journal = build_journal(ledger, period_start=start, period_end=end, mode="sandbox", version="0.1.0")
            check_journal(journal)
            summary = journal["performance_summary"]
            assert Decimal(summary["unexplained"]) == 0
            assert sum((Decimal(trip["net"]) for trip in journal["round_trips"]), Decimal(0)) == Decimal(
                summary["net_profit"]
            )
        fills = [fill.trade_id for fill in ledger.fills(end=end)]
        journal = build_journal(ledger, period_end=end, mode="sandbox", version="0.1.0")
        told = [one for row in (*journal["round_trips"], *journal["open_positions"]) for one in row["fill_ids"]]
        assert sorted(told + journal["unattached_fill_ids"]) == sorted(fills)
