from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sentscore import ArtifactError, InputError, UsageError
from sentscore.model.artifact import Artifact, load_artifact
from sentscore_train.data.splits import split_by_movie
from sentscore_train.evaluation.reviews import read_split, read_table, read_test


def with_manifest(folder: Path, copy: Path, **changed: object) -> Artifact:
    """A copy of an artifact whose manifest has other fields."""
    shutil.copytree(folder, copy)
    manifest = json.loads((copy / "manifest.json").read_text())
    (copy / "manifest.json").write_text(json.dumps({**manifest, **changed}))
    return load_artifact(copy)


@pytest.mark.parametrize("labels", [[1, 0], [1.0, 0.0], [True, False]])
def test_a_table_is_read(tmp_path, labels) -> None:
    path = tmp_path / "reviews.parquet"
    pq.write_table(pa.table({"id": [7, 8], "label": labels, "text": ["good", "bad"]}), path)
    reviews = read_table(path)
    assert reviews.texts.to_pylist() == ["good", "bad"]
    assert reviews.labels.tolist() == [1, 0]
    assert reviews.labels.dtype == np.int8
    assert reviews.source == str(path)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"review": ["good"], "label": [1]}, "no column 'text'; it has 'review', 'label'"),
        ({"text": [3], "label": [1]}, "column 'text' is int64, not text"),
        ({"text": ["good"]}, "no single column 'label': name a table with one of 0"),
        ({"text": ["good", "bad"], "label": [1, 4]}, "row 2 has the label 4: label negative reviews 0"),
        ({"text": ["good", "bad"], "label": [None, 0]}, "row 1 has the label None"),
        ({"text": ["good"], "label": ["pos"]}, "row 1 has the label 'pos'"),
        ({"text": pa.array([], pa.string()), "label": pa.array([], pa.int8())}, "has no rows"),
    ],
)
def test_an_unusable_table_is_one_line_with_file_and_remedy(tmp_path, columns, message) -> None:
    path = tmp_path / "reviews.parquet"
    pq.write_table(pa.table(columns), path)
    with pytest.raises(InputError) as error:
        read_table(path)
    assert str(error.value).startswith(f"{path}: {message}")
    assert "\n" not in str(error.value)


def test_a_file_that_is_missing_or_no_table_is_an_input_error(tmp_path) -> None:
    (tmp_path / "text.parquet").write_text("no Parquet")
    for name in ("none.parquet", "text.parquet"):
        with pytest.raises(InputError, match=rf"{name}: no table \(.*\): name a Parquet file"):
            read_table(tmp_path / name)


def test_a_text_that_is_not_utf_8_is_an_input_error(tmp_path) -> None:
    path = tmp_path / "reviews.parquet"
    texts = pa.array([b"good", b"\xff"], pa.binary()).view(pa.string())
    pq.write_table(pa.table({"text": texts, "label": [1, 0]}), path)
    with pytest.raises(InputError, match=r"reviews\.parquet: texts hold bytes that are not UTF-8"):
        read_table(path)


def test_test_reviews_are_a_table_or_imdbs(imdb, tmp_path) -> None:
    pq.write_table(pa.table({"text": ["good"], "label": [1]}), tmp_path / "test.parquet")
    assert read_test(tmp_path / "test.parquet").texts.to_pylist() == ["good"]
    found = read_test(imdb, allow_partial=True)
    assert found.source == "IMDB test"
    assert len(found) == 40
    with pytest.raises(InputError, match=r"none\.tar\.gz: not found"):
        read_test(tmp_path / "none.tar.gz")


def test_the_test_reviews_need_no_manifest(imdb, tmp_path) -> None:
    reviews = read_split("test", [], imdb, data_dir=tmp_path, allow_partial=True)
    assert reviews.source == "IMDB test"
    assert reviews.labels.tolist() == [0] * 20 + [1] * 20
    assert reviews.texts[39].as_py() == "A great, wonderful film number 19."


def test_the_split_by_movie_is_drawn_again_from_the_recipe(imdb, tmp_path, tiny_artifact) -> None:
    artifact = load_artifact(tiny_artifact)
    movies = [f"tttrain{kind}{number}" for kind in ("neg", "pos") for number in range(20)]
    labels = np.repeat(np.array([0, 1], np.int8), 20)
    train, validation = split_by_movie(movies, labels, share=0.25, seed=0)
    for split, rows in (("train", train), ("validation", validation)):
        reviews = read_split(split, [artifact], imdb, data_dir=tmp_path, allow_partial=True)
        assert reviews.source == f"IMDB {split}"
        assert reviews.labels.tolist() == labels[rows].tolist()
        numbers = [int(text.split()[-1].rstrip(".")) for text in reviews.texts.to_pylist()]
        assert numbers == (rows % 20).tolist()


def test_a_manifest_without_a_seed_is_refused_but_for_the_test_reviews(imdb, tmp_path, tiny_artifact) -> None:
    artifact = with_manifest(tiny_artifact, tmp_path / "copy", recipe={"preset": "default", "validation_share": 0.1})
    with pytest.raises(
        ArtifactError, match=r"copy/manifest\.json: no recipe\.seed, so its movie split cannot"
    ) as error:
        read_split("validation", [artifact], imdb, data_dir=tmp_path, allow_partial=True)
    assert "use --split test" in str(error.value)
    assert len(read_split("test", [artifact], imdb, data_dir=tmp_path, allow_partial=True)) == 40


def test_models_of_different_splits_have_no_validation_reviews_in_common(
    imdb, tmp_path, tiny_artifact, tiny_gru_artifact
) -> None:
    artifacts = [load_artifact(folder) for folder in (tiny_artifact, tiny_gru_artifact)]
    with pytest.raises(UsageError, match=r"--split validation: .*seed 0, share 0\.25; .*seed 3, .*use --split test"):
        read_split("validation", artifacts, imdb, data_dir=tmp_path, allow_partial=True)


def test_reviews_that_a_model_was_not_trained_on_are_refused(imdb, tmp_path, tiny_artifact) -> None:
    data = {"name": "IMDB", "train": 22_500, "validation": 2_500}
    artifact = with_manifest(tiny_artifact, tmp_path / "copy", data=data)
    with pytest.raises(InputError, match=r"aclImdb: 30 train reviews, .*copy/manifest\.json says 22,500: name the"):
        read_split("validation", [artifact], imdb, data_dir=tmp_path, allow_partial=True)
