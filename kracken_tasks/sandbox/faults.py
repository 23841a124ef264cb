"""Misbehaviour on command: which requests go wrong, how, and how often.

In: rules set over the control endpoint.  Out: for a request, the rule that strikes it, if any.  Never: HTTP, randomness
without a seed.  Rules live in memory only: a restarted server is a healthy one.

Streams have names of their own, which begin with ``ws`` (public) or ``ws-auth`` (private), and only patterns that begin so reach them:
``ws/connect`` an attempt to connect, ``ws/subscribe/CHANNEL`` a subscription, ``ws/send/CHANNEL`` a frame on its way out (also of
``heartbeat``, ``pong``, ``status`` and ``ack``), ``ws-auth/token`` the look at a token, ``ws-auth/METHOD`` a request such as
``ws-auth/add_order``.
"""

from __future__ import annotations

import fnmatch
import random
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any, Final

from kracken_tasks.sandbox.clock import NS_PER_SECOND, wall_ns

__all__ = ["FaultRule", "Faults", "Moment"]


class Moment(StrEnum):
    """Whether the fault strikes before the venue saw the request, or after its effects are on disk."""

    BEFORE = "before"
    AFTER = "after"


_STREAM: Final = "ws"
_SPOILT: Final = (None, "checksum", "interval", "twice")


@dataclass(frozen=True, slots=True)
class FaultRule:
    """One rule.  ``endpoint`` is a name or pattern (``AddOrder``, ``*Order*``), ``venue`` likewise; ``count`` None strikes for ever.

    What happens: ``delay_ms`` first; then one of ``error`` (the venue's wording in the venue's shape; Kraken's with HTTP 200),
    ``status`` with ``body`` (HTML if it starts with ``<``), or ``drop`` (the connection is cut).  With ``delay_ms`` alone the request
    then goes its usual way.
    ``seconds`` ends a rule so long (wall time) after it was set.  For frames of streams: ``mute`` swallows the frame, ``spoil`` sends
    it wrong: a false ``checksum``, an ohlc frame of another ``interval``, the frame ``twice``.
    """

    endpoint: str = "*"
    venue: str = "*"
    when: Moment = Moment.BEFORE
    count: int | None = 1
    probability: float = 1.0
    seed: int = 0
    skip: int = 0
    delay_ms: int = 0
    error: str | None = None
    status: int | None = None
    body: str = ""
    drop: bool = False
    seconds: float | None = None
    mute: bool = False
    spoil: str | None = None

    @classmethod
    def from_json(cls, body: dict[str, Any]) -> FaultRule:
        """Raises: ValueError for unknown names or values of the wrong sort."""
        unknown = set(body) - set(cls.__dataclass_fields__)
        if unknown:
            raise ValueError(f"unknown in a fault rule: {', '.join(sorted(unknown))}")
        rule = cls(**{**body, "when": Moment(body.get("when", Moment.BEFORE))})
        if not 0 <= rule.probability <= 1:
            raise ValueError(f"probability {rule.probability}: from 0 to 1")
        if rule.spoil not in _SPOILT:
            raise ValueError(f"spoil {rule.spoil!r}: one of {', '.join(map(str, _SPOILT[1:]))}")
        if rule.seconds is not None and not rule.seconds > 0:
            raise ValueError(f"seconds {rule.seconds}: above 0, or null for no end")
        return rule


@dataclass(slots=True)
class _Armed:
    rule: FaultRule
    left: int | None
    to_skip: int
    dice: random.Random
    until_ns: int | None = None
    struck: int = 0


@dataclass(slots=True)
class Faults:
    """The rules in force, in the order they were set; the first that strikes wins."""

    wall: Callable[[], int] = wall_ns
    _armed: dict[int, _Armed] = field(default_factory=dict)
    _next_id: int = 1

    def add(self, rule: FaultRule) -> int:
        number, self._next_id = self._next_id, self._next_id + 1
        until_ns = None if rule.seconds is None else self.wall() + round(rule.seconds * NS_PER_SECOND)
        self._armed[number] = _Armed(rule, rule.count, rule.skip, random.Random(rule.seed), until_ns)
        return number

    def remove(self, number: int) -> bool:
        return self._armed.pop(number, None) is not None

    def clear(self) -> None:
        self._armed.clear()

    def listed(self) -> list[dict[str, Any]]:
        return [
            {"id": number, "struck": armed.struck, "left": armed.left, **asdict(armed.rule)}
            for number, armed in self._armed.items()
        ]

    def strike(self, endpoint: str, when: Moment, venue: str = "kraken") -> FaultRule | None:
        """The rule that hits this request now; used up by one."""
        streams = endpoint.startswith(_STREAM)
        for armed in self._armed.values():
            rule = armed.rule
            if streams and not rule.endpoint.startswith(_STREAM):
                continue
            if rule.when is not when or armed.left == 0 or not fnmatch.fnmatchcase(endpoint, rule.endpoint):
                continue
            if armed.until_ns is not None and self.wall() >= armed.until_ns:
                continue
            if not fnmatch.fnmatchcase(venue, rule.venue):
                continue
            if armed.dice.random() >= rule.probability:
                continue
            if armed.to_skip:
                armed.to_skip -= 1
                continue
            armed.left = None if armed.left is None else armed.left - 1
            armed.struck += 1
            return rule
        return None
