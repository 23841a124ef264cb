"""A local Bot API: answers as Telegram does, remembers what it was sent, fails on request.

In: HTTP calls of the real python-telegram-bot.  Out: Telegram's JSON.  Never: a message beyond 127.0.0.1.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import Future
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

TOKEN = "123456:AAbbCCddEEffGGhhIIjjKKllMMnnOOppQQr"
CHAT = 4242


@dataclass(frozen=True, slots=True)
class Sent:
    """What arrived: the method, its text or caption, and a file's name and bytes."""

    method: str
    chat_id: str
    text: str
    file_name: str = ""
    content: bytes = b""


@dataclass(slots=True)
class BotApi:
    """The server's memory and its mood."""

    base_url: str = ""
    calls: list[str] = field(default_factory=list)
    sent: list[Sent] = field(default_factory=list)
    failures: deque[web.Response] = field(default_factory=deque)  # answered first, one a call
    lost_answers: int = 0  # this many messages arrive but are answered with 502

    def fail(self, status: int, description: str = "", **parameters: Any) -> None:
        """Answer the next call with an error as Telegram words it."""
        body: dict[str, Any] = {
            "ok": False,
            "error_code": status,
            "description": description or web.Response(status=status).reason,
        }
        if parameters:
            body["parameters"] = parameters
        self.failures.append(web.json_response(body, status=status))

    def flood(self, seconds: int) -> None:
        self.fail(429, f"Too Many Requests: retry after {seconds}", retry_after=seconds)

    @property
    def texts(self) -> list[str]:
        return [item.text for item in self.sent]


async def _answer(request: web.Request) -> web.Response:
    api: BotApi = request.app[_API]
    method = request.match_info["method"]
    api.calls.append(method)
    if request.match_info["token"] != TOKEN:
        return web.json_response({"ok": False, "error_code": 401, "description": "Unauthorized"}, status=401)
    if api.failures:
        return api.failures.popleft()
    if method == "getMe":
        user = {"id": 1, "is_bot": True, "first_name": "Kracken", "username": "kracken_bot"}
        return web.json_response({"ok": True, "result": user})
    form = await request.post()
    api.sent.append(_sent(method, form))
    if api.lost_answers:
        api.lost_answers -= 1
        return web.json_response({"ok": False, "error_code": 502, "description": "Bad Gateway"}, status=502)
    message = {"message_id": len(api.sent), "date": 1705320000, "chat": {"id": CHAT, "type": "private"}, "text": "ok"}
    return web.json_response({"ok": True, "result": message})


def _sent(method: str, form: Any) -> Sent:
    text = str(form.get("text") or form.get("caption") or "")
    upload = next((value for value in form.values() if isinstance(value, web.FileField)), None)
    if upload is None:
        return Sent(method, str(form.get("chat_id")), text)
    return Sent(method, str(form.get("chat_id")), text, upload.filename, upload.file.read())


_API = web.AppKey("api", BotApi)


@asynccontextmanager
async def bot_api() -> AsyncIterator[BotApi]:
    """A running Bot API on a free port of 127.0.0.1."""
    api = BotApi()
    app = web.Application()
    app[_API] = api
    app.router.add_route("*", "/bot{token}/{method}", _answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    api.base_url = f"http://127.0.0.1:{port}/bot"
    try:
        yield api
    finally:
        await runner.cleanup()


@contextmanager
def bot_api_in_a_thread() -> Iterator[BotApi]:
    """The same for callers whose own event loop is busy while they send."""
    loop = asyncio.new_event_loop()
    ready: Future[BotApi] = Future()
    done = asyncio.Event()

    async def serve() -> None:
        async with bot_api() as api:
            ready.set_result(api)
            await done.wait()

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()), name="bot api", daemon=True)
    thread.start()
    try:
        yield ready.result(timeout=20)
    finally:
        loop.call_soon_threadsafe(done.set)
        thread.join(20)
        loop.close()
