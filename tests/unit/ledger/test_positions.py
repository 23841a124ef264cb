"""Positions, trips and balances as folds over fills."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from decimal import Decimal

from kracken_tasks.domain.market import Balance
from kracken_tasks.domain.trading import Fill, Purpose
from kracken_tasks.ledger.cash import balance_lines, cash_from
from kracken_tasks.ledger.entries import Booking, CashEntry, FillEntry, Plan, PlanEntry
from kracken_tasks.ledger.positions import PositionFold
from kracken_tasks.ledger.roundtrips import consecutive_losses
from tests.support.ledger import NOON, at, fill

STEP = Decimal("0.0001")


def booked(fold: PositionFold, fills: Iterable[Fill], *, step: Decimal = STEP) -> list[FillEntry]:
    entries = []
    for item in fills:
        purpose = Purpose.ENTRY if item.side == "buy" else Purpose.STOP
        entry = fold.place(Booking(item, purpose), step)
        fold.apply(entry)
        entries.append(entry)
    return entries


def test_two_partial_entries_average_into_one_position() -> None:
    fold = PositionFold()
    booked(fold, [fill("1", "buy", "0.1", "30000", fee="3"), fill("2", "buy", "0.3", "31000", fee="9")])
    position = fold.positions()["BTC/USD"]
    assert position.amount == Decimal("0.4")
    assert position.entry_price == Decimal("30750")
    assert position.cost == Decimal("12312")


def test_a_fee_in_base_currency_leaves_less_to_sell() -> None:
    fold = PositionFold()
    booked(fold, [fill("1", "buy", "1", "100", fee="0.004", fee_currency="BTC")])
    assert fold.positions()["BTC/USD"].amount == Decimal("0.996")
    booked(fold, [fill("2", "sell", "0.996", "110")])
    (trip,) = fold.trips
    assert trip.net == Decimal("9.56")
    assert trip.gross == Decimal("9.96")
    assert trip.fees == {"BTC": Decimal("0.004")}


def test_a_partial_exit_takes_its_share_of_the_cost_and_the_rest_stays() -> None:
    fold = PositionFold()
    booked(fold, [fill("1", "buy", "1", "100", fee="1"), fill("2", "sell", "0.25", "120", fee="0.5")])
    position = fold.positions()["BTC/USD"]
    assert (position.amount, position.cost) == (Decimal("0.75"), Decimal("75.75"))
    assert fold.realised_since(NOON) == {"USD": Decimal("4.25")}


def test_what_exits_realised_adds_up_to_the_net_of_the_trip() -> None:
    fold = PositionFold()
    booked(fold, [fill("1", "buy", "0.7", "33.33", fee="0.11"), fill("2", "buy", "0.2", "34.1", fee="0.07")])
    booked(fold, [fill("3", "sell", "0.3", "35", fee="0.1"), fill("4", "sell", "0.599999", "32", fee="0.2")])
    (trip,) = fold.trips
    assert fold.realised_since(NOON)["USD"] == trip.net
    assert trip.dust == Decimal("0.000001")


def test_a_remainder_below_one_lot_closes_the_position() -> None:
    fold = PositionFold()
    entries = booked(fold, [fill("1", "buy", "1.00005", "100"), fill("2", "sell", "1", "100")])
    assert entries[-1].closes
    assert fold.positions() == {}
    assert fold.trips[0].dust == Decimal("0.00005")


def test_a_remainder_of_one_lot_keeps_the_position_open() -> None:
    fold = PositionFold()
    booked(fold, [fill("1", "buy", "1.0001", "100"), fill("2", "sell", "1", "100")])
    assert fold.positions()["BTC/USD"].amount == STEP


def test_dust_of_an_old_trip_sold_with_the_next_one_does_not_go_below_zero() -> None:
    fold = PositionFold()
    booked(fold, [fill("1", "buy", "1.00005", "100"), fill("2", "sell", "1", "100")])
    booked(fold, [fill("3", "buy", "1", "100"), fill("4", "sell", "1.00005", "100")])
    assert fold.positions() == {}
    assert [trip.dust for trip in fold.trips] == [Decimal("0.00005"), Decimal("0")]


def test_positions_are_numbered_by_the_day_they_open() -> None:
    fold = PositionFold()
    day = timedelta(days=1)
    entries = booked(
        fold,
        [
            fill("1", "buy", "1", "100"),
            fill("2", "buy", "1", "10", symbol="ETH/USD"),
            fill("3", "sell", "1", "100"),
            fill("4", "buy", "1", "100"),
            fill("5", "sell", "1", "100", ts=NOON + day),
            fill("6", "buy", "1", "100", ts=NOON + day),
        ],
    )
    opened = [entry.position_id for entry in entries if entry.opens]
    assert opened == ["pos_20240115_001", "pos_20240115_002", "pos_20240115_003", "pos_20240116_001"]


def test_a_late_stop_fill_of_a_closed_position_is_not_hung_on_a_stranger() -> None:
    fold = PositionFold()
    (first, *_) = booked(fold, [fill("1", "buy", "1", "100"), fill("2", "sell", "1", "100")])
    entry = fold.place(Booking(fill("3", "sell", "1", "99"), Purpose.STOP, position_id=first.position_id), STEP)
    assert entry.position_id is None
    assert not entry.closes


def test_a_sale_of_coins_no_position_holds_opens_nothing() -> None:
    fold = PositionFold()
    (entry,) = booked(fold, [fill("1", "sell", "1", "100")])
    assert entry.position_id is None
    assert fold.positions() == {}
    assert fold.trips == []


def test_the_newest_plan_is_the_position_s_stop() -> None:
    fold = PositionFold()
    (entry,) = booked(fold, [fill("1", "buy", "1", "100")])
    for stop in ("95", "97"):
        fold.apply(
            PlanEntry(
                NOON, str(entry.position_id), "BTC/USD", Plan(stop_price=Decimal(stop), strategy="s", tags=("t",))
            )
        )
    position = fold.positions()["BTC/USD"]
    assert (position.stop_price, position.strategy, position.tags) == (Decimal("97"), "s", ("t",))


def _trips(*results: str) -> PositionFold:
    fold = PositionFold()
    for number, price in enumerate(results):
        booked(
            fold,
            [
                fill(f"b{number}", "buy", "1", "100", ts=at(number)),
                fill(f"s{number}", "sell", "1", price, ts=at(number + 0.5)),
            ],
        )
    return fold


def test_a_losing_streak_counts_back_to_the_last_trip_that_did_not_lose() -> None:
    assert consecutive_losses(_trips("90", "110", "90", "99").trips) == 2
    assert consecutive_losses(_trips("90", "90", "100").trips) == 0
    assert consecutive_losses([]) == 0


def test_a_released_streak_starts_again_at_zero() -> None:
    trips = _trips("90", "90", "90").trips
    assert consecutive_losses(trips, since=trips[1].closed_at) == 1


def _cash(kind: str, asset: str, amount: str, fee: str = "0") -> CashEntry:
    return CashEntry(NOON, f"{kind}-{asset}", "r", kind, asset, Decimal(amount), Decimal(fee))


def test_balances_come_from_deposits_fills_and_fees_in_their_own_currency() -> None:
    fold = PositionFold()
    fills = booked(
        fold,
        [fill("1", "buy", "1", "100", fee="0.26"), fill("2", "sell", "0.5", "120", fee="3", fee_currency="KFEE")],
    )
    amounts = cash_from(
        [
            _cash("deposit", "USD", "1000"),
            _cash("deposit", "KFEE", "10"),
            _cash("withdrawal", "USD", "-50", "5"),
            *fills,
        ]
    )
    assert amounts == {"USD": Decimal("904.74"), "BTC": Decimal("0.5"), "KFEE": Decimal("7")}


def test_the_venue_s_line_for_a_trade_does_not_move_the_balance_a_second_time() -> None:
    fills = booked(PositionFold(), [fill("1", "buy", "1", "100")])
    for kind in ("trade", "trade/tradespot"):
        assert cash_from([*fills, _cash(kind, "USD", "-100")]) == {"BTC": Decimal(1), "USD": Decimal(-100)}


def test_a_balance_check_names_each_asset_and_amount() -> None:
    lines = balance_lines(
        {"USD": Decimal("10"), "BTC": Decimal("1"), "GONE": Decimal(0)},
        {"USD": Balance("USD", Decimal("10")), "ETH": Balance("ETH", Decimal("2"))},
    )
    assert {line.asset: line.difference for line in lines} == {
        "BTC": Decimal("-1"),
        "ETH": Decimal("2"),
        "USD": Decimal("0"),
    }
