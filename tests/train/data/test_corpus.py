from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentscore import InputError
from sentscore_train.data.corpus import Corpus, Domain, Source, check_enough, divide, imdb_source, text_key
from sentscore_train.data.splits import split_by_movie


def make_source(name: str, labels: list[int], **fields: object) -> Source:
    texts = [f"{name} {number}" for number in range(len(labels))]
    return replace(Source(name, texts, np.array(labels, np.int8)), **fields)  # type: ignore[arg-type]


def test_a_corpus_joins_its_sources() -> None:
    corpus = Corpus((make_source("a", [1, -1]), make_source("b", [0, 1, 1], domains=["z", "y", "z"])))
    assert corpus.texts == ["a 0", "a 1", "b 0", "b 1", "b 2"]
    assert corpus.labels.tolist() == [1, -1, 0, 1, 1]
    assert corpus.source_ids.tolist() == [0, 0, 1, 1, 1]
    assert corpus.domains == (Domain("a", ""), Domain("b", "y"), Domain("b", "z"))
    assert corpus.domain_ids.tolist() == [0, 0, 2, 1, 2]


def test_two_sources_of_one_name_are_an_input_error() -> None:
    with pytest.raises(InputError, match="a: two sources have this name"):
        Corpus((make_source("a", [1]), make_source("a", [0])))


@given(
    st.lists(st.tuples(st.sampled_from(["", "a", "b", "c"]), st.integers(0, 30), st.sampled_from([-1, 0, 1]))),
    st.booleans(),
    st.integers(0, 5),
)
def test_no_group_and_no_text_is_on_both_sides(rows, has_groups, seed) -> None:
    first = Source(
        "a",
        [f"Text {text}!" for _, text, _ in rows],
        np.array([label for _, _, label in rows], np.int8),
        groups=[group for group, _, _ in rows] if has_groups else None,
    )
    corpus = Corpus((first, replace(first, name="b", texts=[text.upper() for text in first.texts])))
    found = divide(corpus, share=0.3, seed=seed)
    assert (corpus.labels[found.unlabelled] == -1).all()
    assert (corpus.labels[found.train] >= 0).all()
    keys = [text_key(text) for text in corpus.texts]
    assert not {keys[row] for row in found.train} & {keys[row] for row in found.validation}
    if has_groups:
        groups = [*(first.groups or []), *[f"{group} of b" if group else "" for group in first.groups or []]]
        assert not {groups[row] for row in found.train if groups[row]} & {
            groups[row] for row in found.validation if groups[row]
        }


def test_every_class_of_every_domain_gives_its_share() -> None:
    labels = [0, 1] * 100
    domains = ["x"] * 40 + ["y"] * 160
    corpus = Corpus((make_source("a", labels, domains=domains),))
    found = divide(corpus, share=0.1, seed=1)
    counts = np.unique(corpus.domain_ids[found.validation] * 2 + corpus.labels[found.validation], return_counts=True)
    assert counts[0].tolist() == [0, 1, 2, 3]
    assert counts[1].tolist() == [2, 2, 8, 8]
    assert len(found.train) + len(found.validation) == 200


def test_a_source_is_divided_alike_whatever_stands_beside_it() -> None:
    source = make_source("a", [0, 1, -1] * 50)
    alone = divide(Corpus((source,)), share=0.2, seed=3)
    beside = divide(Corpus((make_source("b", [0, 1] * 30), source)), share=0.2, seed=3)
    assert (beside.validation[beside.validation >= 60] - 60).tolist() == alone.validation.tolist()
    assert (beside.train[beside.train >= 60] - 60).tolist() == alone.train.tolist()


def test_a_source_that_sets_rows_aside_is_divided_as_it_says() -> None:
    source = make_source("a", [0, 1, 1, -1, 0], validation=np.array([False, True, False, True, False]))
    found = divide(Corpus((replace(source, texts=["p", "q", "Q!", "r", "s"]),)), share=0.5, seed=0)
    assert found.validation.tolist() == [1]
    assert found.train.tolist() == [0, 4]  # row 2 is a copy of row 1
    none = divide(Corpus((replace(source, validation=np.zeros(5, bool)),)), share=0.5, seed=0)
    assert len(none.validation) == 2


def test_imdb_is_divided_by_movie_alone(imdb, tmp_path) -> None:
    source = imdb_source(imdb, data_dir=tmp_path, allow_partial=True)
    assert (len(source), source.labels.tolist()) == (60, [0] * 20 + [1] * 20 + [-1] * 20)
    assert source.domains == ["film"] * 60
    found = divide(Corpus((source,)), share=0.25, seed=7)
    assert source.groups is not None
    train, validation = split_by_movie(source.groups[:40], source.labels[:40], share=0.25, seed=7)
    assert found.train.tolist() == train.tolist()
    assert found.validation.tolist() == validation.tolist()
    assert found.unlabelled.tolist() == list(range(40, 60))


def test_too_little_to_learn_from_is_an_input_error() -> None:
    check_enough(Corpus((make_source("a", [0, 1] * 50), make_source("b", [0, 1] * 50))))
    with pytest.raises(InputError, match="a: 199 labelled reviews, at least 200 are needed"):
        check_enough(Corpus((make_source("a", [0] + [1] * 198 + [-1] * 9),)))
    with pytest.raises(InputError, match="a: all 300 labelled reviews are positive: both classes are needed"):
        check_enough(Corpus((make_source("a", [1] * 300),)))
