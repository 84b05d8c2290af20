from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sentscore.model.artifact import Manifest
from sentscore_export.card import model_card
from sentscore_export.checkpoint import read_checkpoint
from sentscore_export.export import export
from sentscore_export.measure import read_kinds
from sentscore_export.parity import ParityConfig
from sentscore_train.evaluation.reviews import read_test
from sentscore_train.training import checkpoint

SMALL = ParityConfig(batches=4, max_batch=4, max_tokens=30)
SOURCES = [
    {"name": "films", "title": "Films", "citation": "Someone 2011", "url": "https://example.org", "train": 30},
    {"name": "shop", "train": 60, "domains": {"music": {"train": 20}, "toys": {"train": 40}}},
]


@pytest.fixture
def run(make_run) -> Path:
    """A run on two sources, of which the first may be quoted from. Every fourth validation review is of toys."""
    folder: Path = make_run("lstm", seed=2)
    content = checkpoint.read_json(folder / "best.json")
    checkpoint.write_json(folder / "best.json", {**content, "data": {"name": "films and shop", "sources": SOURCES}})
    validation = checkpoint.read_validation(folder)
    kinds = np.resize(np.array([0, 1, 0, 2], np.int16), len(validation))
    checkpoint.write_validation(folder, replace(validation, domain_ids=kinds))
    checkpoint.write_quotable(folder, [f"film {row}" if kind == 0 else "" for row, kind in enumerate(kinds)])
    return folder


def test_the_manifest_tells_sources_domains_and_lengths_apart(run, tmp_path) -> None:
    manifest = export(run, tmp_path / "out", parity=SMALL)
    found = manifest.metrics["validation"]
    by = found["by"]
    assert list(by) == ["source", "domain", "length"]
    assert list(by["domain"]) == ["films", "music", "toys"]  # a source without domains is one itself
    total = len(read_checkpoint(run).validation)
    for groups in by.values():
        assert sum(each["reviews"] for each in groups.values()) == total
        right = sum(each["accuracy"] * each["reviews"] for each in groups.values())
        assert right / total == pytest.approx(found["accuracy"])
    assert by["domain"]["toys"]["reviews"] == total // 4


def test_only_published_reviews_are_quoted(run, tmp_path) -> None:
    manifest = export(run, tmp_path / "out", parity=SMALL)
    examples = manifest.metrics["validation"]["examples"]
    assert examples
    for each in examples:
        assert (each["source"], each["quote"].split()[0]) == ("films", "film")
        row = int(each["quote"].split()[1])
        assert (each["probability"] >= 0.5) != (each["label"] == 1)
        assert read_checkpoint(run).validation.labels[row] == each["label"]
    checkpoint.write_quotable(run, [])
    assert "examples" not in export(run, tmp_path / "bare", parity=SMALL).metrics["validation"]


def test_test_reviews_of_several_sources_are_measured_apart_in_every_precision(run, tmp_path) -> None:
    texts = ["a great film", "awful , boring", "i loved this story !", "too long"]
    for name in ("films", "shop"):
        pq.write_table(pa.table({"text": texts, "label": [1, 0, 1, 0]}), tmp_path / f"{name}.parquet")
    test = read_test([tmp_path / "films.parquet", tmp_path / "shop.parquet"])
    manifest = export(run, tmp_path / "out", precisions=["int8"], parity=SMALL, test=test, purpose="For toys.")
    assert list(manifest.metrics["test"]["by"]) == ["source", "length"]
    assert manifest.metrics["test"]["by"]["source"]["shop"]["reviews"] == 4
    assert list(manifest.precisions["int8"]["test"]["by"]) == ["source"]
    card = (tmp_path / "out/README.md").read_text()
    accuracy = manifest.metrics["test"]["by"]["source"]["shop"]["accuracy"]
    for expected in (
        "\nFor toys.\n",
        "| test, all | ",
        f"| test, shop | {accuracy:.2%} | ",
        "| validation, films | ",
        "These are the test reviews.",
        "| 1 to 25 tokens | 8 | ",
        "## What it gets wrong",
        "| films | negative | ",
        "### shop",
        "Films: <https://example.org>",
    ):
        assert expected in card
    for absent in ("IMDB", "Maas", "movie", "What was tried"):
        assert absent not in card
    assert card == model_card(Manifest.from_json((tmp_path / "out/manifest.json").read_bytes()), has_plot=False)


def test_a_run_that_tells_no_kinds_has_none() -> None:
    rows = np.arange(2)
    assert read_kinds({"name": "IMDB"}, None, rows) == {}
    assert read_kinds({"sources": SOURCES}, None, rows) == {}
    assert read_kinds({"sources": SOURCES[:1]}, np.zeros(2, np.int16), rows) == {"source": ["films", "films"]}


def test_the_facts_stay_in_order_in_json() -> None:
    """The domains are counted in the order in which the facts name them."""
    again = json.loads(json.dumps({"sources": SOURCES}))
    ids = np.array([2, 1, 0], np.int16)
    assert read_kinds(again, ids, np.arange(3))["domain"] == ["toys", "music", "films"]
