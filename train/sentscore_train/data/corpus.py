"""Reviews from one or several sources, and how they are divided into training and validation."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from sentscore.errors import InputError
from sentscore.progress import Report, silent
from sentscore_train.data.imdb import load_imdb
from sentscore_train.data.labels import UNLABELLED
from sentscore_train.data.publications import IMDB, Publication
from sentscore_train.data.splits import Rows, join_groups, split_by_group

LEAST_REVIEWS: Final = 200
"""The fewest labelled reviews that a model can be trained and validated on."""

IMDB_DOMAIN: Final = "film"
"""The kind of the IMDB reviews."""

_NOT_WORDS: Final = re.compile(r"\W+")


@dataclass(frozen=True)
class Domain:
    """A kind of review.

    Attributes:
        source: The name of the source that it is in.
        name: Its name in the source, such as `film`; empty where the source does not say.
    """

    source: str
    name: str


@dataclass(frozen=True, eq=False)
class Source:
    """Reviews of one origin, none of them for testing.

    Attributes:
        name: The source's name, such as `IMDB` or that of a file.
        texts: [n] The texts.
        labels: int8 [n] 0 for negative, 1 for positive, -1 for none.
        groups: [n] What each review is about, such as a movie. No group is divided between training and validation.
            An empty one stands for a group of its own. None where it is not known.
        domains: [n] The kind of each review; None where all are of one kind that has no name.
        validation: bool [n] Which reviews the source itself sets aside for validation; None where it does not say.
        grouped_by: What the groups are: `movie`, a column's name, or `text` where there are none.
        joins_copies: Whether reviews with the same text are of one group too.
        publication: Where the source is published; None where that is not known.
        facts: What the reader tells about it: `texts_sha256`, `rows`, `left_out` by reason and so on.
    """

    name: str
    texts: list[str]
    labels: npt.NDArray[np.int8]
    groups: list[str] | None = None
    domains: list[str] | None = None
    validation: npt.NDArray[np.bool_] | None = None
    grouped_by: str = "text"
    joins_copies: bool = True
    publication: Publication | None = None
    facts: dict[str, Any] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.texts)


@dataclass(frozen=True, eq=False)
class Corpus:
    """The reviews of several sources, one source after the other.

    Attributes:
        sources: The sources in order. No two of them have the same name.

    Raises:
        InputError: Two sources have the same name.
    """

    sources: tuple[Source, ...]

    def __post_init__(self) -> None:
        names = [source.name for source in self.sources]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise InputError(f"{twice}: two sources have this name: rename one of the files")

    def __len__(self) -> int:
        return sum(map(len, self.sources))

    @cached_property
    def texts(self) -> list[str]:
        """The texts [n]."""
        return [text for source in self.sources for text in source.texts]

    @cached_property
    def labels(self) -> npt.NDArray[np.int8]:
        """The labels, int8 [n]: 0 for negative, 1 for positive, -1 for none."""
        return np.concatenate([source.labels for source in self.sources])

    @cached_property
    def domains(self) -> tuple[Domain, ...]:
        """All kinds of review, those of a source in alphabetical order."""
        return tuple(
            Domain(source.name, name) for source in self.sources for name in sorted(set(_domain_names(source)))
        )

    @cached_property
    def domain_ids(self) -> npt.NDArray[np.int16]:
        """The index in `domains` of each review, int16 [n]."""
        ids = {domain: index for index, domain in enumerate(self.domains)}
        found = [ids[Domain(source.name, name)] for source in self.sources for name in _domain_names(source)]
        return np.array(found, np.int16)

    @cached_property
    def source_ids(self) -> npt.NDArray[np.int16]:
        """The index in `sources` of each review, int16 [n]."""
        return np.repeat(np.arange(len(self.sources), dtype=np.int16), [len(source) for source in self.sources])


@dataclass(frozen=True, eq=False)
class Division:
    """Which rows of a corpus are used for what, int64 each in ascending order. A row can be in none of them.

    Attributes:
        train: The labelled reviews to learn from.
        validation: The labelled reviews by which the epoch and the temperature are chosen.
        unlabelled: The reviews without a label.
    """

    train: Rows
    validation: Rows
    unlabelled: Rows


def imdb_source(source: Path | None, *, data_dir: Path, allow_partial: bool = False, report: Report = silent) -> Source:
    """Returns the IMDB reviews that are not for testing, the unlabelled ones last. `imdb.load_imdb` says the rest."""
    imdb = load_imdb(source, data_dir=data_dir, allow_partial=allow_partial, report=report)
    texts = imdb.train.texts + imdb.unsup.texts
    tested = set(imdb.test.texts)
    return Source(
        name="IMDB",
        texts=texts,
        labels=np.concatenate((imdb.train.labels, imdb.unsup.labels)),
        groups=imdb.train.movies + imdb.unsup.movies,
        domains=[IMDB_DOMAIN] * len(texts),
        grouped_by="movie",
        # A few reviews stand under two movies. The published models were made with them where their movies are.
        joins_copies=False,
        publication=IMDB,
        facts={
            "rows": len(texts) + len(imdb.test),
            "left_out": {"test": len(imdb.test)},
            "unlabelled_with_text_of_test_review": sum(text in tested for text in imdb.unsup.texts),
        },
    )


def check_enough(corpus: Corpus, least: int = LEAST_REVIEWS) -> None:
    """Checks that a model can be trained on the labelled reviews of a corpus.

    Raises:
        InputError: There are fewer than `least`, or all of them are of one class.
    """
    names = ", ".join(str(source.facts.get("file", source.name)) for source in corpus.sources)
    negative, positive = (int((corpus.labels == label).sum()) for label in (0, 1))
    if negative + positive < least:
        raise InputError(
            f"{names}: {negative + positive:,} labelled reviews, at least {least} are needed: label more of them"
        )
    if not negative or not positive:
        kind = "positive" if positive else "negative"
        raise InputError(
            f"{names}: all {negative + positive:,} labelled reviews are {kind}: both classes are needed; which numbers "
            "are which is said with --negative-to and --positive-from"
        )


def divide(corpus: Corpus, *, share: float, seed: int) -> Division:
    """Divides the labelled reviews of each source so that no group and no text is on both sides.

    A source that sets reviews aside for validation itself is divided as it says. From every other one the same share
    of each class and domain goes to validation. A review to learn from is left out if its text stands in the
    validation reviews of another source, and so is a review without a label if it stands in those of any source. Each
    source's division is the same whatever other sources there are.

    Args:
        corpus: The reviews.
        share: The largest share of the reviews of a class and domain that goes to validation.
        seed: The seed of the draw.
    """
    chosen = np.zeros(len(corpus), bool)
    start = 0
    for source in corpus.sources:
        rows = np.flatnonzero(source.labels != UNLABELLED)
        chosen[start + _choose_validation(source, rows, share=share, seed=seed)] = True
        start += len(source)
    labelled = corpus.labels != UNLABELLED
    learned = labelled & ~chosen
    learned[_find_copies(corpus, learned, chosen)] = False
    validated = {text_key(corpus.texts[row]) for row in np.flatnonzero(chosen)}
    unlabelled = [row for row in np.flatnonzero(~labelled) if text_key(corpus.texts[row]) not in validated]
    return Division(np.flatnonzero(learned), np.flatnonzero(chosen), np.array(unlabelled, np.int64))


def describe(corpus: Corpus, division: Division) -> dict[str, Any]:
    """Returns the facts about a corpus for the model's manifest and card: sizes, and what each source gave.

    `sources` has an entry for each source: its `name`, `title`, `citation` and `url` where it is published, `train`,
    `validation` and `unlabelled` reviews, the same by domain in `domains`, what was left out, and the reader's facts.
    """
    used = {"train": division.train, "validation": division.validation, "unlabelled": division.unlabelled}
    counts = {use: np.bincount(corpus.domain_ids[rows], minlength=len(corpus.domains)) for use, rows in used.items()}
    entries = []
    for source in corpus.sources:
        own = [index for index, domain in enumerate(corpus.domains) if domain.source == source.name]
        sizes = {use: int(found[own].sum()) for use, found in counts.items()}
        copies = len(source) - sum(sizes.values())
        left_out = {**source.facts.get("left_out", {}), **({"text of a validation review": copies} if copies else {})}
        published = {} if source.publication is None else asdict(source.publication)
        domains = {corpus.domains[index].name: {use: int(counts[use][index]) for use in used} for index in own}
        entries.append(
            {
                "name": source.name,
                **published,
                **sizes,
                **({"domains": domains} if source.domains is not None else {}),
                "grouped_by": source.grouped_by,
                **source.facts,
                **({"left_out": left_out} if left_out else {}),
            }
        )
    groups = " or ".join(dict.fromkeys(source.grouped_by for source in corpus.sources))
    return {
        "name": " and ".join(source.name for source in corpus.sources),
        **{use: len(rows) for use, rows in used.items()},
        "split": f"by {groups}: no {groups} stands in both train and validation",
        "sources": entries,
    }


def text_key(text: str) -> str:
    """Returns what two copies of a text share: its letters and digits in lower case, or the text if it has none."""
    return _NOT_WORDS.sub("", text.lower()) or text


def _domain_names(source: Source) -> list[str]:
    return source.domains if source.domains is not None else [""] * len(source)


def _choose_validation(source: Source, rows: Rows, *, share: float, seed: int) -> Rows:
    """Returns which of the labelled rows [m] of a source go to validation."""
    if source.validation is not None and source.validation[rows].any():
        return rows[source.validation[rows]]
    groups = [source.groups[row] if source.groups is not None else "" for row in rows]
    if source.joins_copies:
        groups = join_groups(groups, [text_key(source.texts[row]) for row in rows])
    names = _domain_names(source)
    strata = np.unique([names[row] for row in rows], return_inverse=True)[1] * 2 + source.labels[rows]
    return rows[split_by_group(groups, strata.astype(np.int64), share=share, seed=seed)[1]]


def _find_copies(corpus: Corpus, learned: npt.NDArray[np.bool_], chosen: npt.NDArray[np.bool_]) -> Rows:
    """Returns the rows to learn from whose text stands in the validation reviews, where copies must not."""
    if len(corpus.sources) == 1 and not corpus.sources[0].joins_copies:
        return np.zeros(0, np.int64)
    owners: dict[str, set[int]] = {}
    for row in np.flatnonzero(chosen):
        owners.setdefault(text_key(corpus.texts[row]), set()).add(int(corpus.source_ids[row]))
    copies = []
    for row in np.flatnonzero(learned):
        own = int(corpus.source_ids[row])
        found = owners.get(text_key(corpus.texts[row]), set())
        if found - (set() if corpus.sources[own].joins_copies else {own}):
            copies.append(row)
    return np.array(copies, np.int64)
