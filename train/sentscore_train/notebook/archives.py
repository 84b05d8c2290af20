"""Unpacks one file of a zip archive, whole or not at all."""

from __future__ import annotations

import shutil
import zipfile
import zlib
from pathlib import Path, PurePosixPath

from sentscore.errors import InputError
from sentscore.files import new_file


def extract_zip_member(archive: Path, name: str, target: Path) -> None:
    """Unpacks one file of a zip archive, which appears only if it is whole and its CRC is right.

    Args:
        archive: The archive.
        name: The file's name, in whatever folder of the archive it is.
        target: The file to make or replace.

    Raises:
        InputError: The archive is missing or damaged, or has no such file.
        OutputError: The file cannot be written.
    """
    try:
        with zipfile.ZipFile(archive) as file:
            names = [info.filename for info in file.infolist() if not info.is_dir()]
            member = next((member for member in names if PurePosixPath(member).name == name), None)
            if member is None:
                raise InputError(
                    f"{archive}: holds {', '.join(names) or 'nothing'}, but no {name}: give another archive"
                )
            with file.open(member) as source, new_file(target, parents=True) as copy:
                shutil.copyfileobj(source, copy)
    except (OSError, zipfile.BadZipFile, zlib.error, EOFError, RuntimeError) as error:
        raise InputError(f"{archive}: {name} cannot be unpacked ({error}): get the archive again") from error
