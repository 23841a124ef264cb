"""Exact numbers as integers: decimal text in, scaled integers inside, decimal text out.

In: the digits a client sent.  Out: integers at a stated number of decimals, and the text a venue prints.  Never: floats.
"""

from __future__ import annotations

import re

__all__ = ["ceil_div", "power_of_ten", "rescale_down", "rescale_up", "scaled", "text_of"]

_NUMBER = re.compile(r"^([+-]?)(\d*)(?:\.(\d*))?(?:[eE]([+-]?\d{1,2}))?$")


def power_of_ten(exponent: int) -> int:
    return int(10**exponent)


def scaled(text: str, decimals: int) -> int:
    """Read decimal text as an integer at ``decimals`` decimals: ``scaled("1.5", 3) == 1500``.

    Raises: ValueError if the text is no number, or has more decimals than there is room for (zeros do not count).
    """
    found = _NUMBER.match(text.strip())
    if not found or not (found[2] or found[3]):
        raise ValueError(f"{text!r} is not a number")
    whole, fraction = found[2] or "0", found[3] or ""
    shift = decimals - len(fraction) + int(found[4] or 0)
    digits = int(whole + fraction)
    if shift < 0:
        digits, rest = divmod(digits, power_of_ten(-shift))
        if rest:
            raise ValueError(f"{text!r} has more than {decimals} decimals")
    else:
        digits *= power_of_ten(shift)
    return -digits if found[1] == "-" else digits


def text_of(value: int, decimals: int) -> str:
    """Print a scaled integer with all its decimals: ``text_of(1500, 3) == "1.500"``."""
    if decimals == 0:
        return str(value)
    digits = str(abs(value)).rjust(decimals + 1, "0")
    return f"{'-' if value < 0 else ''}{digits[:-decimals]}.{digits[-decimals:]}"


def ceil_div(value: int, by: int) -> int:
    return -(-value // by)


def rescale_down(value: int, decimals: int, to: int) -> int:
    """Move a non-negative scaled integer to other decimals, cutting what does not fit."""
    return value * power_of_ten(to - decimals) if to >= decimals else value // power_of_ten(decimals - to)


def rescale_up(value: int, decimals: int, to: int) -> int:
    """As ``rescale_down``, but a cut remainder counts as one more: what a hold must cover."""
    return value * power_of_ten(to - decimals) if to >= decimals else ceil_div(value, power_of_ten(decimals - to))
