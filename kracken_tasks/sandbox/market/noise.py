"""Randomness that can be asked for anywhere: the same key gives the same numbers, in whatever order keys are asked.

In: a seed and a key (words and day numbers, or integers).  Out: a numpy generator, or hashed uniforms.  Never touches a
global generator.  The streams are numpy's: another major numpy may draw others, so a seed names a market per release.
"""

from __future__ import annotations

import hashlib
from typing import Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["generator", "hash_key", "uniforms"]

_GOLDEN: Final = np.uint64(0x9E3779B97F4A7C15)
_MIX_1: Final = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2: Final = np.uint64(0x94D049BB133111EB)


def hash_key(*key: str | int) -> int:
    """A 128-bit number for a key; the same on every machine and in every process."""
    text = "/".join(map(str, key)).encode()
    return int.from_bytes(hashlib.blake2b(text, digest_size=16).digest(), "little")


def generator(*key: str | int) -> np.random.Generator:
    """A generator of its own for this key."""
    return np.random.Generator(np.random.SFC64(hash_key(*key)))


def uniforms(keys: NDArray[np.uint64]) -> NDArray[np.float64]:
    """One uniform in [0, 1) per key, by position alone.

    Source: the finaliser of splitmix64 (Steele, Lea, Flood 2014).
    """
    z = keys * _GOLDEN
    z = (z ^ (z >> np.uint64(30))) * _MIX_1
    z = (z ^ (z >> np.uint64(27))) * _MIX_2
    z ^= z >> np.uint64(31)
    return (z >> np.uint64(11)).astype(np.float64) * 2.0**-53
