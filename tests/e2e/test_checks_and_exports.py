"""The night's files when something is wrong: what can be told is told."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from flows.check_day import check_day
from flows.ingest_ohlcv import ingest_ohlcv
from flows.nightly_exports import nightly_exports
from flows.trading_tick import trading_tick
from kracken_tasks.domain.trading import Purpose
from kracken_tasks.ledger import Booking
from tests.support.flow_stage import Stage
from tests.support.ledger import fill


def test_taxes_that_cannot_be_computed_fail_the_run_and_do_not_keep_the_journal_from_being_written(
    stage: Stage,
) -> None:
    never_bought = fill("T1", "sell", "0.4", "40000", ts=datetime(2024, 1, 1, tzinfo=UTC))
    stage.ledger.book_fills([Booking(never_bought, Purpose.EXIT)])
    with pytest.raises(Exception, match="only 0 is held"):
        asyncio.run(nightly_exports())
    written = {path.name for path in stage.settings.paths.exports.iterdir()}
    assert "journal.json" in written
    assert "gains.csv" not in written


def test_money_that_came_while_nobody_traded_is_found_at_night_and_the_run_still_completes(stage: Stage) -> None:
    asyncio.run(ingest_ohlcv())
    asyncio.run(trading_tick(key="first"))
    assert asyncio.run(check_day()) is True
    stage.control.deposit("USD", "12.5")
    assert asyncio.run(check_day()) is False
    assert stage.ledger.cash()["USD"] == Decimal(10000)
    assert "deposit 12.5" in stage.ledger.alerts()[-1].payload["explained"]
    assert list(stage.settings.paths.exports.glob("parity-*.json"))
