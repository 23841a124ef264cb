"""Files and environment into one ``Settings``.

Order, later wins: defaults, ``config/*.yaml``, environment (``KRACKEN_GROUP__KEY``), explicit overrides.  ``${VAR}`` in a YAML
value is read from the environment.  A wrong value is refused by ``Misconfigured`` naming file, key, value and what is allowed.
This is the only reader of the environment.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final, get_args

import yaml
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from kracken_tasks.errors import Misconfigured
from kracken_tasks.settings.model import Settings

__all__ = [
    "FILES",
    "anything_configured",
    "environment",
    "explained",
    "load_paper_settings",
    "load_settings",
    "merge",
    "merge_environment",
    "problem_sentence",
    "read_yaml",
    "replace_environment",
    "without_settings",
]

# Which file may hold which top-level keys: a key in the wrong file is a typo until proven otherwise.
FILES: Final[Mapping[str, frozenset[str]]] = {
    "exchanges.yaml": frozenset({"exchanges"}),
    "pairs.yaml": frozenset({"pairs", "timeframes", "history_start"}),
    "agents.yaml": frozenset({"agents"}),
    "kraken_paper_trading.yaml": frozenset(
        {
            "initial_capital",
            "symbols",
            "exchange",
            "risk_management",
            "ml_integration",
            "price_feed",
            "paper_trading",
            "logging",
        }
    ),
    "kracken.yaml": frozenset(
        {
            "profile",
            "home",
            "rates",
            "sandbox",
            "sentiment",
            "trading",
            "forecast",
            "backtest",
            "lake",
            "ledger",
            "alerts",
            "tax",
            "live",
            "prefect",
        }
    ),
}

# Announced names of the environment, and the settings they stand for.
ALIASES: Final[Mapping[str, tuple[str, ...]]] = {
    "BOT_MODE": ("profile",),
    "KRAKEN_API_KEY": ("exchanges", "kraken", "api_key"),
    "KRAKEN_API_SECRET": ("exchanges", "kraken", "secret"),
    "TELEGRAM_TOKEN": ("alerts", "telegram_token"),
    "TELEGRAM_CHAT_ID": ("alerts", "telegram_chat_id"),
}
PREFIX: Final = "KRACKEN_"
NOT_SETTINGS: Final = frozenset({"KRACKEN_CONFIG_DIR", "KRACKEN_SHARED_DATA", "KRACKEN_STACK"})

_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


def load_settings(
    config_dir: Path | None = None,
    *,
    env: Mapping[str, str] | None = None,
    overrides: Mapping[str, Any] | None = None,
) -> Settings:
    """Read the settings.

    config_dir: folder of the YAML files; None: ``$KRACKEN_CONFIG_DIR``, else ``./config``; missing files mean defaults.
    overrides:  nested mapping that wins over files and environment (command-line options).
    Raises: Misconfigured naming file (or variable), key, value and what is allowed.
    """
    env = os.environ if env is None else env
    folder = config_dir or Path(env.get("KRACKEN_CONFIG_DIR", "config"))
    origins: dict[tuple[str, ...], str] = {}
    merged: dict[str, Any] = {}
    for name, allowed in FILES.items():
        merge(merged, read_yaml(folder / name, allowed, env), str(folder / name), origins)
    merge_environment(merged, env, origins)
    merge(merged, dict(overrides or {}), "command line", origins)
    try:
        return Settings.model_validate(merged)
    except ValidationError as error:
        raise explained(error, origins) from None


def load_paper_settings(
    told: Path | Mapping[str, Any] | None = None, *, env: Mapping[str, str] | None = None
) -> Settings:
    """The settings of a paper account by one file, or one mapping, with the keys of ``kraken_paper_trading.yaml``; nothing else is read.

    Beside them the sections of ``kracken.yaml`` that a paper account knows may be told: trading, tax.
    Raises: Misconfigured naming file, key, value and what is allowed; also for a file that is not there.
    """
    env = os.environ if env is None else env
    allowed = FILES["kraken_paper_trading.yaml"] | {"trading", "tax"}
    origin, content = "config_dict", told if isinstance(told, Mapping) else {}
    if isinstance(told, Path):
        if not told.is_file():
            raise Misconfigured(f"no config file at {told}", file=str(told))
        origin, content = str(told), read_yaml(told, allowed, env)
    for key in content:
        if key not in allowed:
            raise Misconfigured(f"{origin}: unknown key {key!r}; allowed: {', '.join(sorted(allowed))}", key=str(key))
    origins: dict[tuple[str, ...], str] = {}
    merged: dict[str, Any] = {}
    merge(merged, content, origin, origins)
    exchange = str(merged.get("exchange", "kraken"))
    merge(merged, {"profile": "paper", "exchanges": {exchange: {}}}, origin, origins)
    try:
        return Settings.model_validate(merged)
    except ValidationError as error:
        raise explained(error, origins) from None


def anything_configured(config_dir: Path | None = None, *, env: Mapping[str, str] | None = None) -> bool:
    """Whether there is a config file or a variable that says anything, so that the settings are somebody's and not only defaults."""
    env = os.environ if env is None else env
    folder = config_dir or Path(env.get("KRACKEN_CONFIG_DIR", "config"))
    said = any(name in ALIASES or (name.startswith(PREFIX) and name not in NOT_SETTINGS) for name in env)
    return said or any((folder / name).is_file() for name in FILES)


def environment() -> dict[str, str]:
    """A copy of the process environment, for starting child processes."""
    return dict(os.environ)


def replace_environment(env: Mapping[str, str]) -> None:
    """Make ``env`` this process's whole environment, so that what it loads next agrees with the processes it started."""
    os.environ.clear()
    os.environ.update(env)


def without_settings(env: Mapping[str, str]) -> dict[str, str]:
    """``env`` without anything that would change a setting."""
    return {name: value for name, value in env.items() if not name.startswith(PREFIX) and name not in ALIASES}


def read_yaml(path: Path, allowed: Iterable[str], env: Mapping[str, str]) -> dict[str, Any]:
    """One file's keys with its variables read; empty where there is none.  Raises: Misconfigured naming file and key."""
    if not path.is_file():
        return {}
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise Misconfigured(f"{path}: not valid YAML: {error}", file=str(path)) from None
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise Misconfigured(f"{path}: expected keys and values at the top level", file=str(path))
    for key in content:
        if key not in allowed:
            raise Misconfigured(
                f"{path}: unknown key {key!r}; allowed: {', '.join(sorted(allowed))}", file=str(path), key=key
            )
    resolved = _resolve(content, path, (), env)
    assert isinstance(resolved, dict)
    return resolved


def _resolve(value: Any, path: Path, key: tuple[str, ...], env: Mapping[str, str]) -> Any:
    """Replace ``${VAR}`` throughout; a missing variable names file, key and variable."""
    if isinstance(value, dict):
        return {name: _resolve(item, path, (*key, str(name)), env) for name, item in value.items()}
    if isinstance(value, list):
        return [_resolve(item, path, (*key, str(index)), env) for index, item in enumerate(value)]
    if not isinstance(value, str):
        return value

    def replacement(match: re.Match[str]) -> str:
        variable = match.group(1)
        if variable not in env:
            where = ".".join(key)
            raise Misconfigured(
                f"{path}: {where} needs the environment variable {variable}, which is not set",
                file=str(path), key=where, variable=variable,
            )  # fmt: skip
        return env[variable]

    return _VARIABLE.sub(replacement, value)


def merge_environment(merged: dict[str, Any], env: Mapping[str, str], origins: dict[tuple[str, ...], str]) -> None:
    """Put what the environment says over ``merged``; ``origins`` learns where each key came from."""
    for variable, keys in ALIASES.items():
        if env.get(variable):
            _put(merged, keys, env[variable], f"environment variable {variable}", origins)
    for variable, text in sorted(env.items()):
        if variable.startswith(PREFIX) and variable not in NOT_SETTINGS:
            keys = tuple(part.lower() for part in variable.removeprefix(PREFIX).split("__"))
            _put(merged, keys, _scalar(text), f"environment variable {variable}", origins)


def _scalar(text: str) -> Any:
    """Lists and mappings may be written as YAML; everything else stays text for pydantic to read."""
    return yaml.safe_load(text) if text[:1] in "[{" else text


def _put(
    into: dict[str, Any], keys: tuple[str, ...], value: Any, origin: str, origins: dict[tuple[str, ...], str]
) -> None:
    nested: Any = value
    for key in reversed(keys):
        nested = {key: nested}
    merge(into, nested, origin, origins)


def merge(
    into: dict[str, Any],
    new: Mapping[str, Any],
    origin: str,
    origins: dict[tuple[str, ...], str],
    at: tuple[str, ...] = (),
) -> None:
    """Put ``new`` over ``into``, group by group; ``origins`` learns where each key came from."""
    for key, value in new.items():
        where = (*at, str(key))
        if isinstance(value, Mapping) and isinstance(into.get(key), dict):
            merge(into[key], value, origin, origins, where)
        elif isinstance(value, Mapping):
            into[key] = {}
            merge(into[key], value, origin, origins, where)
            origins[where] = origin
        else:
            into[key] = value
            origins[where] = origin


def explained(error: ValidationError, origins: Mapping[tuple[str, ...], str]) -> Misconfigured:
    """Every problem of a validation in one refusal."""
    problems = error.errors(include_url=False)
    sentences = [problem_sentence(problem, origins) for problem in problems]
    first = problems[0]
    return Misconfigured(
        "; ".join(sentences),
        key=".".join(str(part) for part in first["loc"]),
        file=_origin(tuple(str(part) for part in first["loc"]), origins),
    )


def problem_sentence(problem: ErrorDetails, origins: Mapping[tuple[str, ...], str]) -> str:
    """One problem: file or variable, key, value and what is allowed.  Never the value of a secret."""
    where = tuple(str(part) for part in problem["loc"])
    key = ".".join(where) or "settings"
    if problem["type"] == "extra_forbidden":
        return f"{_origin(where, origins)}: unknown key {key!r}; allowed: {', '.join(_siblings(where))}"
    given = "" if _is_secret(key) or not where else f" (given: {problem['input']!r})"
    return f"{_origin(where, origins)}: {key}: {problem['msg']}{given}{_range(where)}"


def _range(where: tuple[str, ...]) -> str:
    """The bounds of a number, both of them, wherever a message names at most the one that was broken."""
    field = (_group_fields(where[:-1]) or {}).get(where[-1]) if where else None
    bounds = {name: getattr(item, name) for item in _metadata(field) for name in _BOUNDS if hasattr(item, name)}
    return "; allowed: " + " and ".join(f"{_BOUNDS[name]} {bound}" for name, bound in bounds.items()) if bounds else ""


def _metadata(field: Any) -> Iterator[Any]:
    """Everything stated about a value, also where null stands beside a kind that has bounds of its own."""
    yield from getattr(field, "metadata", ())
    for kind in get_args(getattr(field, "annotation", None)):
        for told in getattr(kind, "__metadata__", ()):
            yield from getattr(told, "metadata", (told,))


_BOUNDS: Final = {"gt": "above", "ge": "at least", "lt": "below", "le": "at most"}


def _siblings(where: tuple[str, ...]) -> list[str]:
    return sorted(_group_fields(where[:-1]) or ["see the documentation of this group"])


def _group_fields(group: tuple[str, ...]) -> dict[str, Any] | None:
    """The fields of a settings group by its path; None where the path leads to no group."""
    model: Any = Settings
    for part in group:
        if not hasattr(model, "model_fields"):
            # A mapping or list of groups (``exchanges``, ``agents``): the part is a venue's name, an agent's number.
            model = next((inner for inner in get_args(model) if hasattr(inner, "model_fields")), None)
            continue
        field = model.model_fields.get(part)
        model = None if field is None else field.annotation
    return dict(model.model_fields) if hasattr(model, "model_fields") else None


def _is_secret(key: str) -> bool:
    return any(word in key for word in ("secret", "key", "token", "url"))


def _origin(where: tuple[str, ...], origins: Mapping[tuple[str, ...], str]) -> str:
    for length in range(len(where), 0, -1):
        if where[:length] in origins:
            return origins[where[:length]]
    return "settings"
