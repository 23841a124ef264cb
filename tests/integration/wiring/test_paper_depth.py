"""The paper account on a venue's own book and trades, wired from settings alone."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from kracken_tasks import wiring
from kracken_tasks.domain.trading import OrderKind, OrderRequest, Side
from kracken_tasks.errors import Misconfigured
from kracken_tasks.execution.broker import Broker
from kracken_tasks.settings import load_settings
from tests.support.sandbox import running_sandbox, sandbox_config
from tests.support.scripted_market import ScriptedMarket, quiet

BTC = "BTC/USD"
D = Decimal


def paper(home: Path, url: str, **rules: Any) -> Broker:
    overrides = {"home": home, "pairs": [BTC], "profile": "paper", "paper_trading": rules}
    exchanges = {"kraken": {"base_url": url, "rate_limit_ms": 1}}
    return wiring.broker(load_settings(home / "none", env={}, overrides={**overrides, "exchanges": exchanges}))


def buy(number: int, amount: str, limit: str, life: str) -> OrderRequest:
    return OrderRequest(f"{number:032x}", BTC, Side.BUY, OrderKind.LIMIT, D(amount), D(limit), time_in_force=life)


def test_paper_order_walks_the_venues_book_waits_for_its_trades_and_pays_its_tier(tmp_path: Path) -> None:
    steps = [*quiet(hours=0), (0.5, "100.0", "1"), (30.0, "99.0", "1"), (40.0, "99.4", "1")]
    market = ScriptedMarket({BTC: steps}, depth="2")
    with running_sandbox(market, sandbox_config()) as sandbox:
        sandbox.control.advance(1)
        tiers = [[0, 25, 40], [250, 20, 35]]
        broker = paper(
            tmp_path, sandbox.base_url, simulate_queue=True, depth_share="0.5", commission_bps=None, fee_tiers=tiers
        )
        _, taken = broker.orders_with_fills([broker.submit(buy(1, "2.5", "101", "IOC"))])
        assert [(fill.price, fill.amount) for fill in sorted(taken, key=lambda fill: fill.price)] == [
            (D("100.1"), D("1")),
            (D("100.2"), D("1")),
            (D("100.3"), D("0.5")),
        ]
        resting = broker.submit(buy(2, "0.8", "99.5", "GTC"))
        assert broker.orders([resting])[resting].filled == 0
        sandbox.control.advance(60)
        _, made = broker.orders_with_fills([resting])
        assert sorted(fill.amount for fill in made) == [D("0.3"), D("0.5")]  # half of each trade beyond 99.5
        assert {fill.fee / fill.cost for fill in made} == {D("0.002")}  # 250.45 were traded before


@pytest.mark.parametrize("tiers", [[[5, 1, 1]], [[0, 1, 1], [0, 1, 1]], [[0, -1, 1]], [[0, 1, 1001]]])
def test_fee_tiers_that_make_no_schedule_are_refused(tmp_path: Path, tiers: list[list[int]]) -> None:
    with pytest.raises(Misconfigured, match="fee tiers"):
        load_settings(tmp_path, env={}, overrides={"home": tmp_path, "paper_trading": {"fee_tiers": tiers}})
