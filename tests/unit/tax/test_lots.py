"""The lot book: what it keeps, what it refuses, what it costs."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal, localcontext

import pytest

from kracken_tasks.domain.clock import utc
from kracken_tasks.domain.money import MONEY
from kracken_tasks.errors import BadData, Misconfigured
from kracken_tasks.tax import compute_lots
from kracken_tasks.tax.lots import (
    Acquisition,
    Disposal,
    DisposalKind,
    Fifo,
    Lot,
    LotBook,
    Scope,
    method_named,
    scope_named,
)
from kracken_tasks.tax.trade import shortest
from tests.support.trades import trade

START = utc(2024, 1, 1)


def came(number: int, amount: str = "1", basis: str = "100", minutes: int | None = None) -> Acquisition:
    at = START + timedelta(minutes=number if minutes is None else minutes)
    return Acquisition(at, "kraken", "BTC", Decimal(amount), Decimal(basis), f"B{number}")


def left(number: int, amount: str = "1", proceeds: str = "110") -> Disposal:
    at = START + timedelta(days=365, minutes=number)
    return Disposal(at, "kraken", "BTC", Decimal(amount), Decimal(proceeds), DisposalKind.TRADE, f"S{number}")


def exact_sum(amounts):
    with localcontext(MONEY):
        return sum(amounts, Decimal(0))


class CountingFifo(Fifo):
    """Counts how often a lot was looked at."""

    def __init__(self) -> None:
        self.looks = 0

    def key(self, lot: Lot):
        self.looks += 1
        return super().key(lot)


def looks_for(fills: int) -> int:
    method = CountingFifo()
    book = LotBook(method, Scope.PER_WALLET)
    for number in range(fills // 2):
        book.acquire(came(number))
    matches = [match for number in range(fills // 2) for match in book.dispose(left(number))]
    assert len(matches) == fills // 2
    return method.looks


def test_a_hundred_thousand_fills_cost_a_hundred_times_a_thousand():
    assert looks_for(100_000) <= 101 * looks_for(1_000)


def test_a_refused_disposal_leaves_the_book_as_it_was():
    book = LotBook(Fifo(), Scope.PER_WALLET)
    book.acquire(came(1, "1", "100"))
    with pytest.raises(BadData, match=r"0\.5 BTC missing"):
        book.dispose(left(1, "1.5"))
    assert [match.basis for match in book.dispose(left(2, "1"))] == [Decimal(100)]
    assert book.open_lots() == []


def test_a_lot_that_is_booked_late_takes_its_place_by_age():
    book = LotBook(Fifo(), Scope.PER_WALLET)
    for number, minutes in ((1, 10), (2, 30), (3, 20), (4, 5)):
        book.acquire(came(number, minutes=minutes))
    assert [match.lot.acquired_id for match in book.dispose(left(1, "4"))] == ["B4", "B1", "B3", "B2"]


def test_thirds_add_up_to_the_last_digit():
    book = LotBook(Fifo(), Scope.PER_WALLET)
    book.acquire(came(1, "3", "100"))
    pieces = [book.dispose(left(number, "1", "33.33"))[0].basis for number in range(3)]
    assert exact_sum(pieces) == Decimal(100)
    assert len(set(pieces)) == 2  # one of them took the remainder


def test_proceeds_shared_over_lots_add_up():
    book = LotBook(Fifo(), Scope.PER_WALLET)
    for number in range(3):
        book.acquire(came(number, "0.1", "10"))
    assert exact_sum(match.proceeds for match in book.dispose(left(1, "0.3", "100"))) == Decimal(100)


def test_nothing_is_left_of_lots_that_float_drift_would_leave():
    parts = [trade(f"B{n}", "buy", "0.1", "100", at=f"2024-01-0{n + 1}T00:00:00Z") for n in range(3)]
    result = compute_lots([*parts, trade("S", "sell", "0.3", "100", at="2024-02-01T00:00:00Z")])
    assert result.open_lots == ()


@pytest.mark.parametrize("name", ["lifo", "hifo", "acb", "uk", "FIFO", ""])
def test_a_method_that_is_not_there_is_refused_by_name(name):
    with pytest.raises(Misconfigured, match=f"tax method '{name}' is not available; allowed: fifo"):
        method_named(name)


def test_scopes_are_known_by_both_spellings():
    assert scope_named("per-wallet") is scope_named("per_wallet") is Scope.PER_WALLET
    with pytest.raises(Misconfigured, match="allowed: per_wallet, universal"):
        scope_named("pooled")


@pytest.mark.parametrize(
    ("amount", "text"), [("1E-8", "0.00000001"), ("1E+5", "100000"), ("-0.00", "0"), ("0.10", "0.1"), ("-1.50", "-1.5")]
)
def test_amounts_print_plain(amount, text):
    assert shortest(Decimal(amount)) == text
