"""The most memory a process has had."""

from __future__ import annotations

import resource
from pathlib import Path

__all__ = ["highest_memory"]


def highest_memory() -> float:
    """The most memory this process has had, in MB."""
    try:  # getrusage also knows the process that started this one
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
