"""Contract files: read, checked against what this code can do, and frozen.

In: ``data_contracts/<dataset>.v<version>.json``.  Out: a ``Contract``.  Never: a rule without a reason, a severity that nobody
handles, or a check that no code answers to.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from kracken_tasks.contracts.checks import CHECKS
from kracken_tasks.errors import Misconfigured

__all__ = ["SEVERITIES", "Contract", "Rule", "Tolerance", "load_contract"]

SEVERITIES: Final = ("reject_rows", "reject_batch", "warn")


@dataclass(frozen=True, slots=True)
class Rule:
    """One promise.  ``params`` for a named check; ``expectation`` (type and kwargs) for one that Great Expectations checks."""

    name: str
    severity: str
    why: str
    params: Mapping[str, Any]
    expectation: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Tolerance:
    """A series of at least ``from_rows`` rows with more than this fraction rejected is refused as a whole."""

    max_rejected_fraction: float
    from_rows: int


@dataclass(frozen=True, slots=True)
class Contract:
    """A contract file.  ``name`` is the suite's, ``content_hash`` the SHA-256 of the file: together they name what was promised."""

    name: str
    dataset: str
    version: int
    content_hash: str
    meta: Mapping[str, Any]
    tolerance: Tolerance
    expectations: tuple[Rule, ...]
    checks: tuple[Rule, ...]

    @property
    def reference(self) -> str:
        return f"{self.name}@{self.content_hash[:12]}"


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
    return Contract(
        name, reader.text(data, "dataset"), reader.number(data, "version"), hashlib.sha256(raw).hexdigest(),
        reader.meta(suite), reader.tolerance(data),
        tuple(reader.expectation(entry, f"suite.expectations[{at}]") for at, entry in enumerate(reader.list(suite, "expectations"))),
        tuple(reader.check(entry, f"checks[{at}]") for at, entry in enumerate(reader.list(data, "checks"))),
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
        self.text(entry, "why", "tolerance.")
        return Tolerance(float(entry["max_rejected_fraction"]), self.number(entry, "from_rows", "tolerance."))

    def expectation(self, entry: Any, where: str) -> Rule:
        kind = self.text(entry, "type", f"{where}.")
        if not kind.startswith("expect_"):
            self.refuse(f"{where}.type", kind, "an expectation's name, expect_...")
        meta = self.mapping(entry, "meta", f"{where}.")
        kwargs = self.mapping(entry, "kwargs", f"{where}.")
        name = self.text(meta, "rule", f"{where}.meta.")
        return Rule(name, self.severity(meta, f"{where}.meta."), self.text(meta, "why", f"{where}.meta."), {},
                    {"type": kind, "kwargs": kwargs})  # fmt: skip

    def check(self, entry: Any, where: str) -> Rule:
        name = self.text(entry, "name", f"{where}.")
        if name not in CHECKS:
            self.refuse(f"{where}.name", name, ", ".join(CHECKS))
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
