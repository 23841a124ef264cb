"""Several agents, one order: nothing is lost between them, and a share's results are its own."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from kracken_tasks.domain.trading import Purpose, Side
from kracken_tasks.ledger import FillEntry
from kracken_tasks.strategies.netting import net, share_lots, split
from kracken_tasks.strategies.shares import AgentBook, NetNote, fold, note_key
from tests.support.ledger import NOON

NAMES = ("ada", "bob", "cy", "dee")
WISHES = st.dictionaries(st.sampled_from(NAMES), st.integers(-50, 50), max_size=4)
STEP = Decimal("0.001")
BTC = "BTC/USD"


@given(wishes=WISHES)
def test_every_agent_gets_what_it_wanted_by_cross_and_order_together(wishes: dict[str, int]) -> None:
    netted = net(wishes)
    for agent, wanted in wishes.items():
        assert netted.crossed(agent) + netted.ordered.get(agent, 0) == wanted
    assert netted.order == sum(netted.ordered.values()) == sum(wishes.values())
    assert all(lots * netted.order > 0 for lots in netted.ordered.values())
    assert all(cross.lots > 0 and wishes[cross.seller] < 0 < wishes[cross.buyer] for cross in netted.crosses)


@given(lots=st.integers(1, 10**9), first=st.sampled_from(NAMES[:2]))
def test_opposite_agents_cancel_without_an_order(lots: int, first: str) -> None:
    other = "bob" if first == "ada" else "ada"
    netted = net({first: lots, other: -lots})
    assert (netted.order, netted.ordered) == (0, {})
    assert [(cross.seller, cross.buyer, cross.lots) for cross in netted.crosses] == [(other, first, lots)]


@given(wishes=WISHES)
def test_the_order_in_which_agents_are_asked_changes_nothing(wishes: dict[str, int]) -> None:
    assert net(wishes) == net(dict(reversed(list(wishes.items()))))


@given(weights=st.dictionaries(st.sampled_from(NAMES), st.integers(0, 10**9), min_size=1), part=st.floats(0.0, 1.0))
def test_shares_add_up_and_are_a_lot_from_proportion_at_most(weights: dict[str, int], part: float) -> None:
    whole = sum(weights.values())
    total = min(int(part * whole), whole)
    shares = share_lots(total, weights)
    assert sum(shares.values()) == total
    for agent, lots in shares.items():
        assert 0 <= lots <= weights[agent]
        assert whole == 0 or abs(lots * whole - total * weights[agent]) < whole


AMOUNTS = st.decimals("0", "1e6", places=8, allow_nan=False, allow_infinity=False)


@given(amount=AMOUNTS, weights=st.dictionaries(st.sampled_from(NAMES), AMOUNTS, min_size=1))
def test_a_split_amount_adds_up_to_the_last_digit(amount: Decimal, weights: dict[str, Decimal]) -> None:
    parts = split(amount, weights, STEP)
    assert sum(parts.values()) == amount
    assert all(part >= 0 for part in parts.values())
    assert parts == split(amount, dict(reversed(list(weights.items()))), STEP)


# -- the ledger inside the ledger ------------------------------------------------------------------------------------------------

TICKS = st.lists(
    st.tuples(
        st.dictionaries(st.sampled_from(NAMES[:3]), st.integers(-40, 40), min_size=1, max_size=3),
        st.integers(90, 110),  # price
        st.lists(st.integers(1, 9), max_size=3),  # how the order fills, in tenths of what is left; nothing: it does not
        st.booleans(),  # fee in base
        st.integers(0, 3),  # then a stop sells so many quarters of the position
    ),
    min_size=1,
    max_size=8,
)


class Account:
    """The account's own fills, made from what agents ask, and the notes they leave."""

    def __init__(self) -> None:
        self.fills: list[FillEntry] = []
        self.notes: list[NetNote] = []
        self.keys: dict[str, str] = {}
        self.coins = self.money = Decimal(0)
        self.seq = 0

    def books(self) -> dict[str, AgentBook]:
        return fold(self.fills, self.notes, self.keys, heir="ada")

    def next(self) -> int:
        self.seq += 1
        return self.seq

    def tick(self, wishes: dict[str, int], price: int) -> NetNote:
        """What agents hold bounds what they sell; the rest is asked."""
        books, seq = self.books(), self.next()
        held = {agent: int(book.holds(BTC) / STEP) for agent, book in books.items()}
        asked = {agent: max(lots, -max(held.get(agent, 0), 0)) for agent, lots in wishes.items()}
        netted = net(asked)
        crosses = tuple((one.seller, one.buyer, one.lots * STEP, Decimal(price)) for one in netted.crosses)
        note = NetNote(seq, NOON + timedelta(minutes=seq), f"tick-{seq}", BTC, STEP, netted.ordered, crosses)
        self.notes.append(note)
        return note

    def fill(self, side: Side, lots: int, price: int, *, key: str, purpose: Purpose, base_fee: bool) -> None:
        if lots <= 0:
            return
        seq = self.next()
        amount, cost = lots * STEP, lots * STEP * price
        fee, currency = (amount / 1000, "BTC") if base_fee and side is Side.BUY else (cost / 300, "USD")
        fee = fee.quantize(Decimal("1e-9"))
        self.keys[f"C{seq}"] = key
        self.coins += (amount if side is Side.BUY else -amount) - (fee if currency == "BTC" else 0)
        self.money += (-cost if side is Side.BUY else cost) - (fee if currency == "USD" else 0)
        self.fills.append(
            FillEntry(
                NOON + timedelta(minutes=seq), f"T{seq}", f"O{seq}", BTC, side, amount, Decimal(price), cost, fee, currency,
                "taker", purpose, f"C{seq}", "", "pos_1", False, False, seq,
            )
        )  # fmt: skip


def lived(ticks: list[tuple[dict[str, int], int, list[int], bool, int]]) -> Account:
    account = Account()
    for wishes, price, portions, base_fee, quarters in ticks:
        note = account.tick(wishes, price)
        total = sum(note.ordered.values())
        side, left, purpose = (Side.BUY, total, Purpose.ENTRY) if total > 0 else (Side.SELL, -total, Purpose.EXIT)
        for tenths in portions:
            lots = left * tenths // 10
            left -= lots
            account.fill(side, lots, price, key=note_key(note.tick_id, BTC), purpose=purpose, base_fee=base_fee)
        stopped = int(account.coins / STEP) * quarters // 4
        account.fill(
            Side.SELL, stopped, price - 1, key=note_key(note.tick_id, BTC), purpose=Purpose.STOP, base_fee=False
        )
    return account


@settings(max_examples=150, deadline=None)
@given(ticks=TICKS)
def test_the_agents_coins_and_money_add_up_to_the_account_s(
    ticks: list[tuple[dict[str, int], int, list[int], bool, int]],
) -> None:
    account = lived(ticks)
    books = account.books()
    assert sum((book.holds(BTC) for book in books.values()), Decimal(0)) == account.coins
    assert sum((book.money.get("USD", Decimal(0)) for book in books.values()), Decimal(0)) == account.money


@settings(max_examples=150, deadline=None)
@given(ticks=TICKS)
def test_an_agent_s_money_is_its_results_less_what_its_coins_cost(
    ticks: list[tuple[dict[str, int], int, list[int], bool, int]],
) -> None:
    for book in lived(ticks).books().values():
        results = sum((result for _, _, result in book.results), Decimal(0))
        assert book.money.get("USD", Decimal(0)) == results - sum(book.cost.values(), Decimal(0))


@settings(max_examples=100, deadline=None)
@given(ticks=TICKS)
def test_nobody_gives_a_lot_more_than_it_holds(
    ticks: list[tuple[dict[str, int], int, list[int], bool, int]],
) -> None:
    assert all(book.holds(BTC) > -STEP for book in lived(ticks).books().values())


@given(ticks=TICKS)
def test_folding_again_gives_the_same_books(ticks: list[tuple[dict[str, int], int, list[int], bool, int]]) -> None:
    account = lived(ticks)
    assert account.books() == account.books() == fold(reversed(account.fills), account.notes, account.keys, heir="ada")


def test_partial_fills_are_shared_in_proportion_and_the_last_lot_goes_to_the_larger_remainder() -> None:
    account = Account()
    note = account.tick({"ada": 20, "bob": 10}, 100)
    account.fill(Side.BUY, 10, 100, key=note_key(note.tick_id, BTC), purpose=Purpose.ENTRY, base_fee=False)
    books = account.books()
    assert (books["ada"].holds(BTC), books["bob"].holds(BTC)) == (Decimal("0.00666667"), Decimal("0.00333333"))


def test_a_stop_takes_from_everybody_in_proportion() -> None:
    account = Account()
    note = account.tick({"ada": 30, "bob": 10}, 100)
    account.fill(Side.BUY, 40, 100, key=note_key(note.tick_id, BTC), purpose=Purpose.ENTRY, base_fee=False)
    account.fill(Side.SELL, 20, 95, key=note_key(note.tick_id, BTC), purpose=Purpose.STOP, base_fee=False)
    books = account.books()
    assert (books["ada"].holds(BTC), books["bob"].holds(BTC)) == (Decimal("0.015"), Decimal("0.005"))


def test_a_cross_moves_coins_at_its_price_and_the_seller_s_result_is_its_own() -> None:
    account = Account()
    note = account.tick({"ada": 10}, 100)
    account.fill(Side.BUY, 10, 100, key=note_key(note.tick_id, BTC), purpose=Purpose.ENTRY, base_fee=False)
    account.tick({"ada": -10, "bob": 10}, 110)
    books = account.books()
    assert (books["ada"].holds(BTC), books["bob"].holds(BTC)) == (Decimal(0), Decimal("0.01"))
    assert books["bob"].money["USD"] == Decimal("-1.1")
    (closed,) = books["ada"].results
    assert closed[2] == Decimal("1.1") - Decimal("1") - account.fills[0].fee


def test_a_position_that_ends_leaves_its_dust_to_nobody() -> None:
    account = Account()
    note = account.tick({"ada": 10, "bob": 10}, 100)
    account.fill(Side.BUY, 20, 100, key=note_key(note.tick_id, BTC), purpose=Purpose.ENTRY, base_fee=True)
    account.fill(Side.SELL, 19, 100, key="", purpose=Purpose.STOP, base_fee=False)
    account.fills[-1] = replace(account.fills[-1], closes=True)
    assert all(book.coins == {} for book in account.books().values())


def test_what_was_bought_before_there_were_agents_belongs_to_the_heir() -> None:
    account = Account()
    account.fill(Side.BUY, 10, 100, key="", purpose=Purpose.ENTRY, base_fee=False)
    assert account.books()["ada"].holds(BTC) == Decimal("0.01")
