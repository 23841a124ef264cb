"""The books held against the venue: every difference has its cause, on both databases."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from kracken_tasks.domain.trading import CashMovement, Fill, Purpose
from kracken_tasks.errors import RetryLater
from kracken_tasks.ledger import AlertKind, AlertLevel, Booking, Ledger, Source
from kracken_tasks.ledger.books import BooksReport, check_books, last_agreed
from kracken_tasks.ledger.statement import Cause
from tests.support.ledger import NOON, at, deposit, fill
from tests.support.stated_venue import StatedVenue, lines_of

NIGHT = at(720)


def _book(ledger: Ledger, *fills: Fill) -> None:
    ledger.book_fills([Booking(one, Purpose.ENTRY) for one in fills])


def _opened(ledger: Ledger) -> StatedVenue:
    """An account with a deposit that both sides know."""
    line = deposit("m1", "USD", "10000")
    ledger.book_cash([line])
    return StatedVenue([line])


def _causes(report: BooksReport) -> dict[str, list[tuple[Cause, Decimal]]]:
    return {item.asset: [(part.cause, part.amount) for part in item.parts] for item in report.differing}


def _sums(report: BooksReport) -> None:
    for item in report.assets:
        assert sum((part.amount for part in item.parts), item.rest) == item.difference


def test_books_that_agree_say_so_and_the_next_check_begins_there(ledger: Ledger) -> None:
    venue = _opened(ledger)
    bought = fill("T1", "buy", "0.1", "30000", fee="7.8", ts=at(5))
    _book(ledger, bought)
    venue.lines += lines_of(bought)
    report = check_books(ledger, venue, at=NIGHT)
    assert report.agrees
    assert report.sentence.startswith("balanced: 2 assets")
    assert last_agreed(ledger) == NIGHT
    assert check_books(ledger, venue, at=NIGHT + timedelta(days=1)).since == NIGHT - timedelta(days=1)
    assert ledger.alerts() == ()
    assert {note.source for note in ledger.notes("books")} == {Source.CHECK}


def test_a_fill_the_book_does_not_hold_explains_both_its_coins(ledger: Ledger) -> None:
    venue = _opened(ledger)
    venue.lines += lines_of(fill("T1", "buy", "0.1", "30000", fee="7.8", ts=at(5)))
    report = check_books(ledger, venue, at=NIGHT)
    assert _causes(report) == {
        "BTC": [(Cause.UNBOOKED_FILL, Decimal("0.1"))],
        "USD": [(Cause.UNBOOKED_FILL, Decimal("-3007.8"))],
    }
    assert report.unexplained == ()
    assert {alert.level for alert in ledger.alerts()} == {AlertLevel.WARNING}
    _sums(report)


def test_what_came_and_left_unbooked_is_named_by_its_kind(ledger: Ledger) -> None:
    venue = _opened(ledger)
    ledger.book_cash([deposit("m2", "ETH", "1", ts=at(1))])
    venue.lines += [
        deposit("m2", "ETH", "1", ts=at(1)),
        deposit("m3", "USD", "50", ts=at(2)),
        deposit("m4", "BTC", "-0.2", ts=at(3), kind="withdrawal", fee="0.0001"),
        deposit("m5", "ETH", "0.001", ts=at(4), kind="staking"),
        deposit("m6", "ETH", "-0.5", ts=at(5), kind="earn/allocation"),
        deposit("m7", "ETH.F", "0.5", ts=at(5), kind="earn/allocation"),
        deposit("m8", "DOT", "3", ts=at(6), kind="airdrop"),
    ]
    report = check_books(ledger, venue, at=NIGHT)
    assert _causes(report) == {
        "BTC": [(Cause.WITHDRAWAL, Decimal("-0.2001"))],
        "DOT": [(Cause.MOVEMENT, Decimal(3))],
        "ETH": [(Cause.REWARD, Decimal("0.001")), (Cause.EARN_MOVE, Decimal("-0.5"))],
        "ETH.F": [(Cause.EARN_MOVE, Decimal("0.5"))],
        "USD": [(Cause.DEPOSIT, Decimal(50))],
    }
    assert ledger.cash().get("DOT") is None, "a check books no movement"
    _sums(report)


def test_a_fill_booked_with_five_decimals_before_its_ledger_line_appeared_is_corrected_once(ledger: Ledger) -> None:
    venue = _opened(ledger)
    printed = replace(fill("T1", "buy", "0.1", "30000.01234", fee="7.80000", ts=at(5)), cost=Decimal("3000.00123"))
    _book(ledger, printed)
    venue.lines += lines_of(printed, cost="3000.001234", fee="7.8000031")
    report = check_books(ledger, venue, at=NIGHT)
    assert report.agrees
    (correction,) = report.booked
    assert (correction.kind, correction.asset, correction.amount) == (
        "correction/rounding", "USD", Decimal("-0.0000071"),
    )  # fmt: skip
    assert (correction.reference_id, correction.source) == ("T1", Source.CHECK)
    again = check_books(ledger, venue, at=NIGHT + timedelta(days=1), since=NOON)
    assert again.agrees
    assert again.booked == ()
    assert ledger.verify().sound


def test_a_fee_taken_in_a_third_coin_is_corrected_in_both_coins(ledger: Ledger) -> None:
    venue = _opened(ledger)
    ledger.book_cash([deposit("m2", "KFEE", "1000", ts=at(1))])
    told = fill("T1", "buy", "0.1", "30000", fee="7.8", ts=at(5))
    _book(ledger, told)
    venue.lines += [deposit("m2", "KFEE", "1000", ts=at(1)), *lines_of(told, fee="780", fee_in="KFEE")]
    report = check_books(ledger, venue, at=NIGHT)
    assert report.agrees
    booked = {line.asset: (line.kind, line.amount) for line in report.booked}
    assert booked == {"USD": ("correction/fee", Decimal("7.8")), "KFEE": ("correction/fee", Decimal(-780))}
    shown = [(row["asset"], row["difference"], row["because"]) for row in report.rows()]
    assert set(shown[-2:]) == {
        (line.asset, str(line.amount), f"booked: correction/fee of {line.reference_id}") for line in report.booked
    }
    assert {(asset, because) for asset, _, because in shown[:-2]} == {(one.asset, "") for one in report.assets}


def test_a_fee_taken_in_coins_left_the_position_larger_than_the_coins_so_that_its_sale_was_refused(
    ledger: Ledger,
) -> None:
    venue = _opened(ledger)
    told = fill("T1", "buy", "0.1", "30000", fee="7.8", ts=at(5))
    _book(ledger, told)
    venue.lines += lines_of(told, fee="0.00026", fee_in="BTC")
    check_books(ledger, venue, at=NIGHT)
    held = ledger.positions()["BTC/USD"]
    assert held.amount == ledger.cash()["BTC"] == Decimal("0.09974")
    assert held.cost == 3000
    sold = fill("T2", "sell", "0.09974", "31000", fee="8", ts=at(800))
    ledger.book_fills([Booking(sold, Purpose.EXIT)])
    (trip,) = ledger.round_trips()
    assert (trip.dust, trip.fees) == (0, {"BTC": Decimal("0.00026"), "USD": 8})
    assert trip.net == ledger.cash()["USD"] - 10000
    assert trip.gross == trip.net + 8 + Decimal("0.00026") * 30000
    assert ledger.realised_since(NOON) == {"USD": trip.net}


@pytest.mark.parametrize(("of", "fee_in"), [("T1", "BTC"), ("T2", "BTC"), ("T1", "KFEE"), ("T2", "KFEE")])
def test_a_trip_that_had_closed_before_its_fee_was_corrected_tells_what_the_account_gained(
    ledger: Ledger, of: str, fee_in: str
) -> None:
    venue = _opened(ledger)
    ledger.book_cash([deposit("m2", fee_in, "1", ts=at(1))])
    venue.lines.append(deposit("m2", fee_in, "1", ts=at(1)))
    bought = fill("T1", "buy", "0.1", "30000", fee="7.8", ts=at(5))
    sold = fill("T2", "sell", "0.1", "31000", fee="8", ts=at(6))
    ledger.book_fills([Booking(bought, Purpose.ENTRY), Booking(sold, Purpose.EXIT)])
    for one in (bought, sold):
        venue.lines += lines_of(one, **({"fee": "0.0002", "fee_in": fee_in} if one.trade_id == of else {}))
    assert check_books(ledger, venue, at=NIGHT).agrees
    (trip,) = ledger.round_trips()
    assert trip.net == ledger.cash()["USD"] - 10000
    assert trip.dust == (Decimal("-0.0002") if fee_in == "BTC" else 0)
    assert trip.fees == {fee_in: Decimal("0.0002"), "USD": Decimal("8" if of == "T1" else "7.8")}
    assert ledger.realised_since(NOON) == {"USD": trip.net}


def test_a_fill_that_stands_otherwise_in_the_venue_s_ledger_is_told_and_not_put_right(ledger: Ledger) -> None:
    venue = _opened(ledger)
    told = fill("T1", "buy", "0.1", "30000", fee="7.8", ts=at(5))
    _book(ledger, told)
    venue.lines += lines_of(told, cost="3100")
    report = check_books(ledger, venue, at=NIGHT)
    assert _causes(report) == {"USD": [(Cause.OTHERWISE, Decimal(-100))]}
    assert report.booked == ()


def test_a_correction_is_not_booked_on_the_word_of_one_statement_alone(ledger: Ledger) -> None:
    venue = _opened(ledger)
    told = fill("T1", "buy", "0.1", "30000", fee="7.8", ts=at(5))
    _book(ledger, told)
    venue.lines += lines_of(told, fee="7.80001")
    venue.totals = {"USD": "6992.2", "BTC": "0.1"}  # the balance says that the book is right
    report = check_books(ledger, venue, at=NIGHT)
    assert report.booked == ()
    (dollars,) = report.unexplained
    assert (dollars.asset, dollars.difference, dollars.rest) == ("USD", Decimal(0), Decimal("0.00001"))


def test_a_fee_in_another_coin_is_not_half_corrected(ledger: Ledger) -> None:
    venue = _opened(ledger)
    told = fill("T1", "buy", "0.1", "30000", fee="7.8", ts=at(5))
    _book(ledger, told)
    venue.lines += lines_of(told, fee="0.00026", fee_in="BTC")
    venue.totals = {"USD": "7000", "BTC": "0.1"}  # dollars agree with the lines, coins do not
    assert check_books(ledger, venue, at=NIGHT).booked == ()


def test_money_that_nothing_explains_is_critical_and_told_once(ledger: Ledger) -> None:
    venue = _opened(ledger)
    venue.beside = {"USD": "-123.45"}
    report = check_books(ledger, venue, at=NIGHT)
    (dollars,) = report.unexplained
    assert dollars.rest == Decimal("-123.45")
    assert "unknown -123.45" in report.sentence
    check_books(ledger, venue, at=NIGHT + timedelta(days=1))
    (alert,) = ledger.alerts()
    assert (alert.kind, alert.level) == (AlertKind.BALANCE_DIFFERENCE, AlertLevel.CRITICAL)
    assert last_agreed(ledger) is None


def test_the_same_difference_after_a_time_of_agreement_is_told_anew(ledger: Ledger) -> None:
    venue = _opened(ledger)
    for day in range(3):  # differs, agrees, differs by as much again
        venue.beside = {} if day == 1 else {"USD": "-50"}
        check_books(ledger, venue, at=NIGHT + timedelta(days=day))
    assert [alert.kind for alert in ledger.alerts()] == [AlertKind.BALANCE_DIFFERENCE] * 2


def test_an_opposite_pair_of_mistakes_does_not_pass_as_agreement(ledger: Ledger) -> None:
    venue = _opened(ledger)
    venue.lines.append(deposit("m3", "USD", "50", ts=at(2)))
    venue.beside = {"USD": "-50"}
    report = check_books(ledger, venue, at=NIGHT)
    assert not report.agrees
    assert [(item.difference, item.rest) for item in report.differing] == [(Decimal(0), Decimal(-50))]


def test_what_is_booked_and_in_none_of_the_venue_s_listings_is_named_but_not_while_it_may_be_late(
    ledger: Ledger,
) -> None:
    venue = _opened(ledger)
    early, late = fill("T1", "buy", "0.1", "100", ts=at(5)), fill("T2", "buy", "0.1", "100", ts=NIGHT)
    _book(ledger, early, late)
    ledger.book_cash([deposit("m9", "USD", "7", ts=at(6))])
    report = check_books(ledger, venue, at=NIGHT)
    named = {part.reference for item in report.differing for part in item.parts if part.cause is Cause.NOT_AT_VENUE}
    assert named == {"T1", "m9"}
    _sums(report)


def test_a_venue_without_lines_of_trades_is_held_against_its_executions(ledger: Ledger) -> None:
    class WithoutTrades:
        def __init__(self, inner: StatedVenue) -> None:
            self.balances, self.fills, self.cash_movements = inner.balances, inner.fills, inner.cash_movements

    venue = _opened(ledger)
    known, news = fill("T1", "buy", "0.1", "100", ts=at(5)), fill("T2", "sell", "0.05", "100", fee="0.1", ts=at(6))
    _book(ledger, known)
    venue.executions = [known, news]
    venue.beside = {"USD": "-5.1", "BTC": "0.05"}
    report = check_books(ledger, WithoutTrades(venue), at=NIGHT)
    assert _causes(report) == {
        "BTC": [(Cause.UNBOOKED_FILL, Decimal("-0.05"))],
        "USD": [(Cause.UNBOOKED_FILL, Decimal("4.9"))],
    }
    assert report.unexplained == ()


def test_an_account_that_moves_while_it_is_read_is_read_again_and_at_last_left_for_later(ledger: Ledger) -> None:
    venue = _opened(ledger)
    venue.moves_while_read = 3
    assert check_books(ledger, venue, at=NIGHT).agrees
    venue.moves_while_read = 99
    before = len(ledger.entries())
    with pytest.raises(RetryLater, match="moves while"):
        check_books(ledger, venue, at=NIGHT)
    assert len(ledger.entries()) == before


def test_a_check_that_died_after_its_correction_books_it_no_second_time(ledger: Ledger) -> None:
    class Dying(StatedVenue):
        answers = 2

        def balances(self):  # type: ignore[no-untyped-def]
            self.answers -= 1
            if self.answers < 0:
                raise ConnectionError("killed")
            return super().balances()

    opening = deposit("m1", "USD", "10000")
    ledger.book_cash([opening])
    told = fill("T1", "buy", "0.1", "30000", fee="7.8", ts=at(5))
    _book(ledger, told)
    dying = Dying([opening, *lines_of(told, fee="7.80001")])
    with pytest.raises(ConnectionError):
        check_books(ledger, dying, at=NIGHT)
    corrected = [line for line in ledger.cash_entries() if line.kind == "correction/rounding"]
    assert len(corrected) == 1
    report = check_books(ledger, StatedVenue(dying.lines), at=NIGHT)
    assert report.agrees
    assert report.booked == ()


def test_two_checks_at_once_book_one_correction(ledger: Ledger) -> None:
    venue = _opened(ledger)
    told = fill("T1", "buy", "0.1", "30000", fee="7.8", ts=at(5))
    _book(ledger, told)
    venue.lines += lines_of(told, fee="7.80001")
    racing: list[CashMovement] = []

    class Overtaken(StatedVenue):
        def ledger_lines(self, start):  # type: ignore[no-untyped-def]
            if not racing:
                racing.extend(self.lines)
                check_books(ledger, venue, at=NIGHT)
            return super().ledger_lines(start)

    report = check_books(ledger, Overtaken(list(venue.lines)), at=NIGHT + timedelta(seconds=1))
    assert report.agrees
    assert len([line for line in ledger.cash_entries() if line.kind.startswith("correction")]) == 1
