"""A sample of the crash matrix with a fixed seed: real processes killed and frozen, a killed exchange, on both databases.

The whole is ``make crash-matrix``; its report, docs/crash-matrix.md, lists every point.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fault.crash_matrix import COLUMNS, Matrix, points_in, report, stage_on
from tests.support.crash_scenes import SCENES, Scene
from tests.support.crash_stage import Blow, Stage, aims_at
from tests.support.ledger import postgres_server

DICE = random.Random(7)
BY_NAME = {scene.name: scene for scene in SCENES}
SAMPLE = DICE.sample(SCENES, 5)
SHARES = {scene.name: DICE.random() for scene in SCENES}


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    with stage_on("sqlite", "") as made:
        yield made


def at_share(points: tuple[str, ...], blow: Blow, share: float, database: str = "sqlite") -> int:
    """The number of the point that lies so far along those the blow aims at."""
    aimed = [number for number, name in enumerate(points, 1) if aims_at(blow, name, database)]
    return aimed[int(share * len(aimed))]


@pytest.mark.parametrize("scene", SAMPLE, ids=lambda scene: str(scene.name))
def test_killed_somewhere_in_a_scene_the_next_tick_leaves_everything_in_order(
    stage: Stage, scene: Scene, project_root: Path
) -> None:
    whole = stage.live(scene)
    listed = points_in((project_root / "docs" / "crash-matrix.md").read_text(encoding="utf-8"))
    new = set(whole.points) - set(listed[scene.name])
    assert not new, f"docs/crash-matrix.md does not know {sorted(new)}; make crash-matrix strikes there, too"
    assert stage.live(scene, Blow.KILL, at_share(whole.points, Blow.KILL, SHARES[scene.name])).struck


def test_frozen_between_intent_and_send_it_does_no_harm_when_it_wakes_after_its_successor(stage: Stage) -> None:
    scene = BY_NAME["limit entry"]
    at = stage.live(scene).points.index("after commit of intent") + 1
    assert stage.live(scene, Blow.FREEZE, at).struck


@pytest.mark.parametrize("when", ["before", "after"])
def test_exchange_killed_around_an_order_and_started_again_knows_what_it_took(stage: Stage, when: str) -> None:
    scene = BY_NAME["limit entry"]
    at = stage.live(scene).points.index(f"{when} request AddOrder") + 1
    assert stage.live(scene, Blow.VENUE, at).struck


def test_killed_over_postgresql_the_next_tick_leaves_everything_in_order() -> None:
    scene = BY_NAME["partly filled exit"]
    with postgres_server() as postgres, stage_on("postgresql", postgres) as stage:
        points = stage.live(scene).points
        for share in (0.3, 0.6, 0.9):
            assert stage.live(scene, Blow.KILL, at_share(points, Blow.KILL, share)).struck


def test_frozen_inside_a_transaction_postgresql_ends_it_and_the_successor_trades_on() -> None:
    scene = BY_NAME["limit entry"]
    with postgres_server() as postgres, stage_on("postgresql", postgres) as stage:
        points = stage.live(scene).points
        for name in ("lease", "intent", "fill+position_plan+order_state+alert"):
            at = points.index(f"before commit of {name}") + 1
            assert stage.live(scene, Blow.FREEZE, at).struck


def test_point_that_no_life_was_struck_at_is_missed_and_the_report_says_not_tried() -> None:
    points = ("before commit of intent", "after commit of intent")
    matrix = Matrix(points={"a scene": points}, struck={("a scene", Blow.KILL, "sqlite"): {1}})
    assert matrix.missed() == [f"a scene: {Blow.KILL} at point 2 (after commit of intent), sqlite"]
    text = report(matrix)
    assert "| 1 | before commit of intent | held |" in text
    assert "| 2 | after commit of intent | not tried |" in text
    assert points_in(text) == {"a scene": list(points)}


def test_report_of_a_part_of_the_matrix_says_at_its_top_how_small_a_part() -> None:
    points = ("before commit of intent", "after commit of intent")
    matrix = Matrix(points={"a scene": points}, struck={("a scene", Blow.KILL, "sqlite"): {1}})
    assert matrix.aimed == sum(aims_at(blow, name, database) for blow, database in COLUMNS for name in points) == 6
    (top,) = [line for line in report(matrix).splitlines() if " lives: " in line]
    assert top.startswith("1 of 6 lives: 1 scenes, 2 points; kill -9, SQLite 1 of 2, kill -9, PostgreSQL 0 of 2, ")
    assert "not known" in top


def test_report_of_the_whole_matrix_claims_the_whole() -> None:
    points = ("before commit of intent", "after commit of intent")
    struck = {
        ("a scene", blow, database): {number for number, name in enumerate(points, 1) if aims_at(blow, name, database)}
        for blow, database in COLUMNS
    }
    (top,) = [
        line for line in report(Matrix(points={"a scene": points}, struck=struck)).splitlines() if " lives: " in line
    ]
    assert top.startswith("6 of 6 lives: ")
    assert "not known" not in top
