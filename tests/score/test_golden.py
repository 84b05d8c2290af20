"""The shipped models give the stored scores: bit for bit on the kind of CPU that made them, nearly so on any other.

Makes the stored scores anew, after the models have changed:

    python tests/score/test_golden.py
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow.csv as pc
import pyarrow.parquet as pq
import pytest

from sentscore import Scorer
from sentscore.model.artifact import find_artifacts, load_artifact
from sentscore.model.cpu import describe_arithmetic, multiplies_int8

DATA = Path(__file__).parents[1] / "data"
REMEDY = "if the change is meant, run python tests/score/test_golden.py"
TOLERANCE = 1e-4  # of a probability, on another kind of CPU
# CPUs without instructions for int8 add pairs of products in 16 bits, which overflow; `auto` never takes int8 there.
# An emulated Haswell is off by 0.0062 at most, and gives the stored scores of fp32 bit for bit.
TOLERANCE_OVERFLOW = 0.02
CASES = [(folder.name, precision) for folder in find_artifacts() for precision in ("fp32", "int8")]

TEXTS = {
    "reviews.parquet": pq.read_table(DATA / "reviews.parquet")["review"].to_pylist(),  # one is null
    "short_texts.csv": pc.read_csv(DATA / "short_texts.csv")["text"].to_pylist(),
    "extremes": [None, "", " \t\n", "<br />", "!", "Xyzzy", "a great film", "bad film , " * 4_000 + "but great"],
}


def score_texts(model: str, precision: str) -> dict[str, np.ndarray]:
    scorer = Scorer.load(model, device="cpu", precision=precision)
    return {name: scorer.score(texts) for name, texts in TEXTS.items()}


def golden_file(model: str, precision: str) -> Path:
    return DATA / "golden" / f"{model}.{precision}.json"


@pytest.mark.parametrize(("model", "precision"), CASES)
def test_the_shipped_models_give_the_stored_scores(model, precision) -> None:
    stored = json.loads(golden_file(model, precision).read_text(encoding="utf-8"))
    assert stored["manifest_sha256"] == load_artifact(model).manifest_sha256, f"another model is shipped: {REMEDY}"
    found = score_texts(model, precision)
    assert found.keys() == stored["scores"].keys(), REMEDY
    tolerance = TOLERANCE if precision == "fp32" or multiplies_int8() else TOLERANCE_OVERFLOW
    same_cpu = stored["arithmetic"] == describe_arithmetic()
    for name, scores in found.items():
        expected = np.array(stored["scores"][name], np.float32)  # null becomes NaN
        if same_cpu:
            assert np.array_equal(scores, expected, equal_nan=True), f"{name}: {REMEDY}"
        np.testing.assert_allclose(scores, expected, rtol=0, atol=tolerance, err_msg=f"{name}: {REMEDY}")


@pytest.mark.parametrize(("model", "precision"), CASES)
def test_texts_without_a_word_have_no_stored_score(model, precision) -> None:
    scores = json.loads(golden_file(model, precision).read_text(encoding="utf-8"))["scores"]
    for name, texts in TEXTS.items():
        assert [score is None for score in scores[name]] == [
            not (text or "").replace("<br />", "").split() for text in texts
        ]


def make() -> None:
    for model, precision in CASES:
        content = {
            "manifest_sha256": load_artifact(model).manifest_sha256,
            "arithmetic": describe_arithmetic(),
            # The shortest decimal number that reads back to the same float32.
            "scores": {
                name: [None if np.isnan(score) else float(str(score)) for score in scores]
                for name, scores in score_texts(model, precision).items()
            },
        }
        path = golden_file(model, precision)
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
        print(f"{path}: {sum(map(len, content['scores'].values()))} scores")


if __name__ == "__main__":
    make()
