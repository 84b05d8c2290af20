"""The bytes of an object as a file that can be seeked in, read in ranges."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, Final

import pyarrow as pa

from sentscore.errors import InputError
from sentscore.stores.filesystems import Store, cannot_read
from sentscore.stores.paths import parse_store_path

_BLOCK: Final = 4 << 20  # bytes that one request reads at least: its way takes as long as some MiB do


class ObjectFile(io.RawIOBase):
    """An object that is open for reading. Each request reads a range, and is made again after a transient error.

    Args:
        name: The object's URI, for messages.
        store: The store.
        key: Its key.

    Attributes:
        size: Its bytes.

    Raises:
        InputError: It cannot be opened; so it is in all methods.
    """

    def __init__(self, name: str, store: Store, key: str) -> None:
        super().__init__()
        self._name = name
        self._store = store
        self._key = key
        self._file: pa.NativeFile | None = None
        self._position = 0
        self._block = b""
        self._block_start = 0
        self.size = -1
        self.size = self._request(lambda: int(self._open().size())) or self._ask_again()

    def readable(self) -> bool:
        """Returns that it can be read."""
        return True

    def seekable(self) -> bool:
        """Returns that it can be seeked in."""
        return True

    def tell(self) -> int:
        """Returns the position of the next byte."""
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        """Moves the position, and returns it."""
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self.size}[whence]
        self._position = start + offset
        return self._position

    def readinto(self, buffer: Any, /) -> int:  # noqa: ANN401 - any writable buffer
        """Fills a buffer as far as there are bytes, and returns how many there were."""
        view = memoryview(buffer).cast("B")
        done = 0
        while done < len(view) and self._position < self.size:
            start = self._position - self._block_start
            if not 0 <= start < len(self._block):
                self._block_start = self._position
                self._block = self._read_range(self._position, max(len(view) - done, _BLOCK))
                start = 0
            data = memoryview(self._block)[start : start + len(view) - done]
            view[done : done + len(data)] = data
            done += len(data)
            self._position += len(data)
        return done

    def close(self) -> None:
        """Closes the object."""
        self._drop()
        self._block = b""
        super().close()

    def _read_range(self, start: int, length: int) -> bytes:
        length = min(length, self.size - start)

        def read() -> bytes:
            data = bytes(self._open().read_at(length, start))
            if len(data) != length:
                raise ConnectionError("the answer is cut off")
            return data

        data: bytes = self._request(read)
        return data

    def _open(self) -> pa.NativeFile:
        """Returns the open object, which is opened anew after an error."""
        if self._file is None:
            file = self._store.open(self._key)
            size = file.size()
            if self.size > 0 and size == 0:
                raise ConnectionError("the answer is cut off")
            if self.size not in {-1, size}:
                raise self._changed()
            self._file = file
        return self._file

    def _request(self, request: Any) -> Any:  # noqa: ANN401 - what one returns, the other does
        def try_once() -> Any:  # noqa: ANN401 - the same
            try:
                return request()
            except Exception:
                self._drop()
                raise

        try:
            return self._store.retries.run(try_once)
        except Exception as error:
            raise cannot_read(self._name, error) from error

    def _ask_again(self) -> int:
        """Returns the size of an object that seems to be empty: so does one whose answer was cut off."""
        self._drop()
        return int(self._request(lambda: self._open().size()))

    def _drop(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            with suppress(Exception):
                file.close()

    def _changed(self) -> InputError:
        return InputError(f"{self._name}: has changed while it was read: start again when it is whole")


@contextmanager
def open_object(uri: str) -> Iterator[ObjectFile]:
    """Opens the object that a URI names.

    Raises:
        InputError: There is none, or it cannot be read, also later on.
        UsageError: The URI names no bucket.
    """
    path = parse_store_path(uri)
    with ObjectFile(uri, path.store, path.key) as file:
        yield file
