"""What settings are made of: checked kinds of values, and the frozen group that refuses unknown keys."""

from __future__ import annotations

from typing import Annotated
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from kracken_tasks.domain.market import split_symbol

__all__ = ["Fraction", "Group", "Port", "Symbol", "Zone"]


def _symbol(value: str) -> str:
    split_symbol(value)
    return value


def _zone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise ValueError("write an IANA time zone, for example UTC or Europe/London") from error
    return value


Symbol = Annotated[str, AfterValidator(_symbol)]
Zone = Annotated[str, AfterValidator(_zone)]
Fraction = Annotated[float, Field(gt=0, le=1)]
Port = Annotated[int, Field(ge=1, le=65535)]


class Group(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)
