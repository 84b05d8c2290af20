"""`sentscore text`: scores texts that are given as arguments or as lines of stdin."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from sentscore.cli.lines import clean_line, echo_json
from sentscore.cli.options import (
    DEFAULT_MODELS,
    DeviceOption,
    JsonOption,
    ModelOption,
    PrecisionOption,
)
from sentscore.errors import InputError
from sentscore.model.options import DEFAULT_OPTIONS, ModelOptions

if TYPE_CHECKING:
    from rich.table import Table

    from sentscore.text.processes import DistinctTexts

_CELL_WIDTH = 8  # characters of the longest sentiment


@dataclass(frozen=True)
class ScoredText:
    """A text, and each model's sentiment and score by the name of their column; None where the text is blank."""

    text: str
    results: dict[str, str | float | None]


def text_cli(
    texts: Annotated[
        list[str],
        typer.Argument(metavar="TEXT", help="The texts. - stands for the lines of stdin.", show_default=False),
    ],
    model: ModelOption = None,
    device: DeviceOption = "auto",
    precision: PrecisionOption = "auto",
    as_json: JsonOption = False,
) -> None:
    """Score texts and show a table.

    sentscore text "A quiet, lovely film." "Two hours I won't get back."
    """
    scored = text(texts, models=model or DEFAULT_MODELS, options=ModelOptions(device, precision))
    if as_json:
        for each in scored:
            echo_json({"text": each.text, **each.results})
        return
    from rich.console import Console

    console = Console()
    with console.capture() as capture:  # Typer prints it, since rich has an exit code of its own for a closed pipe
        console.print(_make_table(scored, console.width))
    typer.echo(capture.get(), nl=False)


def text(
    texts: Sequence[str],
    *,
    models: Sequence[str] = DEFAULT_MODELS,
    options: ModelOptions = DEFAULT_OPTIONS,
) -> list[ScoredText]:
    """Scores texts.

    Args:
        texts: The texts; `-` stands for the lines of stdin.
        models: The names of shipped models, or the paths of artifact folders.
        options: How to run the models.

    Raises:
        SentscoreError: A model cannot be loaded, or a text is not UTF-8.
    """
    from sentscore.columns import result_columns, result_names
    from sentscore.model.artifact import load_artifacts
    from sentscore.scorer import Scorer
    from sentscore.sinks.values import to_json_values
    from sentscore.text.normalize import as_text_array

    artifacts = load_artifacts(models)
    names = result_names([artifact.name for artifact in artifacts])
    every = list(read_texts(texts))
    array = as_text_array(every)
    encoded: dict[str, DistinctTexts] = {}  # models with the same vocabulary share the encoded texts
    scores = {}
    for artifact in artifacts:
        engine = Scorer(artifact, options).engine
        if artifact.encoding not in encoded:
            encoded[artifact.encoding] = engine.encode(array).result()
        scores[artifact.name] = engine.score_distinct(encoded[artifact.encoding])
    columns = [to_json_values(name, column) for name, column in zip(names, result_columns(scores), strict=True)]
    rows = zip(*columns, strict=True)
    return [ScoredText(each, dict(zip(names, row, strict=True))) for each, row in zip(every, rows, strict=True)]


def read_texts(texts: Sequence[str]) -> Iterator[str]:
    """Yields the texts of a command line.

    Args:
        texts: The texts; `-` stands for the lines of stdin.

    Raises:
        InputError: A text is not UTF-8, or stdin cannot be read.
    """
    from sentscore.sources import STDIN, open_stream
    from sentscore.sources.streams import read_lines

    for text in texts:
        if text == STDIN:
            with open_stream(STDIN) as stream:
                yield from (line.rstrip("\r\n") for line in read_lines(stream, None))
            continue
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise InputError(f"{text!r}: is not UTF-8: give it as a file, or through stdin") from error
        yield text


def _make_table(scored: Sequence[ScoredText], width: int) -> Table:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    names = list(scored[0].results) if scored else []
    table = Table(box=box.SIMPLE_HEAD, show_edge=False)
    table.add_column("text", no_wrap=True)
    for name in names:
        table.add_column(name, no_wrap=True, min_width=_CELL_WIDTH)
    # The texts take the width that the results leave; each column has a space on either side.
    room = max(_CELL_WIDTH, width - 2 - sum(max(len(name), _CELL_WIDTH) + 2 for name in names))
    for each in scored:
        text = Text(clean_line(" ".join(each.text.split())))
        text.truncate(room, overflow="ellipsis")
        table.add_row(text, *map(_format_result, each.results.values()))
    return table


def _format_result(value: str | float | None) -> str:
    if value is None:
        return "-"
    return f"{value:.4f}" if isinstance(value, float) else value
