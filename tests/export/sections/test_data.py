from __future__ import annotations

from typing import Any

from sentscore_export.sections.data import describe_data, describe_limits, describe_start, source_names

PUBLISHED = {"title": "Shop Reviews", "citation": "Li et al. 2017, Shops", "url": "https://example.org/shop"}
DATA: dict[str, Any] = {
    "name": "films and shop",
    "train": 30,
    "sources": [
        {"name": "films", "train": 10, "validation": 2, "unlabelled": 0, "domains": {"film": {"train": 10}}},
        {
            "name": "shop",
            **PUBLISHED,
            "train": 20,
            "validation": 4,
            "unlabelled": 1_000,
            "domains": {
                "toys": {"train": 15, "validation": 3, "unlabelled": 1_000},
                "music": {"train": 5, "validation": 1, "unlabelled": 0},
            },
            "grouped_by": "text",
            "left_out": {"test": 7},
        },
    ],
}
OLD = {"name": "IMDB", "train": 22_500}


def test_each_source_has_what_it_gave_and_where_it_is_published() -> None:
    text = "\n".join(describe_data(DATA))
    assert "- name: films and shop\n- train: 30\n" in text
    films, shop = text.split("### films\n")[1].split("### shop\n")
    assert "10 reviews to learn from, 2 reviews for validation, 0 reviews without a label." in films
    assert "|" not in films  # one domain needs no table
    assert "Shop Reviews: <https://example.org/shop>\n(Li et al. 2017, Shops)." in shop
    assert "20 reviews to learn from, 4 reviews for validation, 1,000 reviews without a label." in shop
    assert "| toys | 15 | 3 | 1,000 |\n| music | 5 | 1 | 0 |" in shop
    assert '- grouped_by: text\n- left_out: {"test": 7}' in shop


def test_a_card_of_other_data_names_no_film_data_set() -> None:
    for data in (DATA, {"name": "mine", "sources": [{"name": "mine", "train": 300}]}, {"name": "random words"}):
        text = "\n".join([*describe_data(data), *describe_limits(data)])
        assert "Maas" not in text
        assert "IMDB" not in text
        assert "movie" not in text.lower()
        assert "film reviews" not in text
        assert "of the kinds that are named under Data" in text


def test_a_model_of_format_1_keeps_what_its_card_said() -> None:
    assert "The reviews are from the Large Movie Review Dataset" in describe_data(OLD)
    assert "at most 4 or at least 7 points of 10" in "\n".join(describe_limits(OLD))
    assert describe_start(OLD, {}) == []
    assert (source_names(OLD), source_names(DATA)) == (["IMDB"], ["films", "shop"])


def test_an_adapted_model_says_what_it_started_from_and_what_that_changed() -> None:
    change = {
        "only_first_right": 40,
        "only_second_right": 10,
        "mcnemar_p": 0.00123,
        "difference": 0.03,
        "difference_interval": {"low": 0.01, "high": 0.05, "resamples": 10},
    }
    start = {"name": "lstm", "manifest_sha256": "ab" * 32, "data": DATA}
    metrics = {"validation": {"accuracy": 0.9}, "validation before": {"accuracy": 0.87}}
    text = " ".join(describe_start({"start": start, "change": change}, metrics))
    assert f"started from the model lstm (sha256 of its manifest: `{'ab' * 32}`)" in text
    assert "trained on films, shop (Shop Reviews; Li et al. 2017, Shops)." in text
    assert "87.00% of the validation reviews right, and this one 90.00%: +3.00 points" in text
    assert "+1.00 to +5.00" in text
    assert "40 of them right, and only that model 10: p = 0.00123 by McNemar's exact test." in text
    old = " ".join(describe_start({"start": {**start, "data": OLD}}, metrics))
    assert "trained on IMDB (Large Movie Review Dataset; Maas et al. 2011" in old
    assert "McNemar" not in old


def test_the_teachers_are_told_by_source() -> None:
    accuracies = {"nb-svm": {"films": 0.91, "shop": 0.8925}, "a|b": {"films": 0.5}, "all": {"films": 0.92, "shop": 0.9}}
    text = "\n".join(describe_data({**DATA, "teacher_validation_accuracy": accuracies}))
    assert "| teacher | films | shop |\n|---|---|---|\n| nb-svm | 91.00% | 89.25% |\n| a\\|b | 50.00% |  |\n" in text
    assert "teacher_validation_accuracy" not in text
    old = "\n".join(describe_data({**OLD, "teacher_validation_accuracy": {"nb-svm": 0.912, "all": 0.9228}}))
    assert '- teacher_validation_accuracy: {"nb-svm": 0.912, "all": 0.9228}' in old
    assert "### Teachers" not in "\n".join(describe_data(DATA))
