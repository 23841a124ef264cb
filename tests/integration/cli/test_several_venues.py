"""Several venues enabled at once: one ingest brings the candles of all, each under its own name, symbols and widths."""

from __future__ import annotations

from pathlib import Path

import pytest

from kracken_tasks import wiring
from kracken_tasks.settings import load_settings
from tests.support.command_line import Kracken
from tests.support.sandbox import running_sandbox, sandbox_config

EXCHANGES = """
exchanges:
  kraken: {symbols: [BTC/USD], timeframes: [1h]}
  binance: {symbols: [BTC/USDT], timeframes: [1h, 5m]}
  coinbase: {symbols: [BTC/USD], timeframes: [1h]}
  bitstamp: {symbols: [ETH/USD], timeframes: [1d]}
"""
SERIES = [
    "binance BTC/USDT 1h",
    "binance BTC/USDT 5m",
    "bitstamp ETH/USD 1d",
    "coinbase BTC/USD 1h",
    "kraken BTC/USD 1h",
]


def test_one_ingest_brings_the_candles_of_every_enabled_venue(
    kracken: Kracken, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "exchanges.yaml").write_text(EXCHANGES)
    with running_sandbox(config=sandbox_config()) as sandbox:
        monkeypatch.setenv("KRACKEN_SANDBOX__PORT", sandbox.base_url.rsplit(":", 1)[1])
        said = kracken("ingest")
        assert said.code == 0, said.out
        again = kracken("ingest")
    snapshot = wiring.lake(load_settings()).snapshot()
    assert sorted(str(key) for key in snapshot.series()) == SERIES
    assert all(len(snapshot.candles(key)) >= 100 for key in snapshot.series())
    assert again.code == 0


def test_a_pair_that_is_not_listed_any_more_keeps_no_other_series_back(
    kracken: Kracken, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "exchanges.yaml").write_text(
        "exchanges: {kraken: {symbols: [GONE/USD, BTC/USD], timeframes: [1h]}}\n"
    )
    with running_sandbox(config=sandbox_config()) as sandbox:
        monkeypatch.setenv("KRACKEN_SANDBOX__PORT", sandbox.base_url.rsplit(":", 1)[1])
        said = kracken("ingest")
    assert said.code != 0
    assert "1 of 2 series could not be fetched: kraken GONE/USD 1h: kraken lists no GONE/USD" in said.sentence
    assert [str(key) for key in wiring.lake(load_settings()).snapshot().series()] == ["kraken BTC/USD 1h"]
