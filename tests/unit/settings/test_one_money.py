"""What is traded is quoted in the money that sizes and limits are counted in."""

from __future__ import annotations

from pathlib import Path

import pytest

from kracken_tasks.errors import Misconfigured
from kracken_tasks.settings import load_settings
from kracken_tasks.wiring import tick_deps
from kracken_tasks.wiring.money import require_one_money

MIXED = {"pairs": ["BTC/USD", "ETH/BTC", "ETH/EUR"]}


def test_a_pair_in_other_money_may_be_ingested_but_not_traded(tmp_path: Path) -> None:
    settings = load_settings(tmp_path, env={}, overrides=MIXED)
    with pytest.raises(Misconfigured, match="ETH/BTC, ETH/EUR would be traded for other money") as caught:
        require_one_money(settings)
    assert "quoted in USD" in str(caught.value.fields["allowed"])
    require_one_money(load_settings(tmp_path, env={}, overrides={**MIXED, "symbols": ["BTC/USD"]}))


def test_an_account_in_euros_trades_for_euros(tmp_path: Path) -> None:
    require_one_money(
        load_settings(tmp_path, env={}, overrides={"pairs": ["BTC/EUR"], "tax": {"base_currency": "EUR"}})
    )


def test_a_tick_is_not_built_where_money_would_be_mixed(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="other money"):
        tick_deps(load_settings(tmp_path, env={}, overrides={**MIXED, "home": str(tmp_path)}))
