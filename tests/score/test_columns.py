from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from sentscore.columns import (
    TEXT_NAMES,
    Column,
    added_names,
    check_names_free,
    check_utf_8,
    choose_column,
    count_bytes,
    count_dictionary_bytes,
    describe_columns,
    explanation_names,
    find_columns,
    parse_keep,
    result_columns,
    result_names,
)
from sentscore.errors import Argument, InputError, UsageError


def text_column(name: str) -> Column:
    return Column(name, "string", is_text=True)


NUMBER = Column("n", "int64", is_text=False)


class TestChoosingTheColumn:
    def test_the_only_one_of_text(self) -> None:
        assert choose_column("f", [NUMBER, text_column("whatever")], None) == 1

    @pytest.mark.parametrize("name", [*TEXT_NAMES, "Review", "TEXT"])
    def test_the_one_with_a_usual_name(self, name: str) -> None:
        assert choose_column("f", [text_column("title"), NUMBER, text_column(name)], None) == 2

    @pytest.mark.parametrize("names", [("a", "b"), ("text", "review"), ("text", "Text")])
    def test_several_that_could_be_meant_are_listed(self, names: tuple[str, str]) -> None:
        with pytest.raises(InputError, match=f"name one of '{names[0]}', '{names[1]}' with `column`"):
            choose_column("f", [NUMBER, *map(text_column, names)], None)

    def test_none(self) -> None:
        with pytest.raises(InputError, match="f: no column holds text; it has 'n'"):
            choose_column("f", [NUMBER], None)

    def test_a_wrong_name_lists_the_columns(self) -> None:
        columns = [Column(f"c{n}", "int64", is_text=False) for n in range(30)]
        with pytest.raises(InputError, match=r"no column 'x'; it has 'c0', .*'c19' and 10 more"):
            choose_column("f", columns, "x")

    def test_a_column_of_numbers_is_refused(self) -> None:
        with pytest.raises(InputError, match="column 'n' is int64, not text; text is in 'a'"):
            choose_column("f", [NUMBER, text_column("a")], "n")

    def test_a_column_of_nulls_is_taken_when_named(self) -> None:
        assert choose_column("f", [text_column("a"), Column("b", "null", is_text=False, is_null=True)], "b") == 1

    def test_a_name_that_two_columns_have_is_refused(self) -> None:
        with pytest.raises(InputError, match="2 columns are named 'a'"):
            choose_column("f", [text_column("a"), text_column("a")], "a")


def test_columns_of_a_schema() -> None:
    schema = pa.schema([("a", pa.string_view()), ("n", pa.int64()), ("z", pa.null())])
    assert describe_columns(schema) == [
        Column("a", "string_view", is_text=True),
        Column("n", "int64", is_text=False),
        Column("z", "null", is_text=False, is_null=True),
    ]


def test_a_taken_name_is_an_error() -> None:
    check_names_free("f", ["a", "Score"], ["score"])
    with pytest.raises(UsageError, match="f: has a column 'score' already: give the new ones a `prefix`"):
        check_names_free("f", ["a", "score"], ["sentiment", "score"])


def test_names_of_one_and_of_several_models() -> None:
    assert result_names(["gru"], "p_") == ["p_sentiment", "p_score"]
    assert result_names(["lstm", "gru"]) == ["lstm_score", "lstm_sentiment", "gru_score", "gru_sentiment"]
    assert result_names(["lstm-small", "my é.2"], "p-")[::2] == ["p-lstm_small_score", "p-my_é_2_score"]
    with pytest.raises(UsageError, match=r"lstm-small and lstm\.small: would share the column 'lstm_small_score'"):
        result_names(["lstm-small", "gru", "lstm.small"])
    with pytest.raises(UsageError, match="--model gru: given twice"):
        result_names(["gru", "gru"])


def test_names_of_explanations() -> None:
    assert explanation_names(["gru"], "p_") == ["p_explain_words", "p_explain_effects"]
    assert explanation_names(["a-b", "gru"])[1:3] == ["a_b_explain_effects", "gru_explain_words"]
    assert added_names(["gru"]) == ["sentiment", "score"]
    assert added_names(["gru"], explained=True) == ["sentiment", "score", "explain_words", "explain_effects"]
    with pytest.raises(UsageError, match="given twice"):
        added_names(["gru", "gru"], explained=True)


def test_scores_become_columns_and_nothing_becomes_null() -> None:
    scores = np.array([0.5, np.nextafter(np.float32(0.5), np.float32(0)), np.nan], np.float32)
    sentiment, score = result_columns({"lstm": scores})
    assert (sentiment.type, score.type) == (pa.string(), pa.float32())
    assert sentiment.to_pylist() == ["positive", "negative", None]
    assert score.to_pylist()[:2] == scores[:2].tolist()
    assert score.null_count == 1
    first, second, *_ = result_columns({"lstm": scores, "gru": scores})
    assert (first.type, second.type) == (pa.float32(), pa.string())


def test_names_from_the_command_line_have_to_be_utf_8() -> None:
    check_utf_8(Argument("column"), "café")
    with pytest.raises(UsageError, match=r"`column` caf\\udce9: is not UTF-8"):
        check_utf_8(Argument("column"), "caf\udce9")
    with pytest.raises(UsageError, match=r"`prefix` caf\\udce9: is not UTF-8"):
        result_names(["lstm"], "caf\udce9")


class TestCountingBytes:
    def test_slices_do_not_count_what_they_share(self) -> None:
        texts = pa.array([f"{n:01000}" for n in range(100)])
        for column in (texts.dictionary_encode(), texts.cast(pa.string_view())):
            nested = pa.StructArray.from_arrays([column], ["x"])
            for each in (column, nested):
                rows = pa.record_batch({"x": each}).slice(10, 2)
                assert count_bytes(rows) < 3_000

    def test_lists_count_their_own_items(self) -> None:
        column = pa.array([[n] * 100 for n in range(100)])
        assert 1_600 <= count_bytes(pa.record_batch({"x": column}).slice(10, 2)) < 1_700

    def test_a_dictionary_counts_once(self) -> None:
        rows = pa.record_batch({"x": pa.array(["a" * 1_000, "b"]).dictionary_encode(), "n": [1, 2]})
        seen: set[int] = set()
        assert count_dictionary_bytes(rows, seen) >= 1_001
        assert count_dictionary_bytes(rows.slice(1), seen) == 0


class TestColumnsToKeep:
    def test_names_stand_between_commas(self) -> None:
        assert parse_keep(["id,date", "a b"]) == ("id", "date", "a b")

    @pytest.mark.parametrize(
        ("values", "message"),
        [
            ([""], "--keep : a name is empty"),
            (["id,,date"], "--keep id,,date: a name is empty"),
            (["id", "date,id"], "--keep id: given twice"),
            (["caf\udce9"], "not UTF-8"),
        ],
    )
    def test_what_names_no_columns(self, values: list[str], message: str) -> None:
        with pytest.raises(UsageError, match=message):
            parse_keep(values)

    def test_they_are_found_in_the_order_asked_for(self) -> None:
        schema = pa.schema([("a", pa.int8()), ("b", pa.int8()), ("c", pa.int8()), ("c", pa.int8())])
        assert find_columns("f", schema, ["b", "a"]) == [1, 0]
        with pytest.raises(InputError, match="f: no column 'd' to keep; it has 'a', 'b', 'c', 'c'"):
            find_columns("f", schema, ["a", "d"])
        with pytest.raises(InputError, match="f: 2 columns are named 'c'"):
            find_columns("f", schema, ["c"])
