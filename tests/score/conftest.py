from __future__ import annotations

import itertools
import json
import logging
import os
import re
import secrets
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from threading import Lock, Thread
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

PART_BYTES = 10_000
"""The size of the parts of an upload in tests."""


class Bucket:
    """A bucket of a server that speaks S3, as a test sees it.

    Attributes:
        name: Its name.
        uri: Its URI.
    """

    def __init__(self, name: str) -> None:
        import boto3

        self.name = name
        self.uri = f"s3://{name}"
        self.client = boto3.session.Session().client("s3", region_name="us-east-1")
        self.client.create_bucket(Bucket=name)

    def put(self, key: str, content: bytes) -> str:
        """Makes an object, and returns its URI."""
        self.client.put_object(Bucket=self.name, Key=key, Body=content)
        return f"{self.uri}/{key}"

    def get(self, key: str) -> bytes:
        """Returns the content of an object."""
        content: bytes = self.client.get_object(Bucket=self.name, Key=key)["Body"].read()
        return content

    def tree(self) -> dict[str, bytes]:
        """Returns all objects."""
        found = self.client.list_objects_v2(Bucket=self.name).get("Contents", [])
        return {each["Key"]: self.get(each["Key"]) for each in found}

    def uploads(self) -> list[str]:
        """Returns the keys of the uploads that were begun and not ended."""
        return [each["Key"] for each in self.client.list_multipart_uploads(Bucket=self.name).get("Uploads", [])]


class DroppingProxy:
    """Passes connections on to a server, and drops one at every n-th request: before its answer, or in the middle.

    Args:
        server: The server's URL.
        every: How many requests there are from one drop to the next.

    Attributes:
        url: What to use in place of the server's URL.
        dropped: How many connections were dropped.
    """

    def __init__(self, server: str, every: int) -> None:
        self.dropped = 0
        self._server = (urlsplit(server).hostname, urlsplit(server).port)
        self._every = every
        self._requests = itertools.count(1)
        self._lock = Lock()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def __enter__(self) -> Self:
        Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(self._server)
                drop = [False]
                Thread(target=self._pass, args=(client, server, drop, True), daemon=True).start()
                Thread(target=self._pass, args=(server, client, drop, False), daemon=True).start()

    def _pass(self, source: socket.socket, target: socket.socket, drop: list[bool], is_request: bool) -> None:
        with source, target, suppress(OSError):
            while data := source.recv(1 << 16):
                if is_request and re.match(rb"(GET|PUT|POST|HEAD|DELETE) /", data):
                    with self._lock:
                        drop[0] = next(self._requests) % self._every == 0
                        self.dropped += drop[0]
                if drop[0] and not is_request:
                    if self.dropped % 2:
                        target.sendall(data[: len(data) // 2])
                    for each in (source, target):
                        each.shutdown(socket.SHUT_RDWR)
                    return
                target.sendall(data)


@pytest.fixture(scope="session")
def read_report() -> Callable[[Path], dict[str, Any]]:
    """Reads the report of a run, and checks it by the schema that comes with the package."""
    from jsonschema import Draft202012Validator

    from sentscore.jobs.run_report import SCHEMA

    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    Draft202012Validator.check_schema(schema)

    def read(path: Path) -> dict[str, Any]:
        report: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        Draft202012Validator(schema).validate(report)
        return report

    return read


@pytest.fixture
def write_scored(tmp_path: Path) -> Callable[..., Path]:
    """Writes a Parquet file as `sentscore file` does, with scores that are given."""

    def write(
        name: str,
        texts: Sequence[str | None],
        scores: dict[str, Sequence[float]],
        digests: dict[str, str] | None = None,
        **columns: object,
    ) -> Path:
        """Writes one.

        Args:
            name: The file's name.
            texts: The texts.
            scores: Each model's scores by its name; NaN for none.
            digests: The digest of each model; by default those of models that are not here.
            columns: Columns before the texts, and any others of explanations.
        """
        explained = {key: columns.pop(key) for key in [*columns] if "explain_" in key}
        table = {**columns, "review": pa.array(texts, pa.string())}
        for model, values in scores.items():
            score = pa.array(np.asarray(values, np.float32), from_pandas=True)
            sentiment = [None if np.isnan(each) else "positive" if each >= 0.5 else "negative" for each in values]
            prefix = f"{model}_" if len(scores) > 1 else ""
            table |= {f"{prefix}score": score, f"{prefix}sentiment": pa.array(sentiment, pa.string())}
        models = [
            {"name": model, "manifest_sha256": (digests or {}).get(model, "0" * 64), "precision": "fp32"}
            for model in scores
        ]
        metadata = {b"sentscore": json.dumps({"models": models, "version": "1"}).encode()}
        pq.write_table(pa.table({**table, **explained}).replace_schema_metadata(metadata), tmp_path / name)
        return tmp_path / name

    return write


@pytest.fixture(scope="session")
def s3_endpoint() -> Iterator[str]:
    """The URL of a server that speaks S3, on this machine."""
    os.environ["S3_UPLOAD_PART_MIN_SIZE"] = "1024"  # of moto: tests need not send the 5 MiB that S3 asks for
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    yield "http://{}:{}".format(*server.get_host_and_port())
    server.stop()


@pytest.fixture
def s3(s3_endpoint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bucket:
    """A new bucket, which the environment leads to, and a cache folder of its own."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", s3_endpoint)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "user")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name in ("AWS_PROFILE", "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL_S3"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr("sentscore.stores.retries._FIRST_PAUSE_S", 0.001)
    monkeypatch.setattr("sentscore.stores.s3_upload._PART_BYTES", PART_BYTES)
    return Bucket(f"bucket-{secrets.token_hex(6)}")


@pytest.fixture
def dropping_proxy(s3_endpoint: str) -> Iterator[Callable[[int], DroppingProxy]]:
    """Starts a proxy before the server, which drops the connection at every n-th request."""
    with ExitStack() as stack:
        yield lambda every: stack.enter_context(DroppingProxy(s3_endpoint, every))
