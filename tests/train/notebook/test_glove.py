from __future__ import annotations

import hashlib
import ssl
import zipfile
from pathlib import Path

import pytest
import torch
from torchtext.vocab import GloVe

from sentscore.errors import InputError, UsageError
from sentscore_train.notebook import glove
from sentscore_train.notebook.glove import GloveFile, load_glove, prepare_glove
from sentscore_train.progress import Progress

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


def test_every_kind_of_source_gives_a_folder_for_torchtext(archive: Path, text: Path, tmp_path: Path) -> None:
    for number, source in enumerate((archive, archive.parent, text, text.parent)):
        folder = prepare_glove(3, source, tmp_path / str(number))
        assert folder == tmp_path / str(number) / "glove"
        assert [path.name for path in folder.iterdir()] == ["glove.6B.3d.txt"]
        assert (folder / "glove.6B.3d.txt").read_bytes() == TEXT


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
    folder = prepare_glove(3, None, tmp_path / "data")
    assert (folder / "glove.6B.3d.txt").read_bytes() == TEXT
    assert prepare_glove(3, None, tmp_path / "data") == folder
    assert asked == [("https://nlp.stanford.edu/data/glove.6B.zip", "056ea991adb4740ac6bf1b6d9b50408b")]


def test_vectors_are_torchtexts_own(archive: Path, tmp_path: Path) -> None:
    seen: list[Progress] = []
    vectors = load_glove(3, archive, tmp_path / "data", unk_init=lambda t: t.fill_(7.0), report=seen.append)
    assert isinstance(vectors, GloVe)
    assert vectors.itos == ["the", "\u00a0", "caf\u00e9"]
    assert torch.equal(vectors.vectors, torch.tensor([[0.5, -1, 2], [1, 2, 3], [0, 0.25, 1e-3]]))
    assert vectors["unseen"].tolist() == [7.0, 7.0, 7.0]
    assert seen == [Progress("parse glove.6B.3d.txt", 3, 3)]
    names = sorted(path.name for path in (tmp_path / "data" / "glove").iterdir())
    assert names == ["glove.6B.3d.txt", "glove.6B.3d.txt.pt"]


def test_parsed_vectors_are_read_again(archive: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    first = load_glove(3, archive, tmp_path / "data")
    made = (tmp_path / "data" / "glove" / "glove.6B.3d.txt.pt").stat().st_mtime_ns
    second = load_glove(3, archive, tmp_path / "data")
    assert torch.equal(first.vectors, second.vectors)
    assert first.stoi == second.stoi
    assert (tmp_path / "data" / "glove" / "glove.6B.3d.txt.pt").stat().st_mtime_ns == made
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("keep", [0, 100, 600])
def test_half_written_vectors_are_parsed_again(archive: Path, tmp_path: Path, keep: int) -> None:
    before = load_glove(3, archive, tmp_path / "data").vectors
    parsed = tmp_path / "data" / "glove" / "glove.6B.3d.txt.pt"
    whole = parsed.stat().st_size
    parsed.write_bytes(parsed.read_bytes()[:keep])
    assert torch.equal(load_glove(3, archive, tmp_path / "data").vectors, before)
    assert parsed.stat().st_size == whole


def test_an_interrupted_parse_leaves_no_vectors(archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(content: object, path: str) -> None:
        Path(path).write_bytes(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr(torch, "save", interrupted)
    with pytest.raises(KeyboardInterrupt):
        load_glove(3, archive, tmp_path / "data")
    assert [path.name for path in (tmp_path / "data" / "glove").iterdir()] == ["glove.6B.3d.txt"]


def test_tls_certificates_are_still_checked_afterwards(archive: Path, tmp_path: Path) -> None:
    load_glove(3, archive, tmp_path / "data")
    assert ssl._create_default_https_context is ssl.create_default_context


def test_a_dimension_that_an_archive_lacks_names_those_it_has(archive: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"has no glove\.6B\.4d\.txt, only vectors of 3 numbers"):
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
    folder = prepare_glove(3, archive, tmp_path / "data")
    (folder / "glove.6B.3d.txt").write_bytes(TEXT[:20])
    prepare_glove(3, archive, tmp_path / "data")
    assert (folder / "glove.6B.3d.txt").read_bytes() == TEXT


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
