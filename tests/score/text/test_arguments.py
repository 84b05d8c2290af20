from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import pyarrow as pa
import pytest

from sentscore.errors import InputError
from sentscore.text.normalize import as_text_array


@dataclass
class DataFrame:
    """What tells a data frame of pandas or Polars from a sequence; like theirs, it gives its columns' names."""

    columns: list[object] = field(default_factory=lambda: ["id", "review"])

    def __iter__(self) -> Iterator[object]:
        return iter(self.columns)

    def __len__(self) -> int:
        return len(self.columns)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (DataFrame(), "a DataFrame, not a sequence of texts: give one of its columns: 'id', 'review'"),
        (DataFrame([0, 1]), "a DataFrame, .* columns: '0', '1'"),
        (DataFrame([]), "a DataFrame, .* columns$"),
        (DataFrame([f"c{n}" for n in range(30)]), "a DataFrame, .*'c19' and 10 more$"),
        (pa.table({"id": [1], "review": ["a"]}), "a Table, .* columns: 'id', 'review'"),
        (pa.record_batch({"review": ["a"]}), "a RecordBatch, .* columns: 'review'"),
        ({"review": ["a"]}, "a dict, .* columns: 'review'"),
    ],
)
def test_a_table_is_no_sequence_of_texts(table, message) -> None:
    with pytest.raises(InputError, match=f"^texts are {message}"):
        as_text_array(table)


class NAType:
    """What pandas has where a column holds nothing."""

    def __repr__(self) -> str:
        return "<NA>"


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (["a", None, float("nan")], r"^texts\[2\] is nan, a float: give None instead$"),
        (["a", NAType()], r"^texts\[1\] is <NA>, a NAType: give None instead$"),
        ([3], r"^texts\[0\] is 3, a int: give a string, or None where there is no text, instead$"),
        (["a", ["b"]], r"^texts\[1\] is \['b'\], a list: give a string"),
        (["a", "b\ud800"], r"^texts\[1\] is not UTF-8 \(surrogates not allowed\): give 'b\\ud800' without it$"),
        (None, "^texts are None: give a sequence of strings"),
        (7, "^texts are 7: give a sequence of strings"),
        ((number for number in [1]), "^texts hold a value that is not a text .*: give a sequence of strings"),
        ("one", "not one string: wrap it in a list"),
    ],
)
def test_the_first_value_that_is_no_text_is_named(texts, message) -> None:
    with pytest.raises(InputError, match=message):
        as_text_array(texts)
