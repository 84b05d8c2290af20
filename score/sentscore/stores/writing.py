"""Writes objects that appear whole or not at all, whatever the store."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from typing import IO, Any, Final, cast

import pyarrow as pa

from sentscore.errors import InputError, OutputError, UsageError, first_line
from sentscore.stores import ledger
from sentscore.stores.paths import StorePath

_WITHOUT_FOLDERS: Final = frozenset({"gs", "gcs", "abfs", "abfss"})  # where a folder would be an object of its own


@contextmanager
def new_object(path: StorePath, *, replace: bool = True) -> Iterator[IO[bytes]]:
    """Opens a new object that appears when the body of the `with` ends well, and leaves nothing otherwise.

    On S3 it is uploaded in parts, and the store itself keeps an object that is not to be replaced. Elsewhere it is
    written under a hidden name and moved. What killed processes of this machine have left is removed.

    Args:
        path: The object's path.
        replace: Whether to replace an object that is there.

    Raises:
        OutputError: It cannot be written, at any write inside the body too, or is there and not to be replaced.
    """
    if path.scheme == "s3":
        from sentscore.stores.s3_upload import S3Upload

        try:
            upload = S3Upload(path, replace=replace)
        except OutputError:
            raise
        except Exception as error:  # no endpoint that can be parsed, no such profile
            raise _cannot_write(path, error) from error
        try:
            yield cast(IO[bytes], upload)
            upload.finish()
        except BaseException:
            upload.abort()
            raise
        return
    with _new_moved_object(path, replace=replace) as file:
        yield file


def check_writable(path: StorePath) -> None:
    """Checks that objects can be written to such a store, as far as that can be told without trying.

    Raises:
        UsageError: There is no such store, or a package is missing.
    """
    if path.scheme == "s3":
        if find_spec("boto3") is None:
            raise UsageError(f"{path}: boto3 is not installed: pip install 'sentscore[s3]'")
        return
    try:
        _ = path.store
    except InputError as error:
        raise UsageError(f"{path}: cannot be written to ({error})") from error


@contextmanager
def _new_moved_object(path: StorePath, *, replace: bool) -> Iterator[IO[bytes]]:
    ledger.sweep(_remove_leftover)
    store = path.store
    digits = hashlib.blake2b(path.name.encode("utf-8", "surrogateescape"), digest_size=8).hexdigest()
    hidden = path.with_name(f".sentscore-{digits}.{secrets.token_hex(4)}.part")
    note = ledger.Note({"scheme": hidden.scheme, "host": hidden.host, "hidden": hidden.key})
    file: Any = None
    try:
        with _write_errors(path):
            if path.scheme not in _WITHOUT_FOLDERS:
                store.filesystem.create_dir(store.locate(path.parent.key), recursive=True)
            file = store.filesystem.open_output_stream(store.locate(hidden.key))
        yield cast(IO[bytes], _StreamFile(path, file))
        with _write_errors(path):
            file.close()
            if not replace and path.is_file():
                raise OutputError(
                    f"{path}: exists already, made meanwhile: move it away, or give --force to replace it"
                )
            store.retries.run(lambda: _move(hidden, path))
    except BaseException:
        with suppress(Exception):
            if file is not None:
                file.close()  # which makes an object of what was written
        with suppress(Exception):
            store.filesystem.delete_file(store.locate(hidden.key))
        if _is_gone(hidden):
            note.remove()
        else:
            note.close()
        raise
    note.remove()


class _StreamFile:
    """An Arrow stream as a file whose failed writes are `OutputError`s. Closing it is for who has opened it."""

    closed = False

    def __init__(self, path: StorePath, stream: pa.NativeFile) -> None:
        self._path = path
        self._stream = stream

    def write(self, content: Any) -> int:  # noqa: ANN401 - any buffer
        if self._stream.closed:  # what a writer of Parquet adds when it is given up
            return memoryview(content).nbytes
        with _write_errors(self._path):
            self._stream.write(content)
        return memoryview(content).nbytes

    def writable(self) -> bool:
        return True

    def flush(self) -> None:
        """Does nothing: what is written is there when it is whole."""

    def close(self) -> None:
        """Does nothing."""


def _move(hidden: StorePath, path: StorePath) -> None:
    store = path.store
    source, target = store.locate(hidden.key), store.locate(path.key)
    try:
        store.filesystem.move(source, target)
    except OSError:
        if hidden.is_file() and path.is_file():  # some, like HDFS, move nothing onto a file
            store.filesystem.delete_file(target)
            store.filesystem.move(source, target)
        elif hidden.is_file() or not path.is_file():  # else an answer was lost
            raise


def _remove_leftover(record: ledger.Record) -> bool:
    if "hidden" not in record:
        return False
    hidden = StorePath(record["scheme"], record["host"], record["hidden"])
    with suppress(Exception):
        hidden.store.filesystem.delete_file(hidden.store.locate(hidden.key))
    return _is_gone(hidden)


def _is_gone(hidden: StorePath) -> bool:
    with suppress(Exception):
        return not hidden.is_file()
    return False


@contextmanager
def _write_errors(path: StorePath) -> Iterator[None]:
    try:
        yield
    except OutputError:
        raise
    except Exception as error:
        raise _cannot_write(path, error) from error


def _cannot_write(path: StorePath, error: Exception) -> OutputError:
    return OutputError(
        f"{path}: cannot be written ({first_line(error)}): check the URI, the credentials, and the endpoint"
    )
