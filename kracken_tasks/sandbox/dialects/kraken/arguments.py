"""What a client sent, read leniently where Kraken is lenient and strictly where it is strict.

In: a query string, a form body or a JSON body.  Out: typed values.  Raises ``Refused`` naming the argument, as Kraken does.
Never: a judgement about money.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self
from urllib.parse import parse_qsl

from kracken_tasks.domain.clock import parse_utc, to_ns
from kracken_tasks.sandbox.amounts import scaled
from kracken_tasks.sandbox.engine.orders import PriceTerm, Refused

__all__ = ["Arguments", "invalid"]

_PRICE = re.compile(r"^([+\-#]?)([0-9.eE+\-]+)(%?)$")
_PERCENT_DECIMALS = 4  # 1 % is 10,000 millionths


def invalid(name: str) -> Refused:
    return Refused(f"EGeneral:Invalid arguments:{name}")


@dataclass(frozen=True, slots=True)
class Arguments:
    """Arguments by name.  Nested JSON objects are reached as forms spell them: ``close[price]``."""

    values: dict[str, Any]

    @classmethod
    def from_body(cls, body: bytes, content_type: str) -> Self:
        """Raises: Refused if a JSON body is no object."""
        text = body.decode("utf-8", errors="replace")
        if "json" not in content_type and not text.lstrip().startswith("{"):
            return cls(dict(parse_qsl(text, keep_blank_values=True)))
        try:
            # Numbers stay text: a price must not pass through a float.
            values = json.loads(text, parse_float=str, parse_int=str)
        except ValueError:
            raise Refused("EGeneral:Invalid arguments") from None
        if not isinstance(values, dict):
            raise Refused("EGeneral:Invalid arguments")
        return cls.from_object(values)

    @classmethod
    def from_object(cls, values: dict[str, Any]) -> Self:
        flat: dict[str, Any] = {}
        for name, value in values.items():
            if isinstance(value, dict):
                flat.update({f"{name}[{inner}]": item for inner, item in value.items()})
            else:
                flat[name] = value
        return cls(flat)

    def text(self, name: str) -> str | None:
        """The argument as text; None when it was not sent or is empty."""
        value = self.values.get(name)
        if value is None or value == "":
            return None
        return ",".join(map(str, value)) if isinstance(value, list) else str(value)

    def required(self, name: str) -> str:
        value = self.text(name)
        if value is None:
            raise invalid(name)
        return value

    def listed(self, name: str) -> list[str]:
        value = self.text(name)
        return [item.strip() for item in value.split(",") if item.strip()] if value else []

    def flag(self, name: str) -> bool:
        """Booleans in any case: ccxt sends ``True``."""
        return (self.text(name) or "").lower() in ("true", "1", "yes")

    def whole(self, name: str, default: int | None = None) -> int | None:
        value = self.text(name)
        if value is None:
            return default
        try:
            return int(value)
        except ValueError:
            raise invalid(name) from None

    def volume(self, name: str, decimals: int) -> int:
        """A positive amount at exactly these decimals."""
        try:
            value = scaled(self.required(name), decimals)
        except ValueError:
            raise invalid(name) from None
        if value <= 0:
            raise invalid(name)
        return value

    def price(self, name: str, decimals: int) -> PriceTerm | None:
        """``54105``, ``+100``, ``-10``, ``#5%``: absolute or relative.  Raises: Refused off the tick grid."""
        value = self.text(name)
        if value is None:
            return None
        found = _PRICE.match(value)
        if not found:
            raise invalid(name)
        sign, number, percent = found.groups()
        try:
            scaled(number, 18)
        except ValueError:
            raise invalid(name) from None
        try:
            ticks = scaled(number, _PERCENT_DECIMALS if percent else decimals)
        except ValueError:
            raise Refused("EOrder:Tick size check failed") from None
        if ticks < 0 or (percent and not sign):
            raise invalid(name)
        return PriceTerm(sign, ticks, bool(percent))

    def moment(self, name: str, now_ns: int) -> int:
        """``0`` none, ``+n`` seconds from now, otherwise unix seconds; in nanoseconds."""
        value = self.text(name)
        if value is None:
            return 0
        try:
            seconds = scaled(value, 9)
        except ValueError:
            raise invalid(name) from None
        return now_ns + seconds if value.startswith("+") else seconds

    def rfc3339(self, name: str) -> int | None:
        value = self.text(name)
        if value is None:
            return None
        try:
            return to_ns(_parsed(value))
        except ValueError:
            raise invalid(name) from None

    def seconds(self, name: str) -> int | None:
        """Unix seconds, with or without decimals, in nanoseconds."""
        value = self.text(name)
        if value is None:
            return None
        try:
            return scaled(value, 9)
        except ValueError:
            raise invalid(name) from None


def _parsed(text: str) -> datetime:
    """Python reads at most six decimals of a second; RFC 3339 allows more."""
    return parse_utc(re.sub(r"(\.\d{6})\d+", r"\1", text))
