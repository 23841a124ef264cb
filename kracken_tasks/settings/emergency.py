"""Settings for the way out: what a halt or a flatten needs is read strictly, a mistake in anything else does not stand in its way.

In: the same files and environment.  Out: ``EmergencySettings`` with what was left out, in words.  Never: a guess about the profile, the
venue, its keys, the account, the home or the ledger: a mistake there is refused as always.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError

from kracken_tasks.errors import Misconfigured
from kracken_tasks.settings.model import Settings
from kracken_tasks.settings.sources import (
    FILES,
    environment,
    explained,
    merge,
    merge_environment,
    problem_sentence,
    read_yaml,
)

__all__ = ["EmergencySettings", "load_emergency_settings"]

# What says whose coins are sold where.  Everything else may be wrong.
_NEEDED: Final = (
    ("profile",), ("home",), ("exchange",), ("exchanges",), ("ledger",), ("rates",), ("sandbox",), ("live", "confirm_account"),
    ("trading", "account"), ("tax", "base_currency"), ("initial_capital",),
)  # fmt: skip
# Files that hold none of it: one that cannot even be read is passed over.
_SPARE_FILES: Final = ("pairs.yaml", "agents.yaml")
# Only a tick waits; of all that must fit together these alone are nothing to a way out.
_WAITS: Final = ("bar_wait_seconds", "lease_seconds")
_MOST_MISTAKES: Final = 200


@dataclass(frozen=True, slots=True)
class EmergencySettings:
    """``left_out``: every mistake that was passed over; defaults stand in for it."""

    settings: Settings
    left_out: tuple[str, ...] = ()


def load_emergency_settings(
    config_dir: Path | None = None, *, env: Mapping[str, str] | None = None
) -> EmergencySettings:
    """Read the settings as ``load_settings`` does, passing over mistakes in what a way out does not need.

    Raises: Misconfigured for a mistake in the profile, home, venue, keys, account, ledger or base currency.
    """
    env = environment() if env is None else env
    folder = config_dir or Path(env.get("KRACKEN_CONFIG_DIR", "config"))
    origins: dict[tuple[str, ...], str] = {}
    merged: dict[str, Any] = {}
    left_out: list[str] = []
    for name, allowed in FILES.items():
        try:
            merge(merged, read_yaml(folder / name, allowed, env), str(folder / name), origins)
        except Misconfigured as error:
            if name not in _SPARE_FILES:
                raise
            left_out.append(error.message)
    merge_environment(merged, env, origins)
    for _ in range(_MOST_MISTAKES):
        try:
            return EmergencySettings(Settings.model_validate(merged), tuple(left_out))
        except ValidationError as error:
            gone: list[tuple[str, ...]] = []
            for problem in error.errors(include_url=False):
                if any(tuple(map(str, problem["loc"]))[: len(where)] == where for where in gone):
                    continue  # another word on what has just been dropped
                dropped = _mistakes(problem["loc"], merged)
                if not dropped:
                    raise explained(error, origins) from None
                left_out.append(problem_sentence(problem, origins))
                for where in dropped:
                    _drop(merged, where)
                gone += dropped
    raise Misconfigured(f"more than {_MOST_MISTAKES} mistakes in the settings", folder=str(folder))


def _mistakes(loc: tuple[int | str, ...], merged: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """The keys to drop for one mistake: the deepest that was set on the way to it.  Empty for one that must not be passed over."""
    if not loc:  # keys that do not fit together
        waits = merged.get("trading")
        return [("trading", name) for name in _WAITS if isinstance(waits, Mapping) and name in waits]
    path: list[str] = []
    inner: Any = merged
    for part in loc:
        if not isinstance(inner, Mapping) or part not in inner:
            break
        path.append(str(part))
        inner = inner[part]
    where = tuple(path)
    needed = any(where[: len(key)] == key or key[: len(where)] == where for key in _NEEDED)
    return [] if not where or needed else [where]


def _drop(merged: dict[str, Any], where: tuple[str, ...]) -> None:
    inner: Any = merged
    for part in where[:-1]:
        inner = inner.get(part, {})
    inner.pop(where[-1], None)
