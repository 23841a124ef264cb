"""Agents by command: who holds what, and how each has done."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from kracken_tasks import wiring
from kracken_tasks.settings import load_settings
from tests.support.command_line import Kracken
from tests.support.traded import trade


@pytest.fixture
def two_agents(home: Path) -> None:
    config = home.parent / "config"
    config.mkdir(exist_ok=True)
    (config / "agents.yaml").write_text(
        "agents:\n  - {name: ada, share: 0.5}\n  - {name: bob, strategy: trend_vol, share: 0.25}\n"
    )


def test_the_first_agent_inherits_what_was_traded_before_and_the_rest_of_the_capital_is_named(
    kracken: Kracken, two_agents: None
) -> None:
    trade(wiring.ledger(load_settings()), 1, "110", ())
    said = kracken("agents")
    assert said.code == 0, said.err
    assert "25 % of the capital is nobody's share" in said.words
    rows = {row["agent"]: row for row in json.loads(kracken("agents", "--json").out)}
    assert (rows["ada"]["closed"], rows["ada"]["sales"], rows["bob"]["closed"]) == ("10", "1", "0")
    assert rows["bob"]["strategy"] == "trend_vol"


def test_two_agents_of_one_name_are_refused_with_the_file(kracken: Kracken, home: Path) -> None:
    config = home.parent / "config"
    config.mkdir(exist_ok=True)
    (config / "agents.yaml").write_text("agents:\n  - {name: ada, share: 0.5}\n  - {name: ada, share: 0.5}\n")
    said = kracken("agents")
    assert said.code == 2
    assert "ada are named twice" in said.sentence
