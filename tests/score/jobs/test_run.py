from __future__ import annotations

import csv
import datetime
import decimal
import gzip
import io
import json
import tempfile
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sentscore import __version__
from sentscore.errors import InputError, UsageError
from sentscore.jobs import plan_jobs, plan_whole
from sentscore.jobs.pipeline import Stages
from sentscore.jobs.run import Summary, check_inputs, run_job
from sentscore.model.artifact import load_artifact
from sentscore.model.session import Session
from sentscore.progress import Progress
from sentscore.scorer import Scorer
from sentscore.sources import source as window
from sentscore.text.rules import stored_rules

REVIEWS = Path(__file__).parents[2] / "data" / "reviews.parquet"


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def rich_table(rows: int) -> pa.Table:
    """A table with columns of many types, nulls, and metadata everywhere."""
    when = datetime.datetime(2024, 3, 31, 1, 30, tzinfo=datetime.UTC)
    texts = ["good film", None, "", "   ", "bad \u2014 \ud83d\ude00".encode("utf-16", "surrogatepass").decode("utf-16")]
    key = pa.field("k", pa.string(), metadata={"deep": "yes"})
    columns: dict[str, pa.Array] = {
        "id": pa.array(range(rows), pa.int64()),
        "review": pa.array([texts[n % 5] for n in range(rows)]),
        "tags": pa.array(
            [[{"k": "a", "n": n}, {"k": None, "n": None}] if n % 3 else None for n in range(rows)],
            pa.list_(pa.field("element", pa.struct([key, ("n", pa.int32())]))),
        ),
        "counts": pa.array([[("x", n)] if n % 4 else [] for n in range(rows)], pa.map_(pa.string(), pa.int64())),
        "at": pa.array([when if n % 2 else None for n in range(rows)], pa.timestamp("us", "Europe/Berlin")),
        "price": pa.array([decimal.Decimal(n).scaleb(-2) for n in range(rows)], pa.decimal128(12, 2)),
        "label": pa.array(["x", "y"] * (rows // 2)).dictionary_encode(),
        "large": pa.array(["z"] * rows, pa.large_string()),
        "view": pa.array(["v"] * rows, pa.string_view()),
        "fixed": pa.array([b"1234"] * rows, pa.binary(4)),
        "small": pa.array([1] * rows, pa.int8()),
        "day": pa.array([datetime.date(2024, 1, 1)] * rows),
        "nothing": pa.nulls(rows),
    }
    fields = [
        pa.field(name, column.type, nullable=name != "id", metadata={"about": name} if name in {"id", "at"} else None)
        for name, column in columns.items()
    ]
    schema = pa.schema(fields, metadata={"owner": "night shift", "pandas": '{"index_columns": []}'})
    return pa.Table.from_arrays(list(columns.values()), schema=schema)


class TestParquet:
    @pytest.mark.parametrize("compliant", [True, False])
    def test_everything_is_kept_and_two_columns_are_appended(
        self, tmp_path: Path, compliant: bool, run, expected_sentiment, tiny_artifact
    ) -> None:
        table = rich_table(80)
        source = tmp_path / "a.parquet"
        pq.write_table(table, source, row_group_size=10, compression="brotli", use_compliant_nested_type=compliant)
        summary = run(source, column="review")
        path = tmp_path / "a.scored.parquet"
        found, expected = pq.read_table(path), pq.read_table(source)
        assert found.drop_columns(["sentiment", "score"]).equals(expected)
        assert [
            field.equals(found.schema.field(i), check_metadata=True) for i, field in enumerate(expected.schema)
        ] == [True] * len(expected.schema)
        assert found.schema.field("tags").type.equals(expected.schema.field("tags").type, check_metadata=True)
        assert found.schema.names == [*table.schema.names, "sentiment", "score"]
        assert found["sentiment"].to_pylist() == [expected_sentiment(text) for text in table["review"].to_pylist()]
        assert found["score"].type == pa.float32()
        assert found["score"].null_count == found["sentiment"].null_count == 48
        metadata = dict(found.schema.metadata)
        made_by = json.loads(metadata.pop(b"sentscore"))
        manifest_sha256 = load_artifact(tiny_artifact).manifest_sha256
        assert made_by == {
            "models": [{"name": "lstm", "manifest_sha256": manifest_sha256, "precision": "fp32"}],
            "version": __version__,
        }
        assert metadata == expected.schema.metadata
        groups = pq.ParquetFile(path).metadata
        assert [groups.row_group(i).num_rows for i in range(groups.num_row_groups)] == [10] * 8
        assert groups.row_group(0).column(0).compression == "BROTLI"
        assert (summary.rows, summary.scored, summary.empty) == (80, 32, 48)
        assert summary.output == str(path)

    def test_the_sample_reviews_need_no_column(self, tmp_path: Path, run) -> None:
        summary = run(REVIEWS, tmp_path / "out.parquet")
        assert (summary.rows, summary.scored, summary.empty) == (60, 58, 2)
        found = pq.read_table(tmp_path / "out.parquet")
        assert found.schema.names == ["id", "title", "review", "stars", "sentiment", "score"]
        assert pq.ParquetFile(tmp_path / "out.parquet").metadata.row_group(0).column(2).compression == "ZSTD"

    def test_an_empty_table(self, tmp_path: Path, run) -> None:
        pq.write_table(pa.table({"text": pa.array([], pa.string())}), tmp_path / "a.parquet")
        assert run(tmp_path / "a.parquet").rows == 0
        found = pq.read_table(tmp_path / "a.scored.parquet")
        assert found.schema.names == ["text", "sentiment", "score"]
        assert found.schema.types == [pa.string(), pa.string(), pa.float32()]

    @pytest.mark.parametrize("ending", ["csv", "jsonl", "txt"])
    def test_nested_columns_become_json_in_text_formats(self, tmp_path: Path, ending: str, run) -> None:
        pq.write_table(rich_table(10), tmp_path / "a.parquet")
        run(tmp_path / "a.parquet", tmp_path / f"b.{ending}", column="review")
        content = (tmp_path / f"b.{ending}").read_text()
        if ending == "csv":
            row = list(csv.DictReader(io.StringIO(content)))[4]
            assert row["tags"] == '[{"k": "a", "n": 4}, {"k": null, "n": null}]'
            assert (row["price"], row["sentiment"], row["nothing"]) == ("0.04", "negative", "")
        elif ending == "jsonl":
            line = json.loads(content.splitlines()[5])
            assert line["tags"] == [{"k": "a", "n": 5}, {"k": None, "n": None}]
            assert line["at"] == "2024-03-31 03:30:00.000000+0200"
        else:
            assert content.splitlines()[:2] == ["good film\tnegative\t0.09090909", "\t\t"]

    def test_row_groups_without_rows_are_kept(self, tmp_path: Path, run) -> None:
        source = tmp_path / "a.parquet"
        with pq.ParquetWriter(source, pa.schema({"text": pa.string()})) as writer:
            for rows in (0, 3, 0, 0, 2, 0):
                writer.write_table(pa.table({"text": pa.array(["a"] * rows, pa.string())}))
        run(source)
        groups = pq.ParquetFile(tmp_path / "a.scored.parquet").metadata
        assert [groups.row_group(i).num_rows for i in range(groups.num_row_groups)] == [0, 3, 0, 0, 2, 0]


class TestSeveralModels:
    def test_each_has_columns_of_its_own_in_order(self, tmp_path: Path, run, make_scorer) -> None:
        (tmp_path / "a.csv").write_text("text\n" + "x" * 60 + "\n")
        summary = run(tmp_path / "a.csv", scorers=[make_scorer(), make_scorer("gru")], prefix="m_")
        assert (tmp_path / "a.scored.csv").read_text() == (
            "text,m_lstm_score,m_lstm_sentiment,m_gru_score,m_gru_sentiment\n"
            f"{'x' * 60},0.6060606,positive,0.6060606,positive\n"
        )
        assert [(model.name, model.device, model.positive) for model in summary.models] == [
            ("lstm", "cpu", 1),
            ("gru", "cpu", 1),
        ]

    def test_of_one_name_are_refused(self, tmp_path: Path, run, make_scorer) -> None:
        (tmp_path / "a.csv").write_text("text\n")
        with pytest.raises(UsageError, match="--model lstm: given twice"):
            run(tmp_path / "a.csv", scorers=[make_scorer(), make_scorer()])


class TestColumnsToKeep:
    @pytest.mark.parametrize("out", ["b.parquet", "b.csv", "b.jsonl"])
    def test_only_they_and_the_scores_are_written(self, tmp_path: Path, out: str, run, expected_score) -> None:
        texts = ["good film", None]
        pq.write_table(pa.table({"id": [1, 2], "day": ["x", "y"], "text": texts}), tmp_path / "a.parquet")
        run(tmp_path / "a.parquet", tmp_path / out, column="text", keep=["day", "id"])
        if out == "b.parquet":
            found = pq.read_table(tmp_path / out)
            assert found.schema.names == ["day", "id", "sentiment", "score"]
            assert found["score"].to_pylist() == [pytest.approx(expected_score("good film")), None]
        elif out == "b.csv":
            assert (tmp_path / out).read_text().splitlines()[0::2] == ["day,id,sentiment,score", "y,2,,"]
        else:
            assert list(json.loads((tmp_path / out).read_text().splitlines()[0])) == ["day", "id", "sentiment", "score"]

    def test_lines_of_texts_need_the_texts(self, tmp_path: Path, run) -> None:
        (tmp_path / "a.csv").write_text("id,text\n1,good\n")
        with pytest.raises(UsageError, match=r"--keep leaves out the texts, which a \.txt output is made of"):
            run(tmp_path / "a.csv", tmp_path / "b.txt", column="text", keep=["id"])
        run(tmp_path / "a.csv", tmp_path / "b.txt", column="text", keep=["id", "text"])
        assert (tmp_path / "b.txt").read_text() == "good\tnegative\t0.04040404\n"


class TestNames:
    @pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
    def test_a_taken_name_is_an_error_that_names_the_prefix(self, tmp_path: Path, ending: str, run) -> None:
        (tmp_path / "a.txt").write_text("a\n")
        run(tmp_path / "a.txt", tmp_path / f"b.{ending}")
        with pytest.raises(UsageError, match="has a column 'sentiment' already: give the new ones a `prefix`"):
            run(tmp_path / f"b.{ending}")
        run(tmp_path / f"b.{ending}", prefix="again_")
        assert files(tmp_path) == ["a.txt", f"b.{ending}", f"b.scored.{ending}"]


@pytest.mark.parametrize("ending", ["txt", "csv", "jsonl", "parquet"])
@pytest.mark.parametrize("out", ["tsv", "csv.gz", "jsonl", "parquet.zst", "parquet", "txt"])
def test_any_format_becomes_any_other(tmp_path: Path, ending: str, out: str, run) -> None:
    texts = ["good", "", "é\t, \"'\ufeff!!!"]
    if ending == "txt":
        (tmp_path / "a.txt").write_text("\n".join(texts))
    else:
        pq.write_table(pa.table({"text": texts}), tmp_path / "in.parquet")
        run(tmp_path / "in.parquet", tmp_path / f"first.{ending}")
        if ending == "parquet":
            pq.write_table(pa.table({"text": texts}), tmp_path / "a.parquet")
        else:
            run(tmp_path / "in.parquet", tmp_path / f"a.{ending}", prefix="first_")
    run(tmp_path / f"a.{ending}", tmp_path / f"b.{out}", column="text")
    if out == "txt":
        rows = [line.rsplit("\t", 2) for line in (tmp_path / "b.txt").read_text().split("\n")[:-1]]
        assert rows == [["good", "negative", "0.04040404"], ["", "", ""], [texts[2], "negative", "0.1010101"]]
        return
    run(tmp_path / f"b.{out}", tmp_path / "c.parquet", prefix="again_", column="text")
    table = pq.read_table(tmp_path / "c.parquet")
    assert table["text"].to_pylist() == texts
    assert table["again_sentiment"].to_pylist() == ["negative", None, "negative"]
    assert [value and float(value) for value in table["score"].to_pylist()] == pytest.approx(
        [0.04040404, "" if out in {"tsv", "csv.gz"} else None, 0.1010101], abs=1e-7
    )


@pytest.fixture(scope="session")
def in_folder(run) -> Callable[..., bytes]:
    """Scores a file in a folder of its own; returns the output's content."""

    def in_folder(name: str, content: bytes, out: str | None = None, **options: Any) -> bytes:
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / name).write_bytes(content)
            summary = run(Path(folder) / name, Path(folder) / out if out else None, **options)
            assert sorted(path.name for path in Path(folder).iterdir()) == sorted([name, Path(summary.output).name])
            return Path(summary.output).read_bytes()

    return in_folder


class TestRoundTrips:
    @settings(max_examples=150, deadline=None)
    @given(st.lists(st.tuples(st.text(), st.text()), max_size=20), st.sampled_from(["\n", "\r\n"]), st.booleans())
    def test_csv_values_come_back_exactly(
        self, in_folder, expected_sentiment, rows: list[tuple[str, str]], end: str, quoted: bool
    ) -> None:
        out = io.StringIO()
        quoting = csv.QUOTE_ALL if quoted else csv.QUOTE_MINIMAL
        # This writer leaves a lone carriage return bare, which no reader takes for a value.
        writer = csv.writer(out, lineterminator=end, quoting=quoting if end == "\r\n" else csv.QUOTE_ALL)
        writer.writerows([("id", "text"), *rows])
        found = list(csv.reader(io.StringIO(in_folder("a.csv", out.getvalue().encode()).decode(), newline="")))
        assert found[0] == ["id", "text", "sentiment", "score"]
        assert [tuple(row[:2]) for row in found[1:]] == rows
        assert [row[2] or None for row in found[1:]] == [expected_sentiment(text) for _, text in rows]

    @settings(max_examples=150, deadline=None)
    @given(st.lists(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\n")), max_size=20))
    def test_text_lines_come_back_exactly(self, in_folder, texts: list[str]) -> None:
        texts = [text.rstrip("\r") for text in texts]
        if texts:
            texts[0] = texts[0].lstrip("\ufeff")
        content = "".join(text + "\n" for text in texts).encode()
        lines = in_folder("a.txt", content).decode().split("\n")
        assert [line.rsplit("\t", 2)[0] for line in lines[:-1]] == texts
        table = pq.read_table(pa.BufferReader(in_folder("a.txt", content, "b.parquet")))
        assert table["text"].to_pylist() == texts

    JSON = st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
        max_leaves=6,
    )
    ROWS = st.lists(st.tuples(st.dictionaries(st.text(), JSON, max_size=4), st.none() | st.text()), max_size=10)

    @settings(max_examples=150, deadline=None)
    @given(ROWS, st.booleans(), st.sampled_from(["\n", "\r\n", " \n"]), st.sampled_from([",", " ,  "]))
    def test_json_lines_keep_their_text(
        self,
        in_folder,
        expected_score,
        expected_sentiment,
        rows: list[tuple[dict[str, Any], str | None]],
        escaped: bool,
        end: str,
        comma: str,
    ) -> None:
        objects = [{**row, "text": text} for row, text in rows]
        objects = [{key: row[key] for key in row if key not in {"score", "sentiment"}} for row in objects]
        lines = [json.dumps(row, ensure_ascii=escaped, separators=(comma, ":")) for row in objects]
        content = "".join(line + end for line in lines).encode()
        options = {"column": "text"} if objects else {}
        found = in_folder("a.jsonl", content, **options).decode().split("\n")
        assert len(found) == len(lines) + 1
        for line, row, out in zip(lines, objects, found, strict=False):
            assert out.startswith(line[:-1])
            assert out.endswith("}" + end[:-1])
            scored = json.loads(out)
            assert {key: scored[key] for key in row} == row
            assert scored["sentiment"] == expected_sentiment(row["text"])
            if scored["score"] is not None:
                assert np.float32(scored["score"]) == np.float32(expected_score(row["text"]))


class TestCarryingOn:
    @pytest.fixture(autouse=True)
    def _small_blocks_written_at_once(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("sentscore.jobs.journal._FIRST_WRITE_S", 0.0)
        monkeypatch.setattr("sentscore.jobs.pipeline.FIRST_ROWS", 5)
        monkeypatch.setattr("sentscore.jobs.pipeline.BLOCK_ROWS", 10)
        monkeypatch.setattr(window, "WINDOW_ROWS", 10)

    @pytest.fixture
    def reviews(self, tmp_path: Path) -> Path:
        """60 rows; the scores go to another folder."""
        path = tmp_path / "reviews.csv"
        path.write_text("".join(["id,text\n", *(f"{n},{'x' * n if n % 7 else ''}\n" for n in range(1, 61))]))
        (tmp_path / "results").mkdir()
        return path

    @pytest.fixture
    def output(self, tmp_path: Path) -> Path:
        return tmp_path / "results" / "out.csv"

    @pytest.fixture
    def stopped(self, run, make_scorer) -> Callable[..., list[str]]:
        """Runs a job that is interrupted in one of its blocks; returns the notes of the error."""

        def stopped(path: Path, output: Path, at: int, **options: Any) -> list[str]:
            with pytest.raises(KeyboardInterrupt) as caught:
                run(path, output, scorers=[make_scorer(stop_at=at)], resume=True, **options)
            assert not output.exists()
            return getattr(caught.value, "__notes__", [])

        return stopped

    @pytest.mark.parametrize("ending", ["parquet", "csv", "tsv.gz", "jsonl.zst", "txt"])
    @pytest.mark.parametrize("stop_at", [2, 3, 5])
    def test_the_output_is_that_of_a_run_that_was_not_stopped(
        self, tmp_path: Path, ending: str, stop_at: int, run, make_scorer, stopped
    ) -> None:
        texts = [None if n % 7 == 0 else "x" * n for n in range(1, 61)]
        pq.write_table(pa.table({"id": list(range(60)), "text": texts}), tmp_path / "a.parquet", row_group_size=7)
        path = tmp_path / f"in.{ending}"
        run(tmp_path / "a.parquet", path, column="text", prefix="old_")
        folder = tmp_path / "results"
        folder.mkdir()
        options: dict[str, Any] = {} if ending == "txt" else {"column": "text"}
        whole, output = folder / f"whole.{ending}", folder / f"out.{ending}"
        every = make_scorer()
        run(path, whole, scorers=[every], **options)
        assert stopped(path, output, stop_at, **options) == ["what is scored is kept: the same command carries on"]
        rest = make_scorer()
        seen: list[Progress] = []
        summary = run(path, output, scorers=[rest], resume=True, on_progress=seen.append, **options)
        assert output.read_bytes() == whole.read_bytes()
        blank = sum(rest.engine.calls) - sum(every.engine.calls[stop_at:])
        assert 0 <= blank <= 2  # rows without a text of the last block that was begun
        assert files(folder) == sorted([whole.name, output.name])
        assert summary.rows == 60
        assert 0 < summary.kept < summary.scored
        assert summary.rate == pytest.approx((summary.scored - summary.kept) / summary.seconds)
        assert seen[-1].kept == 60 - sum(rest.engine.calls)

    @pytest.mark.parametrize("ending", ["parquet", "csv"])
    def test_what_a_gpu_has_scored_is_carried_on_to_the_same_output(
        self, tmp_path: Path, ending: str, monkeypatch: pytest.MonkeyPatch, run, make_scorer
    ) -> None:
        def on_gpu(stop_at: int | None = None) -> Scorer:
            scorer = make_scorer(stop_at=stop_at)
            vars(scorer).update(device="cuda")
            return scorer

        monkeypatch.setattr("sentscore.jobs.pipeline.CUDA_BLOCK_ROWS", 15)
        texts = [None if n % 7 == 0 else "x" * n for n in range(1, 61)]
        path, output, whole = (tmp_path / f"{name}.{ending}" for name in ("in", "out", "whole"))
        pq.write_table(pa.table({"text": texts}), tmp_path / "a.parquet", row_group_size=7)
        run(tmp_path / "a.parquet", path, prefix="old_")
        run(path, whole, scorers=[on_gpu()], column="text")
        run(path, tmp_path / f"cpu.{ending}", column="text")
        assert whole.read_bytes() == (tmp_path / f"cpu.{ending}").read_bytes()
        with pytest.raises(KeyboardInterrupt) as caught:
            run(path, output, scorers=[on_gpu(3)], column="text", resume=True)
        assert caught.value.__notes__ == ["what is scored is kept: the same command carries on"]
        assert not output.exists()
        summary = run(path, output, scorers=[on_gpu()], column="text", resume=True)
        assert 0 < summary.kept < summary.scored
        assert output.read_bytes() == whole.read_bytes()

    def test_stopped_again_and_again(self, reviews: Path, output: Path, run, stopped) -> None:
        for _ in range(4):
            stopped(reviews, output, 2)
        summary = run(reviews, output, resume=True)
        run(reviews)
        assert output.read_bytes() == (reviews.with_name("reviews.scored.csv")).read_bytes()
        assert summary.kept > 25

    def test_the_counts_are_those_of_a_run_that_was_not_stopped(
        self, reviews: Path, output: Path, run, expected_score, stopped
    ) -> None:
        texts = ["" if n % 7 == 0 else "x" * (85 + n % 15) + "?" * (n % 4 == 0) for n in range(60)]
        reviews.write_text("".join(["text\n", *(f'"{text}"\n' for text in texts)]))
        whole = run(reviews)
        stopped(reviews, output, 3)
        summary = run(reviews, output, resume=True)
        assert 0 < summary.kept < summary.scored
        for found in (whole, summary):
            assert (found.rows, found.empty) == (60, texts.count(""))
            assert found.truncated == sum(len(text) > 95 for text in texts)
            assert found.mostly_unknown == sum("?" in text for text in texts)
            [model] = found.models
            scores = [expected_score(text) for text in texts if text]
            assert model.positive == sum(score >= 0.5 for score in scores)
            assert model.histogram == tuple(np.histogram(scores, 20, (0.0, 1.0))[0].tolist())
            assert model.score_sum == pytest.approx(sum(scores))

    def test_changed_rows_are_scored_anew(
        self, reviews: Path, output: Path, run, make_scorer, expected_score, stopped
    ) -> None:
        stopped(reviews, output, 4)
        reviews.write_text(reviews.read_text().replace("\n13,", "\n13,changed"))
        scorer = make_scorer()
        summary = run(reviews, output, scorers=[scorer], resume=True)
        assert (summary.kept, sum(scorer.engine.calls)) == (9, 50)  # the first ten rows are the same, one is empty
        with output.open() as file:
            found = {row["id"]: row["score"] for row in csv.DictReader(file)}
        assert float(found["13"]) == pytest.approx(expected_score("changed" + "x" * 13))

    def test_another_column_finds_no_scores_of_the_old_one(self, reviews: Path, output: Path, run, stopped) -> None:
        stopped(reviews, output, 4, column="text")
        assert run(reviews, output, column="id", resume=True).kept == 0

    @pytest.mark.parametrize(
        "changes",
        [
            {"manifest_sha256": "other"},
            {"precision": "int8"},
            {"precision": "tf32"},
            {"device": "cuda"},
        ],
    )
    def test_another_model_finds_no_scores(
        self, reviews: Path, output: Path, changes: dict[str, str], run, make_scorer, stopped
    ) -> None:
        stopped(reviews, output, 4)
        scorer = make_scorer()
        vars(scorer).update(changes)
        summary = run(reviews, output, scorers=[scorer], resume=True)
        assert summary.kept == 0
        assert files(output.parent) == ["out.csv"]

    def test_another_machine_finds_no_scores(
        self, reviews: Path, output: Path, monkeypatch: pytest.MonkeyPatch, run, stopped
    ) -> None:
        stopped(reviews, output, 4)
        monkeypatch.setattr("sentscore.jobs.run.describe_arithmetic", lambda: "another CPU")
        assert run(reviews, output, resume=True).kept == 0

    def test_another_tokenizer_finds_no_scores(self, reviews: Path, output: Path, run, make_scorer, stopped) -> None:
        stopped(reviews, output, 4)
        cased = make_scorer()
        cased.vocabulary = replace(cased.vocabulary, lowercase=False)
        assert run(reviews, output, scorers=[cased], resume=True).kept == 0
        output.unlink()
        stopped(reviews, output, 4)
        other = make_scorer()
        other.vocabulary = replace(other.vocabulary, rules=replace(stored_rules(), spacy_version="4.0.0"))
        assert run(reviews, output, scorers=[other], resume=True).kept == 0

    def test_two_models_are_carried_on_together(self, reviews: Path, output: Path, run, make_scorer) -> None:
        with pytest.raises(KeyboardInterrupt):
            run(reviews, output, scorers=[make_scorer(), make_scorer("gru", stop_at=4)], resume=True)
        assert run(reviews, output, resume=True).kept == 0  # by one of the two alone
        with pytest.raises(KeyboardInterrupt):
            run(reviews, output, scorers=[make_scorer(), make_scorer("gru", stop_at=4)], resume=True)
        rest = make_scorer("gru")
        summary = run(reviews, output, scorers=[make_scorer(), rest], resume=True)
        run(reviews, scorers=[make_scorer(), make_scorer("gru")])
        assert output.read_bytes() == reviews.with_name("reviews.scored.csv").read_bytes()
        assert sum(rest.engine.calls) < 60
        assert summary.kept > 0

    def test_the_batches_of_a_block_that_was_not_finished_are_not_scored_again(
        self,
        tmp_path: Path,
        output: Path,
        tiny_artifact: Path,
        tiny_gru_artifact: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr("sentscore.jobs.pipeline.FIRST_ROWS", 8)
        monkeypatch.setattr("sentscore.jobs.pipeline.BLOCK_ROWS", 100)
        output.parent.mkdir()
        texts = [
            None if n % 9 == 0 else f"{n} " + "a great film . " * (n % 5 + 1) + "not " * (n % 13) for n in range(100)
        ]
        pq.write_table(pa.table({"text": texts}), tmp_path / "a.parquet")
        [job] = plan_jobs([str(tmp_path / "a.parquet")], output=str(output), format=None, force=True)
        batches: list[int] = []
        stop_at = 0
        session_run = Session.run

        def run(session: Session, *arrays: Any) -> Any:
            if len(batches) == stop_at:
                raise KeyboardInterrupt
            batches.append(len(arrays[0]))
            return session_run(session, *arrays)

        def score(most: int) -> Summary:
            nonlocal stop_at
            batches.clear()
            stop_at = most
            scorers = [Scorer.load(path, device="cpu", threads=1, batch_tokens=64) for path in paths]
            return run_job(job, scorers, resume=True)

        paths = (tiny_artifact, tiny_gru_artifact)
        monkeypatch.setattr(Session, "run", run)
        score(1_000_000)
        whole, needed = output.read_bytes(), sum(batches)
        done = 0
        for most in (3, 0, 1, 20, 7):
            with pytest.raises(KeyboardInterrupt):
                score(most)
            assert len(batches) == most
            done += sum(batches)
        summary = score(1_000_000)
        assert output.read_bytes() == whole
        assert 0 < done < needed == done + sum(batches)
        assert 0 < summary.kept < summary.scored
        assert files(output.parent) == ["out.csv"]

    def test_none_are_left_unless_asked_for(self, reviews: Path, output: Path, run, make_scorer) -> None:
        with pytest.raises(KeyboardInterrupt):
            run(reviews, output, scorers=[make_scorer(stop_at=4)], resume=False)
        assert files(output.parent) == []

    def test_blocks_that_are_encoded_ahead_keep_their_order(
        self, reviews: Path, output: Path, run, make_scorer
    ) -> None:
        ahead = make_scorer(stop_at=3)
        ahead.engine.blocks_ahead = 3
        with pytest.raises(KeyboardInterrupt):
            run(reviews, output, scorers=[ahead], resume=True)
        rest = make_scorer()
        rest.engine.blocks_ahead = 3
        summary = run(reviews, output, scorers=[rest], resume=True)
        run(reviews)
        assert output.read_bytes() == reviews.with_name("reviews.scored.csv").read_bytes()
        assert 0 < summary.kept < 52
        assert sum(rest.engine.calls) < 60

    def test_one_that_does_not_resume_leaves_no_old_scores(self, reviews: Path, output: Path, run, stopped) -> None:
        stopped(reviews, output, 4)
        assert len(files(output.parent)) == 1
        run(reviews, output, resume=False)
        assert files(output.parent) == ["out.csv"]

    def test_an_input_is_carried_on_when_it_is_mended(self, tmp_path: Path, run) -> None:
        path, output = tmp_path / "a.jsonl", tmp_path / "out.csv"
        lines = "".join(json.dumps({"text": "x" * n}) + "\n" for n in range(1, 61))
        path.write_text(lines + "{")
        with pytest.raises(InputError) as caught:
            run(path, output, resume=True)
        assert caught.value.__notes__ == ["what is scored is kept: the same command carries on"]
        path.write_text(lines)
        assert run(path, output, resume=True).kept > 30

    def test_whole_files_are_carried_on(self, tmp_path: Path, output: Path, make_scorer) -> None:
        output.parent.mkdir()
        inputs = []
        for number in range(30):
            inputs.append(str(tmp_path / f"{number}.txt"))
            Path(inputs[-1]).write_text("x" * number)
        job = plan_whole(inputs, output=str(output), force=True)
        with pytest.raises(KeyboardInterrupt):
            run_job(job, [make_scorer(stop_at=2)], resume=True)
        rest = make_scorer()
        summary = run_job(job, [rest], resume=True)
        found = output.read_bytes()
        run_job(job, [make_scorer()])
        assert found == output.read_bytes()
        assert summary.rows == 30
        assert 0 < sum(rest.engine.calls) < 30


class TestErrors:
    @pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
    def test_nothing_is_left_of_an_output_that_fails_halfway(
        self, tmp_path: Path, ending: str, monkeypatch: pytest.MonkeyPatch, run
    ) -> None:
        monkeypatch.setattr(window, "WINDOW_ROWS", 2)
        (tmp_path / "a.txt").write_bytes(b"one\ntwo\nthree\nfour\n\xff\n")
        with pytest.raises(InputError, match="line 5"):
            run(tmp_path / "a.txt", tmp_path / f"b.{ending}.gz")
        assert files(tmp_path) == ["a.txt"]

    @pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError, MemoryError])
    @pytest.mark.parametrize("out", ["b.parquet", "b.csv.zst", "b.jsonl"])
    def test_nothing_is_left_when_scoring_fails(
        self, tmp_path: Path, error: type[BaseException], out: str, monkeypatch: pytest.MonkeyPatch, run, make_scorer
    ) -> None:
        scorer = make_scorer()

        def fail(texts: pa.Array, pool: Executor, *, wanted: Any) -> None:
            raise error

        monkeypatch.setattr(scorer.engine, "submit", fail)
        (tmp_path / out).write_text("earlier")
        with pytest.raises(error):
            run(REVIEWS, tmp_path / out, scorers=[scorer])
        assert files(tmp_path) == [out]
        assert (tmp_path / out).read_text() == "earlier"

    def test_inputs_are_checked_before_any_is_scored(self, tmp_path: Path) -> None:
        (tmp_path / "a.csv").write_text("text\na\n")
        (tmp_path / "b.csv").write_text("n,m\n1,2\n")
        names = [str(tmp_path / name) for name in ("a.csv", "b.csv", "c.csv")]
        added = ["sentiment", "score"]
        with pytest.raises(InputError, match=r"b\.csv: several columns"):
            check_inputs(plan_jobs(names, output=None, format=None, force=False), added)
        with pytest.raises(InputError, match=r"c\.csv: no such file"):
            check_inputs([plan_whole(names, output=None, force=False)], added)
        with pytest.raises(InputError, match=r"x\.parquet\.gz: no such file"):
            check_inputs(plan_jobs([str(tmp_path / "x.parquet.gz")], output=None, format=None, force=False), added)
        (tmp_path / "d.csv").write_text("text,score\n")
        with pytest.raises(UsageError, match="'score' already"):
            check_inputs(plan_jobs([str(tmp_path / "d.csv")], output=None, format=None, force=False), added)


def test_whole_files_become_one_table(tmp_path: Path, make_scorer) -> None:
    (tmp_path / "a.txt").write_text("first\nsecond\n")
    (tmp_path / "b.txt.gz").write_bytes(gzip.compress(b"x" * 70))
    (tmp_path / "c.md").write_text(" \n")
    inputs = [str(tmp_path / name) for name in ("a.txt", "b.txt.gz", "c.md")]
    job = plan_whole(inputs, output=str(tmp_path / "out.csv"), force=False)
    summary = run_job(job, [make_scorer()])
    assert (summary.name, summary.rows, summary.scored) == ("3 files", 3, 2)
    assert (tmp_path / "out.csv").read_text() == (
        f"file,sentiment,score\n{inputs[0]},negative,0.13131313\n{inputs[1]},positive,0.7070707\n{inputs[2]},,\n"
    )


def test_a_summary_has_a_rate() -> None:
    assert Summary("a", "b", rows=10, scored=8, models=(), seconds=2.0, stages=Stages()).rate == 4.0
    assert Summary("a", "b", rows=0, scored=0, models=(), seconds=0.0, stages=Stages()).rate == 0.0
