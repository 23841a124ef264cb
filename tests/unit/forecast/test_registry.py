"""Candidate, shadow, champion: who may do what, and what survives."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from kracken_tasks.domain.market import SeriesKey, Timeframe
from kracken_tasks.errors import BadData, Misconfigured
from kracken_tasks.forecast.bundle import Bundle
from kracken_tasks.forecast.contest import Contest, compete
from kracken_tasks.forecast.evaluation import Judgement
from kracken_tasks.forecast.registry import ModelState, Registry
from tests.support.candles import random_candles
from tests.support.forecasts import renamed, small_report

NOW = datetime(2024, 5, 1, tzinfo=UTC)
KEY = SeriesKey("kraken", "BTC/USD", Timeframe.H1)
SHADOW = Judgement("shadow", False, ("beats the last value",))
CANDIDATE = Judgement("candidate", False, ("does not",))
TOO_GOOD = Judgement("candidate", True, ("too good to be true",))


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    return small_report().bundle


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    return Registry(tmp_path / "models")


def won(challenger: Bundle, champion: Bundle) -> Contest:
    return Contest(challenger.model_id, champion.model_id, challenger.scores, champion.scores, True, ("won",))


def test_an_empty_registry_has_no_champion_and_makes_no_folder(registry: Registry, tmp_path: Path) -> None:
    assert registry.champion(KEY) is None
    assert registry.shadow(KEY) is None
    assert list(tmp_path.iterdir()) == []


def test_training_ends_at_candidate_or_shadow_and_never_higher(registry: Registry, bundle: Bundle) -> None:
    registry.register(bundle, SHADOW, now=NOW)
    assert registry.state_of(bundle.model_id) is ModelState.SHADOW
    assert registry.champion(KEY) is None
    with pytest.raises(Misconfigured):
        registry.register(renamed(bundle, "b"), Judgement("champion", False, ()), now=NOW)


def test_a_person_promotes_a_shadow_and_the_bundle_comes_back(registry: Registry, bundle: Bundle) -> None:
    registry.register(bundle, SHADOW, now=NOW)
    record = registry.promote(bundle.model_id, by="Ada", reason="two weeks of shadow forecasts", now=NOW)
    assert (record.from_state, record.to_state, record.by) == ("shadow", "champion", "Ada")
    champion = registry.champion(KEY)
    assert champion is not None
    assert champion.content == bundle.content
    assert registry.champion(SeriesKey("kraken", "ETH/USD", Timeframe.H1)) is None


@pytest.mark.parametrize(("by", "reason"), [("", "x"), ("  ", "x"), ("retraining", "x"), ("Ada", " ")])
def test_no_program_and_no_silence_promotes(registry: Registry, bundle: Bundle, by: str, reason: str) -> None:
    registry.register(bundle, SHADOW, now=NOW)
    with pytest.raises(Misconfigured):
        registry.promote(bundle.model_id, by=by, reason=reason, now=NOW)
    assert registry.champion(KEY) is None


def test_a_candidate_cannot_be_promoted(registry: Registry, bundle: Bundle) -> None:
    registry.register(bundle, CANDIDATE, now=NOW)
    with pytest.raises(Misconfigured, match="only a shadow"):
        registry.promote(bundle.model_id, by="Ada", reason="hope", now=NOW)
    with pytest.raises(Misconfigured, match="too good"):
        registry.clear(bundle.model_id, by="Ada", reason="hope", now=NOW)


def test_a_result_too_good_waits_for_a_named_person(registry: Registry, bundle: Bundle) -> None:
    registry.register(bundle, TOO_GOOD, now=NOW)
    with pytest.raises(Misconfigured):
        registry.promote(bundle.model_id, by="Ada", reason="wow", now=NOW)
    registry.clear(bundle.model_id, by="Ada", reason="read the features, no leak", now=NOW)
    assert registry.state_of(bundle.model_id) is ModelState.SHADOW


def test_a_standing_champion_falls_only_in_a_won_contest(registry: Registry, bundle: Bundle) -> None:
    challenger = renamed(bundle, "challenger")
    for one in (bundle, challenger):
        registry.register(one, SHADOW, now=NOW)
    registry.promote(bundle.model_id, by="Ada", reason="first", now=NOW)
    for contest in (None, won(bundle, challenger), replace(won(challenger, bundle), won=False)):
        with pytest.raises(Misconfigured, match="contest"):
            registry.promote(challenger.model_id, by="Ada", reason="newer", now=NOW, contest=contest)
    record = registry.promote(challenger.model_id, by="Ada", reason="newer", now=NOW, contest=won(challenger, bundle))
    assert record.replaces == bundle.model_id
    assert registry.models(KEY) == {bundle.model_id: ModelState.RETIRED, challenger.model_id: ModelState.CHAMPION}
    assert registry.state_of(bundle.model_id) is ModelState.RETIRED


def test_a_retired_champion_leaves_no_forecast(registry: Registry, bundle: Bundle) -> None:
    registry.register(bundle, SHADOW, now=NOW)
    registry.promote(bundle.model_id, by="Ada", reason="first", now=NOW)
    registry.retire(bundle.model_id, by="Ada", reason="market changed", now=NOW)
    assert registry.champion(KEY) is None
    with pytest.raises(Misconfigured):
        registry.retire(bundle.model_id, by="Ada", reason="again", now=NOW)


def test_registering_twice_is_registering_once(registry: Registry, bundle: Bundle) -> None:
    first = registry.register(bundle, SHADOW, now=NOW)
    assert registry.register(bundle, CANDIDATE, now=NOW.replace(year=2025)) == first
    assert len(registry.transitions()) == 1


def test_the_newest_shadow_is_the_one_shown(registry: Registry, bundle: Bundle) -> None:
    for version in ("a", "b"):
        registry.register(renamed(bundle, version), SHADOW, now=NOW)
    shadow = registry.shadow(KEY)
    assert shadow is not None
    assert shadow.meta.code_version == "b"


def test_writers_at_the_same_time_lose_nothing(registry: Registry, bundle: Bundle, tmp_path: Path) -> None:
    models = [renamed(bundle, f"v{i}") for i in range(12)]
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda one: Registry(tmp_path / "models").register(one, SHADOW, now=NOW), models))
    assert sorted(registry.models(KEY)) == sorted(one.model_id for one in models)
    assert [record.number for record in registry.transitions()] == list(range(1, 13))


def test_left_over_scratch_files_are_ignored_and_holes_are_not(
    registry: Registry, bundle: Bundle, tmp_path: Path
) -> None:
    for version in ("a", "b", "c"):
        registry.register(renamed(bundle, version), SHADOW, now=NOW)
    records = tmp_path / "models" / "transitions"
    (records / ".00000004.json.deadbeef").write_text("{")
    assert len(registry.transitions()) == 3
    (records / "00000002.json").unlink()
    with pytest.raises(BadData, match="holes"):
        registry.transitions()


def test_an_altered_model_is_refused(registry: Registry, bundle: Bundle, tmp_path: Path) -> None:
    registry.register(bundle, SHADOW, now=NOW)
    path = tmp_path / "models" / "models" / f"{bundle.model_id}.npz"
    path.write_bytes(bundle.content[:-10])
    with pytest.raises(BadData):
        registry.load(bundle.model_id)
    path.unlink()
    with pytest.raises(BadData, match="is not in"):
        registry.load(bundle.model_id)


def test_records_are_plain_json_with_reason_and_market_time(registry: Registry, bundle: Bundle, tmp_path: Path) -> None:
    registry.register(bundle, TOO_GOOD, now=NOW)
    (path,) = (tmp_path / "models" / "transitions").iterdir()
    record = json.loads(path.read_text())
    assert record["at"] == "2024-05-01T00:00:00Z"
    assert record["reasons"] == ["too good to be true"]
    assert record["series"] == "kraken BTC/USD 1h"


def test_contest_uses_only_bars_neither_model_saw() -> None:
    frame = random_candles(700)
    old, new = small_report(frame.iloc[:400]).bundle, small_report(frame.iloc[:500]).bundle
    contest = compete(new, old, frame, cost_fraction=0.001)
    assert contest.challenger.bars == contest.champion.bars == 199  # from candle 500 on, the last has no outcome
    assert not contest.won
    assert contest.reasons
    with pytest.raises(BadData, match="neither"):
        compete(new, old, frame.iloc[:500], cost_fraction=0.001)


def test_contest_between_a_learner_and_one_that_learned_noise() -> None:
    frame = random_candles(1_500, momentum=0.35)
    learned = small_report(frame.iloc[:1_000]).bundle
    weights = {name: -array if name.startswith("head") else array for name, array in learned.weights.items()}
    wrong = Bundle(replace(learned.meta, code_version="wrong"), weights)
    contest = compete(wrong, learned, frame, cost_fraction=0.0)
    assert not contest.won
    assert contest.challenger.mae > contest.champion.mae


def test_killed_between_model_and_record_the_next_run_completes_the_registration(
    registry: Registry, bundle: Bundle, tmp_path: Path
) -> None:
    folder = tmp_path / "models" / "models"
    folder.mkdir(parents=True)
    (folder / f"{bundle.model_id}.npz").write_bytes(bundle.content)  # all a killed run left behind
    assert registry.models(KEY) == {}
    registry.register(bundle, SHADOW, now=NOW)
    assert registry.models(KEY) == {bundle.model_id: ModelState.SHADOW}
    assert registry.load(bundle.model_id).content == bundle.content
