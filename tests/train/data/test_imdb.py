from __future__ import annotations

import gzip
import io
import lzma
import random
import tarfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sentscore.errors import InputError
from sentscore_train.data import imdb
from sentscore_train.data.imdb import Imdb, Reviews, load_imdb

# (split, id, text, movie), in no order; numbers above 9 tell order by number from order by name.
ROWS = [
    ("train", "pos/10_9", "Ten.", "tt0000010"),
    ("train", "pos/2_7", "Two<br /><br />lines.", "tt0000002"),
    ("train", "neg/0_3", "Caf\u00e9 \u0085 \u201cbad\u201d", "tt0000002"),
    ("train", "neg/1_1", "", ""),
    ("test", "neg/0_2", "Test bad.", "tt0000007"),
    ("test", "pos/0_10", "Test good.", "tt0000007"),
    ("unsup", "unsup/11_0", "Eleven", "tt0000011"),
    ("unsup", "unsup/3_0", "Three", "tt0000002"),
]

Files = dict[str, bytes]


@pytest.fixture
def files() -> Files:
    """The files of an archive, by their name inside `aclImdb`."""
    made: Files = {"README": b"not read", "train/labeledBow.feat": b"not read"}
    addresses: dict[str, dict[int, str]] = {}
    for split, name, text, movie in ROWS:
        folder = "test" if split == "test" else "train"
        made[f"{folder}/{name}.txt"] = text.encode()
        kind, _, number = name.partition("/")
        addresses.setdefault(f"{folder}/urls_{kind}.txt", {})[int(number.split("_")[0])] = movie
    for name, movies in addresses.items():
        lines = [f"http://www.imdb.com/title/{movies.get(n, '')}/usercomments" for n in range(max(movies) + 1)]
        made[name] = ("\n".join(lines) + "\n").encode()
    return made


def write_archive(path: Path, files: Files, *, folder: str = "aclImdb") -> Path:
    with tarfile.open(path, "w:gz") as tar:
        for name, content in files.items():
            info = tarfile.TarInfo(f"{folder}/{name}")
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return path


def write_folder(path: Path, files: Files) -> Path:
    for name, content in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(content)
    return path


def write_parquet(folder: Path) -> Path:
    folder.mkdir()
    for split in ("train", "test", "unsup"):
        rows = [row for row in ROWS if row[0] == split]
        labels = [imdb.LABELS[name.partition("/")[0]] for _, name, _, _ in rows]
        table = {
            "id": [name for _, name, _, _ in rows],
            "text": [text for _, _, text, _ in rows],
            "label": pa.array(labels, pa.int8()),
        }
        pq.write_table(pa.table(table), folder / f"imdb-{split}.parquet")
    movies = {"split": [r[0] for r in ROWS], "id": [r[1] for r in ROWS], "movie": [r[3] for r in ROWS]}
    pq.write_table(pa.table(movies), folder / "imdb-movies.parquet")
    return folder


@pytest.fixture
def archive(tmp_path: Path, files: Files) -> Path:
    return write_archive(tmp_path / "aclImdb_v1.tar.gz", files)


@pytest.fixture
def parquet(tmp_path: Path) -> Path:
    return write_parquet(tmp_path / "parquet")


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes the size of `ROWS` the published one."""
    counts = {
        ("train", "neg"): 2,
        ("train", "pos"): 2,
        ("train", "unsup"): 2,
        ("test", "neg"): 1,
        ("test", "pos"): 1,
    }
    monkeypatch.setattr(imdb, "_COUNTS", counts)


def content(reviews: Reviews) -> tuple[list[str], list[str], list[int], list[str]]:
    return reviews.ids, reviews.texts, reviews.labels.tolist(), reviews.movies


def assert_is_all_rows(data: Imdb) -> None:
    assert content(data.train) == (
        ["neg/0_3", "neg/1_1", "pos/2_7", "pos/10_9"],
        ["Caf\u00e9 \u0085 \u201cbad\u201d", "", "Two<br /><br />lines.", "Ten."],
        [0, 0, 1, 1],
        ["tt0000002", "", "tt0000002", "tt0000010"],
    )
    assert content(data.test) == (
        ["neg/0_2", "pos/0_10"],
        ["Test bad.", "Test good."],
        [0, 1],
        ["tt0000007", "tt0000007"],
    )
    assert content(data.unsup) == (
        ["unsup/3_0", "unsup/11_0"],
        ["Three", "Eleven"],
        [-1, -1],
        ["tt0000002", "tt0000011"],
    )
    assert data.train.labels.dtype == np.int8
    assert len(data.train) == 4


def load(source: Path | None, tmp_path: Path, *, allow_partial: bool = False) -> Imdb:
    return load_imdb(source, data_dir=tmp_path / "data", allow_partial=allow_partial)


@pytest.mark.usefixtures("small")
class TestSources:
    def test_an_archive_gives_every_review_in_order(self, archive: Path, tmp_path: Path) -> None:
        assert_is_all_rows(load(archive, tmp_path))

    def test_a_folder_or_its_parent_gives_the_same(self, files: Files, tmp_path: Path) -> None:
        folder = write_folder(tmp_path / "some" / "aclImdb", files)
        (folder / "train" / "neg" / "._0_3.txt").write_bytes(b"\xff a file that macOS leaves in archives")
        assert_is_all_rows(load(folder, tmp_path))
        assert_is_all_rows(load(folder.parent, tmp_path))

    def test_parquet_files_give_the_same(self, parquet: Path, tmp_path: Path) -> None:
        assert_is_all_rows(load(parquet, tmp_path))

    def test_without_a_source_the_verified_download_is_read(
        self, archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        asked = []

        def fake(url: str, target: Path, *, md5: str, **_: object) -> Path:
            asked.append((url, target, md5))
            return archive

        monkeypatch.setattr(imdb, "download", fake)
        assert_is_all_rows(load(None, tmp_path))
        assert asked == [
            (
                "http://ai.stanford.edu/~amaas/data/sentiment/aclImdb_v1.tar.gz",
                tmp_path / "data" / "aclImdb_v1.tar.gz",
                "7c2ac02c03563afcf9b574c7e56c153a",
            )
        ]


@pytest.mark.usefixtures("small")
class TestDamage:
    def refuse(self, files: Files, tmp_path: Path, message: str) -> None:
        """The same files are refused as an archive and as a folder."""
        for source in (
            write_archive(tmp_path / "damaged.tar.gz", files),
            write_folder(tmp_path / "damaged" / "aclImdb", files),
        ):
            with pytest.raises(InputError, match=message) as error:
                load(source, tmp_path)
            assert str(error.value).startswith(str(source))
            assert "\n" not in str(error.value)

    def test_a_missing_review_is_counted(self, files: Files, tmp_path: Path) -> None:
        del files["train/pos/2_7.txt"]
        self.refuse(files, tmp_path, "1 reviews in train/pos, 2 expected: get the whole archive again")

    def test_missing_unlabelled_reviews_are_refused(self, files: Files, tmp_path: Path) -> None:
        del files["train/unsup/3_0.txt"], files["train/unsup/11_0.txt"], files["train/urls_unsup.txt"]
        self.refuse(files, tmp_path, "0 reviews in train/unsup, 2 expected")

    def test_missing_addresses_are_refused(self, files: Files, tmp_path: Path) -> None:
        del files["test/urls_pos.txt"]
        self.refuse(files, tmp_path, r"test/urls_pos\.txt is missing")

    def test_addresses_that_end_early_are_refused(self, files: Files, tmp_path: Path) -> None:
        lines = files["train/urls_pos.txt"].split(b"\n")
        files["train/urls_pos.txt"] = b"\n".join(lines[:10]) + b"\n"
        self.refuse(files, tmp_path, r"ends at line 10, before the movie of pos/10_9")

    def test_an_address_of_something_else_is_refused(self, files: Files, tmp_path: Path) -> None:
        files["test/urls_pos.txt"] = b"http://example.org/\n"
        self.refuse(files, tmp_path, r"line 1 of test/urls_pos\.txt is not a movie's address")

    def test_bytes_that_are_not_utf8_are_refused(self, files: Files, tmp_path: Path) -> None:
        files["train/neg/0_3.txt"] = b"caf\xe9"
        self.refuse(files, tmp_path, r"train/neg/0_3\.txt is not UTF-8")

    def test_two_files_of_one_review_are_refused(self, files: Files, tmp_path: Path) -> None:
        files["train/neg/0_4.txt"] = b"again"
        self.refuse(files, tmp_path, "neg/0_3 and neg/0_4 in train are one review")

    def test_a_file_with_another_name_is_refused(self, files: Files, tmp_path: Path) -> None:
        files["train/neg/notes.txt"] = b"?"
        self.refuse(files, tmp_path, "id 'neg/notes' is not like neg/0_3")

    def test_a_truncated_archive_is_refused(self, archive: Path, tmp_path: Path) -> None:
        archive.write_bytes(archive.read_bytes()[:-200])
        with pytest.raises(InputError, match="damaged or not a tar archive"):
            load(archive, tmp_path)

    def test_damaged_xz_data_is_refused(self, files: Files, tmp_path: Path) -> None:
        files["noise"] = random.Random(0).randbytes(500_000).hex().encode()
        content = bytearray(lzma.compress(gzip.decompress(write_archive(tmp_path / "a.tar.gz", files).read_bytes())))
        content[300_000:300_100] = bytes(100)
        (tmp_path / "a.tar.xz").write_bytes(content)
        with pytest.raises(InputError, match=r"a\.tar\.xz: damaged or not a tar archive"):
            load(tmp_path / "a.tar.xz", tmp_path)

    def test_an_archive_of_another_folder_is_refused(self, files: Files, tmp_path: Path) -> None:
        with pytest.raises(InputError, match="0 reviews in train/neg, 2 expected"):
            load(write_archive(tmp_path / "a.tar.gz", files, folder="not_aclImdb"), tmp_path)

    def test_a_path_that_is_not_there_is_named(self, tmp_path: Path) -> None:
        with pytest.raises(InputError, match="nowhere: not found: check the path, or leave it"):
            load(tmp_path / "nowhere", tmp_path)

    def test_a_folder_of_something_else_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(InputError, match=r"holds neither train/pos nor imdb-train\.parquet"):
            load(tmp_path, tmp_path)

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"label": [0, 0, 0, 0]}, "pos/10_9 has the label 0"),
            ({"label": ["a", "b", "c", "d"]}, "a column is not of text or labels"),
            ({"id": ["pos/10_9", "", "neg/0_3", "neg/1_1"]}, "id '' is not like"),
            ({"id": ["pos/10_9", "pos/10_9", "neg/0_3", "neg/1_1"]}, "are one review"),
            ({"id": ["pos/10_9", "pos/9_9", "neg/0_3", "neg/1_1"]}, "no row for pos/9_9 of train"),
            ({"id": ["unsup/1_0", "pos/9_9", "neg/0_3", "neg/1_1"]}, "unsup/1_0 has the label 1"),
            ({"text": None}, "no column text, only id, label"),
        ],
    )
    def test_parquet_with_other_values_is_refused(
        self, parquet: Path, tmp_path: Path, change: dict[str, list[object] | None], message: str
    ) -> None:
        path = parquet / "imdb-train.parquet"
        columns = {**pq.read_table(path).to_pydict(), **change}
        pq.write_table(pa.table({name: values for name, values in columns.items() if values}), path)
        with pytest.raises(InputError, match=message):
            load(parquet, tmp_path)

    @pytest.mark.parametrize("name", ["imdb-test.parquet", "imdb-unsup.parquet", "imdb-movies.parquet"])
    def test_missing_or_truncated_parquet_is_refused(self, parquet: Path, tmp_path: Path, name: str) -> None:
        path = parquet / name
        path.write_bytes(path.read_bytes()[:-50])
        with pytest.raises(InputError, match=f"{name}: damaged or not Parquet"):
            load(parquet, tmp_path)
        path.unlink()
        with pytest.raises(InputError, match=f"{name}: not found"):
            load(parquet, tmp_path)


class TestPartialData:
    def test_a_small_data_set_is_refused(self, archive: Path, parquet: Path, tmp_path: Path) -> None:
        for source in (archive, parquet):
            with pytest.raises(InputError, match=r"2 reviews in train/neg, 12,500 expected.*--allow-partial"):
                load(source, tmp_path)

    def test_a_small_data_set_may_be_allowed(self, archive: Path, parquet: Path, tmp_path: Path) -> None:
        for source in (archive, parquet):
            assert_is_all_rows(load(source, tmp_path, allow_partial=True))

    def test_unlabelled_reviews_and_movies_may_be_missing(self, files: Files, parquet: Path, tmp_path: Path) -> None:
        kept = {name: text for name, text in files.items() if "unsup" not in name and "urls" not in name}
        (parquet / "imdb-unsup.parquet").unlink()
        (parquet / "imdb-movies.parquet").unlink()
        for source in (write_archive(tmp_path / "a.tar.gz", kept), parquet):
            data = load(source, tmp_path, allow_partial=True)
            assert len(data.unsup) == 0
            assert data.train.ids == ["neg/0_3", "neg/1_1", "pos/2_7", "pos/10_9"]
            assert data.train.movies == ["", "", "", ""]

    def test_an_empty_class_is_refused_all_the_same(self, files: Files, tmp_path: Path) -> None:
        kept = {name: text for name, text in files.items() if not name.startswith("test/pos")}
        with pytest.raises(InputError, match="0 reviews in test/pos"):
            load(write_archive(tmp_path / "a.tar.gz", kept), tmp_path, allow_partial=True)


@pytest.mark.usefixtures("small")
class TestLabelledOnly:
    def test_what_is_not_labelled_is_left_out_and_not_needed(self, files: Files, parquet: Path, tmp_path: Path) -> None:
        kept = {name: text for name, text in files.items() if "unsup" not in name and "urls" not in name}
        sources = [
            write_archive(tmp_path / "all.tar.gz", files),
            write_archive(tmp_path / "labelled.tar.gz", kept),
            write_folder(tmp_path / "labelled" / "aclImdb", kept),
            parquet,
        ]
        for source in sources:
            data = load_imdb(source, data_dir=tmp_path, labelled_only=True)
            assert data.train.ids == ["neg/0_3", "neg/1_1", "pos/2_7", "pos/10_9"]
            assert data.test.ids == ["neg/0_2", "pos/0_10"]
            assert len(data.unsup) == 0
        for name in ("imdb-unsup.parquet", "imdb-movies.parquet"):
            (parquet / name).unlink()
        assert len(load_imdb(parquet, data_dir=tmp_path, labelled_only=True).train) == 4

    def test_missing_reviews_are_counted(self, files: Files, tmp_path: Path) -> None:
        del files["train/pos/2_7.txt"]
        with pytest.raises(InputError, match="1 reviews in train/pos, 2 expected"):
            load_imdb(write_folder(tmp_path / "aclImdb", files), data_dir=tmp_path, labelled_only=True)
