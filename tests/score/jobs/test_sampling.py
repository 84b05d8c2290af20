from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sentscore.errors import InputError, UsageError
from sentscore.jobs import sampling
from sentscore.jobs.inputs import parse_argument
from sentscore.jobs.sampling import Sample, draw_sample


def _draw(*inputs: Path | str, rows: int = 4_096, column: str | None = None) -> Sample:
    return draw_sample([parse_argument(str(each)) for each in inputs], format=None, column=column, rows=rows)


def _write(path: Path, rows: int, *, group: int = 1_000, first: int = 0) -> Path:
    texts = [f"film {first + row}" for row in range(rows)]
    table = pa.table({"id": pa.array(range(rows), pa.int64()), "text": pa.array(texts, pa.string())})
    pq.write_table(table, path, row_group_size=group)
    return path


def test_parquet_rows_are_counted_and_a_tenth_is_drawn_from_groups_everywhere(tmp_path: Path) -> None:
    _write(tmp_path / "a.parquet", 30_000)
    _write(tmp_path / "b.parquet", 10_000, first=30_000)
    sample = _draw(tmp_path, rows=16_384)
    assert (sample.files, sample.rows, sample.is_counted, sample.sampled_files) == (2, 40_000, True, 2)
    assert sample.most_rows == pytest.approx(30_000, rel=0.1)  # by its bytes
    assert sample.size == sum(path.stat().st_size for path in tmp_path.iterdir())
    drawn = [int(text.split()[1]) for text in sample.texts.to_pylist()]
    assert len(set(drawn)) == len(drawn)
    assert 3_000 <= len(drawn) <= 4_000
    assert len({row // 1_000 for row in drawn}) == 40


def test_the_sample_is_the_same_every_time(tmp_path: Path) -> None:
    _write(tmp_path / "a.parquet", 20_000, group=5_000)
    assert _draw(tmp_path).texts == _draw(tmp_path).texts


def test_a_file_that_is_named_twice_counts_twice(tmp_path: Path) -> None:
    path = _write(tmp_path / "a.parquet", 300)
    sample = _draw(path, path)
    assert (sample.files, sample.rows, sample.is_counted) == (2, 600, True)


def test_small_inputs_are_drawn_whole(tmp_path: Path) -> None:
    assert len(_draw(_write(tmp_path / "a.parquet", 500)).texts) == 500
    assert len(_draw(_write(tmp_path / "a.parquet", 5_000)).texts) == 1_024
    assert len(_draw(_write(tmp_path / "a.parquet", 0)).texts) == 0


def test_rows_of_text_files_are_estimated_from_their_beginning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "reviews.csv"
    path.write_text("id,text\n" + "".join(f"{row:07},a fine film of {row:07}\n" for row in range(300_000)))
    assert _draw(path).rows == 300_000  # small enough to be read whole
    monkeypatch.setattr(sampling, "_MOST_BYTES", 4 << 20)
    sample = _draw(path)
    assert not sample.is_counted
    assert sample.rows == pytest.approx(300_000, rel=0.15)
    assert sample.rows != 300_000
    assert sample.most_rows == sample.rows
    assert len(sample.texts) == 4_096
    middling = tmp_path / "middling.txt"
    middling.write_text("a film\n" * 20_000)
    assert len(_draw(middling, rows=16_384).texts) == 2_000  # a tenth, as of Parquet
    few = tmp_path / "few.txt"
    few.write_text("good\nbad\nso so\n")
    assert (_draw(few).rows, len(_draw(few).texts)) == (3, 3)


def test_both_kinds_of_files_count(tmp_path: Path) -> None:
    _write(tmp_path / "a.parquet", 2_000)
    (tmp_path / "b.txt").write_text("a film\n" * 700)
    sample = _draw(tmp_path, column=None)
    assert (sample.rows, sample.is_counted, sample.sampled_files) == (2_700, False, 2)


def test_of_very_many_files_few_are_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sampling, "_MOST_FOOTERS", 10)
    monkeypatch.setattr(sampling, "_MOST_FILES", 4)
    for number in range(40):
        _write(tmp_path / f"{number:02}.parquet", 100, first=1_000 + number * 100)
    opened: list[str] = []
    whole = sampling._open_parquet
    monkeypatch.setattr(sampling, "_open_parquet", lambda name: opened.append(name) or whole(name))
    sample = _draw(tmp_path)
    assert (sample.files, sample.is_counted, sample.sampled_files) == (40, False, 4)
    assert sample.rows == pytest.approx(4_000, rel=0.02)
    assert len(opened) == 14
    assert max(int(Path(name).stem) for name in opened) >= 20  # not the first ones


def test_bad_files_are_noted_unless_all_are(tmp_path: Path) -> None:
    (tmp_path / "bad.parquet").write_bytes(b"PAR1 and no more")
    with pytest.raises(InputError, match=r"bad\.parquet: not a whole Parquet file"):
        _draw(tmp_path)
    _write(tmp_path / "good.parquet", 300)
    pq.write_table(pa.table({"number": [1, 2]}), tmp_path / "odd.parquet")
    sample = _draw(tmp_path)
    assert {Path(name).name for name in sample.unreadable} == {"bad.parquet", "odd.parquet"}
    assert (sample.files, len(sample.texts), sample.sampled_files) == (3, 300, 1)


@pytest.mark.parametrize(
    ("name", "error", "message"),
    [
        ("-", UsageError, "stdin can be read once"),
        ("*.csv", InputError, "holds no file to score"),
        ("nothing.csv", InputError, "no such file"),
    ],
)
def test_inputs_that_cannot_be_looked_at(name, error, message, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(error, match=message):
        _draw(name)


def test_two_columns_of_one_name_are_refused(tmp_path: Path) -> None:
    columns = [pa.array(["a film"]), pa.array(["a book"])]
    pq.write_table(pa.Table.from_arrays(columns, names=["text", "text"]), tmp_path / "a.parquet")
    with pytest.raises(InputError, match="text"):
        _draw(tmp_path / "a.parquet", column="text")
