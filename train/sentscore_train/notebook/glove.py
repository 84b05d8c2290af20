"""The GloVe 6B vectors (Pennington et al. 2014), verified before they are used."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Final

from sentscore.errors import InputError, UsageError
from sentscore.progress import Progress, Report, silent
from sentscore_train.data.download import download, hash_file
from sentscore_train.notebook.archives import extract_zip_member

if TYPE_CHECKING:
    from gensim.models import KeyedVectors

URL: Final = "https://nlp.stanford.edu/data/glove.6B.zip"
MD5: Final = "056ea991adb4740ac6bf1b6d9b50408b"
SIZE: Final = 862_182_613  # bytes of the published archive


@dataclass(frozen=True)
class GloveFile:
    """One text file of the archive: a token and its numbers on each line.

    Attributes:
        dim: The numbers of a vector.
        md5: The md5 of the text file.
        tokens: The number of lines.
    """

    dim: int
    md5: str
    tokens: int = 400_000

    @property
    def name(self) -> str:
        """The file's name."""
        return f"glove.6B.{self.dim}d.txt"


FILES: Final = {
    file.dim: file
    for file in (
        GloveFile(50, "0fac3659c38a4c0e9432fe603de60b12"),
        GloveFile(100, "dd7f3ad906768166883176d69cc028de"),
        GloveFile(200, "49fa83e4a287c42c6921f296a458eb80"),
        GloveFile(300, "b78f53fb56ec1ce9edc367d2e6186ba4"),
    )
}
"""The four files by dimension. The md5s are those that public projects check the same files against."""


def load_glove(dim: int, source: Path | None, data_dir: Path, *, report: Report = silent) -> KeyedVectors:
    """Reads the vectors, float32 [400,000, dim], with the tokens that they stand for.

    Args:
        dim: The numbers of a vector: 50, 100, 200 or 300.
        source: The archive glove.6B.zip; or the text file; or a folder that holds one of them. None downloads
            the archive (862 MB).
        data_dir: The folder that a download and the unpacked file go to.
        report: The function that is told about a download and the reading.

    Raises:
        UsageError: There are no vectors of this dimension.
        InputError: The source is missing, damaged, or has no vectors of this dimension.
        OutputError: The data folder cannot be written.
    """
    from gensim.models import KeyedVectors

    path = prepare_glove(dim, source, data_dir, report=report)
    report(Progress(f"parse {path.name}", 0, FILES[dim].tokens))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # gensim 4.4 leaves the file to be closed by Python
        vectors = KeyedVectors.load_word2vec_format(str(path), no_header=True)
    report(Progress(f"parse {path.name}", len(vectors), FILES[dim].tokens))
    return vectors


def prepare_glove(dim: int, source: Path | None, data_dir: Path, *, report: Report = silent) -> Path:
    """Returns the verified text file, which is downloaded and unpacked if need be.

    Args and errors are those of `load_glove`.
    """
    if dim not in FILES:
        raise UsageError(f"GloVe 6B has no vectors of {dim} numbers: choose {', '.join(map(str, FILES))}")
    file = FILES[dim]
    unpacked = data_dir / "glove" / file.name
    if unpacked.is_file() and hash_file(unpacked) == file.md5:
        return unpacked
    if source is None:
        found = download(URL, data_dir / PurePosixPath(URL).name, md5=MD5, size=SIZE, report=report)
    else:
        found = _find_file(source, file)
    if found.suffix != ".zip":
        _check(found, file)
        return found
    extract_zip_member(found, file.name, unpacked)
    try:
        _check(unpacked, file)
    except InputError:
        unpacked.unlink()
        raise
    return unpacked


def _find_file(source: Path, file: GloveFile) -> Path:
    """Returns the text file or the archive that a source stands for."""
    if source.is_dir():
        for path in (source / file.name, source / "glove.6B.zip"):
            if path.is_file():
                return path
        raise InputError(f"{source}: holds neither {file.name} nor glove.6B.zip: name one of them")
    if not source.is_file():
        raise InputError(f"{source}: not found: check the path, or leave it out to download the vectors")
    return source


def _check(path: Path, file: GloveFile) -> None:
    """Says what is wrong with a text file whose md5 is not the published one.

    Raises:
        InputError: The md5 is another one.
    """
    found = hash_file(path)
    if found == file.md5:
        return
    with path.open("rb") as lines:
        numbers = len(next(lines, b"").split()) - 1
        count = 1 + sum(1 for _ in lines)
    raise InputError(
        f"{path}: md5 {file.md5} expected, {found} found ({count:,} lines, {numbers} numbers in the first; "
        f"{file.tokens:,} and {file.dim} expected): get {file.name} again"
    )
