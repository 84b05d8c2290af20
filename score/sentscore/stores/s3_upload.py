"""Uploads to S3: an object appears whole or not at all, and an upload that fails is aborted.

boto3 does it, for pyarrow completes a partial object when its stream is dropped, and cannot list uploads.
"""

from __future__ import annotations

import hashlib
import io
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from functools import lru_cache
from typing import Any, Final

from sentscore.errors import OutputError, first_line
from sentscore.stores import ledger
from sentscore.stores.filesystems import s3_settings
from sentscore.stores.paths import StorePath
from sentscore.stores.retries import is_transient, shared_retries

_PART_BYTES: Final = 8 << 20
_LARGE_PART_BYTES: Final = 64 << 20
_SMALL_PARTS: Final = 1_000  # then parts are larger, so that the 10,000 that S3 allows hold half a TiB
_AT_WORK: Final = 4  # parts that are sent at a time

Etag = str


class S3Upload(io.RawIOBase):
    """An object that is being written. It is sent in parts, or at once where one part holds it.

    Args:
        path: The object's path.
        replace: Whether to replace an object that is there.
    """

    def __init__(self, path: StorePath, *, replace: bool) -> None:
        super().__init__()
        self._path = path
        self._target = {"Bucket": path.host, "Key": path.key}
        self._only_new = {} if replace else {"IfNoneMatch": "*"}
        self._client = open_client()
        self._retries = shared_retries(f"s3://{path.host}")
        self._content = bytearray()  # that is not sent yet
        self._parts: deque[Future[Etag]] = deque()
        self._pool: ThreadPoolExecutor | None = None
        self._note: ledger.Note | None = None
        self._upload = ""
        self._ended = False
        ledger.sweep(end_upload)

    def writable(self) -> bool:
        """Returns that it can be written to."""
        return True

    def write(self, content: Any, /) -> int:  # noqa: ANN401 - any buffer
        """Takes bytes, and sends parts that are full.

        Raises:
            OutputError: A part cannot be sent.
        """
        size = memoryview(content).nbytes
        if self._ended:  # what a writer of Parquet adds when it is given up
            return size
        self._content += content
        while len(self._content) >= (most := self._part_bytes):
            self._send(bytes(memoryview(self._content)[:most]))
            del self._content[:most]
        return size

    def finish(self) -> None:
        """Makes the object appear.

        Raises:
            OutputError: It cannot be written, or there is one that is not to be replaced.
        """
        content = bytes(self._content)
        if not self._upload:
            etag = f'"{hashlib.md5(content, usedforsecurity=False).hexdigest()}"'
            self._appear(lambda: self._client.put_object(**self._target, **self._only_new, Body=content), etag)
        else:
            if content:
                self._send(content)
            etags = [self._result(part) for part in self._parts]
            parts = [{"ETag": etag, "PartNumber": number} for number, etag in enumerate(etags, 1)]
            whole = {**self._target, **self._only_new, "UploadId": self._upload, "MultipartUpload": {"Parts": parts}}
            self._appear(lambda: self._client.complete_multipart_upload(**whole), _join_etags(etags))
        self._ended = True
        self._shut_down()
        if self._note is not None:
            self._note.remove()

    def abort(self) -> None:
        """Gives the object up. The error that led here counts, and not one from this."""
        if self._ended:
            return
        self._ended = True
        self._content.clear()
        self._shut_down()  # a part that arrives after the end of its upload would stay
        if self._note is not None:
            gone = not self._upload
            if self._upload:
                with suppress(Exception):
                    gone = self._retries.run(lambda: _abort(self._target, self._upload))
            if gone:
                self._note.remove()
            else:
                self._note.close()

    @property
    def _part_bytes(self) -> int:
        return _PART_BYTES if len(self._parts) < _SMALL_PARTS else _LARGE_PART_BYTES

    def _send(self, content: bytes) -> None:
        if self._pool is None:
            self._begin()
            self._pool = ThreadPoolExecutor(_AT_WORK, thread_name_prefix="upload")
        number = len(self._parts) + 1
        self._parts.append(self._pool.submit(self._send_part, number, content))
        if number > _AT_WORK:  # no more parts than these are held in memory
            self._result(self._parts[number - 1 - _AT_WORK])

    def _send_part(self, number: int, content: bytes) -> Etag:
        where = {**self._target, "UploadId": self._upload, "PartNumber": number}
        return self._retries.run(lambda: _take(self._client.upload_part(**where, Body=content), "ETag"))

    def _begin(self) -> None:
        # The note comes first: a kill may come before the upload's name does.
        self._note = ledger.Note({"endpoint": s3_settings()[0] or "", "bucket": self._path.host, "key": self._path.key})
        try:
            self._upload = self._retries.run(
                lambda: _take(self._client.create_multipart_upload(**self._target), "UploadId")
            )
        except Exception as error:
            raise self._error(error) from error
        self._note.add({"upload": self._upload})

    def _appear(self, request: Callable[[], Any], etag: Etag) -> None:
        """Makes the request that makes the object appear. It counts as made if its object is there after an error."""
        failed = False

        def try_once() -> Any:  # noqa: ANN401 - the answer is not looked at
            nonlocal failed
            try:
                return request()
            except Exception as error:
                if failed and not is_transient(error) and self._find_etag() == etag:  # an answer was lost before
                    return None
                failed = True
                raise

        try:
            self._retries.run(try_once)
        except Exception as error:
            raise self._error(error) from error

    def _find_etag(self) -> Etag | None:
        with suppress(Exception):
            return self._retries.run(lambda: _take(self._client.head_object(**self._target), "ETag"))
        return None

    def _result(self, part: Future[Etag]) -> Etag:
        try:
            return part.result()
        except Exception as error:
            raise self._error(error) from error

    def _shut_down(self) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)

    def _error(self, error: Exception) -> OutputError:
        if _code(error) in {"PreconditionFailed", "412"}:
            return OutputError(
                f"{self._path}: exists already, made meanwhile: move it away, or give --force to replace it"
            )
        remedy = "check the bucket, the credentials, and the endpoint"
        return OutputError(f"{self._path}: cannot be written ({first_line(error)}): {remedy}")


def end_upload(record: ledger.Record) -> bool:
    """Aborts an upload of a process that was killed. Returns whether it is gone.

    Where the kill came before the upload's name was known, all uploads of the key are aborted that there are.
    """
    if not {"endpoint", "bucket", "key"} <= set(record) or record["endpoint"] != (s3_settings()[0] or ""):
        return False  # of another store, which this run may have no right to
    target = {"Bucket": record["bucket"], "Key": record["key"]}
    try:
        uploads = [record["upload"]] if "upload" in record else _list_uploads(target)
        return all(_abort(target, upload) for upload in uploads)
    except Exception:  # the next run tries again: this upload is in nobody's way
        return False


def open_client() -> Any:  # noqa: ANN401 - boto3 has no types
    """Returns the client of S3, by the environment as it is."""
    return _make_client(*s3_settings())


@lru_cache(maxsize=8)
def _make_client(endpoint: str | None, region: str | None) -> Any:  # noqa: ANN401 - boto3 has no types
    import boto3
    from botocore.config import Config

    config = Config(
        connect_timeout=10,
        read_timeout=60,
        max_pool_connections=2 * _AT_WORK,
        retries={"total_max_attempts": 1},  # requests are made again here, where it can be said
        s3={"addressing_style": "path"} if endpoint else {},
    )
    client = boto3.session.Session().client("s3", endpoint_url=endpoint, region_name=region, config=config)
    client.meta.events.register_last("before-call.s3", _expect_nothing)
    return client


def _expect_nothing(params: dict[str, Any], **_: object) -> None:
    """Takes `Expect: 100-continue` out of a request: botocore waits for ever if the connection drops in its answer."""
    params["headers"].pop("Expect", None)


def _list_uploads(target: dict[str, str]) -> list[str]:
    pages = (
        open_client().get_paginator("list_multipart_uploads").paginate(Bucket=target["Bucket"], Prefix=target["Key"])
    )
    return [each["UploadId"] for page in pages for each in page.get("Uploads", ()) if each["Key"] == target["Key"]]


def _abort(target: dict[str, str], upload: str) -> bool:
    try:
        open_client().abort_multipart_upload(**target, UploadId=upload)
    except Exception as error:
        if _code(error) not in {"NoSuchUpload", "NoSuchBucket"}:
            raise
    return True


def _take(answer: dict[str, Any], name: str) -> str:
    """Returns what an answer has to hold.

    Raises:
        ConnectionError: It ends before that, which Python takes for a whole one if it ends in the headers.
    """
    if name not in answer:
        raise ConnectionError("the answer is cut off")
    return str(answer[name])


def _code(error: Exception) -> str:
    response = getattr(error, "response", None)
    return str(response.get("Error", {}).get("Code", "")) if isinstance(response, dict) else ""


def _join_etags(etags: list[Etag]) -> Etag:
    """Returns the etag that an object of such parts has: the MD5 of their MD5s, and how many they are."""
    digest = hashlib.md5(usedforsecurity=False)
    for etag in etags:
        with suppress(ValueError):  # with keys of the user's own they are no MD5s, and then none is found
            digest.update(bytes.fromhex(etag.strip('"')))
    return f'"{digest.hexdigest()}-{len(etags)}"'
