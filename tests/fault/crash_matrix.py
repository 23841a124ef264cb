"""The whole crash matrix and its report: ``python -m tests.fault.crash_matrix``.

In: the scenes of ``tests.support.crash_scenes``.  Out: the report; 1 if a life did not end in order.  Never: a point made by hand: each
scene is lived once undisturbed, the points it passes are recorded, and it is lived again for every point and blow.

It takes the better part of an hour on a small machine.  ``--columns`` and ``--results`` make it in parts: what is in the file of results
is not done again.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

from tests.support.crash_scenes import SCENES, Scene
from tests.support.crash_stage import Blow, Stage, aims_at
from tests.support.ledger import fresh_postgres, postgres_server

__all__ = ["COLUMNS", "Matrix", "points_in", "record", "report", "stage_on", "sweep"]

REPORT = Path(__file__).parents[2] / "docs" / "crash-matrix.md"
# PostgreSQL sees the kills and who is frozen in a transaction; the rest has nothing to do with the kind of database.
COLUMNS = (
    (Blow.KILL, "sqlite"),
    (Blow.KILL, "postgresql"),
    (Blow.FREEZE, "sqlite"),
    (Blow.FREEZE, "postgresql"),
    (Blow.VENUE, "sqlite"),
)
_HEADS = (
    "kill -9, SQLite",
    "kill -9, PostgreSQL",
    "frozen and revived",
    "frozen in a transaction, PostgreSQL",
    "exchange killed",
)
_PARTIAL = "  The rest, *not tried*, is not known."
_NUMBER = count(1)
_INTRODUCTION = """\
# The crash matrix

Made by `make crash-matrix`; not written by hand.  Every line is a point that a recorder saw a trading process pass: before and after each
commit that writes to the ledger, before and after each request to the venue.  *held* says that the blow was dealt there, to a real process
with the real exchange server and a real database, and that the next tick left everything in order: the ledger's balances and fills are the
venue's, every intent became at most one order, no intent is in doubt, stops add up to the position, and every trade is in the outbox once.

- *frozen and revived*: SIGSTOP at the point; ten minutes later a successor reconciles and trades; then SIGCONT.  Before a commit it holds
  the database's lock: PostgreSQL ends its transaction, the successor goes on, and it wakes to nothing written.  A SQLite file has no
  server that could do so, and no successor writes until it wakes or is killed: not dealt there.
- *exchange killed*: SIGKILL of the exchange server at the point, around everything that changes it and around one look; then it is started
  again on what it had written to its disk.  The trading process lives on and ends its act as it can."""


@dataclass
class Matrix:
    """What was found: points by scene, and for each scene, blow and database the number of every point that was struck."""

    points: dict[str, tuple[str, ...]] = field(default_factory=dict)
    struck: dict[tuple[str, Blow, str], set[int]] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)

    @property
    def lives(self) -> int:
        return sum(len(found) for found in self.struck.values())

    @property
    def aimed(self) -> int:
        """How many lives the whole matrix has: one for every point, blow and database it aims at."""
        return sum(_aims(self, blow, database) for blow, database in COLUMNS)

    def missed(self) -> list[str]:
        """Points at which a blow should have been dealt and was not."""
        return [
            f"{scene}: {blow} at point {number} ({name}), {database}"
            for (scene, blow, database), found in self.struck.items()
            for number, name in enumerate(self.points[scene], 1)
            if aims_at(blow, name, database) and number not in found
        ]


@contextmanager
def stage_on(database: str, postgres: str) -> Iterator[Stage]:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="kracken-crash-")))
        url = f"sqlite:///{folder / 'ledger.db'}"
        if database == "postgresql":
            url = stack.enter_context(fresh_postgres(postgres, f"crash_{next(_NUMBER)}"))
        stage = Stage(folder, url)
        stack.callback(stage.close)
        yield stage


def record(matrix: Matrix, scenes: Sequence[Scene]) -> None:
    """Live every scene once undisturbed, for the points it passes."""
    with stage_on("sqlite", "") as stage:
        for scene in scenes:
            matrix.points[scene.name] = stage.live(scene).points


def sweep(matrix: Matrix, scene: Scene, blow: Blow, database: str, postgres: str) -> None:
    """Deal the blow at every point of the scene it aims at; a life that ends badly is told and the next begins on a new stage."""
    found = matrix.struck.setdefault((scene.name, blow, database), set())
    at, last = 0, None
    while last is None or at <= len(last.points):
        with stage_on(database, postgres) as stage:
            try:
                whole = stage.live(scene)
                matrix.points[scene.name] = max(matrix.points.get(scene.name, ()), whole.points, key=len)
                last = whole
                while at <= len(whole.points):
                    at += 1
                    aimed = at <= len(whole.points) and aims_at(blow, whole.points[at - 1], database)
                    if aimed and stage.live(scene, blow, at).struck:
                        found.add(at)
            except Exception as error:
                matrix.failures.append(f"{database}: {error}")
                if last is None:
                    return


def report(matrix: Matrix) -> str:
    """The matrix as Markdown: every point of every scene, and what was dealt there."""
    lines = [
        *_INTRODUCTION.splitlines(),
        "",
        f"{matrix.lives} of {matrix.aimed} lives: {len(matrix.points)} scenes, {sum(map(len, matrix.points.values()))} points; "
        f"{_by_blow(matrix)}." + (_PARTIAL if matrix.lives < matrix.aimed else ""),
        "",
    ]
    for scene, points in matrix.points.items():
        lines += [f"## {scene}", "", "| # | point | " + " | ".join(_HEADS) + " |", "|---|---|" + "---|" * len(_HEADS)]
        for number, name in enumerate(points, 1):
            marks = [_mark(matrix, scene, blow, database, number, name) for blow, database in COLUMNS]
            lines.append(f"| {number} | {name} | " + " | ".join(marks) + " |")
        lines.append("")
    return "\n".join(lines)


def _aims(matrix: Matrix, blow: Blow, database: str) -> int:
    return sum(aims_at(blow, name, database) for points in matrix.points.values() for name in points)


def _by_blow(matrix: Matrix) -> str:
    """Each column's lives dealt, of those aimed at."""
    told = []
    for head, (blow, database) in zip(_HEADS, COLUMNS, strict=True):
        dealt = sum(len(matrix.struck.get((scene, blow, database), ())) for scene in matrix.points)
        told.append(f"{head} {dealt} of {_aims(matrix, blow, database)}")
    return ", ".join(told)


def _mark(matrix: Matrix, scene: str, blow: Blow, database: str, number: int, name: str) -> str:
    if not aims_at(blow, name, database):
        return ""
    return "held" if number in matrix.struck.get((scene, blow, database), ()) else "not tried"


def points_in(text: str) -> dict[str, list[str]]:
    """The points of each scene as a report lists them."""
    found: dict[str, list[str]] = {}
    for line in text.splitlines():
        if line.startswith("## "):
            found[line[3:]] = []
        elif line.startswith("| ") and line[2].isdigit():
            found[list(found)[-1]].append(line.split("|")[2].strip())
    return found


def _saved(matrix: Matrix) -> str:
    struck = [[scene, blow.name, database, sorted(found)] for (scene, blow, database), found in matrix.struck.items()]
    return json.dumps({"points": matrix.points, "struck": struck, "failures": matrix.failures}, indent=1)


def _read(files: Sequence[Path]) -> Matrix:
    matrix = Matrix()
    for file in files:
        if file.is_file():
            saved = json.loads(file.read_text(encoding="utf-8"))
            matrix.points |= {scene: tuple(points) for scene, points in saved["points"].items()}
            matrix.failures += saved["failures"]
            for scene, blow, database, found in saved["struck"]:
                matrix.struck.setdefault((scene, Blow[blow], database), set()).update(found)
    return matrix


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description="strike every point of every scene")
    parser.add_argument("--report", type=Path, default=REPORT)
    parser.add_argument("--columns", default="1,2,3,4,5", help="of the report's tables; all unless given")
    parser.add_argument("--scenes", default="", help="names of scenes; all unless given")
    parser.add_argument("--results", type=Path, nargs="*", default=[], help="kept in the first, read from all")
    asked = parser.parse_args(arguments)
    matrix = _read(asked.results)
    record(matrix, [scene for scene in SCENES if scene.name not in matrix.points])
    chosen = [COLUMNS[int(number) - 1] for number in asked.columns.split(",") if number]
    with postgres_server() as postgres:
        for blow, database in chosen:
            for scene in SCENES:
                if (scene.name, blow, database) in matrix.struck or scene.name not in (
                    asked.scenes or scene.name
                ).split(","):
                    continue
                sweep(matrix, scene, blow, database, postgres)
                lives = len(matrix.struck[scene.name, blow, database])
                sys.stdout.write(f"{scene.name}: {blow}, {database}: {lives} lives\n")
                sys.stdout.flush()
                if asked.results:
                    asked.results[0].write_text(_saved(matrix), encoding="utf-8")
    for trouble in (*matrix.failures, *matrix.missed()):
        sys.stdout.write(f"{trouble}\n")
    matrix.points = {scene.name: matrix.points[scene.name] for scene in SCENES if scene.name in matrix.points}
    asked.report.write_text(report(matrix), encoding="utf-8")
    return 1 if matrix.failures or matrix.missed() else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
