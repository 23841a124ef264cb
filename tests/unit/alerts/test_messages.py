"""What a person reads, and what is diagnosed."""

from __future__ import annotations

import subprocess
import sys
from types import MappingProxyType

import pytest

from kracken_tasks.alerts.diagnosis import Category, RunFacts, diagnose
from kracken_tasks.alerts.messages import LIMIT, message_for, message_of_diagnosis
from kracken_tasks.errors import BadData, Misconfigured, RetryLater, StateUnknown, TradeRefused
from kracken_tasks.ledger.entries import AlertEntry, AlertKind, AlertLevel
from tests.support.ledger import NOON


def _text(kind: AlertKind, level: AlertLevel = AlertLevel.INFO, **payload: str) -> str:
    return message_for(AlertEntry(NOON, kind, level, "k", payload, seq=7)).text


def test_an_opened_trade_reads_with_stop_target_and_size() -> None:
    text = _text(
        AlertKind.TRADE_OPENED, symbol="BTC/USD", side="buy", amount="0.0125", price="30000", exchange="kraken", stop_price="29100",
        take_profit_price="31800", strategy="ensemble", receipt="max 1000.00 -> 0.0125 BTC", position_id="pos_20240115_001",
    )  # fmt: skip
    assert text.splitlines() == [
        "Opened 0.0125 BTC/USD at 30000 on kraken, stop 29100, target 31800 (ensemble)",
        "size: max 1000.00 -> 0.0125 BTC",
        "position_id: pos_20240115_001",
        "A000007 · 2024-01-15T12:00:00Z",
    ]


@pytest.mark.parametrize(
    ("kind", "payload", "first_line"),
    [
        (
            AlertKind.TRADE_CLOSED,
            {
                "symbol": "BTC/USD",
                "amount": "1",
                "price": "9",
                "net": "-2.5",
                "currency": "USD",
                "reason": "max_holding",
            },
            "Closed 1 BTC/USD at 9, net -2.5 USD: max_holding",
        ),
        (
            AlertKind.STOPPED,
            {"symbol": "BTC/USD", "amount": "1", "price": "9", "exchange": "kraken"},
            "Stopped out: 1 BTC/USD at 9 on kraken",
        ),
        (
            AlertKind.BLOCKED,
            {"symbol": "ETH/USD", "guard": "data_fresh", "reason": "stale, not entered"},
            "Not entered: ETH/USD, data_fresh: stale, not entered",
        ),
        (
            AlertKind.STATE_CHANGED,
            {"state": "halted", "previous": "normal", "reason": "drawdown 16 %"},
            "Trading is halted (was normal): drawdown 16 %",
        ),
        (
            AlertKind.UNKNOWN_ORDER,
            {"symbol": "BTC/USD", "order_id": "O9"},
            "Order O9 on BTC/USD is not ours and is left alone",
        ),
        (
            AlertKind.BALANCE_DIFFERENCE,
            {"asset": "ETH", "venue": "1", "ledger": "2", "difference": "-1"},
            "Balance of ETH differs by -1: venue 1, ledger 2. No new entries until it is explained",
        ),
        (
            AlertKind.UNPROTECTED,
            {"symbol": "BTC/USD", "position_id": "pos_1", "seconds": "12"},
            "Position pos_1 in BTC/USD has no full stop for 12 s",
        ),
        (
            AlertKind.RECOVERED,
            {"symbol": "BTC/USD", "detail": "already filled 0.0125 BTC, nothing re-sent"},
            "Recovered BTC/USD: already filled 0.0125 BTC, nothing re-sent",
        ),
        (AlertKind.ERROR, {"summary": "tick failed", "context": "t1"}, "tick failed [t1]"),
        (AlertKind.INFO, {"text": "hello"}, "hello"),
    ],
)
def test_every_kind_of_alert_has_its_sentence(kind: AlertKind, payload: dict[str, str], first_line: str) -> None:
    assert _text(kind, **payload).splitlines()[0] == first_line


@pytest.mark.parametrize("kind", list(AlertKind))
def test_an_alert_with_nothing_known_still_makes_a_message(kind: AlertKind) -> None:
    message = message_for(AlertEntry(NOON, kind, AlertLevel.CRITICAL, "k", MappingProxyType({}), seq=1))
    assert message.text.startswith("CRITICAL")
    assert "A000001" in message.text


def test_a_message_never_outgrows_telegram_and_keeps_its_id() -> None:
    text = _text(AlertKind.INFO, text="x" * 9000)
    assert len(text) == LIMIT
    assert text.endswith("A000007 · 2024-01-15T12:00:00Z")


@pytest.mark.parametrize(
    ("error", "state", "category", "level"),
    [
        (RetryLater("venue away", exchange="kraken"), "FAILED", Category.UNREACHABLE, AlertLevel.WARNING),
        (BadData("negative volume", rule="volume", rows=3), "FAILED", Category.BAD_DATA, AlertLevel.WARNING),
        (TradeRefused("no funds"), "FAILED", Category.REFUSED, AlertLevel.WARNING),
        (StateUnknown("time-out after submit"), "CRASHED", Category.STATE_UNKNOWN, AlertLevel.CRITICAL),
        (Misconfigured("no key", file="a.yaml", key="b"), "FAILED", Category.MISCONFIGURED, AlertLevel.CRITICAL),
        (None, "TIMEDOUT", Category.TIMED_OUT, AlertLevel.WARNING),
        (TimeoutError(), "FAILED", Category.TIMED_OUT, AlertLevel.WARNING),
        (None, "CRASHED", Category.CRASHED, AlertLevel.CRITICAL),
        (KeyError("x"), "FAILED", Category.BUG, AlertLevel.CRITICAL),
        (None, "FAILED", Category.UNKNOWN, AlertLevel.WARNING),
    ],
)
def test_what_went_wrong_is_sorted_by_what_to_do(
    error: BaseException | None, state: str, category: Category, level: AlertLevel
) -> None:
    diagnosis = diagnose(RunFacts("trading-tick", "brave-otter", state, error=error))
    assert (diagnosis.category, diagnosis.level) == (category, level)
    assert diagnosis.what_to_do
    assert diagnosis.summary.startswith("trading-tick: ")


def test_a_diagnosis_names_the_fields_of_the_error() -> None:
    error = BadData("negative volume", rule="volume", since=NOON)
    facts = RunFacts("ingest", "r1", "FAILED", error=error, parameters={"symbol": "BTC/USD"})
    detail = diagnose(facts).detail
    assert detail == "run r1 failed; negative volume; rule=volume; since=2024-01-15T12:00:00Z; symbol=BTC/USD"
    message = message_of_diagnosis(diagnose(facts), "R-r1")
    assert message.text.splitlines()[0] == "WARNING ingest: input broke a promise"
    assert message.text.splitlines()[-1] == "R-r1"


def test_a_diagnosis_of_a_novel_is_still_a_message() -> None:
    assert len(diagnose(RunFacts("f", "r", "FAILED", error=ValueError("x" * 5000))).detail) == 600


def test_alerts_load_the_telegram_library_only_for_telegram() -> None:
    code = (
        "import sys, kracken_tasks.alerts as a; a.deliver, a.diagnose, a.LogChannel; light = 'telegram' not in sys.modules; "
        "a.TelegramAlerts; sys.exit(not (light and 'telegram' in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
