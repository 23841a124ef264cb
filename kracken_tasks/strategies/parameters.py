"""Checks for strategy parameters, so that every refusal names the strategy, the key and what is allowed.

In: values from configuration.  Out: nothing, or ``Misconfigured``.  Never: a value bent into range.
"""

from __future__ import annotations

import math

from kracken_tasks.errors import Misconfigured

__all__ = ["refuse", "require_fraction", "require_number", "require_whole"]


def refuse(strategy: str, key: str, value: object, allowed: str) -> Misconfigured:
    """The refusal of one parameter, to be raised."""
    return Misconfigured(
        f"strategy {strategy}: {key} = {value!r}; allowed is {allowed}",
        strategy=strategy,
        key=key,
        value=value,
        allowed=allowed,
    )


def require_number(strategy: str, key: str, value: object, lowest: float, highest: float) -> None:
    """Raises: Misconfigured unless ``value`` is a number within [lowest, highest]."""
    number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    if not number or not lowest <= float(str(value)) <= highest:
        raise refuse(strategy, key, value, f"a number from {lowest:g} to {highest:g}")


def require_whole(strategy: str, key: str, value: object, lowest: int, highest: int) -> None:
    """Raises: Misconfigured unless ``value`` is a whole number within [lowest, highest]."""
    if not isinstance(value, int) or isinstance(value, bool) or not lowest <= value <= highest:
        raise refuse(strategy, key, value, f"a whole number from {lowest} to {highest}")


def require_fraction(strategy: str, key: str, value: object) -> None:
    """Raises: Misconfigured unless ``value`` is None (the account's stop rules decide) or a fraction of price that can be an exit."""
    if value is not None:
        require_number(strategy, key, value, 0.001, 0.9)
