"""Contract files: read, checked against what this code can do, and frozen.

In: ``data_contracts/<dataset>.v<version>.json``.  Out: a ``Contract``.  Never: a rule without a reason, a severity that nobody
handles, or a check that no code answers to.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from kracken_tasks.contracts.checks import CHECKS
from kracken_tasks.errors import Misconfigured

__all__ = [
    "KINDS",
    "SEVERITIES",
    "Contract",
    "Rule",
    "Tolerance",
    "load_contract",
    "load_contracts",
    "newest_contracts",
]

SEVERITIES: Final = ("reject_rows", "reject_batch", "warn")
# What a column may hold.
KINDS: Final = ("utc time", "utc time or unknown", "number", "count", "text")
_NAME: Final = re.compile(r"([a-z_]+)\.v(\d+)")


@dataclass(frozen=True, slots=True)
class Rule:
    """One promise.

    ``params`` for a named check; ``expectation`` (type and kwargs), and ``says`` what rows did that break it, for one that Great
    Expectations checks.
    """

    name: str
    severity: str
    why: str
    params: Mapping[str, Any]
    expectation: Mapping[str, Any] | None = None
    says: str = ""


@dataclass(frozen=True, slots=True)
class Tolerance:
    """A series of at least ``from_rows`` rows with more than this fraction rejected is refused as a whole."""

    max_rejected_fraction: float
    from_rows: int
    why: str


@dataclass(frozen=True, slots=True)
class Contract:
    """A contract file.  ``name`` is the suite's, ``content_hash`` the SHA-256 of the file: together they name what was promised.

    ``columns``: name to kind (one of ``KINDS``); a frame that lacks one or holds another kind cannot be judged further.
    """

    name: str
    dataset: str
    version: int
    content_hash: str
    meta: Mapping[str, Any]
    columns: Mapping[str, str]
    schema_rule: Rule
    tolerance: Tolerance
    expectations: tuple[Rule, ...]
    checks: tuple[Rule, ...]

    @property
    def reference(self) -> str:
        return f"{self.name}@{self.content_hash[:12]}"

    @property
    def tolerance_rule(self) -> Rule:
        return Rule("too_many_rejected", "reject_batch", self.tolerance.why, {})

    @property
    def rules(self) -> tuple[Rule, ...]:
        """Every rule once, in the order they are applied; expectations that share a name are one rule."""
        expectations = {rule.name: rule for rule in reversed(self.expectations)}
        return (self.schema_rule, *reversed(expectations.values()), *self.checks, self.tolerance_rule)

    @property
    def asked(self) -> frozenset[str]:
        """Columns that its expectations name."""
        words = [rule.expectation["kwargs"] for rule in self.expectations if rule.expectation]
        named = [value for one in words for name, value in one.items() if name.startswith("column")]
        return frozenset(word for value in named for word in ([value] if isinstance(value, str) else value))

    @property
    def memory(self) -> int:
        """How many stored rows before the first one its checks want to see."""
        return max((int(rule.params.get("memory", 0)) for rule in self.checks), default=0)


def newest_contracts(contracts_dir: Path) -> dict[str, str]:
    """For every dataset, the name of its contract's newest version."""
    named = [found for path in Path(contracts_dir).glob("*.json") if (found := _NAME.fullmatch(path.stem))]
    return {one[1]: one[0] for one in sorted(named, key=lambda one: (one[1], int(one[2])))}


def load_contracts(contracts_dir: Path, datasets: Iterable[str]) -> dict[str, Contract]:
    """The newest contract of each of these datasets.

    Raises: Misconfigured naming the file and what is allowed, also where a dataset has no contract.
    """
    names = newest_contracts(contracts_dir)
    return {
        dataset: load_contract(contracts_dir, names.get(dataset, f"{dataset}.v1")) for dataset in sorted(set(datasets))
    }


def load_contract(contracts_dir: Path, name: str = "candles.v1") -> Contract:
    """Read and check one contract file.

    Raises: Misconfigured naming file, key and what is allowed.
    """
    path = Path(contracts_dir) / f"{name}.json"
    try:
        raw = path.read_bytes()
        data = json.loads(raw)
    except FileNotFoundError as error:
        known = sorted(one.stem for one in Path(contracts_dir).glob("*.json"))
        raise Misconfigured(f"no contract {path}", file=str(path), allowed=known) from error
    except ValueError as error:
        raise Misconfigured(f"{path} is not JSON: {error}", file=str(path)) from error
    reader = _Reader(path)
    suite = reader.mapping(data, "suite")
    if (told := reader.text(suite, "name", "suite.")) != name:
        reader.refuse("suite.name", told, name)
    if (dataset := reader.text(data, "dataset")) not in CHECKS:
        reader.refuse("dataset", dataset, ", ".join(CHECKS))
    return Contract(
        name, dataset, reader.number(data, "version"), hashlib.sha256(raw).hexdigest(),
        reader.meta(suite), *reader.schema(data), reader.tolerance(data),
        tuple(reader.expectation(entry, f"suite.expectations[{at}]") for at, entry in enumerate(reader.list(suite, "expectations"))),
        tuple(reader.check(entry, dataset, f"checks[{at}]") for at, entry in enumerate(reader.list(data, "checks"))),
    )  # fmt: skip


class _Reader:
    """Takes the JSON apart, refusing with the path of the first thing that is wrong."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def refuse(self, key: str, found: object, allowed: object) -> None:
        raise Misconfigured(
            f"{self._path}: {key} is {found!r}; allowed: {allowed}", file=str(self._path), key=key, allowed=allowed
        )

    def meta(self, suite: Mapping[str, Any]) -> Mapping[str, Any]:
        meta = self.mapping(suite, "meta", "suite.")
        for key in ("owner", "key", "sort_order", "units", "grid"):
            if not meta.get(key):
                self.refuse(f"suite.meta.{key}", meta.get(key), "given")
        return meta

    def tolerance(self, data: Mapping[str, Any]) -> Tolerance:
        entry = self.mapping(data, "tolerance")
        fraction = entry.get("max_rejected_fraction")
        if not isinstance(fraction, int | float) or not 0 <= fraction <= 1:
            self.refuse("tolerance.max_rejected_fraction", fraction, "a number from 0 to 1")
        why = self.text(entry, "why", "tolerance.")
        return Tolerance(float(entry["max_rejected_fraction"]), self.number(entry, "from_rows", "tolerance."), why)

    def schema(self, data: Mapping[str, Any]) -> tuple[Mapping[str, str], Rule]:
        entry = self.mapping(data, "schema")
        columns = self.mapping(entry, "columns", "schema.")
        for name, kind in columns.items():
            if kind not in KINDS:
                self.refuse(f"schema.columns.{name}", kind, ", ".join(KINDS))
        severity = self.severity(entry, "schema.")
        if severity != "reject_batch":
            self.refuse("schema.severity", severity, "reject_batch: what cannot be read cannot be judged row by row")
        return columns, Rule("schema", severity, self.text(entry, "why", "schema."), {})

    def expectation(self, entry: Any, where: str) -> Rule:
        kind = self.text(entry, "type", f"{where}.")
        if not kind.startswith("expect_"):
            self.refuse(f"{where}.type", kind, "an expectation's name, expect_...")
        meta = self.mapping(entry, "meta", f"{where}.")
        kwargs = self.mapping(entry, "kwargs", f"{where}.")
        name = self.text(meta, "rule", f"{where}.meta.")
        return Rule(
            name, self.severity(meta, f"{where}.meta."), self.text(meta, "why", f"{where}.meta."), {},
            {"type": kind, "kwargs": kwargs}, self.text(meta, "says", f"{where}.meta."),
        )  # fmt: skip

    def check(self, entry: Any, dataset: str, where: str) -> Rule:
        name = self.text(entry, "name", f"{where}.")
        if name not in CHECKS[dataset]:
            self.refuse(f"{where}.name", name, ", ".join(CHECKS[dataset]))
        params = self.mapping(entry, "params", f"{where}.")
        return Rule(name, self.severity(entry, f"{where}."), self.text(entry, "why", f"{where}."), params)

    def severity(self, entry: Mapping[str, Any], where: str) -> str:
        found = self.text(entry, "severity", where)
        if found not in SEVERITIES:
            self.refuse(f"{where}severity", found, ", ".join(SEVERITIES))
        return found

    def mapping(self, data: Any, key: str, where: str = "") -> Mapping[str, Any]:
        found = data.get(key) if isinstance(data, dict) else None
        if not isinstance(found, dict):
            self.refuse(f"{where}{key}", found, "an object")
        return dict(found or {})

    def list(self, data: Mapping[str, Any], key: str) -> list[Any]:
        found = data.get(key)
        if not isinstance(found, list) or not found:
            self.refuse(key, found, "a list with at least one entry")
        return list(found or [])

    def text(self, data: Any, key: str, where: str = "") -> str:
        found = data.get(key) if isinstance(data, dict) else None
        if not isinstance(found, str) or not found.strip():
            self.refuse(f"{where}{key}", found, "text")
        return str(found)

    def number(self, data: Mapping[str, Any], key: str, where: str = "") -> int:
        found = data.get(key)
        if not isinstance(found, int) or isinstance(found, bool):
            self.refuse(f"{where}{key}", found, "a whole number")
        return int(found or 0)
