"""Flatten directly: with the keys alone, when ledger, lake, scheduler and alerts are all down.

In: a broker, a journal file, the money to sell into.  Out: lines in the journal, each on the disk before the step it tells of; later,
adopted by the ledger as a halt and intents.  Never: a step that leaves no trace.

Without the ledger nobody knows which coins are ours, so everything the account holds in a listed pair is sold.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from pathlib import Path

from kracken_tasks.domain.clock import iso, parse_utc
from kracken_tasks.domain.market import Balance, Instrument, Quote
from kracken_tasks.domain.money import plain
from kracken_tasks.domain.trading import IntentKey, OrderKind, OrderRequest, Purpose, Side, TradingState
from kracken_tasks.errors import BadData, KrackenError, RetryLater, TradeRefused
from kracken_tasks.exchange.rates import Priority, calls_at
from kracken_tasks.execution.broker import Broker
from kracken_tasks.execution.desk import no_pause
from kracken_tasks.execution.marks import state_text, write_state
from kracken_tasks.execution.orders import SendRules, sell_request
from kracken_tasks.execution.quoting import usable_quotes
from kracken_tasks.ledger import Ledger, Source
from kracken_tasks.risk.state import AccountState, Cause

__all__ = ["DirectReport", "adopt_journal", "adopt_or_halt", "flatten_direct"]

_CANCELS_TAKE_SECONDS = (1.0, 3.0)


@dataclass(frozen=True, slots=True)
class DirectReport:
    """``sold`` maps symbols to order ids; ``problems`` says what is still there and why."""

    canceled: tuple[str, ...]
    sold: Mapping[str, str]
    problems: Mapping[str, str]


@calls_at(Priority.PROTECT)  # an export must not stand before an exit
def flatten_direct(
    broker: Broker,
    journal: Path,
    *,
    account: str,
    by: str,
    into: str = "USD",
    rules: SendRules | None = None,
    pause: Callable[[float], None] = no_pause,
) -> DirectReport:
    """Cancel every open order of the account and sell every coin that has a pair with ``into``.

    ``by``: who asks.  The journal's first line halts the account as soon as anybody who has the ledger reads it.
    ``pause`` lets so many seconds pass while a cancel that was taken is carried out: until then the coins cannot be sold.
    Raises: ValueError without a name; RetryLater if the venue cannot be read.
    What fails for one order or coin is reported and the rest goes on; what has no quote is sold at the market all the same.
    """
    rules = rules or SendRules(market_orders=True)
    if not by.strip():
        raise ValueError("flattening needs the name of a person")
    now = iso(broker.now())
    tick_id = f"direct@{now}"
    _drop_torn_line(journal)
    _write(journal, {"step": "begin", "ts": now, "account": account, "tick_id": tick_id, "by": " ".join(by.split())})
    canceled: list[str] = []
    problems: dict[str, str] = {}
    for order in broker.open_orders():
        _write(journal, {"step": "cancel", "order_id": order.order_id, "symbol": order.symbol})
        try:
            broker.cancel(order.order_id)
            canceled.append(order.order_id)
        except KrackenError as error:
            problems[order.order_id] = str(error)
    _let_go(broker, canceled, pause)
    held, unlisted = _sellable(broker.balances(), broker.instruments(), into)
    problems |= unlisted
    quotes = _quotes(broker, held)
    sold: dict[str, str] = {}
    for symbol, amount in sorted(held.items()):
        key = IntentKey(account, tick_id, symbol, Purpose.FLATTEN)
        try:
            sold[symbol] = _sell(broker, journal, key, quotes.get(symbol), amount, rules)
        except TradeRefused as refusal:
            problems[symbol] = str(refusal)
            _write(journal, {"step": "refused", "client_order_id": key.client_order_id, "reason": str(refusal)})
        except KrackenError as error:
            problems[symbol] = str(error)
    return DirectReport(tuple(canceled), sold, problems)


def _let_go(broker: Broker, canceled: Sequence[str], pause: Callable[[float], None]) -> None:
    """Wait a few seconds for cancels that are pending; what rests on by then is sold as far as the venue lets anybody."""
    for seconds in _CANCELS_TAKE_SECONDS if canceled else ():
        try:
            if not any(order.status.resting for order in broker.orders(canceled).values()):
                return
        except KrackenError:
            pass  # nobody tells: the time is given all the same
        pause(seconds)


def _sellable(
    balances: Mapping[str, Balance], instruments: Mapping[str, Instrument], into: str
) -> tuple[dict[str, Decimal], dict[str, str]]:
    """What can be sold, by symbol; and of every other asset but ``into`` that it stays: nobody should take the account for flat."""
    totals = {asset: balance.total for asset, balance in balances.items() if balance.total > 0 and asset != into}
    pairs = {asset: f"{asset}/{into}" for asset in totals}
    held = {symbol: totals[asset] for asset, symbol in pairs.items() if symbol in instruments}
    left = {
        asset: f"{plain(totals[asset])} {asset} stay: no pair with {into} is listed"
        for asset, symbol in pairs.items()
        if symbol not in instruments
    }
    return held, left


def _quotes(broker: Broker, symbols: Iterable[str]) -> Mapping[str, Quote]:
    """What quotes there are.  The stops are gone by now: a market order goes out without one as well."""
    try:
        return usable_quotes(broker, symbols)[0]
    except RetryLater:
        return {}


def _sell(broker: Broker, journal: Path, key: IntentKey, quote: Quote | None, amount: Decimal, rules: SendRules) -> str:
    now = broker.now()
    request = sell_request(key, broker.instruments()[key.symbol], quote, amount=amount, now=now, rules=rules)
    _write(journal, {"step": "intent", "ts": iso(now), "account": key.account, "tick_id": key.tick_id} | _told(request))
    order_id = broker.submit(request)
    _write(journal, {"step": "accepted", "client_order_id": key.client_order_id, "order_id": order_id})
    return order_id


def _told(request: OrderRequest) -> dict[str, str]:
    return {
        "client_order_id": request.client_order_id,
        "symbol": request.symbol,
        "kind": request.kind.value,
        "amount": plain(request.amount),
        "limit_price": "" if request.limit_price is None else plain(request.limit_price),
        "time_in_force": request.time_in_force,
        "deadline": "" if request.deadline is None else iso(request.deadline),
    }


def _write(journal: Path, line: Mapping[str, str]) -> None:
    journal.parent.mkdir(parents=True, exist_ok=True)
    with journal.open("a", encoding="utf-8") as stream:
        stream.write(json.dumps(dict(line), sort_keys=True) + "\n")
        stream.flush()
        os.fsync(stream.fileno())


def _drop_torn_line(journal: Path) -> None:
    """Cut off a last line that a killed process did not finish: its step never began, and it would spoil the line after it."""
    if not journal.is_file():
        return
    with journal.open("r+b") as stream:
        content = stream.read()
        stream.truncate(content.rfind(b"\n") + 1)


def adopt_journal(ledger: Ledger, journal: Path) -> int:
    """Write the journal into the ledger: the account is halted, and the next reconcile finds the orders and books the fills.

    Twice equals once, also after somebody has let the account trade again in between.  A file that is not there is an empty one.
    Returns: how many intents were new.
    Raises: BadData naming file and line for one that cannot be read; a torn last line is a step that never began.
    """
    if not journal.is_file():
        return 0
    lines = journal.read_text(encoding="utf-8").split("\n")
    adopted = 0
    with ledger.acting(Source.FLATTEN, journal.name), ledger.transaction():
        for number, text in enumerate(lines[:-1], start=1):
            try:
                line = json.loads(text)
                begun = _begun(line) if line["step"] == "begin" else None
                found = _intent(line) if line["step"] == "intent" else None
            except (ValueError, KeyError, TypeError) as error:
                raise BadData(f"{journal} line {number}: {error}", file=str(journal), line=number) from error
            if begun is not None:
                _halt_once(ledger, *begun)
            if found is not None:
                key, request, ts = found
                adopted += ledger.record_intent(key, request, ts=ts, reason="flattened directly").new
    return adopted


def adopt_or_halt(ledger: Ledger, journal: Path | None, broker: Broker) -> str:
    """Adopt the journal, if there is one.  One that cannot be read halts the account all the same: somebody wanted out of everything.

    Returns: what is wrong with the journal; empty if nothing.
    """
    if journal is None:
        return ""
    try:
        adopt_journal(ledger, journal)
    except (BadData, OSError, UnicodeDecodeError) as error:
        halt = AccountState(
            TradingState.HALTED, Cause.OPERATOR, f"flattened directly, and the journal is unreadable: {error}"
        )
        if ledger.state().state is not TradingState.HALTED:
            write_state(ledger, ledger.state(), halt, broker.now())
        return str(error)
    return ""


def _begun(line: Mapping[str, str]) -> tuple[AccountState, datetime]:
    reason = f"flattened directly by {line['by']} ({line['tick_id']})"
    return AccountState(TradingState.HALTED, Cause.OPERATOR, reason), parse_utc(line["ts"])


def _halt_once(ledger: Ledger, halt: AccountState, ts: datetime) -> None:
    if any(entry.reason == state_text(halt) for entry in ledger.states()):
        return  # adopted before; what holds now was decided since
    write_state(ledger, ledger.state(), halt, ts)


def _intent(line: Mapping[str, str]) -> tuple[IntentKey, OrderRequest, datetime]:
    key = IntentKey(line["account"], line["tick_id"], line["symbol"], Purpose.FLATTEN)
    request = OrderRequest(
        client_order_id=line["client_order_id"],
        symbol=line["symbol"],
        side=Side.SELL,
        kind=OrderKind(line["kind"]),
        amount=Decimal(line["amount"]),
        limit_price=Decimal(line["limit_price"]) if line["limit_price"] else None,
        time_in_force=line["time_in_force"],
        deadline=parse_utc(line["deadline"]) if line["deadline"] else None,
    )
    return key, request, parse_utc(line["ts"])
