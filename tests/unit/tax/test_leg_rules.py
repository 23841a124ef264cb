"""Each leg rule against numbers worked out by hand."""

from __future__ import annotations

from decimal import Decimal

import pytest

from kracken_tasks.domain.clock import parse_utc
from kracken_tasks.errors import BadData
from kracken_tasks.tax import FairValues, LotsResult, Trade, compute_lots
from kracken_tasks.tax.lots import Match, Scope
from tests.support.trades import trade

D = Decimal
FEB, MAR = "2024-02-01T00:00:00Z", "2024-03-01T00:00:00Z"


def lots(*trades: Trade, values: dict[str, str] | None = None, scope: Scope = Scope.PER_WALLET) -> LotsResult:
    stated = {asset: D(value) for asset, value in (values or {}).items()}
    return compute_lots(trades, values=FairValues(stated=stated), scope=scope)


def only(result: LotsResult) -> Match:
    (match,) = result.matches
    return match


def figures(match: Match) -> tuple[str, Decimal, Decimal, Decimal]:
    return match.disposal.asset, match.amount, match.proceeds, match.basis


def opened(result: LotsResult) -> list[tuple[str, Decimal, Decimal]]:
    return [(lot.source.asset, lot.amount, lot.basis) for lot in result.open_lots]


# --- 1: money ---


def test_fee_in_money_joins_the_basis_and_leaves_the_proceeds():
    result = lots(
        trade("B", "buy", "0.5", "40000", fee="52", fee_currency="USD"),
        trade("S", "sell", "0.2", "50000", at=FEB, fee="26", fee_currency="USD"),
    )
    # basis 20052 for 0.5, so 8020.80 for 0.2; proceeds 10000 - 26
    assert figures(only(result)) == ("BTC", D("0.2"), D("9974"), D("8020.8"))
    assert only(result).gain == D("1953.2")
    assert opened(result) == [("BTC", D("0.3"), D("12031.2"))]


def test_quote_in_other_money_is_valued_and_never_becomes_a_lot():
    result = lots(
        trade("B", "buy", "1", "1000", symbol="ETH/EUR", fee="2", fee_currency="EUR"),
        trade("S", "sell", "1", "1500", at=FEB, symbol="ETH/EUR", fee="3", fee_currency="EUR"),
        values={"EUR": "1.10"},
    )
    assert figures(only(result)) == ("ETH", D("1"), D("1646.7"), D("1102.2"))
    assert opened(result) == []


def test_changing_money_into_money_moves_no_lots():
    result = lots(trade("B", "buy", "1000", "1.1", symbol="EUR/USD", fee="1", fee_currency="USD"))
    assert result.matches == ()
    assert opened(result) == []


# --- 2: fee in one of the two coins ---


def test_fee_withheld_in_the_coin_received_makes_a_smaller_lot_at_the_full_price():
    result = lots(trade("B", "buy", "1", "40000", fee="0.004", fee_currency="BTC"))
    assert opened(result) == [("BTC", D("0.996"), D("40000"))]


def test_fee_in_the_coin_given_leaves_on_top_for_the_gross_proceeds():
    result = lots(
        trade("B", "buy", "1", "40000"),
        trade("S", "sell", "0.5", "50000", at=FEB, fee="0.002", fee_currency="BTC"),
    )
    assert figures(only(result)) == ("BTC", D("0.502"), D("25000"), D("20080"))
    assert opened(result) == [("BTC", D("0.498"), D("19920"))]


# --- 3: fee in a third coin ---


def test_fee_in_a_third_coin_is_a_disposal_of_it_and_joins_the_basis():
    result = lots(
        trade("N", "buy", "10", "300", symbol="BNB/USD"),
        trade("B", "buy", "1", "40000", at=FEB, fee="0.1", fee_currency="BNB"),
        values={"BNB": "400"},
    )
    fee = only(result)
    assert (figures(fee), fee.disposal.kind.value, fee.disposal.disposal_id) == (
        ("BNB", D("0.1"), D("40"), D("30")),
        "fee",
        "B",
    )
    assert opened(result) == [("BNB", D("9.9"), D("2970")), ("BTC", D("1"), D("40040"))]


def test_fee_in_a_third_coin_leaves_the_proceeds_of_a_sale():
    result = lots(
        trade("N", "buy", "10", "300", symbol="BNB/USD"),
        trade("B", "buy", "1", "40000"),
        trade("S", "sell", "1", "50000", at=FEB, fee="0.1", fee_currency="BNB"),
        values={"BNB": "400"},
    )
    sale, fee = result.matches
    assert figures(sale) == ("BTC", D("1"), D("49960"), D("40000"))
    assert figures(fee) == ("BNB", D("0.1"), D("40"), D("30"))


def test_a_fee_coin_that_is_not_held_is_named():
    with pytest.raises(
        BadData, match=r"trade B spends as a fee 0\.1 BNB on kraken but only 0 is held: 0\.1 BNB missing"
    ):
        lots(trade("B", "buy", "1", "40000", fee="0.1", fee_currency="BNB"), values={"BNB": "400"})


def test_kraken_fee_credits_cost_nothing_and_dispose_of_nothing():
    result = lots(trade("B", "buy", "1", "40000", fee="1000", fee_currency="KFEE"))
    assert (result.matches, opened(result)) == ((), [("BTC", D("1"), D("40000"))])


# --- 4: coin for coin ---


def test_coin_for_coin_gives_at_the_trades_value_and_receives_at_the_same():
    result = lots(
        trade("E", "buy", "10", "2000", symbol="ETH/USD"),
        trade("X", "sell", "5", "0.05", at=FEB, symbol="ETH/BTC", fee="30", fee_currency="USD"),
        values={"BTC": "50000"},
    )
    # 5 ETH x 0.05 BTC x 50000 = 12500; the fee lowers the proceeds only
    assert figures(only(result)) == ("ETH", D("5"), D("12470"), D("10000"))
    assert opened(result) == [("ETH", D("5"), D("10000")), ("BTC", D("0.25"), D("12500"))]
    assert result.open_lots[1].acquired_at == parse_utc(FEB)


def test_stable_coins_are_property_and_are_disposed_of_when_they_buy():
    result = lots(
        trade("U", "buy", "1000", "1.001", symbol="USDT/USD"),
        trade("B", "buy", "0.01", "50000", at=FEB, symbol="BTC/USDT"),
        values={"USDT": "0.999"},
    )
    assert figures(only(result)) == ("USDT", D("500"), D("499.5"), D("500.5"))
    assert opened(result) == [("USDT", D("500"), D("500.5")), ("BTC", D("0.01"), D("499.5"))]


def test_coin_for_coin_with_the_fee_in_the_coin_given_takes_more_of_it():
    result = lots(
        trade("U", "buy", "1000", "1", symbol="USDT/USD"),
        trade("B", "buy", "0.01", "50000", at=FEB, symbol="BTC/USDT", fee="2", fee_currency="USDT"),
        values={"USDT": "1"},
    )
    assert figures(only(result)) == ("USDT", D("502"), D("500"), D("502"))
    assert opened(result)[1] == ("BTC", D("0.01"), D("500"))


def test_coin_for_coin_with_the_fee_withheld_counts_it_once():
    result = lots(
        trade("E", "buy", "1", "2000", symbol="ETH/USD"),
        trade("X", "sell", "1", "0.1", at=FEB, symbol="ETH/BTC", fee="0.001", fee_currency="BTC"),
        trade("S", "sell", "0.099", "20000", at=MAR),
        values={"BTC": "20000"},
    )
    swap, sale = result.matches
    assert figures(swap) == ("ETH", D("1"), D("2000"), D("2000"))
    assert figures(sale) == ("BTC", D("0.099"), D("1980"), D("2000"))
    assert result.gain == D("-20")


def test_coin_for_coin_with_a_third_coin_as_fee_lowers_the_proceeds_only():
    result = lots(
        trade("N", "buy", "1", "300", symbol="BNB/USD"),
        trade("E", "buy", "1", "2000", symbol="ETH/USD"),
        trade("X", "sell", "1", "0.05", at=FEB, symbol="ETH/BTC", fee="0.01", fee_currency="BNB"),
        values={"BTC": "50000", "BNB": "400"},
    )
    swap, fee = result.matches
    assert (swap.proceeds, fee.proceeds, fee.basis) == (D("2496"), D("4"), D("3"))
    assert opened(result)[1] == ("BTC", D("0.05"), D("2500"))


def test_a_missing_value_names_trade_asset_and_moment():
    with pytest.raises(
        BadData, match="trade B: the value of USDT in USD at 2024-01-01T00:00:00Z is not known"
    ) as caught:
        lots(trade("B", "buy", "0.01", "50000", symbol="BTC/USDT"))
    assert caught.value.fields["asset"] == "USDT"


# --- 5: ties ---


def test_lots_are_usable_at_their_own_timestamp_whatever_the_row_order():
    sale, purchase = trade("A", "sell", "1", "50000"), trade("B", "buy", "1", "40000")
    assert lots(sale, purchase).gain == lots(purchase, sale).gain == D("10000")


def test_of_equally_old_lots_the_first_row_goes_first():
    result = lots(
        trade("Z", "buy", "1", "30000"), trade("A", "buy", "1", "40000"), trade("S", "sell", "1", "50000", at=FEB),
    )  # fmt: skip
    assert only(result).lot.acquired_id == "Z"


def test_the_oldest_lot_goes_first_and_a_sale_may_take_from_several():
    result = lots(
        trade("1", "buy", "1", "30000"), trade("2", "buy", "1", "40000", at=FEB), trade("S", "sell", "1.5", "60000", at=MAR),
    )  # fmt: skip
    assert [figures(match) for match in result.matches] == [
        ("BTC", D("1"), D("60000"), D("30000")),
        ("BTC", D("0.5"), D("30000"), D("20000")),
    ]


# --- 7: scope ---


def test_lots_do_not_leave_their_exchange_unless_the_scope_is_universal():
    trades = (
        trade("B", "buy", "1", "40000", exchange="kraken"),
        trade("S", "sell", "1", "50000", at=FEB, exchange="bitstamp"),
    )
    with pytest.raises(BadData, match="1 BTC on bitstamp but only 0 is held"):
        lots(*trades)
    universal = only(lots(*trades, scope=Scope.UNIVERSAL))
    assert (universal.gain, universal.disposal.wallet, universal.lot.wallet) == (D("10000"), "bitstamp", "kraken")


def test_selling_more_than_held_names_trade_asset_and_what_is_missing():
    with pytest.raises(
        BadData, match=r"trade S gives out 1 BTC on kraken but only 0\.4 is held: 0\.6 BTC missing"
    ) as caught:
        lots(trade("B", "buy", "0.4", "40000"), trade("S", "sell", "1", "50000", at=FEB))
    assert (caught.value.fields["trade_id"], caught.value.fields["missing"]) == ("S", "0.6")


def test_the_same_fill_told_twice_counts_once():
    purchase = trade("B", "buy", "1", "40000")
    assert opened(lots(purchase, purchase)) == [("BTC", D("1"), D("40000"))]


def test_one_id_for_two_trades_is_refused():
    with pytest.raises(BadData, match="trade id B on kraken names two different trades"):
        lots(trade("B", "buy", "1", "40000"), trade("B", "buy", "2", "40000"))
