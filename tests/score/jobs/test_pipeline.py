from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sentscore.model.engine import Engine, Scoring
from sentscore.progress import Progress
from sentscore.scorer import Scorer
from sentscore.sources import source as window

REVIEWS = Path(__file__).parents[2] / "data" / "reviews.parquet"


class TestWindows:
    @pytest.mark.parametrize("ending", ["txt", "csv", "jsonl", "parquet"])
    def test_rows_keep_their_order_over_windows(
        self, tmp_path: Path, ending: str, monkeypatch: pytest.MonkeyPatch, run, expected_sentiment
    ) -> None:
        monkeypatch.setattr(window, "WINDOW_ROWS", 7)
        texts = ["x" * (n % 37) for n in range(100)]
        (tmp_path / "a.txt").write_text("".join(text + "\n" for text in texts))
        run(tmp_path / "a.txt", tmp_path / f"b.{ending}")
        run(tmp_path / "a.txt", tmp_path / "c.parquet")
        table = pq.read_table(tmp_path / "c.parquet")
        assert table["text"].to_pylist() == texts
        assert table["sentiment"].to_pylist() == [expected_sentiment(text) for text in texts]
        if ending != "txt":
            run(tmp_path / f"b.{ending}", tmp_path / "d.jsonl", prefix="again_", column="text")
            lines = (tmp_path / "d.jsonl").read_text().splitlines()
            assert [json.loads(line)["text"] for line in lines] == texts

    def test_progress_is_told_as_rows_are_done(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run, make_scorer
    ) -> None:
        monkeypatch.setattr(window, "WINDOW_ROWS", 25)
        monkeypatch.setattr("sentscore.jobs.pipeline.BLOCK_ROWS", 25)
        seen: list[Progress] = []
        run(REVIEWS, tmp_path / "a.csv", scorers=[make_scorer(), make_scorer("gru")], on_progress=seen.append)
        assert all(progress.total == 60 for progress in seen)
        # What is encoded ahead counts too, for this scorer is done at once.
        assert [progress.done for progress in seen] == sorted(progress.done for progress in seen)
        assert seen[-1].done == 60
        seen.clear()
        run(tmp_path / "a.csv", tmp_path / "b.csv", prefix="again_", on_progress=seen.append)
        size = (tmp_path / "a.csv").stat().st_size
        assert [(progress.total, progress.size) for progress in seen] == [(None, size)] * 3
        assert [progress.done for progress in seen] == [50, 60, 60]
        assert seen[-1].position == size

    def test_progress_is_told_while_a_block_is_scored(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run
    ) -> None:
        seen: list[Progress] = []

        def wait(scoring: Scoring, timeout: float) -> bool:
            quarter = scoring.tokens // 4
            scoring.tokens_done = quarter if scoring.seconds else scoring.tokens_done + quarter
            scoring.seconds = 0.0
            return scoring.tokens_done == scoring.tokens

        monkeypatch.setattr(Scoring, "wait", wait)
        run(REVIEWS, tmp_path / "a.csv", on_progress=seen.append)
        assert [progress.done for progress in seen] == [15, 30, 45, 60]

    def test_blocks_of_long_texts_are_small_though_a_dictionary_holds_them_once(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run, make_scorer
    ) -> None:
        texts = [f"{n % 3}" * 1_000 for n in range(100)]
        monkeypatch.setattr("sentscore.jobs.pipeline.WINDOW_BYTES", 20_000)
        outputs = []
        for name, column in (("plain", pa.array(texts)), ("dictionary", pa.array(texts).dictionary_encode())):
            pq.write_table(pa.table({"text": column}), tmp_path / f"{name}.parquet", row_group_size=5)
            scorer = make_scorer()
            run(tmp_path / f"{name}.parquet", tmp_path / f"{name}.csv", scorers=[scorer])
            assert max(scorer.engine.calls) <= 20
            outputs.append((tmp_path / f"{name}.csv").read_bytes())
        assert outputs[0] == outputs[1]

    def test_small_row_groups_are_scored_together(
        self,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        run,
        make_scorer,
        expected_sentiment,
    ) -> None:
        pq.write_table(pa.table({"text": ["x" * n for n in range(1, 91)]}), tmp_path / "a.parquet", row_group_size=10)
        monkeypatch.setattr("sentscore.jobs.pipeline.BLOCK_ROWS", 40)
        scorer = make_scorer()
        run(tmp_path / "a.parquet", scorers=[scorer])
        calls = scorer.engine.calls
        assert calls == [40, 40, 10]
        found = pq.ParquetFile(tmp_path / "a.scored.parquet")
        assert [found.metadata.row_group(n).num_rows for n in range(found.num_row_groups)] == [10] * 9
        assert found.read()["sentiment"].to_pylist() == [expected_sentiment("x" * n) for n in range(1, 91)]

    @pytest.mark.parametrize("group", [90, 33, 2])
    def test_the_first_block_is_small(
        self,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        group: int,
        run,
        make_scorer,
        expected_sentiment,
    ) -> None:
        texts = ["x" * n for n in range(1, 91)]
        pq.write_table(pa.table({"text": texts}), tmp_path / "a.parquet", row_group_size=group)
        monkeypatch.setattr("sentscore.jobs.pipeline.BLOCK_ROWS", 40)
        monkeypatch.setattr("sentscore.jobs.pipeline.FIRST_ROWS", 6)
        scorer = make_scorer()
        run(tmp_path / "a.parquet", scorers=[scorer])
        calls = scorer.engine.calls
        assert calls[0] == 6
        assert max(calls) > 6  # only the first is
        assert sum(calls) == 90
        found = pq.ParquetFile(tmp_path / "a.scored.parquet")
        groups = [found.metadata.row_group(n).num_rows for n in range(found.num_row_groups)]
        before = pq.ParquetFile(tmp_path / "a.parquet").metadata
        assert groups == [before.row_group(n).num_rows for n in range(before.num_row_groups)]
        assert found.read()["text"].to_pylist() == texts
        assert found.read()["sentiment"].to_pylist() == [expected_sentiment(text) for text in texts]

    def test_blocks_are_encoded_ahead_and_come_out_in_order(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run, make_scorer, expected_sentiment
    ) -> None:
        pq.write_table(pa.table({"text": ["x" * n for n in range(1, 91)]}), tmp_path / "a.parquet", row_group_size=10)
        monkeypatch.setattr("sentscore.jobs.pipeline.BLOCK_ROWS", 10)
        events: list[str] = []

        scorer = make_scorer()
        engine, encode, submit = scorer.engine, scorer.engine.encode, scorer.engine.submit
        engine.blocks_ahead = 3
        monkeypatch.setattr(engine, "encode", lambda texts: events.append("encode") or encode(texts))
        monkeypatch.setattr(
            engine, "submit", lambda texts, pool, wanted: events.append("submit") or submit(texts, pool)
        )
        run(tmp_path / "a.parquet", scorers=[scorer])
        assert events == ["encode"] * 4 + ["submit", "encode"] * 5 + ["submit"] * 4
        found = pq.read_table(tmp_path / "a.scored.parquet")
        assert found["sentiment"].to_pylist() == [expected_sentiment("x" * n) for n in range(1, 91)]


class TestGpu:
    """What is scored on a GPU is sorted by length in larger blocks."""

    def test_blocks_are_large_and_encoded_in_parts(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run, tiny_artifact: Path
    ) -> None:
        texts = [None if n % 17 == 0 else "a great film . " * (n % 11) + f"not {n % 7}" for n in range(200)]
        pq.write_table(pa.table({"text": texts}), tmp_path / "a.parquet", row_group_size=13)
        for name, rows in (("CUDA_BLOCK_ROWS", 60), ("BLOCK_ROWS", 26), ("FIRST_ROWS", 5), ("_ENCODED_ROWS", 8)):
            monkeypatch.setattr(f"sentscore.jobs.pipeline.{name}", rows)
        scorer = Scorer.load(tiny_artifact, device="cpu")
        expected = scorer.score(texts)
        encoded: list[int] = []
        submitted: list[int] = []
        encode, submit = scorer.engine.encode, scorer.engine.submit
        monkeypatch.setattr(scorer.engine, "encode", lambda part: encoded.append(len(part)) or encode(part))
        monkeypatch.setattr(
            scorer.engine, "submit", lambda found, *a, **b: submitted.append(len(found.rows)) or submit(found, *a, **b)
        )
        run(tmp_path / "a.parquet", tmp_path / "cpu.parquet", scorers=[scorer])
        assert submitted == [5, 21, *[26] * 6, 18]
        encoded.clear()
        submitted.clear()
        monkeypatch.setattr(scorer, "device", "cuda")
        run(tmp_path / "a.parquet", tmp_path / "cuda.parquet", scorers=[scorer])
        assert submitted == [52, 52, 52, 44]
        assert encoded == [*[8, 8, 8, 8, 8, 8, 4] * 3, 8, 8, 8, 8, 8, 4]
        for name in ("cpu", "cuda"):
            found = pq.read_table(tmp_path / f"{name}.parquet")["score"].to_numpy()
            assert np.array_equal(found, expected, equal_nan=True)

    def test_processes_have_work_while_blocks_wait(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run, tiny_artifact: Path
    ) -> None:
        pq.write_table(pa.table({"text": [f"film {n}" for n in range(100)]}), tmp_path / "a.parquet", row_group_size=10)
        for name, rows in (("CUDA_BLOCK_ROWS", 20), ("_ENCODED_ROWS", 5)):
            monkeypatch.setattr(f"sentscore.jobs.pipeline.{name}", rows)
        scorer = Scorer.load(tiny_artifact, device="cpu")
        monkeypatch.setattr(scorer, "device", "cuda")
        monkeypatch.setattr(Engine, "blocks_ahead", 6)
        events: list[str] = []
        encode, submit = scorer.engine.encode, scorer.engine.submit
        monkeypatch.setattr(scorer.engine, "encode", lambda part: events.append("encode") or encode(part))
        monkeypatch.setattr(
            scorer.engine, "submit", lambda *some, **more: events.append("submit") or submit(*some, **more)
        )
        run(tmp_path / "a.parquet", tmp_path / "b.parquet", scorers=[scorer])
        # Five blocks of 20 rows, each encoded in four parts. Six or more results are waited for behind the next block.
        assert events == [*["encode"] * 12, "submit", *["encode"] * 4, "submit", *["encode"] * 4, *["submit"] * 3]
        assert pq.read_table(tmp_path / "b.parquet")["score"].null_count == 0


class TestVocabularies:
    """Models with the same vocabulary encode a text once."""

    @pytest.mark.parametrize("same", [True, False])
    def test_texts_are_encoded_once_for_each_vocabulary(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run, make_artifact, tiny_artifact: Path, same: bool
    ) -> None:
        (tmp_path / "a.csv").write_text("text\nA great film\nawful\n")
        scorers = [Scorer.load(path, device="cpu") for path in (tiny_artifact, make_artifact("gru", lowercase=same))]
        encoded: list[str] = []
        encode = Engine.encode
        monkeypatch.setattr(
            Engine, "encode", lambda engine, texts: encoded.append(engine.artifact.name) or encode(engine, texts)
        )
        run(tmp_path / "a.csv", tmp_path / "b.parquet", scorers=scorers)
        assert encoded == (["lstm"] if same else ["lstm", "gru"])
        found = pq.read_table(tmp_path / "b.parquet")
        for scorer in scorers:
            assert found[f"{scorer.name}_score"].to_pylist() == scorer.score(found["text"]).tolist()


MEMORY_SCRIPT = """
import resource, sys
from sentscore import Scorer
from sentscore.jobs import pipeline, plan_jobs, run_job
from sentscore.sources import source as window

window.WINDOW_ROWS = pipeline.BLOCK_ROWS = 400
scorer = Scorer.load(sys.argv[1], device="cpu", threads=1)
for name in sys.argv[2:]:
    [job] = plan_jobs([name], output=None, format=None, force=True)
    run_job(job, [scorer])
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


@pytest.mark.parametrize("ending", ["csv", "jsonl.gz", "parquet"])
def test_memory_does_not_grow_with_the_file(tmp_path: Path, ending: str, run, tiny_artifact: Path) -> None:
    """The second file has 20 times the rows of the first, 25 MB, in windows and row groups of like size."""
    for name, groups in (("small", 2), ("large", 40)):
        rows = 400
        schema = pa.schema([("id", pa.string()), ("text", pa.string())])
        with pq.ParquetWriter(tmp_path / f"{name}.parquet", schema) as writer:
            for group in range(groups):
                texts = [f"{group * rows + n} " * 150 for n in range(rows)]
                writer.write_table(pa.table({"id": texts, "text": texts}, schema=schema))
        if ending != "parquet":
            run(tmp_path / f"{name}.parquet", tmp_path / f"{name}.{ending}", prefix="a_")
            (tmp_path / f"{name}.parquet").unlink()
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            MEMORY_SCRIPT,
            tiny_artifact,
            *[tmp_path / f"{name}.{ending}" for name in ("small", "large")],
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    small, large = map(int, done.stdout.split())
    assert large < 1.1 * small
