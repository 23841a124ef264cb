"""``kill -9`` of a recording, again and again: the tape is the venue's, without a hole and without a repeat."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

from kracken_tasks import wiring
from kracken_tasks.domain.clock import sleep
from kracken_tasks.domain.market import Tape, TapeKey
from kracken_tasks.exchange.streams.questions import trades_of
from kracken_tasks.sandbox.clock import ClockMode
from kracken_tasks.settings import Settings, load_settings
from tests.support.sandbox import REPOSITORY, running_sandbox, sandbox_config

KILLS = 3
TRADES = TapeKey("kraken", "BTC/USD", Tape.TRADES)
PATIENCE = 60.0
MORE = 1  # commits after each start before it is killed


def test_recording_killed_again_and_again_keeps_every_trade_once(tmp_path: Path) -> None:
    dice = random.Random(11)
    with running_sandbox(config=sandbox_config(clock_mode=ClockMode.WALL)) as sandbox:
        env = {
            **os.environ,
            "KRACKEN_HOME": str(tmp_path / "home"),
            "KRACKEN_CONFIG_DIR": str(tmp_path / "config"),
            "KRACKEN_SANDBOX__PORT": sandbox.base_url.rsplit(":", 1)[1],
            "KRACKEN_PAIRS": "[BTC/USD]",
            "KRACKEN_PRICE_FEED__BATCH_SECONDS": "1",
            "PYTHONPATH": str(REPOSITORY),
        }
        settings = load_settings(env={name: value for name, value in env.items() if name.startswith("KRACKEN_")})
        for _ in range(KILLS):
            process = _start(env)
            _until_commits(settings, process, MORE)
            # Anywhere in the next commit and after it: fetching, judging, writing files, or waiting.
            sleep(dice.uniform(0.0, 1.2))
            process.send_signal(signal.SIGKILL)
            process.wait(PATIENCE)
        assert len(wiring.feed_board(settings).pulses("kraken")) > 0, "the dead leave their pulse"
        process = _start(env)
        _until_commits(settings, process, MORE)
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE) == 0
        ours = trades_of(wiring.lake(settings).snapshot().tape(TRADES))
        frame, _ = wiring.venue(settings).trades("BTC/USD", None, ours[0].ts)
        theirs = [trade for trade in trades_of(frame) if (trade.trade_id or 0) <= (ours[-1].trade_id or 0)]
    first = ours[0].trade_id or 0
    assert [trade.trade_id for trade in ours] == list(range(first, first + len(ours)))
    # The stream cuts a stamp to the microsecond that REST rounds to it: the first of them may lie just before its own question.
    assert [trade[1:] for trade in ours][-len(theirs) :] == [trade[1:] for trade in theirs]
    assert len(theirs) >= len(ours) - 1


def _start(env: dict[str, str]) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "kracken_tasks.cli", "stream", "--channel", "trades", "--channel", "ticker"]
    return subprocess.Popen(command, cwd=REPOSITORY, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def _until_commits(settings: Settings, process: subprocess.Popen[bytes], count: int) -> None:
    lake = wiring.lake(settings)
    wanted, give_up = lake.snapshot().seq + count, time.monotonic() + PATIENCE
    while lake.snapshot().seq < wanted:
        assert process.poll() is None, f"the recording ended with {process.returncode}"
        assert time.monotonic() < give_up, "the recording commits nothing"
        sleep(0.05)
