"""The announced keys of the config files, their defaults, and the announced names of the environment."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from kracken_tasks.errors import Misconfigured
from kracken_tasks.settings import Profile, Settings, load_settings

# The table of the announcement.  ``symbols`` is apart: it names the pairs of pairs.yaml here.
PROMISED: dict[str, Any] = {
    "initial_capital": 10000.0,
    "exchange": "kraken",
    "risk_management.max_position_size": 0.10,
    "risk_management.max_risk_per_trade": 0.02,
    "risk_management.correlation_threshold": 0.7,
    "risk_management.max_drawdown_limit": 0.15,
    "risk_management.daily_loss_limit": 0.05,
    "risk_management.max_consecutive_losses": 5,
    "risk_management.stop_loss_pct": 0.03,
    "risk_management.take_profit_pct": 0.06,
    "ml_integration.confidence_threshold": 0.6,
    "ml_integration.cooldown_minutes": 30,
    "ml_integration.signal_weights.rsi": 0.25,
    "ml_integration.signal_weights.macd": 0.30,
    "ml_integration.signal_weights.bollinger_bands": 0.20,
    "ml_integration.signal_weights.sentiment": 0.25,
    "ml_integration.signal_weights.volume_profile": 0.15,
    "ml_integration.signal_weights.lstm": 0.25,
    "price_feed.backup_polling_interval": 5.0,
    "paper_trading.simulate_latency": True,
    "paper_trading.simulate_slippage": True,
    "paper_trading.simulate_fees": True,
    "paper_trading.execution_delay_ms": 100,
    "paper_trading.slippage_bps": 5,
    "paper_trading.commission_bps": 10,
    "logging.level": "INFO",
    "logging.log_to_file": True,
    "logging.log_file": "logs/kraken_paper_trading.log",
    "logging.log_rotation": "daily",
}


def _value(settings: Settings, key: str) -> Any:
    found: Any = settings
    for part in key.split("."):
        found = found[part] if isinstance(found, dict) else getattr(found, part)
    return str(found) if isinstance(found, Path) else found


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return load_settings(tmp_path_factory.mktemp("config"), env={})


@pytest.fixture(scope="module")
def shipped(project_root: Path) -> Settings:
    return load_settings(project_root / "config", env={})


@pytest.mark.parametrize("key", PROMISED)
def test_an_announced_key_has_its_announced_default_with_and_without_the_file(
    bare: Settings, shipped: Settings, key: str
) -> None:
    assert _value(bare, key) == _value(shipped, key) == PROMISED[key]


def test_the_shipped_file_spells_out_every_announced_key(project_root: Path) -> None:
    written = yaml.safe_load((project_root / "config" / "kraken_paper_trading.yaml").read_text(encoding="utf-8"))
    for key in PROMISED:
        found = written
        for part in key.split("."):
            assert part in found, f"kraken_paper_trading.yaml lacks {key}"
            found = found[part]


def test_the_announced_symbols_are_traded_unless_others_are_named(shipped: Settings, tmp_path: Path) -> None:
    assert {"BTC/USD", "ETH/USD", "ADA/USD"} <= set(shipped.traded_symbols)
    (tmp_path / "kraken_paper_trading.yaml").write_text("symbols: [BTC/USD]\n", encoding="utf-8")
    assert load_settings(tmp_path, env={}).traded_symbols == ("BTC/USD",)


def test_commission_null_is_the_venues_own_tier(tmp_path: Path) -> None:
    (tmp_path / "kraken_paper_trading.yaml").write_text("paper_trading: {commission_bps: null}\n", encoding="utf-8")
    assert load_settings(tmp_path, env={}).paper_trading.commission_bps is None


def test_every_announced_name_of_the_environment_is_honoured(tmp_path: Path) -> None:
    announced = {
        "BOT_MODE": "paper",
        "KRAKEN_API_KEY": "key",
        "KRAKEN_API_SECRET": "secret",
        "TELEGRAM_TOKEN": "token",
        "TELEGRAM_CHAT_ID": "42",
    }
    settings = load_settings(tmp_path, env=announced)
    venue, alerts = settings.exchanges["kraken"], settings.alerts
    assert settings.profile is Profile.PAPER
    assert venue.api_key is not None
    assert venue.secret is not None
    assert alerts.telegram_token is not None
    assert (venue.api_key.get_secret_value(), venue.secret.get_secret_value()) == ("key", "secret")
    assert (alerts.telegram_token.get_secret_value(), alerts.telegram_chat_id) == ("token", "42")


def test_bot_mode_live_alone_does_not_arm_anything(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="confirm_account"):
        load_settings(tmp_path, env={"BOT_MODE": "live", "KRAKEN_API_KEY": "key", "KRAKEN_API_SECRET": "secret"})


def test_exchanges_pairs_and_agents_have_their_announced_top_keys(tmp_path: Path) -> None:
    (tmp_path / "exchanges.yaml").write_text(
        'exchanges: {kraken: {enabled: true, api_key: "${A}", secret: "${B}", symbols: [BTC/USD]}}\n', encoding="utf-8"
    )
    (tmp_path / "pairs.yaml").write_text("pairs: [BTC/USD, ETH/USD]\ntimeframes: [1h]\n", encoding="utf-8")
    (tmp_path / "agents.yaml").write_text(
        "agents: [{name: one, strategy: sma_cross, symbols: [ETH/USD], share: 0.5}]\n", encoding="utf-8"
    )
    settings = load_settings(tmp_path, env={"A": "a", "B": "b"})
    assert settings.exchanges["kraken"].symbols == ("BTC/USD",)
    assert (settings.pairs, [width.value for width in settings.timeframes]) == (("BTC/USD", "ETH/USD"), ["1h"])
    (agent,) = settings.agents
    assert (agent.strategy, agent.symbols, agent.share) == ("sma_cross", ("ETH/USD",), 0.5)
