"""The IMDB reviews of Maas et al. (2011) from a download, an archive, a folder or Parquet files.

The archive holds `aclImdb/{train,test}/{neg,pos}/ID_RATING.txt` and `aclImdb/train/unsup/ID_0.txt`. Line N
(from 0) of `aclImdb/{train,test}/urls_{neg,pos,unsup}.txt` addresses the movie of review N of the class.
"""

from __future__ import annotations

import hashlib
import re
import tarfile
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from sentscore.errors import InputError
from sentscore.files import new_folder
from sentscore_train.data.download import download, extract_tar, in_report
from sentscore_train.progress import Report, silent

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
        ids: [n] class folder and file name, such as `neg/0_3`: review 0, rated 3 of 10.
        texts: [n] as published, `<br />` and all.
        labels: int8 [n], 0 negative, 1 positive, -1 unlabelled.
        movies: [n] IMDb title such as `tt0064354`, empty where it is not known.
    """

    ids: list[str]
    texts: list[str]
    labels: npt.NDArray[np.int8]
    movies: list[str]

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(frozen=True, eq=False)
class Imdb:
    """25,000 reviews to learn from, 25,000 of other movies to test on, 50,000 without a label."""

    train: Reviews
    test: Reviews
    unsup: Reviews


class _Review(NamedTuple):
    number: int
    id: str
    text: str


_Parts = dict[tuple[str, str], list[_Review]]  # by (folder, class)
_Movies = dict[tuple[str, str], list[str]]  # by (folder, class), then by review number


def load_imdb(source: Path | None, *, data_dir: Path, allow_partial: bool = False, report: Report = silent) -> Imdb:
    """Reads the reviews, always in the same order: class folder, then number.

    Args:
        source: None for a download to `data_dir`; or an aclImdb archive; or the unpacked `aclImdb` folder or
            its parent; or a folder with `imdb-{train,test,unsup,movies}.parquet` (columns id, text, label; in
            the last: split, id, movie).
        data_dir: where a download goes.
        allow_partial: accept fewer reviews than published, no unlabelled ones, and unknown movies.
        report: told about a download.

    Raises:
        InputError: the source is missing, damaged, or not the data set.
        OutputError: the download cannot be written.
    """
    source = find_source(source, data_dir=data_dir, report=report)
    if source.is_file():
        parts, movies = _sort_out(_archive_files(source), source)
    elif _has_parquet(source):
        return _checked(_load_parquet(source, allow_partial), source, allow_partial)
    else:
        parts, movies = _sort_out(_folder_files(source), source)
    imdb = Imdb(
        train=_reviews(parts, movies, "train", ("neg", "pos"), source=source, allow_partial=allow_partial),
        test=_reviews(parts, movies, "test", ("neg", "pos"), source=source, allow_partial=allow_partial),
        unsup=_reviews(parts, movies, "train", ("unsup",), source=source, allow_partial=allow_partial),
    )
    return _checked(imdb, source, allow_partial)


def find_source(source: Path | None, *, data_dir: Path, report: Report = silent) -> Path:
    """What to read: the archive or the Parquet folder given, the `aclImdb` folder itself, or the download.

    Raises:
        InputError: there is no such thing, or the download fails.
    """
    if source is None:
        target = data_dir / PurePosixPath(URL).name
        return download(URL, target, md5=MD5, size=SIZE, progress=in_report(report, f"download {target.name}"))
    if source.is_file() or _has_parquet(source):
        return source
    for folder in (source, source / "aclImdb"):
        if (folder / "train" / "pos").is_dir():
            return folder
    if source.exists():
        raise InputError(
            f"{source}: holds neither train/pos nor imdb-train.parquet: name the aclImdb archive or folder"
        )
    raise InputError(f"{source}: not found: check the path, or leave it out to download the reviews")


def source_key(source: Path) -> str:
    """16 hexadecimal digits that change when the files of a found source do, to name cached results by."""
    if source.is_file():
        witnesses = [source]
    elif _has_parquet(source):
        witnesses = sorted(source.glob("imdb-*.parquet"))
    else:
        witnesses = [source / split / kind for split, kind in _COUNTS if (source / split / kind).is_dir()]
    state = [(str(path.resolve()), path.stat().st_size, path.stat().st_mtime_ns) for path in witnesses]
    return hashlib.sha256(repr(state).encode()).hexdigest()[:16]


def prepare_torchtext_root(
    source: Path | None, data_dir: Path, *, allow_partial: bool = False, report: Report = silent
) -> Path:
    """A folder that torchtext's `datasets.IMDB.splits(..., root=folder)` reads without a download.

    torchtext takes any folder `ROOT/imdb/aclImdb` for a finished one; this one appears only when it is
    complete, with `{train,test}/{neg,pos}/*.txt`, and its files are counted on every call.

    Args:
        source: as in `load_imdb`.
        data_dir: where a download and the folder go; a source that lies in `imdb/aclImdb` is used there.
        allow_partial: accept fewer reviews than published.
        report: told about a download.

    Raises:
        InputError: the source is missing, damaged, or not the data set.
        OutputError: the folder cannot be written.
    """
    source = find_source(source, data_dir=data_dir, report=report)
    if source.is_dir() and source.parts[-2:] == ("imdb", "aclImdb"):
        acl = source
    else:
        acl = data_dir / "torchtext" / source_key(source) / "imdb" / "aclImdb"
        if not acl.exists():
            if source.is_file():
                extract_tar(source, acl, strip=1, keep=_is_labelled)
            else:
                # Neither movies nor unlabelled reviews are needed; the labelled ones are counted below.
                _write_out(load_imdb(source, data_dir=data_dir, allow_partial=True), acl)
    for split, kind in _COUNTS:
        if kind != "unsup":
            count = sum(_is_labelled(f"{split}/{kind}/{path.name}") for path in (acl / split / kind).glob("*.txt"))
            remedy = _GET_WHOLE if acl == source else f"check {source} and remove the folder"
            _check_count(count, (split, kind), acl, allow_partial=allow_partial, remedy=remedy)
    return acl.parent.parent


def _is_labelled(name: str) -> bool:
    return bool(re.fullmatch(r"(train|test)/(neg|pos)/\d+_\d+\.txt", name))


def _write_out(imdb: Imdb, acl: Path) -> None:
    with new_folder(acl) as folder:
        for split, reviews in (("train", imdb.train), ("test", imdb.test)):
            for kind in ("neg", "pos"):
                (folder / split / kind).mkdir(parents=True)
            for name, text in zip(reviews.ids, reviews.texts, strict=True):
                (folder / split / f"{name}.txt").write_bytes(text.encode())


def _archive_files(archive: Path) -> Iterator[tuple[str, bytes]]:
    """Names inside `aclImdb` and contents of the files to read; nothing is unpacked to disk."""
    try:
        with tarfile.open(archive) as tar:
            for member in tar:
                name = _inside(member.name)
                content = tar.extractfile(member) if member.isfile() and _is_read(name) else None
                if content is not None:
                    yield name, content.read()
    except (tarfile.TarError, EOFError, zlib.error, OSError) as error:
        raise InputError(f"{archive}: damaged or not a tar archive ({error}): get it again") from error


def _folder_files(folder: Path) -> Iterator[tuple[str, bytes]]:
    for split, kind in _COUNTS:
        for path in (folder / split / f"urls_{kind}.txt", *(folder / split / kind).glob("*.txt")):
            if path.is_file() and _is_read(path.relative_to(folder).as_posix()):
                try:
                    yield path.relative_to(folder).as_posix(), path.read_bytes()
                except OSError as error:
                    raise InputError(f"{path}: cannot be read ({error.strerror}): check its rights") from error


def _inside(name: str) -> str:
    parts = PurePosixPath(name).parts
    return "/".join(parts[parts.index("aclImdb") + 1 :]) if "aclImdb" in parts else ""


def _is_read(name: str) -> bool:
    return bool(re.fullmatch(r"(train|test)/(urls_(neg|pos|unsup)|(neg|pos|unsup)/[^./][^/]*)\.txt", name))


def _sort_out(files: Iterable[tuple[str, bytes]], source: Path) -> tuple[_Parts, _Movies]:
    """Reviews and movies of each folder and class."""
    parts: _Parts = {}
    movies: _Movies = {}
    for name, content in files:
        try:
            text = content.decode()
        except UnicodeDecodeError as error:
            raise InputError(f"{source}: {name} is not UTF-8 ({error.reason}): {_GET_WHOLE}") from error
        split, _, rest = name.removesuffix(".txt").partition("/")
        if rest.startswith("urls_"):
            movies[split, rest.removeprefix("urls_")] = _titles(text, name, source)
        else:
            review = _review(rest, text, source)
            parts.setdefault((split, rest.partition("/")[0]), []).append(review)
    return parts, movies


def _titles(text: str, name: str, source: Path) -> list[str]:
    titles = []
    for number, line in enumerate(text.removesuffix("\n").split("\n"), start=1):
        match = _TITLE.fullmatch(line.strip())
        if not match:
            raise InputError(
                f"{source}: line {number} of {name} is not a movie's address ({line[:60]!r}): {_GET_WHOLE}"
            )
        titles.append(match[1])
    return titles


def _review(name: str, text: str, source: Path) -> _Review:
    match = _ID.fullmatch(name)
    if not match:
        raise InputError(f"{source}: id {name!r} is not like neg/0_3: name the aclImdb data")
    return _Review(int(match[2]), name, text)


def _reviews(
    parts: _Parts, movies: _Movies, split: str, kinds: Sequence[str], *, source: Path, allow_partial: bool
) -> Reviews:
    """The reviews of some classes of a folder, in order, with their movies."""
    ids: list[str] = []
    texts: list[str] = []
    labels: list[int] = []
    found: list[str] = []
    for kind in kinds:
        reviews = sorted(parts.get((split, kind), ()))
        titles = movies.get((split, kind))
        if reviews and titles is None and not allow_partial:
            raise InputError(f"{source}: {split}/urls_{kind}.txt is missing: {_GET_WHOLE}")
        for before, review in zip([None, *reviews], reviews, strict=False):
            if before is not None and before.number == review.number:
                raise InputError(f"{source}: {before.id} and {review.id} in {split} are one review: {_GET_WHOLE}")
            if titles is not None and review.number >= len(titles) and not allow_partial:
                raise InputError(
                    f"{source}: {split}/urls_{kind}.txt ends at line {len(titles):,}, "
                    f"before the movie of {review.id}: {_GET_WHOLE}"
                )
            ids.append(review.id)
            texts.append(review.text)
            labels.append(LABELS[kind])
            found.append(titles[review.number] if titles and review.number < len(titles) else "")
    return Reviews(ids, texts, np.array(labels, np.int8), found)


def _has_parquet(source: Path) -> bool:
    return (source / "imdb-train.parquet").is_file()


def _load_parquet(folder: Path, allow_partial: bool) -> Imdb:
    path = folder / "imdb-movies.parquet"
    movies: dict[tuple[str, str], str] = {}
    if path.is_file():
        splits, names, titles = _columns(path, {"split": pa.string(), "id": pa.string(), "movie": pa.string()})
        movies = {(s, i): title or "" for s, i, title in zip(splits, names, titles, strict=True)}
    elif not allow_partial:
        raise InputError(f"{path}: not found: {_GET_WHOLE}")
    return Imdb(
        train=_parquet_reviews(folder, "train", ("neg", "pos"), movies, allow_partial),
        test=_parquet_reviews(folder, "test", ("neg", "pos"), movies, allow_partial),
        unsup=_parquet_reviews(folder, "unsup", ("unsup",), movies, allow_partial),
    )


def _parquet_reviews(
    folder: Path, split: str, kinds: Sequence[str], movies: dict[tuple[str, str], str], allow_partial: bool
) -> Reviews:
    path = folder / f"imdb-{split}.parquet"
    if not path.is_file():
        if split == "unsup" and allow_partial:
            return Reviews([], [], np.zeros(0, np.int8), [])
        raise InputError(f"{path}: not found: {_GET_WHOLE}")
    names, texts, labels = _columns(path, {"id": pa.string(), "text": pa.string(), "label": pa.int8()})
    parts: _Parts = {}
    for name, text, label in zip(names, texts, labels, strict=True):
        review = _review(name or "", text or "", path)
        kind = review.id.partition("/")[0]
        if kind not in kinds or LABELS[kind] != label:
            raise InputError(f"{path}: {review.id} has the label {label}: {_GET_WHOLE}")
        parts.setdefault((split, kind), []).append(review)
    reviews = _reviews(parts, {}, split, kinds, source=path, allow_partial=True)
    unknown = next((name for name in reviews.ids if (split, name) not in movies), None)
    if unknown is not None and not allow_partial:
        raise InputError(f"{folder / 'imdb-movies.parquet'}: no row for {unknown} of {split}: {_GET_WHOLE}")
    found = [movies.get((split, name), "") for name in reviews.ids]
    return Reviews(reviews.ids, reviews.texts, reviews.labels, found)


def _columns(path: Path, wanted: dict[str, pa.DataType]) -> list[list[Any]]:
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


def _checked(imdb: Imdb, source: Path, allow_partial: bool) -> Imdb:
    for split, kind in _COUNTS:
        reviews = imdb.unsup if kind == "unsup" else imdb.train if split == "train" else imdb.test
        count = int((reviews.labels == LABELS[kind]).sum())
        _check_count(count, (split, kind), source, allow_partial=allow_partial)
    return imdb


def _check_count(
    count: int, part: tuple[str, str], source: Path, *, allow_partial: bool, remedy: str = _GET_WHOLE
) -> None:
    expected = _COUNTS[part]
    if count != expected and not (allow_partial and (count or part[1] == "unsup")):
        raise InputError(f"{source}: {count:,} reviews in {'/'.join(part)}, {expected:,} expected: {remedy}")
