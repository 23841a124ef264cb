"""What belongs to which agent: a ledger inside the ledger, folded from fills, wishes and crosses.

In: the account's fills, the intents behind them, and the notes agents left.  Out: ``AgentBook`` by agent.  Never: a coin or a cent that is
nobody's or two agents'; a figure that is kept anywhere else than in the ledger.

A fill of an agents' order is shared in proportion to what each had asked for and not yet got; any other sale (a stop, a target, a
flatten) in proportion to what each holds.  Amounts go in steps of 1e-8 (or finer, where the fill is), money in steps of 1e-10, both by
largest remainder.  A cross moves coins at the price it was noted with, without a fee.  Fills from before there were several agents
belong to ``heir``.

Notes under the topic ``agents``, one a tick and symbol (``<tick>|<symbol>``): ``order:NAME`` the signed lots an agent has in the net order,
``cross:N`` "seller buyer lots price", ``step`` the size of a lot.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal, localcontext
from typing import TYPE_CHECKING, Final

from kracken_tasks.domain.market import split_symbol
from kracken_tasks.domain.money import MONEY, plain
from kracken_tasks.domain.trading import Purpose, Side
from kracken_tasks.errors import BadData
from kracken_tasks.ledger import EntryKind, FillEntry, IntentEntry, NoteEntry
from kracken_tasks.strategies.netting import Net, split

if TYPE_CHECKING:
    from kracken_tasks.ledger import Entry, Ledger

__all__ = ["TOPIC", "AgentBook", "Movement", "NetNote", "Shares", "books_of", "fold", "note_key", "payload_of"]

TOPIC: Final = "agents"
_CENT: Final = Decimal("1e-10")
_ZERO: Final = Decimal(0)
_FOLDED: Final = frozenset({EntryKind.NOTE, EntryKind.INTENT, EntryKind.FILL})


@dataclass(frozen=True, slots=True)
class Movement:
    """An agent's part of a fill or cross.  ``amount`` and ``cost`` signed as they changed its coins and its money, fees included."""

    ts: datetime
    symbol: str
    side: Side
    amount: Decimal
    money: Decimal
    cause: str


@dataclass(slots=True)
class AgentBook:
    """One agent's own account: ``coins`` by symbol; ``money`` by quote currency, what it gained (or, negative, paid) so far;
    ``cost`` what it paid for the coins it holds, by symbol; ``results`` of positions it has closed, oldest first."""

    agent: str
    coins: dict[str, Decimal] = field(default_factory=dict)
    money: dict[str, Decimal] = field(default_factory=dict)
    cost: dict[str, Decimal] = field(default_factory=dict)
    results: list[tuple[datetime, str, Decimal]] = field(default_factory=list)
    movements: list[Movement] = field(default_factory=list)

    def copy(self) -> AgentBook:
        """The book as it is now, whatever happens to this one."""
        return replace(
            self, coins=dict(self.coins), money=dict(self.money), cost=dict(self.cost), results=list(self.results),
            movements=list(self.movements),
        )  # fmt: skip

    def holds(self, symbol: str) -> Decimal:
        return self.coins.get(symbol, _ZERO)

    def worth(self, prices: Mapping[str, float], quote: str) -> float:
        """Result so far in ``quote``: money gained, and coins at their price; a coin without a price counts at its cost."""
        total = float(self.money.get(quote, _ZERO))
        for symbol, amount in self.coins.items():
            if split_symbol(symbol)[1] == quote:
                total += float(amount) * prices[symbol] if symbol in prices else float(self.cost.get(symbol, _ZERO))
        return total


@dataclass(frozen=True, slots=True)
class NetNote:
    """What agents asked of one symbol in one tick.  ``ordered`` signed lots; ``crosses`` (seller, buyer, amount, price)."""

    seq: int
    ts: datetime
    tick_id: str
    symbol: str
    step: Decimal
    ordered: Mapping[str, int]
    crosses: tuple[tuple[str, str, Decimal, Decimal], ...]


def note_key(tick_id: str, symbol: str) -> str:
    return f"{tick_id}|{symbol}"


def payload_of(netted: Net, *, step: Decimal, price: Decimal) -> dict[str, str]:
    """The note's text."""
    orders = {f"order:{agent}": f"{lots}" for agent, lots in sorted(netted.ordered.items())}
    crosses = {
        f"cross:{number}": f"{cross.seller} {cross.buyer} {cross.lots} {plain(price)}"
        for number, cross in enumerate(netted.crosses)
    }
    return {"step": plain(step), **orders, **crosses}


def books_of(ledger: Ledger, *, heir: str) -> dict[str, AgentBook]:
    """Every agent's book as of now; a ledger that was asked before reads only what is new."""
    books = ledger.kept(f"{TOPIC}:{heir}", lambda: Shares(heir), _FOLDED).books
    return {agent: book.copy() for agent, book in books.items()}  # the next call keeps its own up


def fold(
    fills: Iterable[FillEntry], notes: Iterable[NetNote], key_of: Mapping[str, str], *, heir: str
) -> dict[str, AgentBook]:
    """Books from scratch, in order of ``seq``.  ``key_of``: the tick and symbol behind a client order id, as ``note_key`` says it."""
    shares = Shares(heir)
    shares.key_of.update(key_of)
    steps: list[NetNote | FillEntry] = [*notes, *fills]
    for entry in sorted(steps, key=lambda step: step.seq):
        if isinstance(entry, NetNote):
            shares.note(entry)
        else:
            shares.fill(entry)
    return shares.books


class Shares:
    """Every agent's book, kept up entry by entry in order of ``seq``: a note comes before the intents and fills of its order.

    ``key_of``: by client order id, the tick and symbol behind it.
    """

    def __init__(self, heir: str) -> None:
        self.books: dict[str, AgentBook] = {}
        self.key_of: dict[str, str] = {}
        self._heir = heir
        self._asked: dict[str, NetNote] = {}
        self._left: dict[str, dict[str, Decimal]] = {}  # what each agent has asked for and not yet got

    def apply(self, entry: Entry) -> None:
        match entry:
            case NoteEntry() if entry.topic == TOPIC:
                self.note(_read(entry))
            case IntentEntry():
                self.key_of[entry.client_order_id] = note_key(entry.tick_id, entry.symbol)
            case FillEntry():
                self.fill(entry)
            case _:
                pass

    def note(self, note: NetNote) -> None:
        key = note_key(note.tick_id, note.symbol)
        self._asked[key] = note
        self._left[key] = {agent: abs(lots) * note.step for agent, lots in note.ordered.items()}
        with localcontext(MONEY):
            _cross(self.books, note)

    def fill(self, fill: FillEntry) -> None:
        key = self.key_of.get(fill.client_order_id or "", "")
        asked = self._asked.get(key)
        rights = self._left[key] if asked is not None and _is_of(fill, asked) else None
        with localcontext(MONEY):
            _fill(self.books, fill, rights, self._heir)


def _is_of(fill: FillEntry, note: NetNote) -> bool:
    """Whether a fill belongs to the agents' order of its tick, and not to a stop that came with it."""
    side = Side.BUY if sum(note.ordered.values()) > 0 else Side.SELL
    return fill.side is side and fill.purpose in (Purpose.ENTRY, Purpose.EXIT) and bool(note.ordered)


def _fill(books: dict[str, AgentBook], fill: FillEntry, rights: dict[str, Decimal] | None, heir: str) -> None:
    holders = {book.agent: book.holds(fill.symbol) for book in books.values() if book.holds(fill.symbol) > 0}
    weights = rights if rights is not None and any(rights.values()) else holders if fill.side is Side.SELL else {}
    weights = weights or {heir: Decimal(1)}
    step = _step_of(fill.amount)
    amounts = split(fill.amount, weights, step)
    costs = split(fill.cost, amounts, _CENT)
    fees = split(fill.fee, amounts, _CENT)
    base, quote = split_symbol(fill.symbol)
    for agent, amount in amounts.items():
        if not amount:
            continue
        if rights is not None and agent in rights:
            rights[agent] = max(rights[agent] - amount, _ZERO)
        in_base = fees[agent] if fill.fee_currency == base else _ZERO
        in_quote = fees[agent] if fill.fee_currency == quote else _ZERO
        if fill.side is Side.BUY:
            _move(books, agent, fill.ts, fill.symbol, amount - in_base, -costs[agent] - in_quote, fill.purpose)
        else:
            _move(books, agent, fill.ts, fill.symbol, -amount - in_base, costs[agent] - in_quote, fill.purpose)
    if fill.closes:  # what is left is less than a lot and given up, as the account's own position gives it up
        for book in books.values():
            if book.holds(fill.symbol):
                _close(book, fill.ts, fill.symbol)


def _cross(books: dict[str, AgentBook], note: NetNote) -> None:
    for seller, buyer, amount, price in note.crosses:
        _move(books, seller, note.ts, note.symbol, -amount, amount * price, "cross")
        _move(books, buyer, note.ts, note.symbol, amount, -amount * price, "cross")


def _move(
    books: dict[str, AgentBook], agent: str, ts: datetime, symbol: str, amount: Decimal, money: Decimal, cause: str
) -> None:
    book, quote = books.setdefault(agent, AgentBook(agent)), split_symbol(symbol)[1]
    held, paid = book.holds(symbol), book.cost.get(symbol, _ZERO)
    book.coins[symbol] = held + amount
    book.money[quote] = book.money.get(quote, _ZERO) + money
    side = Side.BUY if amount > 0 else Side.SELL
    book.movements.append(Movement(ts, symbol, side, amount, money, str(cause)))
    if amount > 0:
        book.cost[symbol] = paid - money
        return
    released = paid if held + amount <= 0 or held <= 0 else (paid * -amount / held).quantize(_CENT)
    book.cost[symbol] = paid - released
    book.results.append((ts, symbol, money - released))
    if not book.coins[symbol]:
        _close(book, ts, symbol)


def _close(book: AgentBook, ts: datetime, symbol: str) -> None:
    rest = book.cost.pop(symbol, _ZERO)
    del book.coins[symbol]
    if rest:
        book.results.append((ts, symbol, -rest))


def _step_of(amount: Decimal) -> Decimal:
    return Decimal(1).scaleb(min(int(amount.as_tuple().exponent), -8))


def _read(note: NoteEntry) -> NetNote:
    try:
        tick_id, _, symbol = note.key.rpartition("|")
        step = Decimal(note.payload["step"])
        ordered = {
            name.removeprefix("order:"): int(lots) for name, lots in note.payload.items() if name.startswith("order:")
        }
        crosses = []
        for name, line in sorted(note.payload.items()):
            if name.startswith("cross:"):
                seller, buyer, lots, price = line.split()
                crosses.append((seller, buyer, int(lots) * step, Decimal(price)))
    except (KeyError, ValueError, ArithmeticError) as odd:
        raise BadData(f"note {note.key} of {TOPIC} cannot be read: {note.payload}", key=note.key) from odd
    return NetNote(note.seq, note.ts, tick_id, symbol, step, ordered, tuple(crosses))
