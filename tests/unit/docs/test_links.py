"""What the documentation points at is there: links, headings, pictures, commands, paths."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from typer.main import get_command

from kracken_tasks.cli.commands import app

ROOT = Path(__file__).resolve().parents[3]
PAGES = sorted(
    [ROOT / "README.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").rglob("*.md"), *(ROOT / "examples").rglob("*.md")]
)
PICTURES = sorted((ROOT / "docs" / "pictures").iterdir())

LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
FENCED = re.compile(r"^```.*?^```", flags=re.MULTILINE | re.DOTALL)
SOURCE = re.compile(r"`((?:kracken_tasks|flows|config|deployments|data_contracts|docs|tests|examples)/[\w./-]*)`")
_MEGABYTE = 1_000_000


def _id(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def _prose(page: Path) -> str:
    return FENCED.sub("", page.read_text(encoding="utf-8"))


def _anchors(page: Path) -> set[str]:
    """Headings as they are linked to: lower case, punctuation gone, blanks to dashes."""
    headings = re.findall(r"^#+ +(.+?) *$", _prose(page), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=_id)
def test_every_link_leads_somewhere(page: Path) -> None:
    broken = []
    for target in LINK.findall(_prose(page)):
        if target.startswith(("https://", "http://127.0.0.1")):
            continue
        name, _, anchor = target.partition("#")
        file = (page.parent / name).resolve() if name else page
        if not file.exists() or (anchor and anchor not in _anchors(file)):
            broken.append(target)
    assert broken == []


@pytest.mark.parametrize("page", PAGES, ids=_id)
def test_every_file_that_is_named_exists(page: Path) -> None:
    named = {path.rstrip("/") for path in SOURCE.findall(_prose(page))}
    announced = page.name == "announced.md"
    assert announced or [path for path in sorted(named) if not (ROOT / path).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=_id)
def test_no_path_of_somebody_s_machine_is_shown(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert re.findall(r"(?<![\w.])/(?:home|root|tmp|work|Users|var)/\S*", text) == []


@pytest.mark.parametrize("page", PAGES, ids=_id)
def test_every_command_that_is_shown_exists(page: Path) -> None:
    command = get_command(app)
    there = set(getattr(command, "commands", {}))
    text = page.read_text(encoding="utf-8")
    shown = set(re.findall(r"(?:`|\$ |bin/|^)kracken ([a-z]+(?:-[a-z]+)*)\b", text, flags=re.MULTILINE))
    assert page.name == "announced.md" or shown - there == set()


def test_the_readme_lists_every_command() -> None:
    command = get_command(app)
    listed = set(
        re.findall(r"^\| `kracken ([a-z-]+)", (ROOT / "README.md").read_text(encoding="utf-8"), flags=re.MULTILINE)
    )
    assert listed == set(getattr(command, "commands", {}))


def test_every_make_target_that_is_shown_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), flags=re.MULTILINE))
    shown = {
        word
        for page in PAGES
        for words in re.findall(r"`make ((?:[a-z-]+ ?)+)`", page.read_text(encoding="utf-8"))
        for word in words.split()
    }
    assert shown - targets == set()


def test_every_picture_is_shown_and_all_together_are_small() -> None:
    text = "".join(page.read_text(encoding="utf-8") for page in PAGES)
    assert [picture.name for picture in PICTURES if f"pictures/{picture.name}" not in text] == []
    assert sum(picture.stat().st_size for picture in PICTURES) < _MEGABYTE


def test_the_changelog_knows_the_version() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    assert f"## {version}" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_every_decision_is_in_the_index() -> None:
    folder = ROOT / "docs" / "decisions"
    index = (folder / "README.md").read_text(encoding="utf-8")
    assert [path.name for path in folder.glob("0*.md") if f"({path.name})" not in index] == []
