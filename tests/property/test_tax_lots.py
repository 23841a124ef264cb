"""Lots keep what they are given: coins, money, and the same bytes."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from kracken_tasks.domain.clock import utc
from kracken_tasks.domain.trading import Side
from kracken_tasks.tax import FairValues, Trade, compute_lots
from kracken_tasks.tax.koinly import koinly_bytes
from kracken_tasks.tax.lots import Scope
from kracken_tasks.tax.lots_csv import gains_bytes, open_lots_bytes
from kracken_tasks.tax.term import zone_named
from kracken_tasks.tax.trades_csv import read_trades, trades_bytes

START = utc(2023, 1, 1)
VALUES = FairValues(
    stated={"BTC": Decimal(20_000), "ETH": Decimal(1_500), "USDT": Decimal("0.999"), "EUR": Decimal("1.1")}
)
MONEY = {"USD": Decimal(1), "EUR": Decimal("1.1")}
TINY = Decimal("1e-20")  # 38 digits are carried; a division may lose the last

amounts = st.decimals(min_value=Decimal("0.00000001"), max_value=Decimal(1000), places=8)
prices = st.decimals(min_value=Decimal("0.01"), max_value=Decimal(100_000), places=2)


@st.composite
def histories(draw, symbols=("BTC/USD", "ETH/EUR", "ETH/BTC", "BTC/USDT"), fees=("quote", "base", "money", "none")):
    """Trades that never sell more than is held: each begins with enough of every coin, and sells a share of it."""
    trades = [_trade(f"I{n}", START, symbol, Side.BUY, Decimal(10_000_000), Decimal(1), "none", Decimal(0))
              for n, symbol in enumerate(("BTC/USD", "ETH/USD", "USDT/USD"))]  # fmt: skip
    for number in range(draw(st.integers(0, 12))):
        moment = START + timedelta(hours=draw(st.integers(0, 50)))
        symbol, side = draw(st.sampled_from(symbols)), draw(st.sampled_from(list(Side)))
        amount, price = draw(amounts), draw(prices) if not symbol.endswith("BTC") else Decimal("0.05")
        price = min(price, Decimal(500_000) / amount).quantize(Decimal("0.01")) or Decimal("0.01")
        fraction = draw(st.sampled_from([Decimal("0.0026"), Decimal("0.004"), Decimal("0.25")]))
        trades.append(_trade(f"T{number}", moment, symbol, side, amount, price, draw(st.sampled_from(fees)), fraction))
    return trades


def _trade(trade_id, moment, symbol, side, amount, price, fee_in, fraction):
    base, quote = symbol.split("/")
    fee, currency = {
        "quote": (amount * price * fraction, quote),
        "base": (amount * fraction, base),
        "money": (Decimal("1.5"), "USD"),
        "none": (Decimal(0), ""),
    }[fee_in]
    return Trade(moment, "kraken", symbol, side, amount, price, fee, currency, trade_id)


def moved(trade):
    """Every asset's change of balance."""
    sign = 1 if trade.side is Side.BUY else -1
    yield trade.base, sign * trade.amount
    yield trade.quote, -sign * trade.cost
    yield trade.fee_currency, -trade.fee_cost


@given(histories(), st.sampled_from(list(Scope)))
@settings(max_examples=60, deadline=None)
def test_what_came_is_what_left_and_what_is_held(trades, scope):
    result = compute_lots(trades, values=VALUES, scope=scope)
    balance, held = defaultdict(Decimal), defaultdict(Decimal)
    for trade in trades:
        for asset, change in moved(trade):
            if asset and asset not in MONEY:
                balance[asset] += change
    for lot in result.open_lots:
        held[lot.source.asset] += lot.amount
    assert dict(held) == {asset: amount for asset, amount in balance.items() if amount}


@given(histories())
@settings(max_examples=60, deadline=None)
def test_gains_and_open_basis_are_what_money_did(trades):
    result = compute_lots(trades, values=VALUES)
    money = sum(change * MONEY[asset] for trade in trades for asset, change in moved(trade) if asset in MONEY)
    open_basis = sum((lot.basis for lot in result.open_lots), Decimal(0))
    assert abs(result.gain - open_basis - money) < TINY


@given(histories(), st.data())
@settings(max_examples=40, deadline=None)
def test_splitting_a_fill_into_parts_changes_no_total(trades, data):
    index = data.draw(st.integers(0, len(trades) - 1))
    whole = trades[index]
    share = data.draw(st.sampled_from([Decimal("0.5"), Decimal("0.25"), Decimal("0.1")]))
    part = replace(whole, amount=whole.amount * share, fee_cost=whole.fee_cost * share, trade_id=f"{whole.trade_id}a")
    rest = replace(
        whole, amount=whole.amount - part.amount, fee_cost=whole.fee_cost - part.fee_cost, trade_id=f"{whole.trade_id}b"
    )
    one = compute_lots(trades, values=VALUES)
    two = compute_lots([*trades[:index], part, rest, *trades[index + 1 :]], values=VALUES)
    assert abs(one.gain - two.gain) < TINY
    assert _left(one) == _left(two)


def _left(result):
    held = defaultdict(Decimal)
    for lot in result.open_lots:
        held[lot.source.asset] += lot.amount
    return dict(held)


@given(histories())
@settings(max_examples=30, deadline=None)
def test_the_same_trades_give_the_same_bytes_in_whatever_order_they_are_told(trades):
    def files(told):
        result = compute_lots(sorted(told, key=lambda one: (one.timestamp, one.trade_id)), values=VALUES)
        return gains_bytes(result, zone_named("UTC")), open_lots_bytes(result), trades_bytes(told), koinly_bytes(told)

    made = files(trades)
    assert made == files(trades[::-1])
    text = b"".join(made).decode()
    assert "E-" not in text
    assert "E+" not in text
    assert ",-0," not in text
    assert "-0.00000000," not in text


@given(histories())
@settings(max_examples=30, deadline=None)
def test_trades_written_are_the_trades_read(tmp_path_factory, trades):
    path = tmp_path_factory.mktemp("trades") / "trades.csv"
    path.write_bytes(trades_bytes(trades))
    assert read_trades(path) == sorted(trades, key=lambda one: (one.timestamp, one.trade_id))


@given(histories(symbols=("BTC/USD", "ETH/USD")))
@settings(max_examples=30, deadline=None)
def test_one_wallet_and_one_pool_agree_where_there_is_one_exchange(trades):
    per_wallet, universal = (
        compute_lots(trades, values=VALUES, scope=scope) for scope in (Scope.PER_WALLET, Scope.UNIVERSAL)
    )
    assert per_wallet.matches == universal.matches
