"""Files that must agree with each other: dependencies, versions, deployments, data contracts, announced names."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from kracken_tasks.contracts import load_contract
from tests.support.source_tree import ROOT, modules

PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
OWN = {"kracken_tasks", "flows", "deployments", "tests", "docs", "examples", "benchmarks"}

# Declared, and imported by none of our modules.
BOUNDS_ONLY = {"fastapi": "Prefect's server does not start with a newer one"}
# Imported, and declared by the one that decides its version to the digit.
COMES_WITH = {"botocore": "boto3", "pydantic-core": "pydantic"}
# Development: commands, plugins and stubs that nothing imports.
TOOLS = {
    "import-linter", "mypy", "pandas-stubs", "playwright", "pytest-socket", "pytest-xdist", "ruff", "types-jsonschema",
    "types-psutil", "types-pyyaml",
}  # fmt: skip
# psycopg is loaded by SQLAlchemy from a URL; pytest-asyncio works through its mode; moto's server is made of Flask.
BY_NAME = {"psycopg", "pytest-asyncio", "flask", "flask-cors"}


def _names(requirements: list[str]) -> dict[str, Requirement]:
    parsed = [Requirement(text) for text in requirements]
    return {canonicalize_name(one.name): one for one in parsed}


NEEDED = _names(PROJECT["project"]["dependencies"])
DEVELOPMENT = _names(PROJECT["project"]["optional-dependencies"]["dev"])


def _pins() -> dict[str, str]:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pairs = [line.split("==") for line in lines if line.strip() and not line.startswith("#")]
    return {canonicalize_name(name): version for name, version in pairs}


def _distributions_of(*folders: str) -> set[str]:
    """Distributions whose packages the modules of these folders import, at the top or inside a function."""
    packages = packages_distributions()
    tops: set[str] = set()
    for module in modules(*folders):
        for node in ast.walk(module.tree):
            if isinstance(node, ast.Import):
                tops.update(alias.name.split(".")[0] for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
                tops.add(node.module.split(".")[0])
    foreign = tops - OWN - set(sys.stdlib_module_names)
    return {canonicalize_name(name) for top in foreign for name in packages.get(top, [top])}


def test_every_dependency_is_pinned_to_a_version_that_it_allows() -> None:
    pins = _pins()
    wrong = [
        f"{name}: {requirement.specifier} but {pins.get(name)}"
        for name, requirement in {**NEEDED, **DEVELOPMENT}.items()
        if name not in pins or not requirement.specifier.contains(pins[name], prereleases=True)
    ]
    assert wrong == []


def test_what_is_declared_is_imported_and_what_is_imported_is_declared() -> None:
    imported = _distributions_of("kracken_tasks", "flows", "deployments")
    assert sorted(set(NEEDED) - imported - set(BOUNDS_ONLY)) == []
    assert sorted(imported - set(NEEDED) - set(COMES_WITH)) == []


def test_development_needs_what_tests_import() -> None:
    imported = _distributions_of("tests")
    assert sorted(set(DEVELOPMENT) - imported - TOOLS - BY_NAME) == []
    assert sorted(imported - set(NEEDED) - set(DEVELOPMENT)) == []


def test_the_registry_asks_for_the_prefect_that_is_pinned() -> None:
    registry = yaml.safe_load((ROOT / "prefect.yaml").read_text(encoding="utf-8"))
    assert f"=={registry['prefect-version']}" == str(NEEDED["prefect"].specifier)


def test_every_deployment_carries_the_marks_of_its_profile() -> None:
    registry = yaml.safe_load((ROOT / "prefect.yaml").read_text(encoding="utf-8"))
    names = [f"{entry['entrypoint']}/{entry['name']}" for entry in registry["deployments"]]
    assert len(set(names)) == len(names)
    for entry in registry["deployments"]:
        assert {"kracken", entry["name"].split("-")[0]} <= set(entry["tags"]), entry["name"]
        assert ("money" in entry["tags"]) == ("trading_tick" in entry["entrypoint"]), entry["name"]


def test_every_work_pool_of_the_registry_is_the_one_the_stack_makes() -> None:
    registry = yaml.safe_load((ROOT / "prefect.yaml").read_text(encoding="utf-8"))
    from kracken_tasks.local_stack.stack import WORK_POOL

    assert {entry["work_pool"]["name"] for entry in registry["deployments"]} == {WORK_POOL}


@pytest.mark.parametrize("path", sorted((ROOT / "data_contracts").iterdir()), ids=lambda path: path.name)
def test_a_data_contract_is_named_for_its_dataset_and_major_version(path: Path) -> None:
    named = re.fullmatch(r"([a-z_]+)\.v(\d+)\.json", path.name)
    assert named, path.name
    contract = load_contract(path.parent, path.stem)
    assert (contract.dataset, str(contract.version)) == named.groups()


def test_every_make_word_explains_itself() -> None:
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    words = re.findall(r"^([a-z][a-z-]*):", text, flags=re.MULTILINE)
    explained = re.findall(r"^([a-z][a-z-]*):[^\n]*##", text, flags=re.MULTILINE)
    declared = re.search(r"^\.PHONY: (.*)$", text, flags=re.MULTILINE)
    assert declared
    assert set(words) == set(explained) == set(declared.group(1).split())
