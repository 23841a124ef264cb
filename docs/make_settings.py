"""The tables of ``docs/settings.md``, made from the settings' own models.

    python -m docs.make_settings            write them into docs/settings.md
    python -m docs.make_settings --check    change nothing; exit 1 if the file is out of date

Text outside the two marks is written by hand and stays.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from decimal import Decimal
from enum import Enum
from pathlib import Path, PurePath
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import AwareDatetime, BaseModel, SecretStr
from pydantic.fields import FieldInfo

from kracken_tasks.settings.model import AgentSettings, ExchangeSettings, Settings
from kracken_tasks.settings.sources import ALIASES, FILES

__all__ = ["current", "expected"]

FILE = Path(__file__).with_name("settings.md")
BEGIN, END = "<!-- made from the settings: begin -->", "<!-- made from the settings: end -->"
_BOUNDS = {"gt": "above", "ge": "from", "lt": "below", "le": "to"}
_LISTED = {"exchanges": ("exchanges.NAME", ExchangeSettings), "agents": ("agents[]", AgentSettings)}


def current() -> str:
    return FILE.read_text(encoding="utf-8")


def expected(text: str) -> str:
    """``text`` with its tables as the settings are now.  Raises: ValueError if a mark is missing."""
    head, begin, rest = text.partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"{FILE.name} lacks its marks {BEGIN!r} and {END!r}")
    return "\n\n".join((f"{head}{BEGIN}", *_sections(), f"{END}{tail}"))


def _sections() -> Iterator[str]:
    alone = {
        name: field for name, field in Settings.model_fields.items() if not _is_group(field) and name not in _LISTED
    }
    yield f"### Top level\n\n{_table('', alone)}"
    for name, field in Settings.model_fields.items():
        if _is_group(field):
            yield _section(name, field.annotation)
        elif name in _LISTED:
            yield _section(*_LISTED[name])


def _section(title: str, group: Any) -> str:
    key = title.partition(".")[0].removesuffix("[]")
    words = (group.__doc__ or "").strip().split("\n")[0].replace("``", "`")
    in_file = next(name for name, keys in FILES.items() if key in keys)
    where = "" if in_file in words else f"In `config/{in_file}`."
    return f"### `{title}`\n\n{f'{words} {where}'.strip()}\n\n{_table(f'{title}.', group.model_fields)}"


def _table(prefix: str, fields: dict[str, FieldInfo]) -> str:
    rows = ["| key | allowed | default | |", "|---|---|---|---|"]
    for name, field in fields.items():
        words = (field.description or "").replace("|", "/")
        alias = next((other for other, path in ALIASES.items() if path[-1] == name and _same(path, prefix)), "")
        told = " ".join(part for part in (words, f"Also `{alias}`." if alias else "") if part)
        rows.append(f"| `{prefix}{name}` | {_allowed(field.annotation, field.metadata)} | {_default(field)} | {told} |")
    return "\n".join(rows)


def _same(path: tuple[str, ...], prefix: str) -> bool:
    return path[:-1] == tuple(part for part in prefix.replace("NAME", "kraken").split(".") if part)


def _is_group(field: FieldInfo) -> bool:
    return isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)


def _allowed(kind: Any, metadata: list[Any]) -> str:
    inner = [one for one in get_args(kind) if one is not NoneType]
    if get_origin(kind) in (Union, UnionType) and len(inner) == 1:
        return f"{_allowed(inner[0], metadata)} or null"
    if get_origin(kind) is Annotated:
        return _allowed(get_args(kind)[0], [*_flat(get_args(kind)[1:]), *metadata])
    return " ".join((_kind(kind), *_bound(metadata, ("gt", "ge"), max), *_bound(metadata, ("lt", "le"), min)))


def _bound(metadata: list[Any], names: tuple[str, str], pick: Callable[..., Any]) -> list[str]:
    """The tightest of the bounds on one side, in words."""
    found = [(getattr(one, name), name) for one in metadata for name in names if getattr(one, name, None) is not None]
    if not found:
        return []
    value, name = pick(found)
    return [f"{_BOUNDS[name]} {value:.6f}".rstrip("0").rstrip(".") if value % 1 else f"{_BOUNDS[name]} {value:.0f}"]


def _kind(kind: Any) -> str:
    origin, inner = get_origin(kind), get_args(kind)
    if origin is Literal:
        return ", ".join(f"`{one}`" for one in inner)
    if origin is tuple:
        return f"list of: {_allowed(inner[0], [])}"
    if origin is dict:
        return f"mapping to: {_allowed(inner[1], [])}"
    if isinstance(kind, type) and issubclass(kind, Enum):
        return ", ".join(f"`{one.value}`" for one in kind)
    return _WORDS.get(kind, getattr(kind, "__name__", str(kind)))


def _flat(metadata: tuple[Any, ...]) -> Iterator[Any]:
    for one in metadata:
        yield from one.metadata if isinstance(one, FieldInfo) else [one]


_WORDS: dict[Any, str] = {
    NoneType: "null", bool: "true or false", int: "whole number", float: "number", str: "text", Path: "path",
    Decimal: "exact number", AwareDatetime: "moment with its zone", SecretStr: "secret",
}  # fmt: skip


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    return _said(field.get_default(call_default_factory=True))


def _said(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Enum):
        return f"`{value.value}`"
    if isinstance(value, tuple):
        return ", ".join(_said(one) for one in value) or "empty"
    if isinstance(value, dict):
        return ", ".join(f"{key} {_said(one).strip('`')}" for key, one in value.items())
    return f"`{value.as_posix() if isinstance(value, PurePath) else value}`"


def main() -> int:
    before = current()
    after = expected(before)
    if "--check" in sys.argv[1:]:
        return int(before != after)
    FILE.write_text(after, encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
