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
from sentscore_train.data.corpus import Corpus, divide
from sentscore_train.data.splits import split_by_movie
from sentscore_train.data.tables import TableOptions, read_source
from sentscore_train.evaluation.reviews import read_labelled_table, read_split, read_test


def with_manifest(folder: Path, copy: Path, **changed: object) -> Artifact:
    """A copy of an artifact whose manifest has other fields."""
    shutil.copytree(folder, copy)
    manifest = json.loads((copy / "manifest.json").read_text())
    (copy / "manifest.json").write_text(json.dumps({**manifest, **changed}))
    return load_artifact(copy)


def write(path: Path, **columns: object) -> Path:
    pq.write_table(pa.table(columns), path)
    return path


def test_a_table_is_read_by_the_names_of_its_columns(tmp_path) -> None:
    path = write(
        tmp_path / "shop.parquet", body=["good", "so so", "bad", "fine"], stars=[5, 3, 1, 4], kind=[*"aab", None]
    )
    reviews = read_labelled_table(path, TableOptions("body", "stars", "kind"))
    assert reviews.texts.to_pylist() == ["good", "bad", "fine"]
    assert (reviews.labels.tolist(), reviews.labels.dtype) == ([1, 0, 1], np.int8)
    assert reviews.columns == {"kind": ["a", "b", "none"]}
    assert reviews.source == str(path)


def test_a_domain_is_heeded_and_rows_for_testing_are_read_only_when_asked_for(tmp_path) -> None:
    path = write(
        tmp_path / "shop.parquet",
        text=["one", "two", "three", "four", "five"],
        label=[1, 0, 1, 0, None],
        domain=["toys", "toys", "music", "", "music"],
        split=["train", "test", None, "validation", "unlabelled"],
    )
    reviews = read_labelled_table(path)
    assert reviews.texts.to_pylist() == ["one", "three", "four"]
    assert reviews.columns == {"domain": ["toys", "music", "none"]}
    assert reviews.source == f"{path}, all but test rows"
    test = read_labelled_table(path, split="test")
    assert (test.texts.to_pylist(), test.labels.tolist(), test.source) == (["two"], [0], f"{path}, test rows")
    assert read_test([path]).texts.to_pylist() == ["two"]


@pytest.mark.parametrize(
    ("columns", "split", "message"),
    [
        ({"label": [1, 0]}, "test", "no column 'split' says which rows are for testing"),
        ({"label": [1, 0], "split": ["train", None]}, "test", "no row is for testing: name another"),
        ({"label": [1, 0], "split": ["test", "test"]}, None, "no row is labelled and not for testing: name another"),
        ({"label": [None, None]}, None, "no row is labelled and not for testing: name another"),
        ({"label": [1, 7]}, None, "column 'label' has labels from 1 to 7, neither 0 and 1 nor 1 to 5 stars: say"),
        ({"grade": [1, 0]}, None, "no column is known to hold labels: name one of 'grade' with --label"),
    ],
)
def test_an_unusable_table_is_one_line_with_file_and_remedy(tmp_path, columns, split, message) -> None:
    path = write(tmp_path / "reviews.parquet", text=["good", "bad"], **columns)
    with pytest.raises(InputError) as error:
        read_labelled_table(path, split=split)
    assert str(error.value).startswith(f"{path}: {message}")
    assert "\n" not in str(error.value)


def trained_on(tmp_path: Path, artifact: Path, **facts: object) -> Artifact:
    source = {"name": "shop", "grouped_by": "text", **facts}
    recipe = {"seed": 4, "validation_share": 0.25}
    return with_manifest(artifact, tmp_path / "copy", data={"sources": [source]}, recipe=recipe)


@pytest.mark.parametrize("by", [None, "item"])
def test_a_tables_rows_are_divided_again_as_for_the_model_that_learned_from_them(tmp_path, tiny_artifact, by) -> None:
    numbers = range(80)
    path = write(
        tmp_path / "shop.parquet",
        text=[f"text {number}" for number in numbers],
        label=[number % 2 for number in numbers],
        item=[f"item {number // 4}" for number in numbers],
        colour=[("red", "blue")[number % 3 == 0] for number in numbers],
    )
    division = divide(Corpus((read_source(path, TableOptions(by=by)),)), share=0.25, seed=4)
    artifact = trained_on(tmp_path, tiny_artifact, grouped_by=by or "text", validation=len(division.validation))
    for split, rows in (("train", division.train), ("validation", division.validation)):
        found = read_labelled_table(path, TableOptions(by="colour"), split=split, artifacts=[artifact])
        assert found.texts.to_pylist() == [f"text {row}" for row in rows]
        assert found.columns["colour"] == [("red", "blue")[int(row % 3 == 0)] for row in rows]
        assert found.source == f"{path}, {split} rows"


def test_a_table_that_the_model_did_not_learn_from_has_no_validation_rows(tmp_path, tiny_artifact) -> None:
    artifact = trained_on(tmp_path, tiny_artifact, validation=7)
    columns = {"text": [f"text {number}" for number in range(40)], "label": [0, 1] * 20}
    with pytest.raises(
        InputError, match=r"shop\.parquet: 10 validation reviews, .*manifest\.json says 7: name the .*--table"
    ):
        read_labelled_table(write(tmp_path / "shop.parquet", **columns), split="validation", artifacts=[artifact])
    with pytest.raises(UsageError, match=r"--split validation: .*copy was not trained on other, by its manifest"):
        read_labelled_table(write(tmp_path / "other.parquet", **columns), split="validation", artifacts=[artifact])


def test_a_model_of_other_reviews_has_no_validation_reviews_of_imdb(imdb, tmp_path, tiny_artifact) -> None:
    artifact = trained_on(tmp_path, tiny_artifact, validation=7)
    with pytest.raises(UsageError, match=r"--split validation: .*copy was not trained on IMDB, .* with --table, or"):
        read_split("validation", [artifact], imdb, data_dir=tmp_path, allow_partial=True)
    assert len(read_split("test", [artifact], imdb, data_dir=tmp_path, allow_partial=True)) == 40


def test_test_reviews_are_a_table_or_imdbs(imdb, tmp_path) -> None:
    table = write(tmp_path / "test.parquet", text=["good"], label=pa.array([0], pa.int8()))
    assert read_test([table]).texts.to_pylist() == ["good"]
    found = read_test([imdb], allow_partial=True)
    assert found.source == "IMDB test"
    assert len(found) == 40
    with pytest.raises(InputError, match=r"none\.tar\.gz: not found"):
        read_test([tmp_path / "none.tar.gz"])


def test_test_reviews_of_several_sources_are_told_apart(imdb, tmp_path) -> None:
    shop = write(tmp_path / "shop.parquet", text=["good", "bad"], label=[1, 0], domain=["toys", "music"])
    found = read_test([imdb, shop], allow_partial=True)
    assert len(found) == 42
    assert found.texts.to_pylist()[-2:] == ["good", "bad"]
    assert found.labels.tolist() == [0] * 20 + [1] * 20 + [1, 0]
    assert found.columns["source"] == ["IMDB"] * 40 + ["shop"] * 2
    assert found.columns["domain"] == ["film"] * 40 + ["toys", "music"]
    with pytest.raises(InputError, match=r"two sources of test reviews are named shop: rename one"):
        read_test([shop, shop])


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
    with pytest.raises(ArtifactError, match=r"copy/manifest\.json: no recipe\.seed, so its split cannot") as error:
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
    with pytest.raises(InputError, match=r"aclImdb: 10 validation reviews, .*copy/manifest\.json says 2,500: name"):
        read_split("validation", [artifact], imdb, data_dir=tmp_path, allow_partial=True)
