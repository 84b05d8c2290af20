"""The GloVe 6B vectors (Pennington et al. 2014) as torchtext's own class, verified before they are used."""

from __future__ import annotations

import contextlib
import os
import shutil
import ssl
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Final

from sentscore.errors import InputError, UsageError
from sentscore.files import new_file
from sentscore_train.data.download import download, extract_zip_member, in_report, md5_of, zip_members
from sentscore_train.progress import Progress, Report, silent

if TYPE_CHECKING:
    from torch import Tensor
    from torchtext.vocab import GloVe

URL: Final = "https://nlp.stanford.edu/data/glove.6B.zip"
MD5: Final = "056ea991adb4740ac6bf1b6d9b50408b"
SIZE: Final = 862_182_613  # bytes of the published archive


@dataclass(frozen=True)
class GloveFile:
    """One text file of the archive: a token and its numbers a line.

    Attributes:
        dim: numbers a token.
        md5: of the text file.
        tokens: lines.
    """

    dim: int
    md5: str
    tokens: int = 400_000

    @property
    def name(self) -> str:
        """The file's name, which torchtext looks for."""
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
"""The four files by dimension; the md5s are those that public projects check the same files against."""


def prepare_glove(dim: int, source: Path | None, data_dir: Path, *, report: Report = silent) -> Path:
    """The folder to give torchtext as `GloVe(name="6B", dim=dim, cache=folder)`; it downloads nothing then.

    Args:
        dim: 50, 100, 200 or 300.
        source: None for a download (862 MB) to `data_dir`; or glove.6B.zip; or the text file; or a folder
            that holds one of them.
        data_dir: where a download and the unpacked file go.
        report: told about a download.

    Raises:
        UsageError: there is no such dimension.
        InputError: the source is missing, damaged, or has no vectors of this dimension.
        OutputError: the data folder cannot be written.
    """
    file = _file(dim)
    target = data_dir / "glove" / file.name
    if target.is_file() and md5_of(target) == file.md5:
        return target.parent
    text, archive = _find(file, source)
    if archive is None and text is None:
        archive = data_dir / PurePosixPath(URL).name
        download(URL, archive, md5=MD5, size=SIZE, progress=in_report(report, f"download {archive.name}"))
    if text is not None:
        _check(text, file)
        _copy(text, target)
    elif archive is not None:
        extract_zip_member(archive, _member(archive, file), target)
        try:
            _check(target, file)
        except InputError:
            target.unlink()
            raise
    return target.parent


def load_glove(
    dim: int,
    source: Path | None,
    data_dir: Path,
    *,
    unk_init: Callable[[Tensor], Tensor] | None = None,
    report: Report = silent,
) -> GloVe:
    """The vectors as a `torchtext.vocab.GloVe`: `vectors` float32 [400,000, dim], `itos`, `stoi`.

    torchtext parses the text and keeps the result beside it as a `.pt` file, which it would take for good
    even if it were cut off; here that file only appears when it is complete, and one that cannot be read is
    made again.

    Args:
        dim: 50, 100, 200 or 300.
        source: as in `prepare_glove`.
        data_dir: as in `prepare_glove`.
        unk_init: fills the vector of a token that has none; zeros by default.
        report: told about a download and the parsing.

    Raises:
        UsageError: there is no such dimension.
        InputError: the source is missing, damaged, or has no vectors of this dimension.
        OutputError: the data folder cannot be written.
    """
    file = _file(dim)
    folder = prepare_glove(dim, source, data_dir, report=report)
    parsed = folder / f"{file.name}.pt"
    if parsed.is_file():
        try:
            return _open(file, folder, unk_init, report)
        except Exception:  # a damaged pickle raises nearly anything; whatever it was, the file is made again
            parsed.unlink()
    with tempfile.TemporaryDirectory(dir=folder, prefix=".parse.") as temporary:
        alone = Path(temporary)
        try:
            (alone / file.name).hardlink_to(folder / file.name)
        except OSError:  # a file system without hard links
            shutil.copyfile(folder / file.name, alone / file.name)
        vectors = _open(file, alone, unk_init, report)
        with (alone / parsed.name).open("rb") as made:
            os.fsync(made.fileno())
        (alone / parsed.name).replace(parsed)
    return vectors


def _file(dim: int) -> GloveFile:
    if dim not in FILES:
        raise UsageError(f"GloVe 6B has no vectors of {dim} numbers: choose {', '.join(map(str, FILES))}")
    return FILES[dim]


def _open(file: GloveFile, folder: Path, unk_init: Callable[[Tensor], Tensor] | None, report: Report) -> GloVe:
    from torchtext.vocab import GloVe

    with _torchtext_kept_in_bounds(f"parse {file.name}", report):
        vectors = GloVe(name="6B", dim=file.dim, cache=str(folder), unk_init=unk_init)
    found = (len(vectors.itos), tuple(vectors.vectors.shape))
    if found != (file.tokens, (file.tokens, file.dim)):
        raise InputError(
            f"{folder / file.name}: {found[0]:,} tokens and vectors of shape {found[1]} were read, "
            f"{file.tokens:,} of {file.dim} numbers expected: remove the folder and try again"
        )
    return vectors


@contextlib.contextmanager
def _torchtext_kept_in_bounds(phase: str, report: Report) -> Iterator[None]:
    """Takes the place of torchtext's own bar, and undoes that it turns off TLS checks for the process."""
    from torchtext import vocab

    def counted(lines: Iterable[bytes], total: int) -> Iterator[bytes]:
        for number, line in enumerate(lines, start=1):
            if number % 10_000 == 0 or number == total:
                report(Progress(phase, number, total))
            yield line  # the last: torchtext stops asking when it has all lines

    https_context, bar = ssl._create_default_https_context, vocab.tqdm
    vocab.tqdm = counted
    try:
        yield
    finally:
        ssl._create_default_https_context, vocab.tqdm = https_context, bar


def _find(file: GloveFile, source: Path | None) -> tuple[Path | None, Path | None]:
    """The text file or else the archive that a source means; neither where there is no source."""
    if source is None:
        return None, None
    if source.is_dir():
        if (source / file.name).is_file():
            return source / file.name, None
        if (source / "glove.6B.zip").is_file():
            return None, source / "glove.6B.zip"
        raise InputError(f"{source}: holds neither {file.name} nor glove.6B.zip: name one of them")
    if not source.is_file():
        raise InputError(f"{source}: not found: check the path, or leave it out to download the vectors")
    return (None, source) if source.suffix == ".zip" else (source, None)


def _member(archive: Path, file: GloveFile) -> str:
    names = zip_members(archive)
    for name in names:
        if PurePosixPath(name).name == file.name:
            return name
    held = [str(other.dim) for other in FILES.values() if any(n.endswith(other.name) for n in names)]
    raise InputError(
        f"{archive}: has no {file.name}, only vectors of {', '.join(held) or 'no'} numbers: "
        "ask for what it has or get the whole glove.6B.zip"
    )


def _check(path: Path, file: GloveFile) -> None:
    """Says what is wrong with a text file whose md5 is not the published one."""
    found = md5_of(path)
    if found == file.md5:
        return
    with path.open("rb") as lines:
        numbers = len(next(lines, b"").split()) - 1
        count = 1 + sum(1 for _ in lines)
    raise InputError(
        f"{path}: md5 {file.md5} expected, {found} found ({count:,} lines, {numbers} numbers in the first; "
        f"{file.tokens:,} and {file.dim} expected): get {file.name} again"
    )


def _copy(path: Path, target: Path) -> None:
    with path.open("rb") as source, new_file(target, parents=True) as file:
        shutil.copyfileobj(source, file)
