"""A contract file that cannot be kept is refused when it is read, by file and key."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kracken_tasks.contracts import load_contract, load_contracts, newest_contracts
from kracken_tasks.errors import Misconfigured

CONTRACTS = Path(__file__).parents[3] / "data_contracts"


@pytest.mark.parametrize("path", sorted(CONTRACTS.glob("*.json")), ids=lambda path: path.stem)
def test_every_contract_file_loads_and_gives_a_reason_for_each_rule(path: Path) -> None:
    contract = load_contract(CONTRACTS, path.stem)
    assert contract.name == path.stem == f"{contract.dataset}.v{contract.version}"
    assert all(rule.why.endswith(".") for rule in contract.rules)


def test_an_unknown_contract_is_refused_with_those_there_are(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured) as caught:
        load_contract(CONTRACTS, "candles.v9")
    assert "candles.v1" in caught.value.fields["allowed"]  # type: ignore[operator]
    (tmp_path / "candles.v1.json").write_text("{", "utf-8")
    with pytest.raises(Misconfigured, match="not JSON"):
        load_contract(tmp_path)


FAULTS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "suite.name": lambda data: data["suite"].update(name="other.v1"),
    "suite.meta.owner": lambda data: data["suite"]["meta"].pop("owner"),
    "suite": lambda data: data.pop("suite"),
    "version": lambda data: data.update(version="1"),
    "dataset": lambda data: data.update(dataset="books"),
    "schema.columns.ts": lambda data: data["schema"]["columns"].update(ts="date"),
    "schema.severity": lambda data: data["schema"].update(severity="warn"),
    "suite.expectations[3].meta.says": lambda data: data["suite"]["expectations"][3]["meta"].pop("says"),
    "tolerance.max_rejected_fraction": lambda data: data["tolerance"].update(max_rejected_fraction=2),
    "checks": lambda data: data.update(checks=[]),
    "checks[0].name": lambda data: data["checks"][0].update(name="looks_fine"),
    "checks[1].severity": lambda data: data["checks"][1].update(severity="ignore"),
    "checks[2].why": lambda data: data["checks"][2].update(why=" "),
    "checks[3].params": lambda data: data["checks"][3].pop("params"),
    "suite.expectations[0].type": lambda data: data["suite"]["expectations"][0].update(type="hope"),
    "suite.expectations[1].meta.severity": lambda data: data["suite"]["expectations"][1]["meta"].pop("severity"),
    "suite.expectations[2].meta.rule": lambda data: data["suite"]["expectations"][2]["meta"].pop("rule"),
}


@pytest.mark.parametrize("key", FAULTS)
def test_a_fault_is_named_by_file_and_key(tmp_path: Path, key: str) -> None:
    data = json.loads((CONTRACTS / "candles.v1.json").read_bytes())
    FAULTS[key](data)
    path = tmp_path / "candles.v1.json"
    path.write_text(json.dumps(data), "utf-8")
    with pytest.raises(Misconfigured) as caught:
        load_contract(tmp_path)
    assert (caught.value.fields["file"], caught.value.fields["key"]) == (str(path), key)
    assert caught.value.fields["allowed"]


@pytest.mark.parametrize("name", [path.stem for path in sorted(CONTRACTS.glob("*.json"))])
def test_the_page_about_contracts_names_every_rule_with_its_severity_and_reason(name: str) -> None:
    page = (CONTRACTS.parent / "docs" / "contracts.md").read_text("utf-8")
    for rule in load_contract(CONTRACTS, name).rules:
        assert f"| `{rule.name}` | {rule.severity} | {rule.why} |" in page


def test_the_newest_version_is_in_force_and_older_ones_can_still_be_read(tmp_path: Path) -> None:
    data = json.loads((CONTRACTS / "trades.v1.json").read_bytes())
    for version in (1, 2, 10):
        data["version"], data["suite"]["name"] = version, f"trades.v{version}"
        (tmp_path / f"trades.v{version}.json").write_text(json.dumps(data), "utf-8")
    (tmp_path / "notes.json").write_text("{}", "utf-8")
    assert newest_contracts(tmp_path) == {"trades": "trades.v10"}
    assert load_contracts(tmp_path, ["trades"])["trades"].version == 10
    assert load_contract(tmp_path, "trades.v2").version == 2
    with pytest.raises(Misconfigured, match=r"no contract .*candles\.v1\.json"):
        load_contracts(tmp_path, ["candles"])
