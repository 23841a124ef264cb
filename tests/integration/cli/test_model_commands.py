"""Models by command: listed, promoted in a person's name, retired; a standing champion must be beaten."""

from __future__ import annotations

from pathlib import Path

import pytest

from kracken_tasks import wiring
from kracken_tasks.domain.clock import utc
from kracken_tasks.domain.market import SeriesKey, Timeframe
from kracken_tasks.forecast.bundle import Bundle
from kracken_tasks.forecast.evaluation import Judgement
from kracken_tasks.forecast.registry import ModelState, Registry
from kracken_tasks.settings import load_settings
from tests.support.candle_frames import commit_frame
from tests.support.candles import random_candles
from tests.support.command_line import Kracken
from tests.support.forecasts import renamed, small_report

KEY = SeriesKey("kraken", "BTC/USD", Timeframe.H1)
NOW = utc(2024, 2, 1)
SHADOW = Judgement(state="shadow", too_good=False, reasons=("beats the last value",))
PERSON = ("--by", "Ada", "--reason", "looked at it")


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    return small_report(random_candles(400)).bundle


@pytest.fixture
def registry(home: Path) -> Registry:
    """Over a lake that reaches 300 bars beyond the models' data."""
    settings = load_settings()
    commit_frame(wiring.lake(settings), KEY, random_candles(700))
    return wiring.registry(settings)


def test_a_shadow_becomes_champion_where_none_stands(kracken: Kracken, registry: Registry, bundle: Bundle) -> None:
    registry.register(bundle, SHADOW, now=NOW)
    said = kracken("models", "promote", bundle.model_id, *PERSON)
    assert said.code == 0, said.err
    assert f"{bundle.model_id} is champion of kraken BTC/USD 1h" in said.out
    assert "champion" in kracken("models", "list").out
    (_, record) = registry.transitions()
    assert (record.by, record.at) == ("Ada", "2024-01-30T04:00:00Z")  # the close of the newest of 700 hours


def test_a_champion_falls_only_in_a_contest_on_the_lakes_newest_bars(
    kracken: Kracken, registry: Registry, bundle: Bundle
) -> None:
    challenger = renamed(bundle, "newer")
    for one in (bundle, challenger):
        registry.register(one, SHADOW, now=NOW)
    assert kracken("models", "promote", bundle.model_id, *PERSON).code == 0
    said = kracken("models", "promote", challenger.model_id, *PERSON)
    assert said.code == 2
    assert said.sentence.startswith("kracken: the contest was not won: ")
    assert registry.models()[bundle.model_id] is ModelState.CHAMPION


def test_a_contest_needs_bars_that_neither_saw(kracken: Kracken, registry: Registry) -> None:
    whole = small_report(random_candles(700)).bundle
    for one in (whole, renamed(whole, "newer")):
        registry.register(one, SHADOW, now=NOW)
    assert kracken("models", "promote", whole.model_id, *PERSON).code == 0
    said = kracken("models", "promote", renamed(whole, "newer").model_id, *PERSON)
    assert said.code == 1
    assert "no bar that neither model saw" in said.sentence


def test_who_and_why_are_asked_and_a_program_is_refused(kracken: Kracken, registry: Registry, bundle: Bundle) -> None:
    registry.register(bundle, SHADOW, now=NOW)
    assert kracken("models", "promote", bundle.model_id).code == 2
    assert (
        "name of a person"
        in kracken("models", "promote", bundle.model_id, "--by", "retraining", "--reason", "x").sentence
    )
    assert "is not in" in kracken("models", "promote", "0123456789abcdef", *PERSON).sentence


def test_a_retired_model_speaks_no_more(kracken: Kracken, registry: Registry, bundle: Bundle) -> None:
    registry.register(bundle, SHADOW, now=NOW)
    assert kracken("models", "promote", bundle.model_id, *PERSON).code == 0
    assert "is retired" in kracken("models", "retire", bundle.model_id, *PERSON).out
    assert registry.champion(KEY) is None
    assert kracken("models", "retire", bundle.model_id, *PERSON).code == 2
