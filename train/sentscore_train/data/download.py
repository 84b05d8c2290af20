"""Downloads a file: what an earlier call began is carried on, and only a verified file gets its name."""

from __future__ import annotations

import hashlib
import http.client
import os
import re
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final, cast
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from sentscore.errors import InputError
from sentscore.files import output_errors
from sentscore.progress import Progress, Report, silent

_READ_BYTES: Final = 1 << 18  # large enough for speed, small enough for a smooth progress bar
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
    report: Report = silent,
    timeout_s: float = 30.0,
    backoff_s: float = 1.0,
) -> Path:
    """Downloads and verifies a file, unless it is there already.

    The bytes go to `TARGET.part`, which stays when the network fails, so that the next call resumes it with
    an HTTP Range request. A target that has another checksum is downloaded again.

    Args:
        url: An http or https address. Redirects are followed.
        target: The file to make. Its folder is made too.
        md5: The expected checksum, 32 hexadecimal digits.
        size: The expected bytes. A server that announces another size is refused before the download.
        retries: The attempts after the first one that may bring nothing new.
        report: The function that is told the bytes so far and those of the whole file, 0 if the server does not say.
        timeout_s: Seconds without an answer that count as a failure.
        backoff_s: Seconds before the second attempt, doubled before each further one up to a minute.

    Returns:
        The target.

    Raises:
        InputError: The server refuses, the network keeps failing, or the checksum differs.
        OutputError: The folder cannot be written to, or the disk is full.
    """
    if target.is_file() and hash_file(target) == md5:
        return target
    part = target.with_name(target.name + ".part")
    with output_errors(str(target.parent)):
        target.parent.mkdir(parents=True, exist_ok=True)
    request = _Request(url, part, size, report, f"download {target.name}", timeout_s)
    for attempt in ("resumed", "fresh"):
        in_pieces = _fetch(request, retries=retries, backoff_s=backoff_s)
        found = hash_file(part)
        if found == md5:
            break
        part.unlink()
        # Pieces of two attempts may be of two files; only one whole answer proves that the server is wrong.
        if not in_pieces or attempt == "fresh":
            raise InputError(
                f"{url}: md5 {md5} expected, {found} found: the file has changed or was damaged on the way; "
                "try again, or get it elsewhere and give its path"
            )
    with output_errors(str(target)), part.open("rb") as file:
        os.fsync(file.fileno())
        part.replace(target)
    return target


def hash_file(path: Path) -> str:
    """Returns the md5 of a file, 32 hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


@dataclass(frozen=True)
class _Request:
    """What is asked for, and the partial file that it goes to. The fields are those of `download`."""

    url: str
    part: Path
    size: int | None
    report: Report
    phase: str
    timeout_s: float

    @property
    def offset(self) -> int:
        """The bytes that the partial file has."""
        return self.part.stat().st_size if self.part.exists() else 0


def _fetch(request: _Request, *, retries: int, backoff_s: float) -> bool:
    """Fills the partial file to its end and returns whether that took more than one piece."""
    failures = 0
    furthest = request.offset
    in_pieces = furthest > 0
    while True:
        try:
            _fetch_once(request)
        except _TransientError as error:
            reached = request.offset
            in_pieces = in_pieces or reached > 0
            # Only new bytes are progress: a server without Range that always hangs up half-way gives none.
            failures = 0 if reached > furthest else failures + 1
            furthest = max(furthest, reached)
            if failures > retries:
                raise InputError(
                    f"{request.url}: {failures} attempts brought nothing new ({error}): check the network and "
                    "run the same command again, or get the file elsewhere and give its path"
                ) from error
            time.sleep(min(_LONGEST_WAIT_S, backoff_s * 2.0 ** max(failures - 1, 0)))
        else:
            return in_pieces


def _fetch_once(request: _Request) -> None:
    """Asks once for the bytes that the partial file lacks."""
    url, part, size, offset = request.url, request.part, request.size, request.offset
    if size is not None and offset == size:
        return
    if size is not None and offset > size:
        part.unlink()
        offset = 0
    headers = {"User-Agent": "sentscore", "Accept-Encoding": "identity"}
    if offset:
        headers["Range"] = f"bytes={offset}-"
    try:
        answer = urlopen(Request(url, headers=headers), timeout=request.timeout_s)
        response = cast(http.client.HTTPResponse, answer)
    except HTTPError as error:
        with error:
            if error.code == 416 and offset:
                if _parse_content_range(error.headers.get("Content-Range"))[1] == offset:
                    return  # nothing is missing: the part is the whole file
                part.unlink()
                return _fetch_once(request)
            if error.code >= 500 or error.code in _RETRIED_STATUS:
                raise _TransientError(f"the server answers {error.code} {error.reason}") from error
            raise InputError(
                f"{url}: the server answers {error.code} {error.reason}: get the file elsewhere and give its path"
            ) from error
    except (OSError, http.client.HTTPException) as error:
        raise _TransientError(str(error) or type(error).__name__) from error
    with response:
        if response.status == 206 and _parse_content_range(response.headers.get("Content-Range"))[0] != offset:
            part.unlink()
            return _fetch_once(request)
        start = offset if response.status == 206 else 0
        length = response.headers.get("Content-Length")
        total = None if length is None else start + int(length)
        if size is not None and total is not None and total != size:
            part.unlink(missing_ok=True)
            raise InputError(
                f"{url}: {size:,} bytes expected, the server announces {total:,}: "
                "get the file elsewhere and give its path"
            )
        _copy(response, request, start=start, total=total)


def _copy(response: http.client.HTTPResponse, request: _Request, *, start: int, total: int | None) -> None:
    """Writes an answer to the partial file, from byte `start` on."""
    done = start
    # Closing the file writes its last bytes, so a full disk may show there too.
    with output_errors(str(request.part)), request.part.open("ab" if start else "wb") as file:
        request.report(Progress(request.phase, done, total or 0))
        while True:
            try:
                content = response.read(_READ_BYTES)
            except (OSError, http.client.HTTPException) as error:
                raise _TransientError(str(error) or type(error).__name__) from error
            if not content:
                break
            file.write(content)
            done += len(content)
            request.report(Progress(request.phase, done, total or 0))
    # http.client takes a connection that closes early for the end of the body.
    if total is not None and done < total:
        raise _TransientError(f"the connection closed at {done:,} of {total:,} bytes")


def _parse_content_range(header: str | None) -> tuple[int | None, int | None]:
    """Returns first byte and total of a Content-Range header (RFC 9110, 14.4), None for what it does not say."""
    match = re.fullmatch(r"bytes (?:(\d+)-\d+|\*)/(\d+|\*)", (header or "").strip())
    if not match:
        return None, None
    first, total = match.groups()
    return (int(first) if first else None), (int(total) if total != "*" else None)
