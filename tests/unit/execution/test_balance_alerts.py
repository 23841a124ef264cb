"""A balance difference is told when it begins, once, and again when it comes back."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from pathlib import Path

from kracken_tasks.domain.market import Balance
from kracken_tasks.ledger import AlertKind, Ledger
from tests.support.bench import Bench
from tests.support.ledger import NOON, at, temporary_ledger

D = Decimal


def _told(bench: Bench) -> list[str]:
    return [
        entry.payload["difference"] for entry in bench.ledger.alerts() if entry.kind is AlertKind.BALANCE_DIFFERENCE
    ]


def _venue_says(bench: Bench, total: str) -> None:
    """The balance alone changes: no line of the venue's ledger explains it."""
    bench.venue.inner._store.set_total("ETH", D(total))


def test_the_same_difference_is_told_once_while_it_lasts_and_again_after_it_was_gone(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.tick()
    _venue_says(bench, "1")
    bench.tick()
    bench.tick()
    assert _told(bench) == ["1"]
    _venue_says(bench, "0")
    bench.tick()
    _venue_says(bench, "1")
    bench.tick()
    bench.tick()
    assert _told(bench) == ["1", "1"]


def _check(ledger: Ledger, minutes: float, **totals: str) -> None:
    venue = {asset: Balance(asset, D(total)) for asset, total in totals.items()}
    ledger.record_balances(venue, ts=at(minutes))


def test_an_asset_agreed_when_it_was_last_the_fold_s_whatever_the_others_did(tmp_path: Path) -> None:
    with temporary_ledger(tmp_path) as ledger:
        assert ledger.agreed_until("ETH") is None
        _check(ledger, 0)
        assert ledger.agreed_until("ETH") == NOON
        _check(ledger, 1, BTC="1", ETH="1")
        _check(ledger, 2, BTC="1")
        _check(ledger, 3, BTC="1", ETH="2")
        assert ledger.agreed_until("ETH") == NOON + timedelta(minutes=2)
        assert ledger.agreed_until("BTC") == NOON
        assert ledger.agreed_until("ETH", D(2)) == NOON + timedelta(minutes=3)
