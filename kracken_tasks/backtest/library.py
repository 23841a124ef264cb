"""Backtrader (GPL), imported here alone.

The library has no type information and builds its classes at run time; behind one untyped name the rest of the room reads as usual.
"""

from __future__ import annotations

from typing import Any

import backtrader

__all__ = ["bt"]

bt: Any = backtrader
