"""The log file the settings name: level, place, rotation, and several writers at once."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from datetime import datetime
from pathlib import Path

import pytest

from kracken_tasks.domain.clock import to_ms, utc
from kracken_tasks.local_stack.logs import RotatedFile, logging_to
from kracken_tasks.settings import load_settings
from kracken_tasks.settings.model import Settings

YESTERDAY, TODAY = utc(2025, 3, 1, 22), utc(2025, 3, 2, 9)


def settings(home: Path, **wanted: object) -> Settings:
    return load_settings(home / "config", env={}, overrides={"home": home, "logging": wanted})


def record(text: str, moment: datetime = TODAY, level: int = logging.INFO) -> logging.LogRecord:
    made = logging.LogRecord("kracken.test", level, __file__, 1, text, None, None)
    made.created = to_ms(moment) / 1000
    return made


def written_at(path: Path, moment: datetime) -> None:
    seconds = to_ms(moment) / 1000
    os.utime(path, (seconds, seconds))


def test_what_rooms_say_lands_in_the_file_the_settings_name_and_not_on_the_screen(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with logging_to(settings(tmp_path, log_file="logs/bot.log", level="INFO")):
        logging.getLogger("kracken.alerts").critical("the account is halted")
        logging.getLogger("kracken_tasks.lake").info("commit %d", 7)
        logging.getLogger("kracken_tasks.lake").debug("too fine")
    lines = (tmp_path / "logs" / "bot.log").read_text().splitlines()
    assert [line.split(" ", 1)[1] for line in lines] == [
        "CRITICAL kracken.alerts the account is halted",
        "INFO     kracken_tasks.lake commit 7",
    ]
    assert lines[0].split(" ")[0].endswith("Z")
    assert capfd.readouterr().err == ""


def test_other_libraries_are_left_alone_and_nothing_stays_behind(tmp_path: Path) -> None:
    ours = [logging.getLogger(name) for name in ("kracken", "kracken_tasks")]
    before = [(one.level, one.propagate, list(one.handlers)) for one in ours]
    with logging_to(settings(tmp_path)):
        assert logging.getLogger().level == logging.WARNING
        assert not (tmp_path / "logs").exists()  # nothing said, nothing made
    assert [(one.level, one.propagate, list(one.handlers)) for one in ours] == before


def test_without_a_file_warnings_go_where_python_sends_them(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with logging_to(settings(tmp_path, log_to_file=False, level="WARNING")):
        logging.getLogger("kracken.alerts").warning("look")
        logging.getLogger("kracken.alerts").info("hidden")
    assert [one.message for one in caplog.records] == ["look"]
    assert not (tmp_path / "logs").exists()


@pytest.mark.parametrize(("rotation", "aside"), [("daily", "bot.log.2025-03-01"), ("hourly", "bot.log.2025-03-01T22")])
def test_the_first_line_of_a_new_period_moves_the_old_file_aside(tmp_path: Path, rotation: str, aside: str) -> None:
    log = tmp_path / "bot.log"
    handler = RotatedFile(log, rotation)
    handler.emit(record("old", YESTERDAY))
    written_at(log, YESTERDAY)
    handler.emit(record("new"))
    handler.close()
    assert "new" in log.read_text()
    assert "old" not in log.read_text()
    assert "old" in (tmp_path / aside).read_text()


def test_never_means_one_file_for_ever(tmp_path: Path) -> None:
    log = tmp_path / "bot.log"
    log.write_text("old\n")
    written_at(log, YESTERDAY)
    handler = RotatedFile(log, "never")
    handler.emit(record("new"))
    handler.close()
    assert log.read_text().startswith("old\n")
    assert [path.name for path in tmp_path.iterdir()] == ["bot.log"]


def test_a_process_that_still_holds_the_old_file_goes_on_in_the_new_one(tmp_path: Path) -> None:
    log = tmp_path / "bot.log"
    slow, quick = RotatedFile(log, "daily"), RotatedFile(log, "daily")
    slow.emit(record("yesterday", YESTERDAY))
    written_at(log, YESTERDAY)
    quick.emit(record("quick today"))
    written_at(log, TODAY)
    slow.emit(record("slow today"))
    assert len(log.read_text().splitlines()) == 2
    assert "yesterday" in (tmp_path / "bot.log.2025-03-01").read_text()
    slow.close()
    quick.close()


def test_two_processes_that_rotate_at_once_lose_no_line(tmp_path: Path) -> None:
    log = tmp_path / "bot.log"
    log.write_text("old\n")
    written_at(log, YESTERDAY)
    program = f"""
import logging
from datetime import datetime
from pathlib import Path
from kracken_tasks.local_stack.logs import RotatedFile
logger = logging.getLogger("kracken")
logger.addHandler(RotatedFile(Path({str(log)!r}), "daily"))
for number in range(300):
    logger.error("line %d", number)
"""
    writers = [subprocess.Popen([sys.executable, "-c", program]) for _ in range(3)]
    assert [writer.wait(60) for writer in writers] == [0, 0, 0]
    lines = log.read_text().splitlines()
    assert len(lines) == 900
    assert sorted({line.rsplit(" ", 2)[1] for line in lines}) == ["line"]
    assert (tmp_path / "bot.log.2025-03-01").read_text() == "old\n"
