"""A real S3 server over HTTP on 127.0.0.1 (moto's), which answers one request at a time.

One at a time, because moto looks whether a name is taken and then writes: two requests at once could both find it free, which a
bucket never does.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import boto3
from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import WSGIRequestHandler, make_server

from kracken_tasks.lake.s3 import S3Store

__all__ = ["ACCESS_KEY", "SECRET_KEY", "App", "S3Server", "s3_server"]

App = Callable[[dict[str, Any], Any], Iterable[bytes]]

ACCESS_KEY = "AKIA-TEST-ACCESS-KEY"
SECRET_KEY = "test-secret-access-key"


class _Quiet(WSGIRequestHandler):
    def log(self, kind: str, message: str, *args: object) -> None:
        """Say nothing."""


@dataclass(frozen=True, slots=True)
class S3Server:
    """``endpoint`` of the server; its bucket ``lake`` is there."""

    endpoint: str

    def store(self, prefix: str) -> S3Store:
        return S3Store(f"s3://lake/{prefix}", endpoint=self.endpoint, region="eu-central-1")


@contextmanager
def s3_server(between: Callable[[App], App] = lambda app: app) -> Iterator[S3Server]:
    """Start one; ``between`` may wrap its WSGI application, to make it misbehave."""
    before = dict(os.environ)
    os.environ |= {
        "AWS_ACCESS_KEY_ID": ACCESS_KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    server = make_server(
        "127.0.0.1", 0, between(DomainDispatcherApplication(create_backend_app)), threaded=False, request_handler=_Quiet
    )
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    endpoint = f"http://127.0.0.1:{server.server_port}"
    client = boto3.client("s3", endpoint_url=endpoint, region_name="us-east-1")
    if not any(one["Name"] == "lake" for one in client.list_buckets()["Buckets"]):
        client.create_bucket(Bucket="lake")
    try:
        yield S3Server(endpoint)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_EC2_METADATA_DISABLED"):
            os.environ.pop(name, None)
            os.environ |= {name: before[name]} if name in before else {}
