"""Downloads files: what was begun is carried on, and only a verified file gets its name."""

from __future__ import annotations

import hashlib
import http.client
import os
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final, cast
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from sentscore.errors import InputError
from sentscore.files import output_errors
from sentscore_train.progress import Progress, Report

OnBytes = Callable[[int, int | None], None]
"""Called with the bytes on disk so far and those of the whole file, None where the server does not say."""

_CHUNK: Final = 1 << 18  # bytes a read: large enough for speed, small enough for a smooth progress bar
_LONGEST_WAIT_S: Final = 60.0
_RETRIED_STATUS: Final = frozenset({408, 425, 429})  # beside every 5xx: the server asks to come again later


class _TransientError(Exception):
    """A failure that another attempt may not meet."""


def download(
    url: str,
    target: Path,
    *,
    md5: str,
    size: int | None = None,
    retries: int = 5,
    progress: OnBytes | None = None,
    timeout: float = 30.0,
    backoff_s: float = 1.0,
) -> Path:
    """Downloads a file; what an earlier call began is carried on, and only a verified file gets its name.

    The bytes go to `TARGET.part`, which stays when the network fails, so that the next call resumes it with
    an HTTP Range request. A target with the right checksum is kept; one with another is downloaded again.

    Args:
        url: http or https address; redirects are followed.
        target: the file to make; its folder is made too.
        md5: expected checksum, 32 hexadecimal digits.
        size: expected bytes; a server that announces another size is refused before the download.
        retries: attempts after the first one that bring nothing new, before giving up.
        progress: told about every chunk.
        timeout: seconds without an answer that count as a failure.
        backoff_s: seconds before the second attempt; doubled with each further one, a minute at most.

    Returns:
        `target`.

    Raises:
        InputError: the server refuses, the network keeps failing, or the checksum differs.
        OutputError: the folder or the disk cannot take the file.
    """
    if target.is_file() and md5_of(target) == md5:
        return target
    part = target.with_name(target.name + ".part")
    with output_errors(str(target.parent)):
        target.parent.mkdir(parents=True, exist_ok=True)
    for attempt in ("resumed", "fresh"):
        pieced = _fetch(url, part, size=size, retries=retries, progress=progress, timeout=timeout, backoff_s=backoff_s)
        found = md5_of(part)
        if found == md5:
            break
        part.unlink()
        # Pieces of two attempts may be of two files; only one whole answer proves that the server is wrong.
        if not pieced or attempt == "fresh":
            raise InputError(
                f"{url}: md5 {md5} expected, {found} found: the file has changed or was damaged on the way; "
                "try again, or get it elsewhere and give its path"
            )
    with output_errors(str(target)), part.open("rb") as file:
        os.fsync(file.fileno())
        part.replace(target)
    return target


def in_report(report: Report, phase: str) -> OnBytes:
    """A download's callback that passes the bytes on as a phase of a run; an unknown total is given as 0."""
    return lambda done, total: report(Progress(phase, done, total or 0))


def md5_of(path: Path) -> str:
    """The md5 of a file, 32 hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def _fetch(
    url: str,
    part: Path,
    *,
    size: int | None,
    retries: int,
    progress: OnBytes | None,
    timeout: float,
    backoff_s: float,
) -> bool:
    """Fills `part` to its end; whether that took more than one piece."""
    failures = 0
    furthest = _size_of(part)
    pieced = furthest > 0
    while True:
        try:
            _fetch_once(url, part, size=size, progress=progress, timeout=timeout)
        except _TransientError as error:
            reached = _size_of(part)
            pieced = pieced or reached > 0
            # Only new bytes are progress: a server without Range that always hangs up half-way gives none.
            failures = 0 if reached > furthest else failures + 1
            furthest = max(furthest, reached)
            if failures > retries:
                raise InputError(
                    f"{url}: {failures} attempts brought nothing new ({error}): check the network and "
                    "run the same command again, or get the file elsewhere and give its path"
                ) from error
            time.sleep(min(_LONGEST_WAIT_S, backoff_s * 2.0 ** max(failures - 1, 0)))
        else:
            return pieced


def _fetch_once(url: str, part: Path, *, size: int | None, progress: OnBytes | None, timeout: float) -> None:
    """One request for the bytes that `part` lacks."""
    offset = _size_of(part)
    if size is not None and offset == size:
        return
    if size is not None and offset > size:
        part.unlink()
        offset = 0
    headers = {"User-Agent": "sentscore", "Accept-Encoding": "identity"}
    if offset:
        headers["Range"] = f"bytes={offset}-"
    try:
        response = cast(http.client.HTTPResponse, urlopen(Request(url, headers=headers), timeout=timeout))
    except HTTPError as error:
        with error:
            if error.code == 416 and offset:
                if _content_range(error.headers.get("Content-Range"))[1] == offset:
                    return  # nothing is missing: the part is the whole file
                part.unlink()
                _fetch_once(url, part, size=size, progress=progress, timeout=timeout)
                return
            if error.code >= 500 or error.code in _RETRIED_STATUS:
                raise _TransientError(f"the server answers {error.code} {error.reason}") from error
            raise InputError(
                f"{url}: the server answers {error.code} {error.reason}: get the file elsewhere and give its path"
            ) from error
    except (OSError, http.client.HTTPException) as error:
        raise _TransientError(str(error) or type(error).__name__) from error
    with response:
        if response.status == 206 and _content_range(response.headers.get("Content-Range"))[0] != offset:
            part.unlink()
            _fetch_once(url, part, size=size, progress=progress, timeout=timeout)
            return
        start = offset if response.status == 206 else 0
        length = response.headers.get("Content-Length")
        total = None if length is None else start + int(length)
        if size is not None and total is not None and total != size:
            part.unlink(missing_ok=True)
            raise InputError(
                f"{url}: {size:,} bytes expected, the server announces {total:,}: "
                "get the file elsewhere and give its path"
            )
        _copy(response, part, start=start, total=total, progress=progress)


def _copy(
    response: http.client.HTTPResponse, part: Path, *, start: int, total: int | None, progress: OnBytes | None
) -> None:
    done = start
    with output_errors(str(part)):
        file = part.open("ab" if start else "wb")
    with file:
        if progress:
            progress(done, total)
        while True:
            try:
                chunk = response.read(_CHUNK)
            except (OSError, http.client.HTTPException) as error:
                raise _TransientError(str(error) or type(error).__name__) from error
            if not chunk:
                break
            with output_errors(str(part)):
                file.write(chunk)
            done += len(chunk)
            if progress:
                progress(done, total)
    # http.client takes a connection that closes early for the end of the body.
    if total is not None and done < total:
        raise _TransientError(f"the connection closed at {done:,} of {total:,} bytes")


def _content_range(header: str | None) -> tuple[int | None, int | None]:
    """First byte and total of a Content-Range header (RFC 9110, 14.4), None for what it does not say."""
    match = re.fullmatch(r"bytes (?:(\d+)-\d+|\*)/(\d+|\*)", (header or "").strip())
    if not match:
        return None, None
    first, total = match.groups()
    return (int(first) if first else None), (int(total) if total != "*" else None)


def _size_of(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
