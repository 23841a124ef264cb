"""A command line on an empty home."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.command_line import Kracken, kracken_with
from tests.support.sandbox import free_port


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("KRACKEN_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("KRACKEN_CONFIG_DIR", str(tmp_path / "config"))
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv(
        "KRACKEN_SANDBOX__PORT", str(free_port())
    )  # nobody's: a sandbox on this machine is not the test's
    return tmp_path / "home"


@pytest.fixture
def kracken(home: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Kracken:
    return kracken_with(monkeypatch, capfd)
