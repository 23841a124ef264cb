"""``kracken stream``: what it says, records and clears away."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from kracken_tasks import wiring
from kracken_tasks.domain.clock import utc
from kracken_tasks.domain.market import Tape, TapeKey
from kracken_tasks.exchange.streams import Channel, FeedKey, FeedSource, FeedStatus
from kracken_tasks.sandbox.clock import ClockMode
from kracken_tasks.settings import load_settings
from tests.support.command_line import Kracken, kracken_with
from tests.support.sandbox import running_sandbox, sandbox_config

TRADES, QUOTES = TapeKey("kraken", "BTC/USD", Tape.TRADES), TapeKey("kraken", "BTC/USD", Tape.QUOTES)
_LOOKS = 0.1  # seconds


@pytest.fixture
def kracken(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Kracken:
    return kracken_with(monkeypatch, capfd)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    def at(port: int) -> None:
        monkeypatch.setenv("KRACKEN_HOME", str(tmp_path / "home"))
        monkeypatch.setenv("KRACKEN_CONFIG_DIR", str(tmp_path / "config"))
        monkeypatch.setenv("KRACKEN_SANDBOX__PORT", str(port))
        monkeypatch.setenv("KRACKEN_PAIRS", "[BTC/USD]")

    return at


@contextmanager
def interrupted_when(true: Callable[[], bool]) -> Iterator[None]:
    """Press Ctrl-C as soon as something is so, however long a busy machine takes to get there."""
    over = threading.Event()

    def watch() -> None:
        while not over.wait(_LOOKS):
            if true():
                os.kill(os.getpid(), signal.SIGINT)
                return

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield
    finally:
        over.set()
        watcher.join()


def test_interrupted_it_ends_well_and_leaves_what_came_in_the_lake(
    kracken: Kracken, home: Callable[[int], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KRACKEN_PRICE_FEED__BATCH_SECONDS", "1")
    with running_sandbox(config=sandbox_config(clock_mode=ClockMode.WALL)) as sandbox:
        home(int(sandbox.base_url.rsplit(":", 1)[1]))
        lake = wiring.lake(load_settings())
        with interrupted_when(lambda: all(lake.snapshot().last_ts(tape) is not None for tape in (TRADES, QUOTES))):
            said = kracken("stream", "--for", "2m")
    assert said.code == 0
    assert "kraken BTC/USD trades:" in said.out
    assert not any(lake.snapshot().tape(tape).empty for tape in (TRADES, QUOTES))
    assert wiring.feed_board(load_settings()).pulses("kraken") == ()


def test_without_recording_the_lake_stays_as_it_was(kracken: Kracken, home: Callable[[int], None]) -> None:
    with running_sandbox(config=sandbox_config(clock_mode=ClockMode.WALL)) as sandbox:
        home(int(sandbox.base_url.rsplit(":", 1)[1]))
        said = kracken("stream", "--for", "2s", "--no-record", "--channel", "ticker")
    assert said.code == 0
    assert "nothing was recorded" in said.out
    assert wiring.lake(load_settings()).snapshot().seq == 0


def test_pulse_of_a_dead_recording_is_cleared_away_on_request(kracken: Kracken, home: Callable[[int], None]) -> None:
    home(1)
    board, moment = wiring.feed_board(load_settings()), utc(2024, 3, 1)
    status = FeedStatus(
        FeedKey("kraken", "BTC/USD", Channel.TICKER), FeedSource.STREAM, moment, moment, 0.0, 0.1, 1, 1, 0, 0, 0, 0, 0, ""
    )  # fmt: skip
    board.beat("kraken", "dead", [status], now=moment)
    said = kracken("stream", "--forget")
    assert said.code == 0
    assert "kraken: 1 recordings forgotten" in said.out
    assert board.pulses("kraken") == ()


@pytest.mark.parametrize(
    ("words", "sentence"),
    [(["--for", "soon"], "no time"), (["--channel", "book"], "not recorded"), (["--exchange", "mtgox"], "not enabled")],
)
def test_words_that_mean_nothing_are_refused(
    kracken: Kracken, home: Callable[[int], None], words: list[str], sentence: str
) -> None:
    home(1)
    said = kracken("stream", *words)
    assert said.code == 2
    assert sentence in " ".join((said.out + said.err).split())
