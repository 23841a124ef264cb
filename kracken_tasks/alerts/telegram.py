"""Telegram: trade and error alerts to one chat, and the outbox's Telegram channel.

In: texts and files.  Out: messages through the Bot API.  Never: the token in a log line or an error, polling for commands, an
unbounded wait.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from telegram import Bot
from telegram.error import BadRequest, ChatMigrated, Forbidden, InvalidToken, NetworkError, RetryAfter, TelegramError
from telegram.request import HTTPXRequest

from kracken_tasks.alerts.messages import LIMIT, Message, trade_line
from kracken_tasks.errors import BadData, KrackenError, Misconfigured, RetryLater

__all__ = ["TelegramAlerts", "TelegramChannel"]

_LOG = logging.getLogger("kracken.alerts.telegram")

_BOT_API = "https://api.telegram.org/bot"
_CAPTION_LIMIT = 1024  # Bot API, sendPhoto and sendDocument: 0-1024 characters (read 2026-11)
_PICTURES = frozenset({".png", ".jpg", ".jpeg"})

# What the Bot API says of a message it will never take; any other bad request is about the chat, and the message waits.
_HOPELESS = (
    "message text is empty",
    "message is too long",
    "can't parse",
    "file must be non-empty",
    "wrong file",
    "too big",
)

# Loggers that have been seen to write the Bot API's URLs.
_TALKATIVE = ("httpx", "telegram.Bot", "telegram.request.BaseRequest", "telegram.request.HTTPXRequest")

Pause = Callable[[float], Awaitable[None]]
Call = Callable[[Bot], Awaitable[object]]


class _Redaction(logging.Filter):
    """The HTTP library logs whole URLs, and a Bot API URL holds the token."""

    def __init__(self, token: str) -> None:
        super().__init__()
        self._token = token

    def filter(self, record: logging.LogRecord) -> bool:
        text = record.getMessage()
        if self._token in text:
            record.msg, record.args = text.replace(self._token, "***"), None
        return True


@contextmanager
def _redacted(token: str) -> Iterator[None]:
    """Strike the token out of the libraries' log lines meanwhile."""
    redaction = _Redaction(token)
    loggers = [logging.getLogger(name) for name in _TALKATIVE]
    for logger in loggers:
        logger.addFilter(redaction)
    try:
        yield
    finally:
        for logger in loggers:
            logger.removeFilter(redaction)


class TelegramAlerts:
    """Alerts to one Telegram chat.

    Without a token (or chat) every call is logged and otherwise silent.  ``base_url``: a local Bot API, ``http://127.0.0.1:8081/bot``.
    A flood limit is waited out if Telegram asks for no more than ``longest_wait_seconds``, at most ``max_retries`` times, and so are
    server errors; after that the alert is logged and the call returns False.  Alerts never raise: no trade depends on them.
    """

    def __init__(
        self,
        token: str | None = None,
        chat_id: str | int | None = None,
        *,
        base_url: str | None = None,
        max_retries: int = 3,
        timeout_seconds: float = 10.0,
        longest_wait_seconds: float = 30.0,
        pause: Pause = asyncio.sleep,
    ) -> None:
        self._token = token or ""
        self._chat_id = chat_id
        self._base_url = base_url or _BOT_API
        self._max_retries = max_retries
        self._timeout_seconds = timeout_seconds
        self._longest_wait_seconds = longest_wait_seconds
        self._pause = pause

    def __repr__(self) -> str:
        return f"TelegramAlerts(enabled={self.enabled})"

    @property
    def enabled(self) -> bool:
        """Whether there is a token and a chat to send to."""
        return bool(self._token) and self._chat_id not in (None, "")

    async def send_trade_alert(
        self, symbol: str, side: str, amount: object, price: object, exchange: str = "", **more: object
    ) -> bool:
        """Tell of a trade; ``more`` facts are listed below it.  True if the message left."""
        lines = [trade_line(symbol=symbol, side=side, amount=amount, price=price, exchange=exchange)]
        return await self.send_text("\n".join([*lines, *(f"{name}: {value}" for name, value in more.items())]))

    async def send_error_alert(self, error: str | BaseException, context: str = "") -> bool:
        """Tell of an error and where it happened.  True if the message left."""
        text = error if isinstance(error, str) else f"{type(error).__name__}: {error}"
        return await self.send_text(f"ERROR {text}" + (f"\nin {context}" if context else ""))

    async def send_text(self, text: str) -> bool:
        """Send a text; True if it left."""
        _LOG.info("alert: %s", self._clean(text))
        return await self._quietly(lambda: self.post(text))

    async def send_file(self, path: Path | str, caption: str = "") -> bool:
        """Send a picture (png, jpg) as a photo, anything else as a document; True if it left."""
        _LOG.info("alert file: %s %s", Path(path).name, self._clean(caption))
        return await self._quietly(lambda: self.post_file(Path(path), caption))

    async def post(self, text: str) -> None:
        """Send a text, or say why not.

        Raises: RetryLater (try again later), BadData (this text never), Misconfigured (token or chat).
        """
        shown = text if len(text) <= LIMIT else text[: LIMIT - 1] + "…"
        await self._call(lambda bot: bot.send_message(chat_id=self._chat(), text=shown))

    async def post_file(self, path: Path, caption: str = "") -> None:
        """Send a file; raises as ``post`` does."""
        try:
            content = path.read_bytes()
        except OSError as error:
            raise BadData(f"file cannot be read: {error.strerror}", file=str(path)) from error
        words = caption[:_CAPTION_LIMIT] or None
        if path.suffix.lower() in _PICTURES:
            await self._call(lambda bot: bot.send_photo(self._chat(), photo=content, caption=words, filename=path.name))
        else:
            await self._call(
                lambda bot: bot.send_document(self._chat(), document=content, caption=words, filename=path.name)
            )

    async def _quietly(self, send: Callable[[], Awaitable[None]]) -> bool:
        if not self.enabled:
            return False
        try:
            await send()
        except KrackenError as error:
            _LOG.warning("alert not delivered: %s", error.message)
            return False
        return True

    async def _call(self, call: Call) -> None:
        """One Bot API call with bounded patience."""
        async with self._connected() as bot:
            for attempt in range(self._max_retries + 1):
                try:
                    await call(bot)
                    return
                except TelegramError as error:
                    last = attempt == self._max_retries
                    await self._pause(self._wait_after(error, attempt, last=last))

    def _wait_after(self, error: TelegramError, attempt: int, *, last: bool) -> float:
        """Seconds to wait before the next try, or the error that ends trying."""
        if isinstance(error, RetryAfter):
            # From the pickled form, in whole seconds: reading the attribute warns that its type will change.
            seconds = float(error.__reduce__()[1][0])
            if last or seconds > self._longest_wait_seconds:
                raise RetryLater(f"Telegram asks for {seconds:.0f} s of silence", retry_after_seconds=seconds) from None
            return seconds
        refused = self._refusal(error)
        if refused is not None or last:
            raise refused or RetryLater(f"Telegram could not be reached: {self._clean(str(error))}") from None
        return min(2.0**attempt, self._longest_wait_seconds)

    def _refusal(self, error: TelegramError) -> KrackenError | None:
        """Errors that no second try mends."""
        text = self._clean(str(error))
        if isinstance(error, InvalidToken):
            return Misconfigured(
                "Telegram does not know this token", key="telegram.token", allowed="the token BotFather gave"
            )
        if isinstance(error, BadRequest):
            if any(words in text.lower() for words in _HOPELESS):
                return BadData(f"Telegram will never take this message: {text}")
            return Misconfigured(
                f"Telegram refuses this chat: {text}", key="telegram.chat_id", allowed="a chat the bot is in"
            )
        if isinstance(error, Forbidden | ChatMigrated):
            return Misconfigured(
                f"Telegram refuses this chat: {text}", key="telegram.chat_id", allowed="a chat the bot is in"
            )
        return None if isinstance(error, NetworkError) else RetryLater(f"Telegram failed: {text}")

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[Bot]:
        if not self._token:
            raise Misconfigured("no Telegram token is set", key="telegram.token", allowed="the token BotFather gave")
        seconds = self._timeout_seconds
        with _redacted(self._token):
            request = HTTPXRequest(
                connect_timeout=seconds,
                read_timeout=seconds,
                write_timeout=seconds,
                media_write_timeout=3 * seconds,
                pool_timeout=seconds,
            )
            bot = Bot(self._token, base_url=self._base_url, request=request, get_updates_request=request)
            try:
                # Not the bot's own start: that asks who it is first, one more call that can fail.
                await request.initialize()
                yield bot
            finally:
                await request.shutdown()

    def _chat(self) -> str | int:
        if self._chat_id is None:
            raise Misconfigured("no Telegram chat is set", key="telegram.chat_id", allowed="a chat the bot is in")
        return self._chat_id

    def _clean(self, text: str) -> str:
        return text.replace(self._token, "***") if self._token else text


class TelegramChannel:
    """Telegram as the outbox's channel."""

    name = "telegram"

    def __init__(self, alerts: TelegramAlerts) -> None:
        if not alerts.enabled:
            raise Misconfigured(
                "the Telegram channel needs a token and a chat", key="telegram", allowed="token and chat_id"
            )
        self._alerts = alerts

    async def send(self, message: Message) -> None:
        """Send one message.  Raises as ``TelegramAlerts.post``."""
        await self._alerts.post(message.text)
