"""Real money and the way out by command: preflight, arm, disarm, kill-switch; halt and flatten with broken strategy settings."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from kracken_tasks.cli.live import read_duration
from kracken_tasks.errors import Misconfigured
from kracken_tasks.sandbox.client_config import DEMO_KEY, DEMO_SECRET
from kracken_tasks.sandbox.clock import ClockMode
from tests.support.command_line import Kracken
from tests.support.sandbox import RunningSandbox, running_sandbox, sandbox_config


@pytest.fixture
def live(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[RunningSandbox]:
    """Profile live, whose venue is the sandbox on the wall's time."""
    with running_sandbox(config=sandbox_config(clock_mode=ClockMode.WALL)) as sandbox:
        monkeypatch.setenv("BOT_MODE", "live")
        monkeypatch.setenv("KRACKEN_LIVE__CONFIRM_ACCOUNT", "main")
        monkeypatch.setenv("KRAKEN_API_KEY", DEMO_KEY)
        monkeypatch.setenv("KRAKEN_API_SECRET", DEMO_SECRET)
        monkeypatch.setenv("KRACKEN_EXCHANGES__KRAKEN__BASE_URL", sandbox.base_url)
        monkeypatch.setenv(
            "KRACKEN_EXCHANGES__KRAKEN__TIER", "pro"
        )  # a preflight on the slowest tier waits for half a minute
        monkeypatch.setenv("KRACKEN_PAIRS", "[BTC/USD]")
        monkeypatch.setenv("KRACKEN_TIMEFRAMES", "[1h]")
        monkeypatch.setenv("KRACKEN_TRADING__BAR_WAIT_SECONDS", "0")
        yield sandbox


ARM = ("arm", "--account", "main", "--for", "8h", "--by", "Ada", "--reason", "first day")


def test_the_way_to_real_money_and_back(kracken: Kracken, live: RunningSandbox) -> None:
    refused = kracken("tick")
    assert refused.code == 2
    assert "live trading is not ready: backtests:" in refused.sentence
    not_yet = kracken(*ARM)
    assert not_yet.code == 1
    assert "not armed" in not_yet.out
    kracken("ingest")
    assert kracken("backtest").code == 0
    waiting = kracken("preflight")
    assert waiting.code == 1
    assert "real money not armed: account main was never armed" in kracken("status").words
    assert "never" in waiting.words  # armed: a narrow table puts the word into the next line
    assert DEMO_SECRET not in waiting.out
    armed = kracken(*ARM)
    assert armed.code == 0, armed.out
    assert "account main may trade real money until" in armed.out
    assert kracken("preflight").code == 0
    assert kracken("tick", "--key", "first").code == 0
    shown = kracken("status").words
    assert "real money account main armed by Ada until" in shown
    assert "before its first entry: at most 50.00 an order, and so for 7 days after it" in shown
    assert "state normal" in shown
    assert "is disarmed" in kracken("disarm", "--by", "Ada", "--reason", "enough").out
    assert "real money not armed: disarmed by Ada at" in kracken("status").words
    again = kracken("tick", "--key", "second")
    assert again.code == 2
    assert "disarmed by Ada" in again.sentence


def test_up_starts_nothing_while_real_money_is_not_ready(kracken: Kracken, live: RunningSandbox, home: Path) -> None:
    refused = kracken("up", "--minutes", "1")
    assert refused.code == 2
    assert "live trading is not ready: backtests:" in refused.sentence
    assert not (home / "prefect").exists()


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"--account": "Main"}, "'Main' is not the one that trades here"),
        ({"--for": "forever"}, "'forever' is no duration; allowed: 90m, 8h, 2d"),
        ({"--for": "31d"}, "at most 30 days"),
        ({"--by": " "}, "the name of a person"),
    ],
)
def test_a_wrong_word_arms_nothing(kracken: Kracken, live: RunningSandbox, changed: dict[str, str], told: str) -> None:
    kracken("ingest")
    kracken("backtest")
    words = dict(zip(ARM[1::2], ARM[2::2], strict=True)) | changed
    refused = kracken("arm", *(part for pair in words.items() for part in pair))
    assert refused.code == 2
    assert told in refused.sentence
    assert kracken("preflight").code == 1


def test_a_profile_without_real_money_is_not_armed(kracken: Kracken, home: Path) -> None:
    refused = kracken(*ARM)
    assert refused.code == 2
    assert "only profile live is armed, this is sandbox" in refused.sentence


def test_the_kill_switch_needs_no_venue_and_no_ledger(kracken: Kracken, home: Path) -> None:
    held = kracken("kill-switch", "on", "--by", "Ada", "--reason", "odd prices")
    assert held.code == 0
    assert "held by Ada since" in held.out
    assert (home / "emergency" / "KILL").is_file()
    assert not (home / "ledger").exists()
    assert "given back" in kracken("kill-switch", "off").out
    assert "nobody held it" in kracken("kill-switch", "off").out


def test_a_setting_that_holds_the_switch_is_not_let_go_by_a_command(
    kracken: Kracken, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KRACKEN_TRADING__KILL_SWITCH", "true")
    off = kracken("kill-switch", "off")
    assert off.code == 1
    assert "held by the setting trading.kill_switch" in off.out


def test_broken_strategy_settings_do_not_stand_between_anybody_and_the_way_out(
    kracken: Kracken, live: RunningSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KRACKEN_AGENTS", "[{name: main, strategy: nonsense}]")
    monkeypatch.setenv("KRACKEN_RISK_MANAGEMENT__STOP_LOSS_PCT", "seven")
    assert kracken("tick").code == 2
    live.control.deposit("BTC", "0.01")
    for words in (
        ("kill-switch", "on", "--by", "Ada", "--reason", "odd"),
        ("halt", "--by", "Ada", "--reason", "odd"),
        ("flatten", "--by", "Ada"),
        ("flatten", "--direct", "--by", "Ada"),
        ("disarm", "--by", "Ada", "--reason", "odd"),
    ):
        done = kracken(*words)
        assert done.code == 0, (words, done.out, done.err)
        assert "passed over: environment variable KRACKEN_AGENTS" in done.out
        assert "stop_loss_pct" in done.out
    assert float(live.control.account()["balances"]["XXBT"]["balance"]) == 0.0


@pytest.mark.parametrize("text", ["", "8", "h", "-1h", "8 h 3m", "1.5h", "8s"])
def test_a_duration_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(Misconfigured, match="is no duration"):
        read_duration(text)
