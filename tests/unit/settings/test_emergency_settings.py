"""A mistake in a strategy's settings does not stand between anybody and the way out; one about whose coins are sold does."""

from __future__ import annotations

from pathlib import Path

import pytest

from kracken_tasks.errors import Misconfigured
from kracken_tasks.settings import load_settings
from kracken_tasks.settings.emergency import load_emergency_settings


def written(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        (folder / f"{name}.yaml").write_text(text)
    return folder


def test_without_mistakes_they_are_the_settings(tmp_path: Path) -> None:
    written(tmp_path, kracken="trading:\n  account: mine\n")
    found = load_emergency_settings(tmp_path, env={})
    assert found.settings == load_settings(tmp_path, env={})
    assert found.left_out == ()


@pytest.mark.parametrize(
    ("file", "text", "told"),
    [
        ("agents", "agents:\n  - {name: main, strategy: nonsense}\n", "agents"),
        ("agents", "agents: [", "not valid YAML"),
        ("agents", "agents: [${NOT_SET}]\n", "NOT_SET"),
        ("pairs", "pairs: [no pair]\n", "pairs"),
        ("kraken_paper_trading", "risk_management:\n  stop_loss_pct: 7\n", "risk_management.stop_loss_pct"),
        ("kraken_paper_trading", "risk_management:\n  min_stop_pct: 0.2\n", "min_stop_pct 0.2 is above"),
        ("kraken_paper_trading", "ml_integration:\n  unknown_word: 1\n", "unknown key"),
        ("kracken", "trading:\n  max_spread_fraction: wide\n", "trading.max_spread_fraction"),
        ("kracken", "trading:\n  lease_seconds: 5\n", "bar_wait_seconds must be shorter"),
        ("kracken", "forecast:\n  epochs: -1\nbacktest: nonsense\n", "forecast.epochs"),
    ],
)
def test_a_mistake_in_what_a_way_out_does_not_need_is_passed_over_and_told(
    tmp_path: Path, file: str, text: str, told: str
) -> None:
    written(tmp_path, **{file: text})
    with pytest.raises(Misconfigured):
        load_settings(tmp_path, env={})
    found = load_emergency_settings(tmp_path, env={})
    assert told in "; ".join(found.left_out)
    assert found.settings.trading.account == "main"


def test_what_is_right_beside_a_mistake_is_kept(tmp_path: Path) -> None:
    text = "trading:\n  account: mine\n  max_spread_fraction: wide\n  price_cap_fraction: 0.01\n"
    written(tmp_path, kracken=text, agents="agents: 7\n")
    found = load_emergency_settings(tmp_path, env={"KRACKEN_LEDGER__URL": "postgresql://u:word@db/ledger"})
    assert (found.settings.trading.account, found.settings.trading.price_cap_fraction) == ("mine", 0.01)
    assert found.settings.ledger_url() == "postgresql://u:word@db/ledger"
    assert len(found.left_out) == 2


@pytest.mark.parametrize(
    ("file", "text", "told"),
    [
        ("kracken", "profile: lives\n", "profile"),
        ("kracken", "trading:\n  account: 'Not A Name'\n", "trading.account"),
        ("kracken", "trading: nonsense\n", "trading"),
        ("kracken", "profile: live\n", "confirm_account"),
        ("kracken", "tax:\n  base_currency: dollars\n", "tax.base_currency"),
        ("kracken", "profile: [", "not valid YAML"),
        ("exchanges", "exchanges:\n  kraken: {api_kee: x}\n", "api_kee"),
        ("kraken_paper_trading", "exchange: binance\n", "binance"),
    ],
)
def test_a_mistake_about_whose_coins_are_sold_where_is_refused(tmp_path: Path, file: str, text: str, told: str) -> None:
    written(tmp_path, **{file: text})
    with pytest.raises(Misconfigured, match=told):
        load_emergency_settings(tmp_path, env={})


def test_what_was_passed_over_never_shows_a_secret(tmp_path: Path) -> None:
    env = {"KRACKEN_ALERTS__TELEGRAM_TOKEN": "[word-nobody-may-see]", "KRACKEN_TRADING__LEASE_SECONDS": "x"}
    found = load_emergency_settings(tmp_path, env=env)
    assert len(found.left_out) == 2
    assert "word-nobody-may-see" not in "".join(found.left_out)
