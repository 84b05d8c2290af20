"""Reads a table of labelled reviews: Parquet, CSV, TSV, JSON lines, or text lines without labels.

Two columns are heeded wherever a table has them. `split` says what a row may be used for (`train`, `validation`, `test`
or `unlabelled`; an empty value leaves it open), and `domain` says what kind of thing the review is about.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from sentscore.columns import list_names
from sentscore.errors import InputError, UsageError, shorten
from sentscore.formats import KNOWN_FORMATS, parse_file_name
from sentscore.progress import Progress, Report, silent
from sentscore.sources import Source as OpenTable
from sentscore.sources import Window, open_source, open_stream
from sentscore.sources.jsonl import parse_object
from sentscore_train.data.cache import hash_texts
from sentscore_train.data.corpus import Source, text_key
from sentscore_train.data.labels import BETWEEN, UNLABELLED, Scale, read_labels
from sentscore_train.data.publications import find_publication

LABEL_NAMES: Final = ("label", "stars", "rating")
"""The usual names of a column of labels, in lower case: one of them is taken where none is named."""

SPLITS: Final = ("train", "validation", "test", "unlabelled")
"""What a value of the column `split` may be, besides an empty one."""

_SPLIT, _DOMAIN = "split", "domain"


@dataclass(frozen=True)
class TableOptions:
    """Which columns of a table are read, and how.

    Attributes:
        text: The column of texts; None finds it as scoring does.
        label: The column of labels; None takes the only one with a name of `LABEL_NAMES`.
        by: The column of groups, of which none is divided between training and validation; None groups by text.
        scale: Which numbers are negative and which are positive.
    """

    text: str | None = None
    label: str | None = None
    by: str | None = None
    scale: Scale = field(default_factory=Scale)


@dataclass(frozen=True, eq=False)
class Table:
    """The rows of a table that have a text, and a label unless it is unlabelled.

    Attributes:
        path: The file.
        texts: [n] The texts as they were read.
        labels: int8 [n] 0 for negative, 1 for positive, -1 for none.
        groups: [n] The values of the column of groups as text, empty for a null; None where no column was named.
        domains: [n] The values of the column `domain`; None where there is none.
        splits: [n] The values of the column `split`, each of `SPLITS` or empty; None where there is none.
        rows: How many rows the file has.
        left_out: How many rows were left out, by reason: `no text`, and `between` negative and positive.
        columns: The names of the columns by their use: `text`, and where they are there `label` and `by`.
        meaning: How the labels were understood.
    """

    path: Path
    texts: list[str]
    labels: npt.NDArray[np.int8]
    groups: list[str] | None
    domains: list[str] | None
    splits: list[str] | None
    rows: int
    left_out: dict[str, int]
    columns: dict[str, str]
    meaning: str

    def __len__(self) -> int:
        return len(self.texts)

    def take(self, rows: npt.NDArray[np.int64]) -> Table:
        """Returns a table of some of the rows [m]; what is told about the file stays."""

        def pick(values: list[str] | None) -> list[str] | None:
            return None if values is None else [values[row] for row in rows]

        return Table(
            self.path,
            [self.texts[row] for row in rows],
            self.labels[rows],
            pick(self.groups),
            pick(self.domains),
            pick(self.splits),
            self.rows,
            self.left_out,
            self.columns,
            self.meaning,
        )


def read_table(
    path: Path, options: TableOptions | None = None, *, needs_labels: bool = True, report: Report = silent
) -> Table:
    """Reads a table.

    Args:
        path: The file. Its name tells the format.
        options: Which columns are read.
        needs_labels: Whether a table without a column of labels is refused; otherwise its rows are unlabelled.
        report: The function that is told how many rows are read.

    Raises:
        InputError: The file cannot be read, has no such column or no text, or a label or split is not understood.
        UsageError: The file's name does not tell a format, or a column's name is not UTF-8.
    """
    options = options or TableOptions()
    check_is_table(path)
    texts: list[str | None] = []
    with (
        _own_option(),
        open_source(str(path), format=parse_file_name(path.name), column=options.text, keep_json=True) as source,
    ):
        cells = _Cells(source, options)
        for window in source.windows:
            texts += window.texts.to_pylist()
            cells.add(window)
            report(Progress(f"reading {path.name}", len(texts), source.rows))
    columns = cells.find_columns(needs_labels=needs_labels)
    labels = np.full(len(texts), UNLABELLED, np.int8)
    meaning = "none"
    if "label" in columns:
        found = read_labels(str(path), columns["label"], cells.values[columns["label"]], options.scale)
        labels, meaning = found.values, found.meaning
    splits = _read_splits(path, cells.values.get(_SPLIT))
    if splits is not None:
        labels[[split == "unlabelled" for split in splits]] = UNLABELLED

    has_text = np.array([text is not None and not text.isspace() and text != "" for text in texts], bool)
    between = has_text & (labels == BETWEEN)
    kept = np.flatnonzero(has_text & ~between)
    if not len(kept):
        raise InputError(f"{path}: no row has a text{' and a label' if between.any() else ''}: name another table")
    table = Table(
        path=path,
        texts=[text or "" for text in texts],
        labels=labels,
        groups=_read_words(cells.values[options.by]) if options.by is not None else None,
        domains=_read_words(cells.values[_DOMAIN]) if _DOMAIN in cells.values else None,
        splits=splits,
        rows=len(texts),
        left_out={"no text": int((~has_text).sum()), "between": int(between.sum())},
        columns=columns,
        meaning=meaning,
    )
    return table if len(kept) == len(texts) else table.take(kept)


def check_is_table(path: Path) -> None:
    """Checks that a file is there and that its name tells the format of a table, without reading it.

    Raises:
        InputError: There is no such file.
        UsageError: Its name does not tell a format.
    """
    if not path.is_file():
        with open_stream(str(path)):  # its error says more than one about the name
            pass
    if parse_file_name(path.name) is None:
        raise UsageError(f"{path}: its name does not tell a format: end it in {KNOWN_FORMATS}")


def read_source(
    path: Path, options: TableOptions | None = None, *, needs_labels: bool = False, report: Report = silent
) -> Source:
    """Reads a table to learn from, as `read_table` and `to_source` do."""
    return to_source(read_table(path, options, needs_labels=needs_labels, report=report))


def to_source(table: Table) -> Source:
    """Returns what may be learned from in a table: all but its test rows and the texts that stand in them too.

    Raises:
        InputError: All rows are test rows.
    """
    splits = table.splits or [""] * len(table)
    is_test = np.array([split == "test" for split in splits], bool)
    left_out = dict(table.left_out)
    usable = ~is_test
    if is_test.any():
        tested = {text_key(table.texts[row]) for row in np.flatnonzero(is_test)}
        copies = np.array([text_key(text) in tested for text in table.texts], bool) & ~is_test
        usable &= ~copies
        left_out |= {"test": int(is_test.sum()), "text of a test row": int(copies.sum())}
    if not usable.any():
        raise InputError(f"{table.path}: all rows are for testing, by the column '{_SPLIT}': name another table")
    kept = table.take(np.flatnonzero(usable))
    sha256 = hash_texts(table.texts)
    return Source(
        name=table.path.name.partition(".")[0] or table.path.name,
        texts=kept.texts,
        labels=kept.labels,
        groups=kept.groups,
        domains=kept.domains,
        validation=None if kept.splits is None else np.array([split == "validation" for split in kept.splits], bool),
        grouped_by=table.columns.get("by", "text"),
        publication=find_publication(sha256),
        facts={
            "file": table.path.name,
            "texts_sha256": sha256,
            "rows": table.rows,
            "left_out": {reason: count for reason, count in left_out.items() if count},
            "columns": table.columns,
            "labels": table.meaning,
        },
    )


class _Cells:
    """Collects the values of the columns that are read beside the texts.

    Attributes:
        text: The name of the column of texts.
        values: The values so far, [rows] by the column's name.
    """

    def __init__(self, source: OpenTable, options: TableOptions) -> None:
        self.text = source.key if source.raw_json else source.schema.names[source.text]
        self.values: dict[str, list[Any]] = {}
        self._source = source
        self._options = options
        self._names: list[str] = []  # of all columns, in order
        self._rows = 0
        if not source.raw_json:
            self._add_names(source.schema.names)

    def add(self, window: Window) -> None:
        """Adds a window's values."""
        if self._source.raw_json:
            # A key can be missing from any line, and its values can be of any type.
            rows = [parse_object(self._source.name, self._rows, line) for line in window.rows.column(0).to_pylist()]
            self._add_names(name for row in rows for name in row)
            for name, values in self.values.items():
                values.extend(row.get(name) for row in rows)
        else:
            for name, values in self.values.items():
                values.extend(window.rows.column(name).to_pylist())
        self._rows += window.rows.num_rows

    def find_columns(self, *, needs_labels: bool) -> dict[str, str]:
        """Returns the names of the columns of texts, labels and groups by these uses.

        Raises:
            InputError: The table has no such column.
        """
        columns = {"text": self.text}
        for use, wanted in (("label", self._options.label), ("by", self._options.by)):
            if wanted is None:
                continue
            if wanted not in self._names:
                raise InputError(f"{self._source.name}: no column '{wanted}'; it has {list_names(self._names)}")
            columns[use] = wanted
        if "label" not in columns:
            usual = [name for name in self._names if name.lower() in LABEL_NAMES]
            if len(usual) == 1:
                columns["label"] = usual[0]
            elif needs_labels or usual:
                reason = "several columns may hold labels" if usual else "no column is known to hold labels"
                listed = list_names(usual or (name for name in self._names if name != self.text))
                raise InputError(f"{self._source.name}: {reason}: name one of {listed} with --label")
        return columns

    def _add_names(self, names: Iterable[str]) -> None:
        for name in names:
            known = name in self._names
            if known and not self._source.raw_json and name in self.values:
                raise InputError(f"{self._source.name}: several columns are named '{name}': rename all but one")
            if not known:
                self._names.append(name)
                if self._is_read(name):
                    self.values[name] = [None] * self._rows

    def _is_read(self, name: str) -> bool:
        named = {self._options.label, self._options.by, _SPLIT, _DOMAIN}
        return name in named or (self._options.label is None and name.lower() in LABEL_NAMES)


@contextmanager
def _own_option() -> Iterator[None]:
    """Names the option `--text` where messages of scoring name `--column`."""
    try:
        yield
    except (InputError, UsageError) as error:
        raise type(error)(error.to_command_line().replace("--column", "--text")) from error


def _read_splits(path: Path, values: Sequence[Any] | None) -> list[str] | None:
    if values is None:
        return None
    splits = _read_words(values)
    wrong = next((row for row, split in enumerate(splits) if split not in ("", *SPLITS)), None)
    if wrong is not None:
        raise InputError(
            f"{path}: column '{_SPLIT}', row {wrong} (from 0) has {shorten(values[wrong])}: it says what a row may be "
            f"used for, {', '.join(SPLITS)}: rename the column if it means something else"
        )
    return splits


def _read_words(values: Sequence[Any]) -> list[str]:
    return ["" if value is None else str(value).strip() for value in values]
