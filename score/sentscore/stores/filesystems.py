"""Connections to stores: what is in their folders, and objects that can be opened."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, TypeVar

import pyarrow as pa

from sentscore.errors import InputError, StoreError, first_line
from sentscore.stores.retries import is_transient, shared_retries

SERVED: Final = "s3, gs, abfs and hdfs"
"""The schemes that pyarrow serves, for messages; for others there is fsspec."""

_ARROW_SCHEMES: Final = frozenset({"gs", "gcs", "abfs", "abfss", "hdfs", "viewfs"})
_MOST_ANSWERS: Final = 5  # to a question that was asked before
_CONNECT_TIMEOUT_S: Final = 10
_REQUEST_TIMEOUT_S: Final = 60

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Entry:
    """An object, or a folder, as it is listed.

    Attributes:
        name: Its last name.
        is_folder: Whether it is a folder.
        size: The bytes of an object.
        version: What changes when an object does: its time of modification in nanoseconds; empty where not known.
    """

    name: str
    is_folder: bool
    size: int = 0
    version: str = ""


class Store:
    """A store, or a bucket of it.

    Args:
        name: What messages call it.
        filesystem: The connection.
        base: What paths there begin with, such as the bucket.

    Attributes:
        retries: Makes the requests.
    """

    def __init__(self, name: str, filesystem: Any, base: str) -> None:  # noqa: ANN401 - pyarrow has no types
        self.name = name
        self.filesystem = filesystem
        self.retries = shared_retries(name)
        self._base = base

    def locate(self, key: str) -> str:
        """Returns what the connection calls a key."""
        return f"{self._base.rstrip('/')}/{key}" if self._base else key

    def find(self, key: str) -> Entry | None:
        """Returns an object or a folder; None where there is none.

        Raises:
            InputError: The store cannot be asked.
        """

        def ask() -> Entry | None:
            return _to_entry(self._ask(key, lambda: self.filesystem.get_file_info(self.locate(key))))

        found = ask()
        return found if found is not None and (found.is_folder or found.size) else _agree(found, ask)

    def list_folder(self, key: str) -> list[Entry]:
        """Returns the objects and folders in a folder, by their names; none where there is no such folder.

        Raises:
            InputError: The store cannot be asked.
        """
        from pyarrow.fs import FileSelector

        selector = FileSelector(self.locate(key).rstrip("/"), allow_not_found=True)

        def ask() -> list[Entry]:
            found = self._ask(key, lambda: self.filesystem.get_file_info(selector))
            entries = [entry for entry in map(_to_entry, found) if entry is not None]
            return sorted(entries, key=lambda entry: (entry.name, entry.is_folder))

        return _agree(ask(), ask)

    def open(self, key: str) -> pa.NativeFile:
        """Opens an object, in one try; reading may fail.

        Raises:
            OSError: It cannot be opened.
        """
        return self.filesystem.open_input_file(self.locate(key))

    def _ask(self, key: str, request: Callable[[], Result]) -> Result:
        try:
            return self.retries.run(request)
        except Exception as error:
            raise cannot_read(f"{self.name}/{key}", error) from error


def open_store(scheme: str, host: str) -> Store:
    """Returns the connection to a store, which is made once.

    Args:
        scheme: The scheme of its URIs.
        host: Their bucket or host.

    Raises:
        InputError: There is no such store, or it cannot be reached.
    """
    return _connect(scheme, host, *s3_settings()) if scheme == "s3" else _connect(scheme, host)


def s3_settings() -> tuple[str | None, str | None]:
    """Returns the endpoint and the region of S3 that the environment names; None where it names none."""
    environ = os.environ
    endpoint = environ.get("AWS_ENDPOINT_URL_S3") or environ.get("AWS_ENDPOINT_URL") or None
    region = environ.get("AWS_REGION") or environ.get("AWS_DEFAULT_REGION") or None
    return endpoint, region or ("us-east-1" if endpoint else None)  # most that are not Amazon's have no regions


def cannot_read(name: str, error: Exception) -> InputError:
    """Returns the error for a failed request."""
    if isinstance(error, InputError):
        return error
    if isinstance(error, FileNotFoundError):
        return InputError(f"{name}: no such object: check the URI")
    remedy = "check the URI, the credentials, and the endpoint"
    kind = StoreError if is_transient(error) else InputError
    return kind(f"{name}: cannot be read ({first_line(error)}): {remedy}")


@lru_cache(maxsize=64)
def _connect(scheme: str, host: str, endpoint: str | None = None, region: str | None = None) -> Store:
    name = f"{scheme}://{host}"
    try:
        if scheme == "s3":
            return Store(name, _open_s3(host, endpoint, region), host)
        if scheme in _ARROW_SCHEMES:
            from pyarrow.fs import FileSystem

            filesystem, base = FileSystem.from_uri(f"{name}/")
        else:
            filesystem, base = _open_fsspec(name)
    except Exception as error:
        raise cannot_read(name, error) from error
    return Store(name, filesystem, base)


def _open_s3(bucket: str, endpoint: str | None, region: str | None) -> Any:  # noqa: ANN401 - pyarrow has no types
    from pyarrow.fs import AwsStandardS3RetryStrategy, S3FileSystem, resolve_s3_region

    return S3FileSystem(
        endpoint_override=endpoint,
        region=region or shared_retries(f"s3://{bucket}").run(lambda: resolve_s3_region(bucket)),
        connect_timeout=_CONNECT_TIMEOUT_S,
        request_timeout=_REQUEST_TIMEOUT_S,
        # Requests are made again here, where it can be said.
        retry_strategy=AwsStandardS3RetryStrategy(max_attempts=1),
    )


def _open_fsspec(name: str) -> tuple[Any, str]:
    """Returns the connection to a store that pyarrow does not know, and what paths there begin with."""
    scheme = name.partition(":")[0]
    try:
        import fsspec
    except ImportError as error:
        raise InputError(
            f"{name}: no such store is known: {SERVED} are; for another one install fsspec and what it needs for it"
        ) from error
    from pyarrow.fs import FSSpecHandler, PyFileSystem

    try:
        filesystem, base = fsspec.core.url_to_fs(f"{name}/")
    except (ValueError, ImportError) as error:
        reason = first_line(error)
        raise InputError(f"{name}: {scheme} is no store that is known ({reason}): {SERVED} are") from error
    return PyFileSystem(FSSpecHandler(filesystem)), base


def _agree(found: Result, ask: Callable[[], Result]) -> Result:
    """Asks until two answers one after the other are the same, and returns that one.

    To pyarrow an answer of S3 that is cut off in its headers is an empty one: a folder without objects, a page of a
    listing without names, an object without bytes. Where others write meanwhile, the latest answer counts.
    """
    for _ in range(_MOST_ANSWERS):
        again = ask()
        if again == found:
            break
        found = again
    return found


def _to_entry(info: Any) -> Entry | None:  # noqa: ANN401 - pyarrow has no types
    from pyarrow.fs import FileType

    if info.type == FileType.NotFound:
        return None
    version = "" if info.mtime_ns is None else str(info.mtime_ns)
    name = info.base_name or info.path.rstrip("/").rpartition("/")[2]
    if info.type == FileType.Directory:
        return Entry(name, is_folder=True)
    return Entry(name, is_folder=False, size=info.size or 0, version=version)
