"""What this process has to say, into the log file that the settings name: the command line, ``kracken up``, ``kracken demo``.

In: settings.  Out: handlers on our own loggers, ``kracken`` and ``kracken_tasks``.  Never: another library's logger, a line lost or
torn when several processes write and rotate at once, an old file removed.

Flow runs are not logged here: Prefect shows what they say with the run.
"""

from __future__ import annotations

import fcntl
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from logging.handlers import WatchedFileHandler
from pathlib import Path
from typing import Final

from kracken_tasks.domain.clock import from_ms, iso
from kracken_tasks.settings import Settings

__all__ = ["RotatedFile", "logging_to"]

_LOGGERS: Final = ("kracken", "kracken_tasks")
_PERIODS: Final = {"daily": "%Y-%m-%d", "hourly": "%Y-%m-%dT%H", "never": ""}


@contextmanager
def logging_to(settings: Settings) -> Iterator[None]:
    """Honour ``logging.*`` while the block runs.

    With a log file nothing is written to the terminal, whose screen belongs to somebody else; without one warnings go to stderr,
    as Python does by itself.
    """
    wanted = settings.logging
    handler = RotatedFile(settings.paths.home / wanted.log_file, wanted.log_rotation) if wanted.log_to_file else None
    loggers = [logging.getLogger(name) for name in _LOGGERS]
    before = [(logger, logger.level, logger.propagate) for logger in loggers]
    for logger in loggers:
        logger.setLevel(wanted.level)
        if handler is not None:
            logger.addHandler(handler)
            logger.propagate = False  # nor to a root handler that writes to the terminal
    try:
        yield
    finally:
        for logger, level, propagate in before:
            logger.setLevel(level)
            if handler is not None:
                logger.removeHandler(handler)
                logger.propagate = propagate
        if handler is not None:
            handler.close()


class RotatedFile(WatchedFileHandler):
    """A log file of the current day or hour (UTC); earlier ones lie beside it with their period after the name.

    Any number of processes may share the file: each looks before it writes, one of them renames it under a lock, the others see that
    it has moved.  The file and its folder are made by the first line.
    """

    def __init__(self, path: Path, rotation: str) -> None:
        super().__init__(path, encoding="utf-8", delay=True)
        self._path, self._period = path, _PERIODS[rotation]
        self.setFormatter(_Line("%(asctime)s %(levelname)-8s %(name)s %(message)s"))

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            if self._period and self._is_old(record):
                self._rotate(record)
        except OSError:
            self.handleError(record)
            return
        super().emit(record)

    def _is_old(self, record: logging.LogRecord) -> bool:
        written = self._written()
        return written is not None and self._named(written) < self._named(record.created)

    def _rotate(self, record: logging.LogRecord) -> None:
        with self._path.with_name(f".{self._path.name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            written = self._written()
            if written is None or not self._is_old(record):
                return  # another process was first
            aside = self._path.with_name(f"{self._path.name}.{self._named(written)}")
            if not aside.exists():
                self._path.rename(aside)

    def _written(self) -> float | None:
        try:
            return os.stat(self._path).st_mtime
        except FileNotFoundError:
            return None

    def _named(self, moment: float) -> str:
        return from_ms(int(moment * 1000)).strftime(self._period)


class _Line(logging.Formatter):
    """A line a record, its time in UTC; a traceback follows on lines of its own."""

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:
        return iso(from_ms(int(record.created * 1000)))
