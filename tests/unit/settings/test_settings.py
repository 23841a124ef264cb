"""Settings: wrong ones are refused by file, key and what is allowed."""

from __future__ import annotations

from pathlib import Path

import pytest

from kracken_tasks import wiring
from kracken_tasks.errors import Misconfigured
from kracken_tasks.settings import Profile, load_settings
from kracken_tasks.settings.sources import FILES, anything_configured


def _write(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text)
    return path


def test_without_files_or_environment_everything_has_a_default(tmp_path: Path) -> None:
    settings = load_settings(tmp_path, env={})
    assert settings.profile is Profile.SANDBOX
    assert settings.traded_symbols == ("BTC/USD", "ETH/USD", "SOL/USD", "ADA/USD", "XRP/USD")
    assert settings.ledger_url().startswith("sqlite:///")


def test_the_shipped_config_files_hold_what_they_may_and_load(project_root: Path) -> None:
    shipped = {path.name for path in (project_root / "config").glob("*.yaml")}
    assert shipped == set(FILES)
    settings = load_settings(project_root / "config", env={})
    assert settings.risk_management.max_position_size == 0.10
    assert settings.ml_integration.signal_weights["macd"] == 0.30


def test_a_value_out_of_range_names_file_key_and_both_bounds(tmp_path: Path) -> None:
    path = _write(tmp_path, "kracken.yaml", "trading:\n  lease_seconds: 999\n")
    with pytest.raises(Misconfigured) as refused:
        load_settings(tmp_path, env={})
    for part in (str(path), "trading.lease_seconds", "999", "at least 2", "at most 300"):
        assert part in refused.value.message


def test_a_misspelt_key_names_the_allowed_ones(tmp_path: Path) -> None:
    _write(tmp_path, "kraken_paper_trading.yaml", "risk_management:\n  max_drawdown: 0.1\n")
    with pytest.raises(Misconfigured, match=r"risk_management\.max_drawdown.*allowed: .*max_drawdown_limit"):
        load_settings(tmp_path, env={})


def test_a_key_in_the_wrong_file_is_refused(tmp_path: Path) -> None:
    _write(tmp_path, "pairs.yaml", "trading:\n  account: x\n")
    with pytest.raises(
        Misconfigured, match=r"pairs\.yaml: unknown key 'trading'; allowed: history_start, pairs, timeframes"
    ):
        load_settings(tmp_path, env={})


def test_a_missing_variable_names_file_key_and_variable(tmp_path: Path) -> None:
    path = _write(tmp_path, "exchanges.yaml", "exchanges:\n  kraken:\n    api_key: ${MY_KEY}\n")
    with pytest.raises(Misconfigured) as refused:
        load_settings(tmp_path, env={})
    assert refused.value.fields == {"file": str(path), "key": "exchanges.kraken.api_key", "variable": "MY_KEY"}
    settings = load_settings(tmp_path, env={"MY_KEY": "abc"})
    secret = settings.exchanges["kraken"].api_key
    assert secret is not None
    assert secret.get_secret_value() == "abc"


def test_a_secret_never_prints(tmp_path: Path) -> None:
    settings = load_settings(
        tmp_path, env={"KRAKEN_API_KEY": "k-123", "KRAKEN_API_SECRET": "s-456", "TELEGRAM_TOKEN": "t-789"}
    )
    text = repr(settings) + settings.model_dump_json()
    assert not any(secret in text for secret in ("k-123", "s-456", "t-789"))


def test_a_wrong_secret_is_refused_without_being_repeated(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured) as refused:
        load_settings(tmp_path, env={}, overrides={"exchanges": {"kraken": {"secret": ["s-456"]}}})
    assert "s-456" not in refused.value.message


def test_the_announced_environment_names_are_honoured(tmp_path: Path) -> None:
    settings = load_settings(tmp_path, env={"BOT_MODE": "paper", "TELEGRAM_CHAT_ID": "42"})
    assert settings.profile is Profile.PAPER
    assert settings.alerts.telegram_chat_id == "42"


def test_environment_wins_over_files_and_overrides_win_over_both(tmp_path: Path) -> None:
    _write(tmp_path, "kracken.yaml", "sandbox:\n  seed: 1\n  port: 9001\n")
    env = {"KRACKEN_SANDBOX__SEED": "2"}
    settings = load_settings(tmp_path, env=env)
    assert (settings.sandbox.seed, settings.sandbox.port) == (2, 9001)
    assert load_settings(tmp_path, env=env, overrides={"sandbox": {"seed": 3}}).sandbox.seed == 3


def test_live_needs_the_account_name_typed_out(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match=r"confirm_account"):
        load_settings(tmp_path, env={"BOT_MODE": "live"})
    armed = load_settings(tmp_path, env={"BOT_MODE": "live", "KRACKEN_LIVE__CONFIRM_ACCOUNT": "main"})
    assert armed.profile is Profile.LIVE


def test_broken_yaml_names_its_file(tmp_path: Path) -> None:
    path = _write(tmp_path, "agents.yaml", "agents: [\n")
    with pytest.raises(Misconfigured) as refused:
        load_settings(tmp_path, env={})
    assert refused.value.fields["file"] == str(path)


def test_an_unknown_key_of_a_venue_names_file_key_and_the_allowed_ones(tmp_path: Path) -> None:
    path = _write(tmp_path, "exchanges.yaml", "exchanges:\n  kraken:\n    apikey: x\n")
    with pytest.raises(Misconfigured) as refused:
        load_settings(tmp_path, env={})
    for part in (str(path), "exchanges.kraken.apikey", "api_key", "password", "rate_limit_ms", "tier", "timeframes"):
        assert part in refused.value.message


def test_a_tier_nobody_has_names_the_ones_there_are(tmp_path: Path) -> None:
    _write(tmp_path, "exchanges.yaml", "exchanges:\n  kraken:\n    tier: gold\n")
    with pytest.raises(Misconfigured, match=r"exchanges\.kraken\.tier.*'starter', 'intermediate' or 'pro'"):
        load_settings(tmp_path, env={})


def test_several_venues_are_ingested_at_once_each_with_its_own_symbols_and_candles(tmp_path: Path) -> None:
    _write(tmp_path, "pairs.yaml", "pairs: [BTC/USD, ETH/USD]\ntimeframes: [1h, 1d]\n")
    _write(
        tmp_path,
        "exchanges.yaml",
        "exchanges:\n  kraken: {}\n  binance: {symbols: [BTC/USDT], timeframes: [5m]}\n  bitstamp: {enabled: false}\n",
    )
    keys = wiring.series(load_settings(tmp_path, env={}))
    assert [str(key) for key in keys] == [
        "binance BTC/USDT 5m",
        *(f"kraken {symbol} {width}" for symbol in ("BTC/USD", "ETH/USD") for width in ("1h", "1d")),
    ]


def test_pods_that_share_a_ledger_share_the_rate_limits_too(tmp_path: Path) -> None:
    alone = load_settings(tmp_path, env={})
    assert alone.rates_url() is None
    pods = load_settings(tmp_path, env={"KRACKEN_LEDGER__URL": "postgresql://u:p@host/db"})
    assert pods.rates_url() == "postgresql://u:p@host/db"
    with pytest.raises(Misconfigured, match=r"rates\.url"):
        load_settings(tmp_path, env={"KRACKEN_RATES__URL": "sqlite:///x"})


def test_whether_anything_is_configured_at_all(tmp_path: Path) -> None:
    assert not anything_configured(tmp_path, env={"PATH": "/bin", "KRACKEN_CONFIG_DIR": "x"})
    assert anything_configured(tmp_path, env={"BOT_MODE": "paper"})
    _write(tmp_path, "pairs.yaml", "pairs: [BTC/USD]\n")
    assert anything_configured(tmp_path, env={})


def test_several_agents_share_one_account(tmp_path: Path) -> None:
    settings = load_settings(
        tmp_path,
        env={},
        overrides={
            "agents": [
                {"name": "ada", "share": 0.6, "symbols": ["BTC/USD"]},
                {"name": "bob", "share": 0.4, "strategy": "trend_vol", "symbols": ["ETH/USD", "BTC/USD"]},
            ]
        },
    )
    assert settings.shared
    assert settings.traded_symbols == ("BTC/USD", "ETH/USD")
    seats = wiring.agent_seats(settings)
    assert [(seat.agent, seat.share, sorted(seat.strategies)) for seat in seats] == [
        ("ada", 0.6, ["BTC/USD"]),
        ("bob", 0.4, ["BTC/USD", "ETH/USD"]),
    ]


@pytest.mark.parametrize(
    ("agents", "why"),
    [
        ([{"name": "ada", "share": 0.6}, {"name": "bob", "share": 0.5}], "shares add up to 1.1"),
        ([{"name": "ada", "share": 0.5}, {"name": "ada", "share": 0.5}], "ada are named twice"),
        ([], "agents"),
    ],
)
def test_agents_that_cannot_share_an_account_are_refused(tmp_path: Path, agents: list[object], why: str) -> None:
    with pytest.raises(Misconfigured, match=why):
        load_settings(tmp_path, env={}, overrides={"agents": agents})


def test_one_agent_with_a_part_of_the_capital_trades_no_more_than_that(tmp_path: Path) -> None:
    assert load_settings(tmp_path, env={}, overrides={"agents": [{"name": "ada", "share": 0.5}]}).shared
    assert not load_settings(tmp_path, env={}).shared
