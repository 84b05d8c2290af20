from __future__ import annotations

import hashlib
import zipfile
from pathlib import Path

import numpy as np
import pytest

from sentscore.errors import InputError, UsageError
from sentscore.progress import Progress
from sentscore_train.notebook import glove
from sentscore_train.notebook.glove import GloveFile, load_glove, prepare_glove

TEXT = b"the 0.5 -1 2\n\xc2\xa0 1 2 3\ncaf\xc3\xa9 0 0.25 1e-3\n"


@pytest.fixture(autouse=True)
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes GloVe 6B a file of three tokens with three numbers, and one of four numbers that is nowhere."""
    files = {3: GloveFile(3, hashlib.md5(TEXT).hexdigest(), 3), 4: GloveFile(4, "0" * 32, 3)}
    monkeypatch.setattr(glove, "FILES", files)


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    with zipfile.ZipFile(tmp_path / "glove.6B.zip", "w") as file:
        file.writestr("glove.6B.3d.txt", TEXT)
    return tmp_path / "glove.6B.zip"


@pytest.fixture
def text(tmp_path: Path) -> Path:
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "glove.6B.3d.txt").write_bytes(TEXT)
    return tmp_path / "texts" / "glove.6B.3d.txt"


def test_every_kind_of_source_gives_the_text_file(archive: Path, text: Path, tmp_path: Path) -> None:
    for number, source in enumerate((archive, archive.parent)):
        path = prepare_glove(3, source, tmp_path / str(number))
        assert path == tmp_path / str(number) / "glove" / "glove.6B.3d.txt"
        assert [path.name for path in path.parent.iterdir()] == ["glove.6B.3d.txt"]
        assert path.read_bytes() == TEXT
    for source in (text, text.parent):
        assert prepare_glove(3, source, tmp_path / "data") == text


def test_without_a_source_the_verified_download_is_used(
    archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def fake(url: str, target: Path, *, md5: str, **_: object) -> Path:
        asked.append((url, md5))
        target.parent.mkdir()
        target.write_bytes(archive.read_bytes())
        return target

    monkeypatch.setattr(glove, "download", fake)
    path = prepare_glove(3, None, tmp_path / "data")
    assert path.read_bytes() == TEXT
    assert prepare_glove(3, None, tmp_path / "data") == path
    assert asked == [("https://nlp.stanford.edu/data/glove.6B.zip", "056ea991adb4740ac6bf1b6d9b50408b")]


def test_vectors_are_the_files(archive: Path, tmp_path: Path) -> None:
    seen: list[Progress] = []
    vectors = load_glove(3, archive, tmp_path / "data", report=seen.append)
    assert vectors.index_to_key == ["the", "\u00a0", "caf\u00e9"]
    assert np.array_equal(vectors.vectors, np.array([[0.5, -1, 2], [1, 2, 3], [0, 0.25, 1e-3]], np.float32))
    assert vectors.vectors.dtype == np.float32
    assert seen == [Progress("parse glove.6B.3d.txt", done, 3) for done in (0, 3)]


def test_a_dimension_that_an_archive_lacks_names_those_it_has(archive: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"holds glove\.6B\.3d\.txt, but no glove\.6B\.4d\.txt"):
        prepare_glove(4, archive, tmp_path / "data")


def test_a_dimension_that_does_not_exist_is_a_usage_error(archive: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no vectors of 60 numbers: choose 3, 4"):
        load_glove(60, archive, tmp_path / "data")


@pytest.mark.parametrize("zipped", [True, False])
def test_other_content_is_refused_and_not_kept(tmp_path: Path, zipped: bool) -> None:
    damaged = TEXT.replace(b"0.5", b"0.6")[:-15]
    source = tmp_path / ("glove.6B.zip" if zipped else "glove.6B.3d.txt")
    if zipped:
        with zipfile.ZipFile(source, "w") as file:
            file.writestr("sub/glove.6B.3d.txt", damaged)
    else:
        source.write_bytes(damaged)
    with pytest.raises(InputError, match=r"glove\.6B\.3d\.txt: md5 .* expected.* \(3 lines, 3 numbers"):
        prepare_glove(3, source, tmp_path / "data")
    assert not (tmp_path / "data" / "glove" / "glove.6B.3d.txt").exists()


def test_a_damaged_copy_is_replaced(archive: Path, tmp_path: Path) -> None:
    path = prepare_glove(3, archive, tmp_path / "data")
    path.write_bytes(TEXT[:20])
    prepare_glove(3, archive, tmp_path / "data")
    assert path.read_bytes() == TEXT


def test_a_missing_source_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nowhere\.zip: not found"):
        prepare_glove(3, tmp_path / "nowhere.zip", tmp_path / "data")
    with pytest.raises(InputError, match=r"holds neither glove\.6B\.3d\.txt nor glove\.6B\.zip"):
        prepare_glove(3, tmp_path, tmp_path / "data")


def test_the_published_files_are_the_four_of_glove_6b(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    assert {dim: (file.name, file.tokens) for dim, file in glove.FILES.items()} == {
        dim: (f"glove.6B.{dim}d.txt", 400_000) for dim in (50, 100, 200, 300)
    }
    assert glove.FILES[50].md5 == "0fac3659c38a4c0e9432fe603de60b12"
    assert glove.FILES[100].md5 == "dd7f3ad906768166883176d69cc028de"
