from __future__ import annotations

from pathlib import Path

import pytest

from sentscore.errors import InputError, UsageError
from sentscore.stores import StorePath, is_uri, local_place, parse_store_path


def test_a_key_is_taken_as_it_is() -> None:
    path = parse_store_path("S3://bucket/a b/dt=1%2F2/c?d#e.csv")
    assert path == StorePath("s3", "bucket", "a b/dt=1%2F2/c?d#e.csv")
    assert str(path) == "s3://bucket/a b/dt=1%2F2/c?d#e.csv"
    assert (path.name, path.parent.name) == ("c?d#e.csv", "dt=1%2F2")


def test_paths_are_made_as_those_of_files_are() -> None:
    root = parse_store_path("s3://bucket/")
    assert str(root / "a") == "s3://bucket/a"
    path = root / "a" / "b/c.csv"
    assert path.with_name("d.csv") == parse_store_path("s3://bucket/a/b/d.csv")
    assert path.relative_to(root / "a").as_posix() == "b/c.csv"
    assert path.relative_to(root).as_posix() == "a/b/c.csv"
    for other in ("s3://bucket/x", "s3://other/a"):
        with pytest.raises(ValueError, match="is not in"):
            path.relative_to(parse_store_path(other))


@pytest.mark.parametrize(
    ("uri", "error", "message"),
    [
        ("s3:///key", UsageError, "names no bucket: write s3://BUCKET/KEY"),
        ("gs://", UsageError, "names no bucket"),
        ("s3://bucket/a//b.csv", InputError, "is empty, . or .."),
        ("s3://bucket/../b.csv", InputError, "is empty, . or .."),
        ("s3://user:secret@bucket/a", UsageError, "^s3://…: holds a password"),
    ],
)
def test_uris_that_name_nothing(uri: str, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        parse_store_path(uri)


def test_files_of_such_names_are_no_uris(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert is_uri("s3://bucket/a.csv")
    assert not any(map(is_uri, ("a.csv", "file:///a.csv", "-", "C:/a.csv", "a://")[:3]))
    (tmp_path / "s3:" / "bucket").mkdir(parents=True)
    (tmp_path / "s3:" / "bucket" / "a.csv").touch()
    assert not is_uri("s3://bucket/a.csv")


def test_what_belongs_to_objects_is_in_the_cache_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    path = parse_store_path("s3://bucket/a.csv")
    place = local_place(path, "journals")
    assert place.parent == tmp_path / "sentscore" / "journals"
    assert place.parent.is_dir()
    assert place == local_place(path, "journals") != local_place(path.with_name("b.csv"), "journals")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")  # another store may have a bucket of this name
    assert place != local_place(path, "journals")
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert local_place(path, "journals").is_relative_to(tmp_path / "home" / ".cache" / "sentscore")
