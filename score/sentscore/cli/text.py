"""`sentscore text`: scores texts given as arguments or lines of stdin."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from sentscore.cli.options import (
    DEFAULT_MODELS,
    DeviceChoice,
    DeviceOption,
    JsonOption,
    ModelOption,
    PrecisionChoice,
    PrecisionOption,
)
from sentscore.errors import InputError

if TYPE_CHECKING:
    from rich.table import Table


_CELL = 8  # characters of the longest sentiment


@dataclass(frozen=True)
class ScoredText:
    """A text and its results by column name: a sentiment and a score a model, None where there is no text."""

    text: str
    results: dict[str, str | float | None]


def text_cli(
    texts: Annotated[
        list[str],
        typer.Argument(metavar="TEXT", help="Texts; - stands for the lines of stdin.", show_default=False),
    ],
    model: ModelOption = None,
    device: DeviceOption = DeviceChoice.AUTO,
    precision: PrecisionOption = PrecisionChoice.AUTO,
    as_json: JsonOption = False,
) -> None:
    """Score texts and show a table.

    sentscore text "A quiet, lovely film." "Two hours I won't get back."
    """
    scored = text(texts, models=model or DEFAULT_MODELS, device=device.value, precision=precision.value)
    if as_json:
        for each in scored:
            line = json.dumps({"text": each.text, **each.results}, ensure_ascii=False)
            typer.echo(line.encode())
        return
    from rich.console import Console

    console = Console()
    with console.capture() as capture:  # printed by Typer, for a closed pipe must not end in rich's exit code
        console.print(_table(scored, console.width))
    typer.echo(capture.get(), nl=False)


def text(
    texts: Sequence[str],
    *,
    models: Sequence[str] = DEFAULT_MODELS,
    device: Literal["auto", "cpu", "cuda"] = "auto",
    precision: Literal["auto", "fp32", "int8", "fp16"] = "auto",
) -> list[ScoredText]:
    """Scores texts.

    Args:
        texts: the texts; `-` stands for the lines of stdin.
        models: names of shipped models, or paths of artifact folders.
        device: what to run on.
        precision: what to compute in.

    Raises:
        SentscoreError: One of its kinds.
    """
    from sentscore.columns import result_columns, result_names
    from sentscore.model.artifact import load_artifact
    from sentscore.scorer import Scorer
    from sentscore.sinks.values import to_json_values

    artifacts = [load_artifact(model) for model in models]
    names = result_names([artifact.name for artifact in artifacts])
    every = list(_expanded(texts))
    scores = {
        artifact.name: Scorer(artifact, device=device, precision=precision).score(every) for artifact in artifacts
    }
    columns = [to_json_values(name, column) for name, column in zip(names, result_columns(scores), strict=True)]
    rows = zip(*columns, strict=True)
    return [ScoredText(each, dict(zip(names, row, strict=True))) for each, row in zip(every, rows, strict=True)]


def _expanded(texts: Sequence[str]) -> Iterator[str]:
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


def _table(scored: Sequence[ScoredText], width: int) -> Table:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    names = list(scored[0].results) if scored else []
    table = Table(box=box.SIMPLE_HEAD, show_edge=False)
    table.add_column("text", no_wrap=True)
    for name in names:
        table.add_column(name, no_wrap=True, min_width=_CELL)
    # The texts take what the results leave, each column with a space on either side.
    room = max(_CELL, width - 2 - sum(max(len(name), _CELL) + 2 for name in names))
    for each in scored:
        text = Text(_shown(each.text))
        text.truncate(room, overflow="ellipsis")
        table.add_row(text, *map(_cell, each.results.values()))
    return table


def _shown(text: str) -> str:
    """The text on one line, and without the control characters that a terminal would obey."""
    return "".join(each if each.isprintable() else "\ufffd" for each in " ".join(text.split()))


def _cell(value: str | float | None) -> str:
    if value is None:
        return "-"
    return f"{value:.4f}" if isinstance(value, float) else value
