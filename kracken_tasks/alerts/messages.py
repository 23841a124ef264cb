"""Messages: an alert as a text that a person reads on a telephone.

In: alert entries, diagnoses.  Out: plain text, one sentence first, then what else is known.
Never: markup (a symbol with an underscore would break it), a text longer than Telegram takes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from kracken_tasks.alerts.diagnosis import Diagnosis
from kracken_tasks.domain.clock import iso
from kracken_tasks.ledger.entries import AlertEntry, AlertKind, AlertLevel

__all__ = ["LIMIT", "Message", "message_for", "message_of_diagnosis", "trade_line"]

# Telegram's Bot API, sendMessage: 1-4096 characters (read 2026-11).
LIMIT = 4096

_HEADS = {AlertLevel.INFO: "", AlertLevel.WARNING: "WARNING ", AlertLevel.CRITICAL: "CRITICAL "}


@dataclass(frozen=True, slots=True)
class Message:
    """``text`` is complete; ``visible_id`` is in it, so that a message that came twice is recognised."""

    visible_id: str
    level: AlertLevel
    text: str


class _Facts:
    """A payload that remembers which keys the sentence has used."""

    def __init__(self, payload: Mapping[str, str]) -> None:
        self._payload = payload
        self._used: set[str] = set()

    def __call__(self, key: str, *, before: str = "", after: str = "", otherwise: str = "") -> str:
        self._used.add(key)
        value = self._payload.get(key, "")
        return f"{before}{value}{after}" if value else otherwise

    def rest(self) -> list[str]:
        return [f"{key}: {value}" for key, value in self._payload.items() if key not in self._used and value]


def message_for(alert: AlertEntry) -> Message:
    """The text of an alert: its sentence, the facts the sentence has no place for, its id and market time."""
    facts = _Facts(alert.payload)
    sentence = _SENTENCES[alert.kind](facts)
    foot = f"{alert.visible_id} · {iso(alert.ts)}"
    body = "\n".join([_HEADS[alert.level] + sentence, *facts.rest()])
    return Message(alert.visible_id, alert.level, f"{_cut(body, LIMIT - len(foot) - 1)}\n{foot}")


def message_of_diagnosis(diagnosis: Diagnosis, visible_id: str) -> Message:
    """The text of a diagnosis, for channels that are told directly."""
    lines = (_HEADS[diagnosis.level] + diagnosis.summary, diagnosis.detail, f"What to do: {diagnosis.what_to_do}")
    return Message(
        visible_id, diagnosis.level, f"{_cut(chr(10).join(lines), LIMIT - len(visible_id) - 1)}\n{visible_id}"
    )


def trade_line(*, symbol: str, side: str, amount: object, price: object, exchange: str) -> str:
    """``BUY 0.1 BTC/USD at 30000 on kraken``."""
    return f"{side.upper()} {amount} {symbol} at {price}" + (f" on {exchange}" if exchange else "")


def _opened(facts: _Facts) -> str:
    plan = facts("stop_price", before=", stop ") + facts("take_profit_price", before=", target ")
    why = facts("strategy", before=" (", after=")")
    size = facts("receipt", before="\nsize: ")
    return f"Opened {_trade(facts)}{plan}{why}{size}"


def _closed(facts: _Facts) -> str:
    return f"Closed {_trade(facts)}{_result(facts)}{facts('reason', before=': ')}"


def _stopped(facts: _Facts) -> str:
    return f"Stopped out: {_trade(facts)}{_result(facts)}"


def _trade(facts: _Facts) -> str:
    text = f"{facts('amount')} {facts('symbol')} at {facts('price')}" + facts("exchange", before=" on ")
    facts("side")  # said by "opened" and "closed": Kracken holds long positions only
    return text


def _result(facts: _Facts) -> str:
    currency = facts("currency", before=" ")
    return facts("net", before=", net ", after=currency) + facts("fees_elsewhere", before=" ")


def _state(facts: _Facts) -> str:
    return f"Trading is {facts('state')}{facts('previous', before=' (was ', after=')')}{facts('reason', before=': ')}"


def _difference(facts: _Facts) -> str:
    return (
        f"Balance of {facts('asset')} differs by {facts('difference')}: venue {facts('venue')}, ledger {facts('ledger')}. "
        "No new entries until it is explained"
    )


def _error(facts: _Facts) -> str:
    context = facts("context", before=" [", after="]")
    return f"{facts('summary')}{context}{facts('detail', before=chr(10))}{facts('what_to_do', before=chr(10) + 'What to do: ')}"


_SENTENCES: Mapping[AlertKind, Callable[[_Facts], str]] = {
    AlertKind.TRADE_OPENED: _opened,
    AlertKind.TRADE_CLOSED: _closed,
    AlertKind.STOPPED: _stopped,
    AlertKind.BLOCKED: lambda facts: f"Not entered: {facts('symbol')}, {facts('guard')}: {facts('reason')}",
    AlertKind.STATE_CHANGED: _state,
    AlertKind.UNKNOWN_ORDER: lambda facts: (
        f"Order {facts('order_id')} on {facts('symbol')} is not ours and is left alone{facts('detail', before=': ')}"
    ),
    AlertKind.BALANCE_DIFFERENCE: _difference,
    AlertKind.UNPROTECTED: lambda facts: (
        f"Position {facts('position_id')} in {facts('symbol')} has no full stop{facts('seconds', before=' for ', after=' s')}"
    ),
    AlertKind.RECOVERED: lambda facts: f"Recovered {facts('symbol')}: {facts('detail')}",
    AlertKind.ERROR: _error,
    AlertKind.INFO: lambda facts: facts("text"),
}


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"
