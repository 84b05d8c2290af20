"""`sentscore explain`: shows which words moved the score of a text."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from sentscore.cli.lines import clean_line, echo_json
from sentscore.cli.options import (
    DEFAULT_MODELS,
    DeviceOption,
    JsonOption,
    ModelOption,
    PrecisionOption,
    ThreadsOption,
)
from sentscore.cli.text import read_texts
from sentscore.errors import OutputError
from sentscore.model.options import DEFAULT_OPTIONS, ModelOptions

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table
    from rich.text import Text

    from sentscore.occlusion import Explanation
    from sentscore.pages.explanations import ExplainedText

_STRONGEST: Final = 10  # words of the table
_DECIMALS: Final = 6  # of JSON's log-odds; float32 has no more


def explain_cli(
    texts: Annotated[
        list[str],
        typer.Argument(metavar="TEXT", help="The texts. - stands for the lines of stdin.", show_default=False),
    ],
    model: ModelOption = None,
    device: DeviceOption = "auto",
    precision: PrecisionOption = "auto",
    threads: ThreadsOption = None,
    as_json: JsonOption = False,
    html: Annotated[
        Path | None, typer.Option("--html", metavar="FILE", help="Also write a page. One that exists is replaced.")
    ] = None,
) -> None:
    """Show which words moved the score of a text: each is left out, and the rest is scored again.

    sentscore explain "A quiet, lovely film, if a little long."
    """
    if html is not None:
        _check_page(html)
    explained = explain(texts, models=model or DEFAULT_MODELS, options=ModelOptions(device, precision, threads=threads))
    if html is not None:
        from sentscore.files import write_file
        from sentscore.pages.explanations import make_explanations_page

        write_file(html, make_explanations_page(explained))
    if as_json:
        for each in explained:
            echo_json(_to_json(each))
        return
    from rich.console import Console

    console = Console(highlight=False)
    with console.capture() as capture:  # Typer prints it, since rich has an exit code of its own for a closed pipe
        for each in explained:
            for part in _show(each):
                console.print(part)
    typer.echo(capture.get(), nl=False, color=console.is_terminal)


def explain(
    texts: Sequence[str],
    *,
    models: Sequence[str] = DEFAULT_MODELS,
    options: ModelOptions = DEFAULT_OPTIONS,
) -> list[ExplainedText]:
    """Explains the scores of texts, each by every model.

    Args:
        texts: The texts; `-` stands for the lines of stdin.
        models: The names of shipped models, or the paths of artifact folders.
        options: How to run the models.

    Raises:
        SentscoreError: A model cannot be loaded, or a text is not UTF-8.
    """
    from sentscore.columns import result_columns
    from sentscore.model.artifact import load_artifacts
    from sentscore.occlusion import Explainer
    from sentscore.pages.explanations import ExplainedText
    from sentscore.scorer import Scorer
    from sentscore.sinks.values import to_json_values

    scorers = [Scorer(artifact, options) for artifact in load_artifacts(models)]
    explainers = [Explainer(scorer.engine) for scorer in scorers]
    explained = []
    for text in read_texts(texts):
        for scorer, explainer in zip(scorers, explainers, strict=True):
            columns = result_columns({scorer.name: scorer.score([text])})
            [sentiment], [score] = (to_json_values(scorer.name, column) for column in columns)
            found = explainer.explain(text)
            explained.append(ExplainedText(text, scorer.name, scorer.precision, scorer.device, score, sentiment, found))
    return explained


def _check_page(path: Path) -> None:
    """Checks that a page can be written to a path without harm to what is there.

    Raises:
        OutputError: There is something else than a file.
    """
    if path.exists() and not path.is_file():
        raise OutputError(f"--html {path}: is no file: name a file for the page")


def _to_json(each: ExplainedText) -> dict[str, Any]:
    content = {"text": each.text, "model": each.model, "sentiment": each.sentiment, "score": each.score}
    explanation = each.explanation
    if explanation is None:
        return {**content, "words": []}
    words = [
        {"word": explanation.spell(word), "start": word.start, "stop": word.stop, "effect": _round(word.effect)}
        for word in explanation.words
    ]
    sentences = [
        {
            "start": explanation.words[each.start].start,
            "stop": explanation.words[each.stop - 1].stop,
            "effect": _round(each.effect),
        }
        for each in explanation.sentences
    ]
    return {
        **content,
        "text": explanation.text,
        "log_odds": _round(explanation.log_odds),
        "baseline_log_odds": _round(explanation.baseline),
        "sum_of_effects": _round(explanation.sum_of_effects),
        "method": explanation.method,
        "words": words,
        **({"sentences": sentences} if sentences else {}),
    }


def _round(value: float | None) -> float | None:
    return None if value is None else round(value, _DECIMALS)


def _show(each: ExplainedText) -> list[RenderableType]:
    """Returns what the terminal shows of a text, one below the other."""
    from rich.text import Text

    model = clean_line(f"{each.model} in {each.precision} on {each.device}")
    explanation = each.explanation
    if explanation is None or each.score is None:
        return [Text(f"nothing to score ({model})\n")]
    return [
        Text(f"{each.sentiment}, {each.score:.4f} ({model})\n"),
        _paint(explanation),
        _make_table(explanation),
        Text(f"\n{explanation.method} {explanation.additivity}\n"),
    ]


def _paint(explanation: Explanation) -> Text:
    """Returns the text with its words in the colours of their effects; what lowers the score is underlined, too."""
    from rich.text import Text

    from sentscore.pages.explanations import SHADES, choose_shade, find_largest, lay_out, shorten_word

    largest = find_largest(explanation)
    painted = Text()
    for before, word in lay_out(explanation):
        shade = choose_shade(word.effect, largest)
        style = "" if shade == 0 else "green" if shade > 0 else "red underline"
        if 2 * abs(shade) > SHADES:
            style += " bold"
        painted.append(before)
        painted.append(clean_line(shorten_word(explanation.spell(word))), style)
    return painted.append("\n")


def _make_table(explanation: Explanation) -> Table:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    from sentscore.pages.explanations import shorten_word

    table = Table(box=box.SIMPLE_HEAD, show_edge=False)
    table.add_column("effect", justify="right", no_wrap=True)
    table.add_column("word", overflow="fold")
    for index in explanation.strongest(_STRONGEST):
        word = explanation.words[index]
        style = "green" if (word.effect or 0.0) > 0 else "red"
        table.add_row(Text(f"{word.effect:+.3f}", style), Text(clean_line(shorten_word(explanation.spell(word)))))
    return table
