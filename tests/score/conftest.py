from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest


@pytest.fixture(scope="session")
def read_report() -> Callable[[Path], dict[str, Any]]:
    """Reads the report of a run, and checks it by the schema that comes with the package."""
    from jsonschema import Draft202012Validator

    from sentscore.jobs.run_report import SCHEMA

    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    Draft202012Validator.check_schema(schema)

    def read(path: Path) -> dict[str, Any]:
        report: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        Draft202012Validator(schema).validate(report)
        return report

    return read


@pytest.fixture
def write_scored(tmp_path: Path) -> Callable[..., Path]:
    """Writes a Parquet file as `sentscore file` does, with scores that are given."""

    def write(
        name: str,
        texts: Sequence[str | None],
        scores: dict[str, Sequence[float]],
        digests: dict[str, str] | None = None,
        **columns: object,
    ) -> Path:
        """Writes one.

        Args:
            name: The file's name.
            texts: The texts.
            scores: Each model's scores by its name; NaN for none.
            digests: The digest of each model; by default those of models that are not here.
            columns: Columns before the texts, and any others of explanations.
        """
        explained = {key: columns.pop(key) for key in [*columns] if "explain_" in key}
        table = {**columns, "review": pa.array(texts, pa.string())}
        for model, values in scores.items():
            score = pa.array(np.asarray(values, np.float32), from_pandas=True)
            sentiment = [None if np.isnan(each) else "positive" if each >= 0.5 else "negative" for each in values]
            prefix = f"{model}_" if len(scores) > 1 else ""
            table |= {f"{prefix}score": score, f"{prefix}sentiment": pa.array(sentiment, pa.string())}
        models = [
            {"name": model, "manifest_sha256": (digests or {}).get(model, "0" * 64), "precision": "fp32"}
            for model in scores
        ]
        metadata = {b"sentscore": json.dumps({"models": models, "version": "1"}).encode()}
        pq.write_table(pa.table({**table, **explained}).replace_schema_metadata(metadata), tmp_path / name)
        return tmp_path / name

    return write
