"""Sources of sentiment over real HTTP: the sandbox's news, and servers that answer nonsense."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from kracken_tasks.domain.clock import from_ms, utc
from kracken_tasks.errors import BadData, Misconfigured, RetryLater
from kracken_tasks.sandbox.news import headline_at, index_at
from kracken_tasks.signals.sentiment.sources import FearGreedIndex, NewsFeed, read_all
from tests.support.sandbox import RunningSandbox, running_sandbox

NOW = utc(2024, 5, 1, 12)
ATOM = """<?xml version="1.0"?><feed xmlns="http://www.w3.org/2005/Atom"><title>t</title>
<entry><title>Bitcoin  surges &amp; soars</title><updated>2024-05-01T11:00:00Z</updated></entry>
<entry><title>No date</title></entry><entry><title>Tomorrow's</title><updated>2024-05-02T11:00:00Z</updated></entry></feed>"""


@contextmanager
def answering(body: str | bytes, status: int = 200) -> Iterator[str]:
    """A server that always answers the same."""

    class Always(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.end_headers()
            self.wfile.write(body if isinstance(body, bytes) else body.encode())

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Always)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/feed"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture(scope="module")
def sandbox() -> Iterator[RunningSandbox]:
    with running_sandbox() as running:
        yield running


def test_the_sandbox_s_feed_is_read_and_scored(sandbox: RunningSandbox) -> None:
    now = from_ms(sandbox.control.now_ms())
    reading = NewsFeed("sandbox", f"{sandbox.base_url}/news/feed.xml").read(now)
    assert len(reading.headlines) == 12
    assert all(line.ts <= now and line.title == headline_at(line.ts) for line in reading.headlines)
    assert any(line.score > 0.3 for line in reading.headlines) or any(line.score < -0.3 for line in reading.headlines)
    assert reading == NewsFeed("sandbox", f"{sandbox.base_url}/news/feed.xml").read(now)


def test_the_sandbox_s_index_is_read(sandbox: RunningSandbox) -> None:
    now = from_ms(sandbox.control.now_ms())
    reading = FearGreedIndex("fear_greed", f"{sandbox.base_url}/news/fear-greed.json").read(now)
    assert reading.index is not None
    assert reading.index.value == index_at(now)
    assert reading.index.ts <= now


def test_an_atom_feed_is_read_and_what_has_no_date_or_comes_tomorrow_is_left_out() -> None:
    with answering(ATOM) as url:
        (line,) = NewsFeed("atom", url).read(NOW).headlines
    assert (line.title, line.assets, line.ts) == ("Bitcoin surges & soars", ("BTC",), utc(2024, 5, 1, 11))


def test_a_page_that_is_no_feed_is_bad_data() -> None:
    with answering("<html><body>Not here</body></html>") as url, pytest.raises(BadData, match="no news feed"):
        NewsFeed("page", url).read(NOW)


@pytest.mark.parametrize("status", [404, 429, 500])
def test_a_refusal_is_told_with_its_number(status: int) -> None:
    with answering("", status) as url, pytest.raises(RetryLater, match=f"source wire answered {status}"):
        NewsFeed("wire", url).read(NOW)


def test_a_source_that_is_not_there_can_be_asked_again_later() -> None:
    with answering("") as url:
        pass
    with pytest.raises(RetryLater, match="did not answer"):
        NewsFeed("wire", url, timeout_seconds=1.0).read(NOW)


def test_an_answer_without_end_is_cut_off() -> None:
    with answering(b"x" * (2 * 1024 * 1024 + 1)) as url, pytest.raises(BadData, match="more than 2097152 bytes"):
        NewsFeed("wire", url).read(NOW)


@pytest.mark.parametrize(
    "body",
    ["", "[]", "{}", '{"data": []}', '{"data": [{"value": "x", "timestamp": "1"}]}', '{"data": [{"value": "40"}]}',
     '{"data": [{"value": "140", "timestamp": "1714500000"}]}', '{"data": [{"value": "NaN", "timestamp": "1714500000"}]}',
     '{"data": [{"value": "40", "timestamp": "1999999999"}]}', '{"data": [{"value": "40", "timestamp": "9999999999999999"}]}'],
)  # fmt: skip
def test_an_index_that_is_none_is_bad_data(body: str) -> None:
    with answering(body) as url, pytest.raises(BadData, match="source fear_greed"):
        FearGreedIndex("fear_greed", url).read(NOW)


def test_a_file_on_this_machine_is_no_source() -> None:
    with pytest.raises(Misconfigured, match="http"):
        NewsFeed("passwords", "file:///etc/passwd").read(NOW)


def test_one_source_that_fails_costs_the_others_nothing() -> None:
    with answering(ATOM) as url, answering("", 500) as broken:
        found, problems = read_all([NewsFeed("broken", broken), NewsFeed("atom", url)], NOW)
    assert [reading.source for reading in found] == ["atom"]
    assert problems == {"broken": "source broken answered 500"}
