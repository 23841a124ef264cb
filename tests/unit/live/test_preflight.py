"""Preflight: every check fails for its own reason, says what to do, and keeps no other from being asked."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from kracken_tasks.domain.clock import FixedClock, utc
from kracken_tasks.domain.market import Balance, Instrument, Quote
from kracken_tasks.domain.trading import CashMovement, OrderRequest, VenueOrder
from kracken_tasks.errors import BadData, Misconfigured, RetryLater
from kracken_tasks.ledger import Ledger
from kracken_tasks.live import (
    AgentRehearsals,
    FirstOrders,
    Preflight,
    PreflightPlan,
    PreflightVenue,
    Rehearsed,
    arm,
    run_preflight,
)
from kracken_tasks.risk import RiskLimits
from tests.support.ledger import deposit, sqlite_url
from tests.support.market_data import BTC, ETH, HandMovedMarket, instrument

NOW = utc(2024, 3, 1, 12)
TRADES = frozenset({"query-funds", "modify-trades"})


@dataclass
class KeyedVenue:
    """An account on a venue that answers as it is told; obeys ``PreflightVenue``."""

    market: HandMovedMarket = field(default_factory=lambda: HandMovedMarket(at=NOW))
    rights: frozenset[str] | None = TRADES
    free: str = "1000"
    listed: Mapping[str, Instrument] = field(default_factory=lambda: {s: instrument(s) for s in (BTC, ETH)})
    broken: dict[str, Exception] = field(default_factory=dict)
    tried: list[OrderRequest] = field(default_factory=list)
    exchange: str = "kraken"

    def _asked(self, what: str) -> None:
        if what in self.broken:
            raise self.broken[what]

    def now(self) -> datetime:
        self._asked("now")
        return self.market.now()

    def instruments(self) -> Mapping[str, Instrument]:
        self._asked("instruments")
        return self.listed

    def quotes(self, symbols: Iterable[str]) -> dict[str, Quote]:
        self._asked("quotes")
        return self.market.quotes(symbols)

    def balances(self) -> dict[str, Balance]:
        self._asked("balances")
        return {"USD": Balance("USD", Decimal(self.free), Decimal(0))}

    def open_orders(self) -> list[VenueOrder]:
        self._asked("open_orders")
        return []

    def closed_orders(self, start: datetime) -> list[VenueOrder]:
        self._asked("closed_orders")
        return []

    def cash_movements(self, start: datetime) -> list[CashMovement]:
        self._asked("cash_movements")
        return []

    def key_rights(self) -> frozenset[str] | None:
        self._asked("key_rights")
        return self.rights

    def try_order(self, request: OrderRequest) -> None:
        self._asked("try_order")
        self.tried.append(request)


REHEARSED = AgentRehearsals("main", "ensemble", "r1", {BTC: Rehearsed(NOW, "r1"), ETH: Rehearsed(NOW, "r1")})
PLAN = PreflightPlan(
    profile="live", account="main", confirmed="main", symbols=(BTC, ETH), currency="USD", max_clock_skew=timedelta(seconds=2),
    limits=RiskLimits(), stop_pct=0.03, first_orders=FirstOrders(50.0, 7), rehearsals=(REHEARSED,),
    max_rehearsal_age=timedelta(days=7),
)  # fmt: skip


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger.open(sqlite_url(tmp_path), account="main", exchange="kraken") as opened:
        arm(opened, account="main", by="ada", reason="go", duration=timedelta(days=1), now=NOW)
        yield opened


def asked(ledger: Ledger, venue: PreflightVenue | None, wall: datetime = NOW, **changes: Any) -> Preflight:
    return run_preflight(replace(PLAN, **changes), venue, lambda: ledger, FixedClock(wall))


def failed(found: Preflight) -> dict[str, str]:
    return {check.name: check.found for check in found.failed}


def test_a_ready_account_passes_every_check_and_no_order_is_placed(ledger: Ledger) -> None:
    venue = KeyedVenue()
    found = asked(ledger, venue)
    assert found.sentence() == ""
    assert [check.name for check in found.checks] == [
        "mode", "account name", "key", "no withdrawal", "reading", "ordering", "clock", "pairs", "balances", "minimums",
        "backtests", "armed",
    ]  # fmt: skip
    (tried,) = venue.tried
    assert tried.limit_price is not None
    assert float(tried.limit_price) < venue.market.quote(BTC).bid * 0.51  # a venue that placed it would not fill it


@pytest.mark.parametrize(
    ("check", "changes", "told"),
    [
        ("mode", {"profile": "paper"}, "profile is paper"),
        ("account name", {"confirmed": None}, "account 'main', nothing is typed out"),
        ("account name", {"confirmed": "Main"}, "account 'main', typed out is 'Main'"),
        ("minimums", {"first_orders": FirstOrders(0.5, 7)}, "orders up to 0.50 USD; BTC/USD takes orders from"),
        ("backtests", {"rehearsals": ()}, "no agent trades anything"),
        (
            "backtests",
            {"rehearsals": (replace(REHEARSED, found={BTC: None}),)},
            "main (ensemble) on BTC/USD: none",
        ),
        (
            "backtests",
            {"rehearsals": (replace(REHEARSED, found={BTC: Rehearsed(NOW - timedelta(days=8), "r1")}),)},
            "main (ensemble) on BTC/USD: ends 8 days ago",
        ),
        (
            "backtests",  # of a sandbox whose clock was ahead, say
            {"rehearsals": (replace(REHEARSED, found={BTC: Rehearsed(NOW + timedelta(days=300), "r1")}),)},
            "main (ensemble) on BTC/USD: ends in the future",
        ),
        (
            "backtests",
            {"rehearsals": (replace(REHEARSED, rules="r2"),)},
            "main (ensemble) on BTC/USD: with other parameters, limits or stops",
        ),
    ],
)
def test_each_check_fails_alone_and_says_what_to_do(
    ledger: Ledger, check: str, changes: dict[str, Any], told: str
) -> None:
    found = asked(ledger, KeyedVenue(), **changes)
    (only,) = found.failed
    assert only.name == check
    assert told in only.found
    assert only.to_do
    assert not found.passed


@pytest.mark.parametrize(
    ("check", "venue", "told"),
    [
        ("no withdrawal", KeyedVenue(rights=TRADES | {"withdraw-funds"}), "may withdraw-funds"),
        ("no withdrawal", KeyedVenue(rights=TRADES | {"Withdraw_Crypto"}), "may Withdraw_Crypto"),
        ("no withdrawal", KeyedVenue(rights=None), "kraken does not tell what a key may do"),
        ("no withdrawal", KeyedVenue(rights=frozenset()), "names no right at all"),
        ("no withdrawal", KeyedVenue(broken={"key_rights": BadData("odd answer")}), "odd answer"),
        ("reading", KeyedVenue(broken={"cash_movements": Misconfigured("Permission denied")}), "ledger: Permission denied"),
        ("ordering", KeyedVenue(broken={"try_order": Misconfigured("Permission denied")}), "Permission denied"),
        ("pairs", KeyedVenue(listed={BTC: instrument(BTC), ETH: instrument(ETH, status="cancel_only")}), "ETH/USD is cancel_only"),
    ],
)  # fmt: skip
def test_a_key_or_a_venue_that_is_not_fit_fails_its_own_check(
    ledger: Ledger, check: str, venue: KeyedVenue, told: str
) -> None:
    found = failed(asked(ledger, venue))
    assert list(found) == [check]
    assert told in found[check]


def test_no_money_fails_what_needs_money(ledger: Ledger) -> None:
    found = failed(asked(ledger, KeyedVenue(free="0")))
    assert found["balances"] == "no free USD"
    assert "takes orders from" in found["minimums"]


@pytest.mark.parametrize("off", [timedelta(seconds=4), -timedelta(seconds=3)])
def test_a_clock_that_is_off_either_way_fails(ledger: Ledger, off: timedelta) -> None:
    assert list(failed(asked(ledger, KeyedVenue(), wall=NOW + off))) == ["clock"]


def test_a_ledger_of_another_account_s_past_fails(ledger: Ledger) -> None:
    ledger.book_cash([deposit("L1", "USD", "10000")])  # a paper account's, say
    found = failed(asked(ledger, KeyedVenue()))
    assert "the ledger differs in USD by -9000" in found["balances"]


def test_without_a_key_everything_is_still_asked_and_nothing_that_needs_one_passes(ledger: Ledger) -> None:
    found = asked(ledger, None)
    assert {check.name for check in found.checks if check.passed} == {"mode", "account name"}
    assert found.ts is None


def test_a_venue_that_is_away_fails_what_it_was_asked_and_nothing_is_guessed(ledger: Ledger) -> None:
    away = RetryLater("no answer")
    names = ("now", "instruments", "quotes", "balances", "open_orders", "closed_orders", "cash_movements", "key_rights")
    found = asked(ledger, KeyedVenue(broken=dict.fromkeys(names, away)))
    assert {check.name for check in found.checks if check.passed} == {"mode", "account name", "key"}


def test_an_unlisted_pair_is_named_and_spoils_no_other_answer(ledger: Ledger) -> None:
    found = failed(asked(ledger, KeyedVenue(listed={BTC: instrument(BTC)})))
    assert found["pairs"] == "ETH/USD is not listed"
    assert "armed" not in found
    assert "clock" not in found


def test_arming_is_asked_without_asking_whether_it_is_armed(tmp_path: Path) -> None:
    with Ledger.open(sqlite_url(tmp_path), account="main", exchange="kraken") as fresh:
        found = asked(fresh, KeyedVenue())
        assert list(failed(found)) == ["armed"]
        assert found.without("armed").passed
        assert "kracken arm --account NAME" in found.sentence()
