"""Damaged artifacts whose manifest lists the damaged files as if they were right."""

from __future__ import annotations

import json
import os
import shutil
import socket
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sentscore import ArtifactError, Scorer
from sentscore.model.artifact import FileEntry, Manifest, load_artifact
from sentscore.text.vocabulary import Vocabulary

ODD_VALUES: list[Any] = [
    *(None, True, False, 0, -1, 1.5, 1e999, 10**30, "", "x", "\x00", "\x1b[31m", "\ud800", "a/b", "..", [], {}, [1]),
    *(["max", 1], {"a": None}, {"int8": {}}, {"int8": {"accuracy": "1", "accuracy_fp32": None}}, {"x": {"size": True}}),
    *({"model.onnx": None}, {"\ud800": {}}, ["a", "a"], [True], [None], "é" * 5_000, [[]]),
]


@pytest.fixture
def copy(tiny_artifact, tmp_path) -> Path:
    return Path(shutil.copytree(tiny_artifact, tmp_path / "model"))


def replace_file(folder: Path, name: str, content: bytes) -> None:
    """Replaces a file of an artifact, and what the manifest says about it."""
    (folder / name).write_bytes(content)
    manifest = json.loads((folder / "manifest.json").read_text())
    entry = FileEntry.from_content(content)
    manifest["files"][name] = {"sha256": entry.sha256, "size": entry.size}
    (folder / "manifest.json").write_text(json.dumps(manifest))


def check_message(error: ArtifactError, begin: str) -> None:
    assert str(error).startswith(begin)
    assert len(str(error)) < 600
    assert str(error).isprintable()


def places(value: Any, place: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Returns where in JSON there are values, at most three of each list."""
    found = [place] if place else []
    if isinstance(value, dict):
        for key in value:
            found += places(value[key], (*place, key))
    elif isinstance(value, list):
        for index in range(min(3, len(value))):
            found += places(value[index], (*place, index))
    return found


def damaged(content: bytes, odd: Any, place: tuple[Any, ...]) -> bytes:
    """Returns JSON with another value in a place."""
    values = json.loads(content)
    inner = values
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = odd
    return json.dumps(values).encode()


def without(content: bytes, place: tuple[Any, ...]) -> bytes:
    values = json.loads(content)
    inner = values
    for key in place[:-1]:
        inner = inner[key]
    del inner[place[-1]]
    return json.dumps(values).encode()


def flipped(content: bytes, random: np.random.Generator) -> bytes:
    changed = bytearray(content)
    for _ in range(random.integers(1, 4)):
        changed[random.integers(len(changed))] = random.integers(256)
    return bytes(changed) if random.random() < 0.7 else bytes(changed[: random.integers(len(changed))])


def test_odd_values_in_a_manifest_are_refused_or_harmless(copy) -> None:
    # What was measured may be anything, and no score depends on it.
    content = json.dumps({**json.loads((copy / "manifest.json").read_text()), "metrics": {}}).encode()
    cases = [damaged(content, odd, place) for place in places(json.loads(content)) for odd in ODD_VALUES]
    cases += [without(content, place) for place in places(json.loads(content))]
    random = np.random.default_rng(1)
    cases += [flipped(content, random) for _ in range(300)]
    cases += [json.dumps(odd).encode() for odd in ODD_VALUES]
    loaded = []
    for case in cases:
        try:
            manifest = Manifest.from_json(case, file="here/manifest.json")
        except ArtifactError as error:
            check_message(error, "here/manifest.json: ")
        else:
            assert manifest.name.isprintable()
            manifest.to_json().encode("utf-8")
            loaded.append(case)
    assert 0 < len(loaded) < len(cases) / 2
    expected = Scorer.load(copy, device="cpu").score(["A great film."])
    for case in loaded[:: max(1, len(loaded) // 50)]:
        (copy / "manifest.json").write_bytes(case)
        try:
            assert Scorer.load(copy, device="cpu").score(["A great film."]) == expected
        except ArtifactError:
            continue


def test_odd_values_in_a_vocabulary_are_refused_or_harmless(copy) -> None:
    content = (copy / "vocab.json").read_bytes()
    random = np.random.default_rng(2)
    cases = [damaged(content, odd, place) for place in places(json.loads(content)) for odd in ODD_VALUES]
    cases += [without(content, place) for place in places(json.loads(content))]
    cases += [flipped(content, random) for _ in range(300)]
    for case in cases:
        try:
            vocabulary = Vocabulary.from_json(case.decode("utf-8", "replace"), file="here/vocab.json")
        except ArtifactError as error:
            check_message(error, "here/vocab.json: ")
        else:
            assert set(map(type, vocabulary.tokens)) == {str}
            assert vocabulary.to_json().encode("utf-8")


def test_damaged_graphs_are_refused_or_give_scores(make_run, tmp_path) -> None:
    from sentscore_export.export import export
    from sentscore_export.parity import ParityConfig

    export(
        make_run("gru"),
        tmp_path / "gru",
        precisions=["int8"],
        parity=ParityConfig(batches=2, max_batch=3, max_tokens=20),
    )
    random = np.random.default_rng(3)
    whole = {name: (tmp_path / "gru" / name).read_bytes() for name in ("model.onnx", "model.int8.onnx")}
    for number in range(120):
        name, precision = [("model.onnx", "fp32"), ("model.int8.onnx", "int8")][number % 2]
        replace_file(tmp_path / "gru", name, flipped(whole[name], random))
        try:
            scores = Scorer.load(tmp_path / "gru", device="cpu", precision=precision).score(["A great film.", "Bad"])
        except ArtifactError as error:
            check_message(error, str(tmp_path))
        else:
            assert scores.shape == (2,)
        replace_file(tmp_path / "gru", name, whole[name])


@pytest.mark.parametrize("content", [b"[" * 1_000_000, b'{"format_version":' * 100_000, b"\xff\xfe", b"9" * 5_000, b""])
@pytest.mark.parametrize("name", ["manifest.json", "vocab.json", "tokenizer.json"])
def test_what_python_cannot_parse_is_refused(copy, name, content) -> None:
    if name != "manifest.json":
        replace_file(copy, name, content)
    else:
        (copy / name).write_bytes(content)
    with pytest.raises(ArtifactError, match=name):
        load_artifact(copy).read_vocabulary()


def test_a_graph_that_fails_at_work_is_an_artifact_error(copy) -> None:
    import onnx
    from onnx import numpy_helper

    model = onnx.load(copy / "model.onnx")
    for tensor in model.graph.initializer:
        if tensor.name == "merged_shape_0":
            tensor.CopyFrom(numpy_helper.from_array(np.array([0, 0, 7], np.int64), tensor.name))
    replace_file(copy, "model.onnx", model.SerializeToString())
    with pytest.raises(ArtifactError, match=r"model\.onnx: ONNX Runtime cannot (load|run) it"):
        Scorer.load(copy, device="cpu").score(["A great film."])


def test_a_vocabulary_of_another_size_is_refused(copy) -> None:
    content = json.loads((copy / "vocab.json").read_text())
    content["tokens"] += ["more"]
    replace_file(copy, "vocab.json", json.dumps(content).encode())
    with pytest.raises(ArtifactError, match=r"vocab\.json: 37 tokens, the manifest says 36"):
        load_artifact(copy).read_vocabulary()


@pytest.mark.parametrize("name", ["manifest.json", "model.onnx", "vocab.json"])
@pytest.mark.parametrize("kind", ["pipe", "socket", "folder", "device"])
def test_what_is_no_regular_file_is_refused_at_once(copy, name, kind, monkeypatch) -> None:
    (copy / name).unlink()
    if kind == "pipe":
        os.mkfifo(copy / name)
    elif kind == "socket":
        monkeypatch.chdir(copy)  # a socket's path is at most 107 bytes long
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(name)
    elif kind == "folder":
        (copy / name).mkdir()
    else:
        (copy / name).symlink_to("/dev/zero")
    with pytest.raises(ArtifactError, match=rf"{name}: (not a regular file|cannot be read)"):
        load_artifact(copy)


def test_links_to_files_are_followed(copy, tmp_path) -> None:
    (copy / "model.onnx").rename(tmp_path / "elsewhere.onnx")
    (copy / "model.onnx").symlink_to(tmp_path / "elsewhere.onnx")
    (tmp_path / "link").symlink_to(copy)
    assert load_artifact(tmp_path / "link").name == "lstm"


@pytest.mark.parametrize("name", ["manifest.json", "model.onnx", "vocab.json"])
def test_a_file_larger_than_it_should_be_is_not_read(copy, name) -> None:
    os.truncate(copy / name, 1 << 40)  # a hole, which takes no room
    with pytest.raises(ArtifactError, match=rf"{name}: 1,099,511,627,776 bytes, where"):
        load_artifact(copy)


@pytest.mark.parametrize("name", ["", "x" * 300, "a\x00b", "\udcff", "x/" * 3_000])
def test_a_name_that_no_model_can_have_is_refused(name) -> None:
    with pytest.raises(ArtifactError, match="model '"):
        load_artifact(name)
