"""The lake in a bucket: the same names and the same bytes as in a folder, made exclusive by ``If-None-Match: *``.

In: a bucket, a prefix, where its server is.  Credentials come from boto3's own chain (environment, profile, role) and from nowhere
else; no message repeats them.  Never: trusting a server that ignores the condition (two writers would overwrite each other): it
is tried out once, before the first write.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

from kracken_tasks.errors import BadData, Misconfigured, RetryLater
from kracken_tasks.lake.store import NOTHING, check_name, is_name

__all__ = ["S3Store"]

_AT_ONCE: Final = 8
_CONFLICTS: Final = 16
_PROBE: Final = "_probe/if-none-match"
_BUCKET = re.compile(r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$")
# What no retry heals: the name, the key or the rights are wrong.
_WRONG: Final = frozenset(
    {"NoSuchBucket", "InvalidBucketName", "AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch", "403",
     "PermanentRedirect", "AuthorizationHeaderMalformed", "IllegalLocationConstraintException"}
)  # fmt: skip
_T = TypeVar("_T")


class S3Store:
    """A bucket, or the part of one under a prefix; safe to share between threads.

    ``url``: ``s3://bucket/prefix``; ``endpoint``: ``https://...`` of another server than AWS; ``region``: None for boto3's own.

    Raises: Misconfigured if the url is none, the bucket, keys or rights are wrong, or the server ignores ``If-None-Match``;
    RetryLater if it cannot be reached or asks for patience.
    """

    def __init__(self, url: str, *, endpoint: str | None = None, region: str | None = None) -> None:
        parts = urlsplit(url)
        prefix = parts.path.strip("/")
        if parts.scheme != "s3" or not _BUCKET.match(parts.netloc) or (prefix and not is_name(prefix)):
            raise Misconfigured("not the address of a bucket", key="lake.url", allowed="s3://bucket/prefix")
        self.bucket = parts.netloc
        self.prefix = f"{prefix}/" if prefix else ""
        self._endpoint = endpoint
        self._region = region
        self._lock = threading.Lock()
        self._made: Any = None
        self._trusted = False

    def __repr__(self) -> str:
        return f"S3Store(s3://{self.bucket}/{self.prefix})"

    def put_if_absent(self, name: str, data: bytes) -> bool:
        self._check_condition()
        return self._put_new(name, data)

    def put_many(self, objects: Mapping[str, bytes], lying: Mapping[str, str] = NOTHING) -> None:
        if not objects:
            return
        self._check_condition()
        with ThreadPoolExecutor(max_workers=min(_AT_ONCE, len(objects))) as pool:
            list(pool.map(lambda name: self._put(name, objects[name], lying.get(name)), sorted(objects)))

    def put_scratch(self, name: str, data: bytes) -> None:
        self._call(lambda s3: s3.put_object(Bucket=self.bucket, Key=self._key(name), Body=data))

    def get(self, name: str) -> bytes:
        return self._get(name)

    def get_part(self, name: str, start: int, size: int) -> bytes:
        return self._get(name, Range=f"bytes={start}-{start + size - 1}")

    def exists(self, name: str) -> bool:
        return bool(
            self._call(lambda s3: s3.head_object(Bucket=self.bucket, Key=self._key(name)) is not None, absent=False)
        )

    def list(self, prefix: str) -> list[str]:
        return sorted(name for name, _ in self._listed(prefix))

    def written_before(self, prefix: str, moment: datetime) -> Sequence[str]:
        return sorted(name for name, stamp in self._listed(prefix) if stamp < moment)

    def delete(self, name: str) -> None:
        self._call(lambda s3: s3.delete_object(Bucket=self.bucket, Key=self._key(name)), absent=None)

    def local_path(self, name: str) -> Path | None:
        return None

    def _get(self, name: str, **told: str) -> bytes:
        raw: bytes | None = self._call(
            lambda s3: s3.get_object(Bucket=self.bucket, Key=self._key(name), **told)["Body"].read(), absent=None
        )
        if raw is None:
            raise BadData(f"the lake has no object {name!r} in {self!r}", name=name)
        return raw

    def _listed(self, prefix: str) -> Iterator[tuple[str, datetime]]:
        start = self.prefix if prefix == "." else f"{self._key(prefix)}/"

        def pages(s3: Any) -> Any:
            found = s3.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=start)
            return [item for page in found for item in page.get("Contents", ())]

        for item in self._call(pages):
            yield item["Key"].removeprefix(self.prefix), item["LastModified"]

    def _put(self, name: str, data: bytes, lying: str | None) -> None:
        if lying is None or not self._take_over(lying, name):
            self._put_new(name, data)

    def _take_over(self, there: str, name: str) -> bool:
        # A copy inside the bucket has no condition everywhere, and needs none: the name is made of the content's hash.
        source = {"Bucket": self.bucket, "Key": self._key(there)}
        return bool(
            self._call(
                lambda s3: s3.copy_object(Bucket=self.bucket, Key=self._key(name), CopySource=source) is not None,
                absent=False,
            )
        )

    def _put_new(self, name: str, data: bytes) -> bool:
        # 409: another conditional write of the same name is under way; the next try tells who won.  A retry of boto3's own after
        # a lost answer may meet our own object and be told "taken": whoever asks then reads the log again and finds it there.
        for _ in range(_CONFLICTS):
            answer = self._call(
                lambda s3: s3.put_object(Bucket=self.bucket, Key=self._key(name), Body=data, IfNoneMatch="*") is not None,
                taken=False, conflict=None,
            )  # fmt: skip
            if answer is not None:
                return bool(answer)
        raise RetryLater(f"{self!r}: {_CONFLICTS} conflicting writes of {name}", name=name)

    def _check_condition(self) -> None:
        if self._trusted:
            return
        if self._put_new(_PROBE, b"") and self._put_new(_PROBE, b""):
            raise Misconfigured(
                f"the server of {self!r} ignores If-None-Match: two writers would overwrite each other's commits",
                key="lake.url", allowed="a server with conditional writes",
            )  # fmt: skip
        self._trusted = True

    def _call(self, ask: Callable[[Any], _T], **instead: _T) -> _T:
        """``ask`` of the client; ``instead`` says what to return when the object is absent, taken, or in conflict."""
        from botocore.exceptions import (  # type: ignore[import-untyped]  # it ships no type information
            BotoCoreError,
            ClientError,
            NoCredentialsError,
            PartialCredentialsError,
        )

        # Nothing of boto3's own errors goes on (``from None``): they hold the request, and with it the key's id.
        try:
            return ask(self._client())
        except ClientError as error:
            code = str(error.response.get("Error", {}).get("Code", ""))
            status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
            outcome = {404: "absent", 412: "taken", 409: "conflict"}.get(status, "")
            if outcome in instead and code != "NoSuchBucket":
                return instead[outcome]
            kind = Misconfigured if code in _WRONG or status == 403 else RetryLater
            raise kind(
                f"{self!r} answered {status} {code}", bucket=self.bucket, endpoint=self._endpoint, code=code
            ) from None
        except (NoCredentialsError, PartialCredentialsError):
            raise Misconfigured(
                f"no credentials for {self!r}",
                allowed="AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, a profile, or a role",
            ) from None
        except BotoCoreError as error:
            raise RetryLater(
                f"{self!r} cannot be reached ({type(error).__name__})", bucket=self.bucket, endpoint=self._endpoint
            ) from None

    def _client(self) -> Any:
        with self._lock:
            if self._made is None:
                import boto3  # type: ignore[import-untyped]  # it ships no type information; half a second, for buckets alone
                from botocore.config import Config  # type: ignore[import-untyped]

                patience = Config(
                    retries={"mode": "standard", "max_attempts": 4}, connect_timeout=10, read_timeout=60,
                    max_pool_connections=2 * _AT_ONCE,
                )  # fmt: skip
                self._made = boto3.session.Session().client(
                    "s3", endpoint_url=self._endpoint, region_name=self._region, config=patience
                )
            return self._made

    def _key(self, name: str) -> str:
        return self.prefix + check_name(name)
