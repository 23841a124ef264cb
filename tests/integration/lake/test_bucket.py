"""A lake in a bucket, over HTTP: the same bytes as in a folder, and what a server that misbehaves does to it."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from kracken_tasks.errors import Misconfigured, RetryLater
from kracken_tasks.lake import Lake, LocalStore
from kracken_tasks.lake.s3 import S3Store
from tests.support.candle_frames import BTC, candle_frame, commit_frame
from tests.support.s3_server import SECRET_KEY, App, S3Server, s3_server
from tests.support.tape_frames import TRADES, commit_tape, trade_frame


def test_a_folder_and_a_bucket_hold_the_same_bytes_under_the_same_names(
    bucket_server: S3Server, tmp_path: Path
) -> None:
    contents = []
    for store in (LocalStore(tmp_path), bucket_server.store("twin")):
        lake = Lake(store)
        frame = candle_frame(60)
        for end in range(10, 61, 5):
            commit_frame(lake, BTC, frame.iloc[end - 10 : end])
        commit_tape(lake, TRADES, trade_frame(50))
        contents.append({name: store.get(name) for name in store.list(".") if not name.startswith("_probe/")})
    assert len(contents[0]) > 30
    assert contents[0] == contents[1]


def test_writers_that_commit_to_one_bucket_at_once_lose_nothing(bucket_server: S3Server) -> None:
    frame = candle_frame(60)
    gate = threading.Barrier(3)
    failures: list[BaseException] = []

    def work(number: int) -> None:
        try:
            lake = Lake(bucket_server.store("contended"))
            gate.wait()
            for at in range(number, 6, 3):
                commit_frame(lake, BTC, frame.iloc[at * 10 : at * 10 + 10])
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    snap = Lake(bucket_server.store("contended")).snapshot()
    assert snap.seq == 6
    pd.testing.assert_frame_equal(snap.candles(BTC), frame)


def test_a_server_that_ignores_the_condition_is_refused_before_the_first_commit() -> None:
    def deaf(app: App) -> App:
        return lambda environ, answer: app({k: v for k, v in environ.items() if k != "HTTP_IF_NONE_MATCH"}, answer)

    with s3_server(deaf) as server:
        store = server.store("deaf")
        with pytest.raises(Misconfigured, match="If-None-Match"):
            store.put_if_absent("_commits/000000000001.json", b"one")
        assert not store.exists("_commits/000000000001.json")


def test_a_commit_whose_answer_got_lost_is_found_in_the_log() -> None:
    lost = []

    def forgetful(app: App) -> App:
        """Does the work and then says 503, once for each commit."""

        def call(environ: dict[str, Any], answer: Any) -> Iterable[bytes]:
            name = environ["PATH_INFO"]
            if environ["REQUEST_METHOD"] != "PUT" or "/_commits/" not in name or name in lost:
                return app(environ, answer)
            lost.append(name)
            list(app(environ, lambda *_: None))
            answer("503 Slow Down", [("Content-Type", "text/plain"), ("Content-Length", "0")])
            return [b""]

        return call

    frame = candle_frame(20)
    with s3_server(forgetful) as server:
        lake = Lake(server.store("forgetful"))
        assert commit_frame(lake, BTC, frame.iloc[:10]) == 1
        assert commit_frame(lake, BTC, frame.iloc[10:]) == 2
        assert len(lost) == 2
        pd.testing.assert_frame_equal(Lake(server.store("forgetful")).snapshot().candles(BTC), frame)


def test_a_conflict_between_two_writers_is_tried_again() -> None:
    conflicts = []

    def busy(app: App) -> App:
        def call(environ: dict[str, Any], answer: Any) -> Iterable[bytes]:
            if environ["REQUEST_METHOD"] != "PUT" or not environ["PATH_INFO"].endswith("/a") or len(conflicts) >= 3:
                return app(environ, answer)
            conflicts.append(environ["PATH_INFO"])
            body = b"<Error><Code>ConditionalRequestConflict</Code></Error>"
            answer("409 Conflict", [("Content-Type", "application/xml"), ("Content-Length", str(len(body)))])
            return [body]

        return call

    with s3_server(busy) as server:
        store = server.store("busy")
        assert store.put_if_absent("a", b"mine")
        assert not store.put_if_absent("a", b"other")
        assert (store.get("a"), len(conflicts)) == (b"mine", 3)


def test_refused_keys_are_a_matter_of_configuration_and_no_secret_is_told() -> None:
    def closed(app: App) -> App:
        def call(environ: dict[str, Any], answer: Any) -> Iterable[bytes]:
            if environ["PATH_INFO"] in ("/", "/lake"):  # while the server is set up
                return app(environ, answer)
            body = f"<Error><Code>SignatureDoesNotMatch</Code><Message>{SECRET_KEY}</Message></Error>".encode()
            answer("403 Forbidden", [("Content-Type", "application/xml"), ("Content-Length", str(len(body)))])
            return [body]

        return call

    with s3_server(closed) as server:
        for ask in (lambda: server.store("x").get("a"), lambda: server.store("x").exists("a")):
            with pytest.raises(Misconfigured) as caught:
                ask()
            assert SECRET_KEY not in f"{caught.value}{caught.value.fields}{caught.value.__cause__}"
            assert caught.value.fields["bucket"] == "lake"


def test_a_missing_bucket_is_named_and_an_absent_server_asks_for_patience(bucket_server: S3Server) -> None:
    with pytest.raises(Misconfigured, match="NoSuchBucket"):
        S3Store("s3://nowhere/x", endpoint=bucket_server.endpoint, region="eu-central-1").get("a")
    with s3_server() as server:
        gone = server.store("gone")
    with pytest.raises(RetryLater, match="cannot be reached"):
        gone.get("a")


@pytest.mark.parametrize("url", ["http://lake/x", "s3://", "s3://UPPER/x", "lake", "s3://lake/a//b", "s3://lake/../x"])
def test_an_address_that_is_no_bucket_is_refused(url: str) -> None:
    with pytest.raises(Misconfigured, match="address of a bucket"):
        S3Store(url)
