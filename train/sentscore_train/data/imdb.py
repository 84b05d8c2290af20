"""The IMDB reviews of Maas et al. (2011), read from a download, an archive, a folder or Parquet files.

The archive holds `aclImdb/{train,test}/{neg,pos}/ID_RATING.txt` and `aclImdb/train/unsup/ID_0.txt`. Line N
(from 0) of `aclImdb/{train,test}/urls_{neg,pos,unsup}.txt` is the address of the movie of the class's review N.
"""

from __future__ import annotations

import lzma
import re
import tarfile
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path, PurePosixPath
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from sentscore.errors import InputError
from sentscore.formats import parse_file_name
from sentscore.progress import Report, silent
from sentscore_train.data.download import download

URL: Final = "http://ai.stanford.edu/~amaas/data/sentiment/aclImdb_v1.tar.gz"
MD5: Final = "7c2ac02c03563afcf9b574c7e56c153a"
SIZE: Final = 84_125_825  # bytes of the published archive

LABELS: Final = {"neg": 0, "pos": 1, "unsup": -1}
"""The label of each class folder."""

_COUNTS: Final = {
    ("train", "neg"): 12_500,
    ("train", "pos"): 12_500,
    ("train", "unsup"): 50_000,
    ("test", "neg"): 12_500,
    ("test", "pos"): 12_500,
}
_ID: Final = re.compile(r"(neg|pos|unsup)/(\d+)_\d+")
_TITLE: Final = re.compile(r"https?://[^/]+/title/(\w*)(?:/.*)?")
_GET_WHOLE: Final = "get the whole archive again (a smaller data set needs --allow-partial)"


@dataclass(frozen=True, eq=False)
class Reviews:
    """Reviews in order of class folder and number.

    Attributes:
        ids: [n] The class folder and the file's name, such as `neg/0_3` for review 0, rated 3 of 10.
        texts: [n] The texts as published, with `<br />` and all.
        labels: int8 [n] The labels: 0 negative, 1 positive, -1 unlabelled.
        movies: [n] The IMDb titles, such as `tt0064354`, empty where the movie is not known.
    """

    ids: list[str]
    texts: list[str]
    labels: npt.NDArray[np.int8]
    movies: list[str]

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(frozen=True, eq=False)
class Imdb:
    """The data set.

    Attributes:
        train: The 25,000 reviews to learn from.
        test: The 25,000 reviews to test on, of other movies.
        unsup: The 50,000 reviews without a label.
    """

    train: Reviews
    test: Reviews
    unsup: Reviews


class _Review(NamedTuple):
    number: int
    id: str
    text: str
    movie: str = ""

    @property
    def kind(self) -> str:
        return self.id.partition("/")[0]


_Parts = dict[tuple[str, str], list[_Review]]  # by folder (train or test) and class


def load_imdb(
    source: Path | None,
    *,
    data_dir: Path,
    allow_partial: bool = False,
    labelled_only: bool = False,
    report: Report = silent,
) -> Imdb:
    """Reads the reviews, always in the same order: by class folder, then by number.

    Args:
        source: An aclImdb archive; or the unpacked `aclImdb` folder or its parent; or a folder with
            `imdb-{train,test,unsup,movies}.parquet` (columns id, text, label; in the last one split, id, movie).
            None downloads the archive.
        data_dir: The folder that a download goes to.
        allow_partial: Whether to accept fewer reviews than published, no unlabelled ones, and unknown movies.
        labelled_only: Whether to leave out the unlabelled reviews and to accept unknown movies.
        report: The function that is told about a download.

    Raises:
        InputError: The source is missing, damaged, or not the data set.
        OutputError: The download cannot be written.
    """
    source = _find_source(source, data_dir=data_dir, report=report)
    complete = not (allow_partial or labelled_only)
    if source.is_file():
        parts = _read_texts(_read_archive(source), source, complete=complete)
    elif _has_parquet(source):
        parts = _read_parquet(source, complete=complete)
    else:
        parts = _read_texts(_read_folder(source), source, complete=complete)
    if labelled_only:
        parts.pop(("train", "unsup"), None)
    imdb = Imdb(
        train=_join(parts, ("train", "neg"), ("train", "pos"), source=source),
        test=_join(parts, ("test", "neg"), ("test", "pos"), source=source),
        unsup=_join(parts, ("train", "unsup"), source=source),
    )
    for (split, kind), expected in _COUNTS.items():
        count = len(parts.get((split, kind), ()))
        may_differ = (labelled_only or allow_partial) if kind == "unsup" else allow_partial and count
        if count != expected and not may_differ:
            raise InputError(f"{source}: {count:,} reviews in {split}/{kind}, {expected:,} expected: {_GET_WHOLE}")
    return imdb


def find_imdb(source: Path) -> Path:
    """Returns the archive, the Parquet folder or the `aclImdb` folder itself, without reading the reviews.

    Raises:
        InputError: There is nothing, or something else.
    """
    if _has_parquet(source):
        return source
    if source.is_file():
        if _is_table(source):
            raise InputError(
                f"{source}: is a table, and --imdb takes the aclImdb archive or folder: name a table with --table"
            )
        return source
    for folder in (source, source / "aclImdb"):
        if (folder / "train" / "pos").is_dir():
            return folder
    if source.exists():
        raise InputError(
            f"{source}: holds neither train/pos nor imdb-train.parquet: name the aclImdb archive or folder"
        )
    raise InputError(f"{source}: not found: check the path, or leave it out to download the reviews")


def _is_table(path: Path) -> bool:
    """Whether a file is one that a table is read from, by its name and its first bytes."""
    if parse_file_name(path.name) is None:
        return False
    try:
        return not tarfile.is_tarfile(path)
    except OSError:  # the reading will say why
        return False


def _find_source(source: Path | None, *, data_dir: Path, report: Report) -> Path:
    """Returns what `find_imdb` does; downloads the archive if no source is named."""
    if source is None:
        return download(URL, data_dir / PurePosixPath(URL).name, md5=MD5, size=SIZE, report=report)
    return find_imdb(source)


def _has_parquet(source: Path) -> bool:
    return (source / "imdb-train.parquet").is_file()


def _read_archive(archive: Path) -> Iterator[tuple[str, bytes]]:
    """Yields the names inside `aclImdb` and the contents of the files to read. Nothing is unpacked to disk."""
    try:
        with tarfile.open(archive) as tar:
            for member in tar:
                name = f"/{member.name}".partition("/aclImdb/")[2]
                content = tar.extractfile(member) if member.isfile() and _is_read(name) else None
                if content is not None:
                    yield name, content.read()
    except (tarfile.TarError, EOFError, zlib.error, lzma.LZMAError, OSError) as error:
        raise InputError(f"{archive}: damaged or not a tar archive ({error}): get it again") from error


def _read_folder(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Yields the names and the contents of the files to read."""
    for split, kind in _COUNTS:
        for path in (folder / split / f"urls_{kind}.txt", *(folder / split / kind).glob("*.txt")):
            name = path.relative_to(folder).as_posix()
            if path.is_file() and _is_read(name):
                try:
                    yield name, path.read_bytes()
                except OSError as error:
                    raise InputError(f"{path}: cannot be read ({error.strerror}): check its rights") from error


def _is_read(name: str) -> bool:
    return bool(re.fullmatch(r"(train|test)/(urls_(neg|pos|unsup)|(neg|pos|unsup)/[^./][^/]*)\.txt", name))


def _read_texts(files: Iterable[tuple[str, bytes]], source: Path, *, complete: bool) -> _Parts:
    """Makes reviews of text files, each with its movie."""
    parts: _Parts = {}
    titles: dict[tuple[str, str], list[str]] = {}
    for name, content in files:
        try:
            text = content.decode()
        except UnicodeDecodeError as error:
            raise InputError(f"{source}: {name} is not UTF-8 ({error.reason}): {_GET_WHOLE}") from error
        split, _, rest = name.removesuffix(".txt").partition("/")
        if rest.startswith("urls_"):
            titles[split, rest.removeprefix("urls_")] = _parse_titles(text, name, source)
        else:
            review = _make_review(rest, text, source)
            parts.setdefault((split, review.kind), []).append(review)
    for (split, kind), reviews in parts.items():
        found = titles.get((split, kind), [])
        last = max(reviews)
        if complete and last.number >= len(found):
            name = f"{split}/urls_{kind}.txt"
            reason = f"ends at line {len(found):,}, before the movie of {last.id}" if found else "is missing"
            raise InputError(f"{source}: {name} {reason}: {_GET_WHOLE}")
        parts[split, kind] = [
            review._replace(movie=found[review.number]) if review.number < len(found) else review for review in reviews
        ]
    return parts


def _parse_titles(text: str, name: str, source: Path) -> list[str]:
    """Returns the movie's title on each line."""
    titles = []
    for number, line in enumerate(text.removesuffix("\n").split("\n"), start=1):
        match = _TITLE.fullmatch(line.strip())
        if not match:
            raise InputError(
                f"{source}: line {number} of {name} is not a movie's address ({line[:60]!r}): {_GET_WHOLE}"
            )
        titles.append(match[1])
    return titles


def _make_review(name: str, text: str, source: Path) -> _Review:
    match = _ID.fullmatch(name)
    if not match:
        raise InputError(f"{source}: id {name!r} is not like neg/0_3: name the aclImdb data")
    return _Review(int(match[2]), name, text)


def _read_parquet(folder: Path, *, complete: bool) -> _Parts:
    path = folder / "imdb-movies.parquet"
    movies: dict[tuple[str, str], str] = {}
    if complete or path.is_file():
        columns = _read_columns(path, {"split": pa.string(), "id": pa.string(), "movie": pa.string()})
        movies = {(split, name): title or "" for split, name, title in zip(*columns, strict=True)}
    parts: _Parts = {}
    for split, kinds in (("train", ("neg", "pos")), ("test", ("neg", "pos")), ("unsup", ("unsup",))):
        path = folder / f"imdb-{split}.parquet"
        if split == "unsup" and not complete and not path.is_file():
            continue
        columns = _read_columns(path, {"id": pa.string(), "text": pa.string(), "label": pa.int8()})
        for name, text, label in zip(*columns, strict=True):
            review = _make_review(name or "", text or "", path)
            if review.kind not in kinds or LABELS[review.kind] != label:
                raise InputError(f"{path}: {name} has the label {label}: {_GET_WHOLE}")
            if complete and (split, name) not in movies:
                raise InputError(f"{folder / 'imdb-movies.parquet'}: no row for {name} of {split}: {_GET_WHOLE}")
            review = review._replace(movie=movies.get((split, name), ""))
            parts.setdefault(("train" if split == "unsup" else split, review.kind), []).append(review)
    return parts


def _read_columns(path: Path, wanted: dict[str, pa.DataType]) -> list[list[Any]]:
    if not path.is_file():
        raise InputError(f"{path}: not found: {_GET_WHOLE}")
    try:
        table = pq.read_table(path)
    except (OSError, pa.ArrowException) as error:
        reason = str(error).partition("\n")[0]
        raise InputError(f"{path}: damaged or not Parquet ({reason}): get it again") from error
    missing = [name for name in wanted if name not in table.column_names]
    if missing:
        raise InputError(f"{path}: no column {', '.join(missing)}, only {', '.join(table.column_names)}: {_GET_WHOLE}")
    try:
        return [table[name].cast(kind).to_pylist() for name, kind in wanted.items()]
    except (pa.ArrowException, UnicodeDecodeError) as error:
        reason = str(error).partition("\n")[0]
        raise InputError(f"{path}: a column is not of text or labels ({reason}): {_GET_WHOLE}") from error


def _join(parts: _Parts, *names: tuple[str, str], source: Path) -> Reviews:
    """Joins the reviews of some parts in order."""
    joined: list[_Review] = []
    for name in names:
        reviews = sorted(parts.get(name, ()))
        for before, review in pairwise(reviews):
            if before.number == review.number:
                raise InputError(f"{source}: {before.id} and {review.id} in {name[0]} are one review: {_GET_WHOLE}")
        joined.extend(reviews)
    return Reviews(
        ids=[review.id for review in joined],
        texts=[review.text for review in joined],
        labels=np.array([LABELS[review.kind] for review in joined], np.int8),
        movies=[review.movie for review in joined],
    )
