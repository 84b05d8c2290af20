from __future__ import annotations

import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from sentscore.errors import ArtifactError, InputError
from sentscore.model.artifact import load_artifact
from sentscore.pages.report import Report, make_report
from sentscore.pages.report.model import FROM_FILE

HOSTILE = [
    "<script>alert(1)</script> film",
    "</style></div><img src=http://example.com/x.png onerror=alert(1)>",
    "a \u202ereverse\u2066 \x1b[31m film",
    "<" * (1 << 20) + " film",
    '"onmouseover="alert(1)" &amp; <!-- film',
]

WriteScored = Callable[..., Path]


class Tags(HTMLParser):
    """Collects the tags, attributes and shaded words of a page, and the text outside of its style."""

    def __init__(self, page: bytes) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.shaded: list[str] = []
        self.text = ""
        self._open: list[str] = []
        self._is_shaded = False
        self.feed(page.decode())
        self.close()

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attributes]
        self._open.append(tag)
        self._is_shaded = tag == "span" and bool(re.fullmatch("[pn][1-5]", dict(attributes).get("class") or ""))

    def handle_endtag(self, tag: str) -> None:
        self._open.pop()
        self._is_shaded = False

    def handle_data(self, data: str) -> None:
        if not self._open or self._open[-1] != "style":
            self.text += data
        if self._is_shaded:
            self.shaded.append(data)


@pytest.fixture
def scored(write_scored: WriteScored) -> Path:
    """A table with one model's scores, groups and times."""
    random = np.random.default_rng(0)
    texts = [f"great film {row}" for row in range(400)]
    times = np.datetime64("2026-01-01") + random.integers(0, 90, 400)
    return write_scored(
        "scored.parquet", texts, {"lstm": random.random(400)}, shop=random.choice(["a", "b"], 400), day=times
    )


def make(path: Path, **options: object) -> tuple[Report, Tags]:
    report = make_report([str(path)], **options)  # type: ignore[arg-type]
    return report, Tags(report.page)


def test_what_the_page_tells(scored: Path) -> None:
    report, page = make(scored, by="shop", time="day")
    assert (report.rows, report.scored, report.drift) == (400, 400, None)
    assert f"{report.positive / 4:.1f}\u00a0% of the texts are positive" in page.text
    assert page.tags.count("svg") == 3
    assert page.tags.count("table") == 4  # the models, and one behind each chart
    labels = [value for name, value in page.attributes if name == "aria-label"]
    assert sum("Share of positive texts" in label for label in labels) == 4  # two charts and their tables
    assert "2025-12-29" in page.text  # the Monday before the first day


def test_a_page_needs_nothing_else(scored: Path) -> None:
    _, page = make(scored, by="shop", time="day")
    assert not {"script", "iframe", "img", "a", "object", "embed", "base", "form"} & set(page.tags)
    linked = {name: value for name, value in page.attributes if name in ("src", "href", "xlink:href", "action")}
    assert linked == {"href": "data:,"}
    assert not [name for name, _ in page.attributes if name.startswith("on")]
    assert not re.search(r"https?:|//[a-z]|@import|url\(", make_report([str(scored)]).page.decode())


@pytest.mark.parametrize("is_explained", [False, True])
def test_hostile_texts_and_groups_are_shown_as_text(write_scored: WriteScored, is_explained: bool) -> None:
    def write(name: str, texts: list[str]) -> Path:
        scores = [0.9, 0.8, 0.7, 0.6, 0.51]
        explained: dict[str, object] = {}
        if is_explained:
            explained = {"explain_words": [[text.split()[0]] for text in texts], "explain_effects": [[1.0]] * 5}
        return write_scored(name, texts, {"lstm": scores}, shop=texts, **explained)

    _, plain = make(write("plain.parquet", [f"film{number} film" for number in range(5)]), by="shop")
    report, page = make(write("hostile.parquet", HOSTILE), by="shop")
    assert [tag for tag in page.tags if tag not in ("text", "span")] == [
        tag for tag in plain.tags if tag not in ("text", "span")
    ]
    assert "<script>alert(1)</script> film" in page.text
    assert "</style></div><img" in page.text
    assert "a \\u202ereverse\\u2066 \\x1b[31m film" in page.text
    assert "\u202e" not in report.page.decode()
    assert "\u2066" not in report.page.decode()
    assert "(1,048,576 characters)" in page.text
    assert len(report.page) < 200_000
    assert bool(page.shaded) == is_explained


def test_explanations_of_the_file_shade(write_scored: WriteScored) -> None:
    path = write_scored(
        "x.parquet",
        ["a great great film", "awful"],
        {"lstm": [0.9, 0.1]},
        explain_words=[["great", "film"], ["awful"]],
        explain_effects=[[2.0, -0.4], [-1.0]],
    )
    _, page = make(path, texts=1)
    legend = ["Blue words", "orange and dotted words"]
    # The most positive text, the most negative one, and the most uncertain one, which is the first again.
    assert page.shaded == [*legend, "great", "great", "film", "awful", "great", "great", "film"]
    assert FROM_FILE in page.text


def test_the_shipped_model_of_the_digest_shades(
    write_scored: WriteScored, tiny_artifact: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sentscore.pages.report.model.find_artifacts", lambda: [tiny_artifact])
    digest = load_artifact(tiny_artifact).manifest_sha256
    texts = ["great wonderful film", "awful boring plot", "it was", "the film"]
    path = write_scored("x.parquet", texts, {"lstm": [0.9, 0.1, 0.5, 0.6]}, {"lstm": digest})
    _, page = make(path, texts=1)
    assert {"great", "wonderful"} & set(page.shaded)
    assert "Each word was left out in turn" in page.text
    assert "does not say" not in page.text
    other = write_scored("y.parquet", texts, {"lstm": [0.9, 0.1, 0.5, 0.6]})
    _, page = make(other, texts=1)
    assert page.shaded == []  # there is no legend either
    assert "No word is shaded, for the model lstm with the digest 000000000000 is not here" in page.text
    _, page = make(other, texts=1, model=str(tiny_artifact))
    assert {"great", "wonderful"} & set(page.shaded)
    assert "the file does not say that its scores are of these weights" in page.text


def test_a_file_that_names_no_model(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text("text,sentiment,score\na film,positive,0.75\n")
    _, page = make(path)
    assert "the file does not say which model scored it" in page.text
    assert "a film" in page.text


def test_where_models_differ(write_scored: WriteScored) -> None:
    path = write_scored("x.parquet", ["both", "apart", "same"], {"lstm": [0.9, 0.9, 0.2], "gru": [0.8, 0.1, 0.2]})
    _, page = make(path)
    assert "On 1 of 3 texts (33.3\u00a0%" in page.text
    assert page.tags.count("svg") == 3
    assert "Those on which the models differ most" in page.text
    assert page.text.rindex("apart") > page.text.index("Those on which")


def test_drift_against_an_earlier_file(write_scored: WriteScored, tiny_artifact: Path) -> None:
    random = np.random.default_rng(1)
    texts = [f"great film {'x ' * int(random.integers(30))}" for _ in range(600)]
    shops = random.choice(["a", "b", "c"], 600).tolist()
    now = write_scored("now.parquet", texts, {"lstm": random.beta(4, 2, 600)}, shop=shops)
    earlier = write_scored("earlier.parquet", texts, {"lstm": random.beta(2, 4, 600)}, shop=["a", "b"] * 300)
    report, page = make(now, against=str(earlier), by="shop", model=str(tiny_artifact))
    assert report.drift is not None
    assert [each.name for each in report.drift.alarms] == ["score"]
    assert [each.name for each in report.drift.measures] == ["score", "length", "share of unknown words"]
    assert report.drift.verdict in page.text
    assert "Both were scored by the same model" in page.text
    assert "new" in page.text  # the shop that was not there
    assert page.tags.count("svg") == 2

    report, page = make(now, against=str(now), by="shop")
    assert report.drift is not None
    assert report.drift.alarms == []
    assert {each.psi for each in report.drift.measures} == {0.0}
    assert "No drift" in page.text
    assert "The share of unknown words was not compared, for the model that knows them is not here" in page.text


def test_scores_without_texts_and_without_rows(write_scored: WriteScored, tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text("shop,sentiment,score\na,positive,0.75\n")
    _, page = make(path, by="shop")
    assert "The file has no column of texts" in page.text
    empty = write_scored("empty.parquet", [], {"lstm": []}, shop=np.array([], str), day=np.array([], "M8[s]"))
    report, page = make(empty, by="shop", time="day", against=str(empty))
    assert (report.rows, page.tags.count("svg")) == (0, 0)
    assert "0 rows; 0 rows without a score." in page.text
    assert "Nothing could be compared." in page.text


def test_files_that_do_not_go_together(write_scored: WriteScored) -> None:
    one = write_scored("one.parquet", ["a"], {"lstm": [0.9]})
    two = write_scored("two.parquet", ["a"], {"lstm": [0.9], "gru": [0.9]})
    with pytest.raises(InputError, match=r"two.parquet: has scores in 'lstm_score', 'gru_score', and .*one.parquet in"):
        make_report([str(one), str(two)])
    with pytest.raises(InputError, match=r"one.parquet: no column 'lstm_score' to compare, but 'score'"):
        make_report([str(two)], against=str(one))
    with pytest.raises(ArtifactError, match="no such model"):
        make_report([str(one)], model="nothing")


def test_several_files_are_one_table(write_scored: WriteScored) -> None:
    paths = [write_scored(f"{number}.parquet", [f"text {number}"], {"lstm": [number / 4]}) for number in range(3)]
    report = make_report([str(path) for path in paths])
    assert (report.rows, report.positive) == (3, 1)
    page = Tags(report.page)
    assert "Scores of 0.parquet and 2 more" in page.text
    assert "row 0 (from 0) of 2.parquet" in page.text


def test_scores_of_rows_without_texts_count_and_are_not_shown(write_scored: WriteScored) -> None:
    path = write_scored("x.parquet", [None, "a film", ""], {"lstm": [0.9, 0.8, 0.7], "gru": [0.1, 0.9, 0.9]})
    report, page = make(path)
    assert (report.rows, report.scored) == (3, 3)
    assert "row 1 (from 0)" in page.text
    assert "row 0 (from 0)" not in page.text


def test_json_lines_may_differ_in_keys_that_a_report_does_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sentscore.sources.source.WINDOW_ROWS", 2)
    lines = ['{"review": "a", "stars": 5', '{"review": "b", "stars": "five"', '{"review": "c", "seen": [{}]']
    path = tmp_path / "x.jsonl"
    path.write_text("".join(f'{line}, "sentiment": "positive", "score": 0.75}}\n' for line in lines))
    report, page = make(path)
    assert (report.rows, report.scored) == (3, 3)
    assert "row 2 (from 0)" in page.text
    with pytest.raises(InputError, match="line 2: 'stars' holds a string, and a number on a line before"):
        make(path, by="stars")
