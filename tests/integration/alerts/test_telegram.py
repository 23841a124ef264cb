"""The real Telegram library against a local Bot API."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from kracken_tasks.alerts import LogChannel, Message, TelegramAlerts, TelegramChannel, deliver, deliver_now
from kracken_tasks.errors import BadData, KrackenError, Misconfigured, RetryLater
from kracken_tasks.ledger import AlertDraft, AlertKind, AlertLevel, Ledger
from tests.support.bot_api import CHAT, TOKEN, BotApi, bot_api
from tests.support.ledger import NOON, temporary_ledger


class Waits:
    """Stands in for sleeping and remembers how long it was asked for."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)


@pytest_asyncio.fixture
async def api() -> AsyncIterator[BotApi]:
    async with bot_api() as server:
        yield server


@pytest.fixture
def waits() -> Waits:
    return Waits()


@pytest.fixture
def alerts(api: BotApi, waits: Waits) -> TelegramAlerts:
    return TelegramAlerts(TOKEN, CHAT, base_url=api.base_url, pause=waits)


async def test_a_trade_alert_says_what_was_traded(api: BotApi, alerts: TelegramAlerts) -> None:
    assert await alerts.send_trade_alert(
        symbol="BTC/USD", side="buy", amount=0.1, price=30000, exchange="kraken", stop=29100
    )
    (sent,) = api.sent
    assert (sent.method, sent.chat_id) == ("sendMessage", str(CHAT))
    assert sent.text == "BUY 0.1 BTC/USD at 30000 on kraken\nstop: 29100"
    assert api.calls == ["sendMessage"], "no call more than needed"


async def test_an_error_alert_says_where(api: BotApi, alerts: TelegramAlerts) -> None:
    assert await alerts.send_error_alert("Connection failed", context="Exchange API")
    assert api.texts == ["ERROR Connection failed\nin Exchange API"]


async def test_without_a_token_alerts_are_logged_and_otherwise_silent(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    alerts = TelegramAlerts()
    assert not await alerts.send_trade_alert(symbol="BTC/USD", side="buy", amount=0.1, price=30000, exchange="kraken")
    assert not await alerts.send_error_alert("Connection failed", context="Exchange API")
    assert "BUY 0.1 BTC/USD" in caplog.text
    assert "Connection failed" in caplog.text
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


async def test_a_flood_limit_is_waited_out_and_the_message_goes_through(
    api: BotApi, alerts: TelegramAlerts, waits: Waits
) -> None:
    api.flood(3)
    api.flood(1)
    assert await alerts.send_text("hello")
    assert waits.seconds == [3, 1]
    assert api.texts == ["hello"]


async def test_a_flood_limit_that_does_not_end_is_not_waited_for_for_ever(
    api: BotApi, alerts: TelegramAlerts, waits: Waits
) -> None:
    for _ in range(10):
        api.flood(2)
    with pytest.raises(RetryLater, match="2 s of silence"):
        await alerts.post("hello")
    assert waits.seconds == [2, 2, 2]


async def test_a_long_silence_is_left_to_the_next_delivery(api: BotApi, alerts: TelegramAlerts, waits: Waits) -> None:
    api.flood(3600)
    with pytest.raises(RetryLater) as caught:
        await alerts.post("hello")
    assert caught.value.fields["retry_after_seconds"] == 3600
    assert waits.seconds == []


async def test_server_errors_are_tried_again_with_growing_pauses(
    api: BotApi, alerts: TelegramAlerts, waits: Waits
) -> None:
    api.fail(502, "Bad Gateway")
    api.fail(500, "Internal Server Error")
    assert await alerts.send_text("hello")
    assert waits.seconds == [1, 2]


async def test_a_server_that_is_away_does_not_raise_into_the_trade(waits: Waits) -> None:
    alerts = TelegramAlerts(TOKEN, CHAT, base_url="http://127.0.0.1:1/bot", pause=waits)
    assert not await alerts.send_text("hello")
    with pytest.raises(RetryLater, match="could not be reached"):
        await alerts.post("hello")


@pytest.mark.parametrize(
    ("status", "description", "kind"),
    [
        (400, "Bad Request: message text is empty", BadData),
        (400, "Bad Request: chat not found", Misconfigured),
        (403, "Forbidden: bot was blocked by the user", Misconfigured),
        (404, "Not Found", Misconfigured),
    ],
)
async def test_a_refusal_is_sorted_by_what_to_do_and_not_repeated(
    api: BotApi, alerts: TelegramAlerts, waits: Waits, status: int, description: str, kind: type[KrackenError]
) -> None:
    api.fail(status, description)
    with pytest.raises(kind):
        await alerts.post("hello")
    assert waits.seconds == []


async def test_the_token_is_nowhere_in_logs_or_errors(
    api: BotApi, waits: Waits, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    good = TelegramAlerts(TOKEN, CHAT, base_url=api.base_url, pause=waits)
    wrong = TelegramAlerts("999:wrong-token-wrong-token-wrong-token", CHAT, base_url=api.base_url, pause=waits)
    away = TelegramAlerts(TOKEN, CHAT, base_url="http://127.0.0.1:1/bot", pause=waits)
    assert await good.send_text(f"oops {TOKEN}")
    assert not await wrong.send_text("hello")
    assert not await away.send_text("hello")
    with pytest.raises(Misconfigured) as caught:
        await wrong.post("hello")
    seen = caplog.text + str(caught.value) + repr(caught.value.fields) + repr(good) + repr(caught.value.__cause__)
    assert "AAbbCC" not in seen
    assert "wrong-token" not in seen
    assert "HTTP Request" in caplog.text, "the library's own lines are there, with the token struck out"


async def test_pictures_go_as_photos_and_the_rest_as_documents(
    api: BotApi, alerts: TelegramAlerts, tmp_path: Path
) -> None:
    (tmp_path / "equity.png").write_bytes(b"\x89PNG....")
    (tmp_path / "journal.json").write_text("{}")
    assert await alerts.send_file(tmp_path / "equity.png", "the day")
    assert await alerts.send_file(tmp_path / "journal.json")
    assert [(item.method, item.file_name, item.text) for item in api.sent] == [
        ("sendPhoto", "equity.png", "the day"),
        ("sendDocument", "journal.json", ""),
    ]
    assert api.sent[1].content == b"{}"
    assert not await alerts.send_file(tmp_path / "missing.csv")


async def test_a_text_too_long_for_telegram_is_cut_and_says_so(api: BotApi, alerts: TelegramAlerts) -> None:
    assert await alerts.send_text("x" * 5000)
    assert len(api.texts[0]) == 4096
    assert api.texts[0].endswith("…")


def _three_alerts(ledger: Ledger) -> None:
    for number in range(3):
        ledger.add_alert(
            AlertDraft(AlertKind.INFO, f"k{number}", {"text": f"message {number}"}, AlertLevel.INFO), ts=NOON
        )


async def test_the_outbox_is_delivered_in_order_once_with_visible_ids(
    api: BotApi, alerts: TelegramAlerts, tmp_path: Path
) -> None:
    with temporary_ledger(tmp_path) as ledger:
        _three_alerts(ledger)
        report = await deliver(ledger, TelegramChannel(alerts), NOON)
        assert report.sent == ("A000001", "A000002", "A000003")
        assert await deliver(ledger, TelegramChannel(alerts), NOON) == type(report)("telegram", (), (), 0)
    assert [text.split("\n")[0] for text in api.texts] == ["message 0", "message 1", "message 2"]
    assert all(visible in text for visible, text in zip(report.sent, api.texts, strict=True))


async def test_a_failing_channel_leaves_the_rest_pending_and_the_next_delivery_goes_on(
    api: BotApi, alerts: TelegramAlerts, tmp_path: Path
) -> None:
    with temporary_ledger(tmp_path) as ledger:
        _three_alerts(ledger)
        channel = TelegramChannel(alerts)
        await channel.send(Message("warm", AlertLevel.INFO, "warm"))
        api.flood(3600)
        report = await deliver(ledger, channel, NOON)
        assert (report.sent, report.pending) == ((), 3)
        assert "3600 s of silence" in report.stopped_by
        assert (await deliver(ledger, channel, NOON, limit=2)).sent == ("A000001", "A000002")
        assert (await deliver(ledger, channel, NOON)).sent == ("A000003",)


async def test_a_message_telegram_never_takes_does_not_block_the_ones_behind_it(
    api: BotApi, alerts: TelegramAlerts, tmp_path: Path
) -> None:
    with temporary_ledger(tmp_path) as ledger:
        _three_alerts(ledger)
        api.fail(400, "Bad Request: message is too long")
        report = await deliver(ledger, TelegramChannel(alerts), NOON)
        assert (report.rejected, report.sent) == (("A000001",), ("A000002", "A000003"))
        first = ledger.deliveries()[0]
    assert first.result == "rejected"
    assert "too long" in first.reason


async def test_an_answer_that_was_lost_brings_a_duplicate_that_can_be_recognised(
    api: BotApi, alerts: TelegramAlerts, tmp_path: Path
) -> None:
    api.lost_answers = 1
    with temporary_ledger(tmp_path) as ledger:
        _three_alerts(ledger)
        await deliver(ledger, TelegramChannel(alerts), NOON, limit=1)
    assert len(api.texts) == 2
    assert api.texts[0] == api.texts[1]
    assert "A000001" in api.texts[0]


async def test_two_channels_each_get_every_message(
    api: BotApi, alerts: TelegramAlerts, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    with temporary_ledger(tmp_path) as ledger:
        _three_alerts(ledger)
        await deliver(ledger, TelegramChannel(alerts), NOON)
        report = deliver_now(ledger, LogChannel(), NOON)
    assert len(report.sent) == 3
    assert "message 2" in caplog.text


async def test_a_channel_without_a_chat_is_refused_at_start() -> None:
    with pytest.raises(Misconfigured):
        TelegramChannel(TelegramAlerts(TOKEN))
