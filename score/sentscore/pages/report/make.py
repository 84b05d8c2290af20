"""Makes the report of scored files: reads them, compares them, shades the texts and puts the page together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sentscore.columns import list_names
from sentscore.errors import Argument, InputError
from sentscore.pages.report.collect import collect
from sentscore.pages.report.drift import DRIFT_PSI, Drift, compare
from sentscore.pages.report.layout import Layout, match_scores, read_layout
from sentscore.pages.report.model import Shader, choose_column, find_model, make_encoder
from sentscore.pages.report.page import ReportContent, make_report_page
from sentscore.progress import Progress, silent


@dataclass(frozen=True)
class Report:
    """A report that is made.

    Attributes:
        page: The page, HTML in UTF-8.
        rows: How many rows the files have.
        scored: How many of them have a score.
        positive: How many of these are positive.
        drift: How they differ from the earlier file; None without one.
    """

    page: bytes
    rows: int
    scored: int
    positive: int
    drift: Drift | None


def make_report(
    paths: Sequence[str],
    *,
    against: str | None = None,
    column: str | None = None,
    by: str | None = None,
    time: str | None = None,
    model: str | None = None,
    texts: int = 5,
    drift_psi: float = DRIFT_PSI,
    on_progress: Callable[[Progress], None] = silent,
) -> Report:
    """Makes the report of scored files. Memory does not grow with them.

    Args:
        paths: The files, at least one, with the same columns of scores.
        against: An earlier scored file to compare them with; None for none.
        column: The name of the column of texts; None to find it.
        by: The name of the column of groups; None for no groups.
        time: The name of the column of times; None for no times.
        model: The model that shades and knows words; None for the shipped one that the file names.
        texts: How many texts of each kind to show.
        drift_psi: The population stability index from which on there is an alarm.
        on_progress: Is called while files are read.

    Raises:
        InputError: A file cannot be read, has no scores, or lacks a column.
        ArtifactError: The model that is named is missing or damaged.
        SentscoreError: The model cannot run.
    """
    layouts = [read_layout(path, column=column, by=by, time=time) for path in paths]
    _check_alike(layouts)
    before = read_layout(against, column=column, by=by) if against is not None else None
    columns = layouts[0].scores
    artifact = find_model(columns[0], model)
    chosen = choose_column(columns, artifact)
    encoder = make_encoder(artifact) if artifact is not None and before is not None else None
    # Before the files are read, which may take minutes.
    match = _match_scores(layouts[0], before, chosen) if before is not None else 0
    now = collect(layouts, encoder=encoder, texts=texts, model=chosen, on_progress=on_progress)
    earlier, drift = None, None
    if before is not None:
        earlier = collect([before], encoder=encoder, texts=0, model=match, on_progress=on_progress)
        drift = compare(now, earlier, limit=drift_psi)
    shader = Shader(artifact, columns[chosen])
    kinds = [now.positive, now.negative, now.uncertain]
    positive, negative, uncertain = (shader.shade(each.texts) for each in kinds)
    apart = shader.shade(now.agreement.texts.texts) if now.agreement is not None else []
    content = ReportContent(now, earlier, drift, positive, negative, uncertain, apart, list(shader.notes))
    counts = now.models[chosen]
    return Report(make_report_page(content), now.rows, now.scored, counts.positive, drift)


def _check_alike(layouts: Sequence[Layout]) -> None:
    """Checks that files have the same columns of scores.

    Raises:
        InputError: One has others.
    """
    first, *others = layouts
    names = _names(first)
    for layout in others:
        found = _names(layout)
        if found != names:
            raise InputError(
                f"{layout.path}: has scores in {list_names(found)}, and {first.path} in {list_names(names)}: "
                "report them one by one"
            )


def _match_scores(layout: Layout, earlier: Layout, index: int) -> int:
    """Returns the index of the earlier file's scores that a file's are compared with.

    Raises:
        InputError: There are none.
    """
    match = match_scores(layout.scores, earlier.scores, index)
    if match is None:
        raise InputError(
            f"{earlier.path}: no column '{layout.scores[index].name}' to compare, but {list_names(_names(earlier))}: "
            "name a file that was scored by the same models with ",
            Argument("against"),
        )
    return match


def _names(layout: Layout) -> list[str]:
    return [each.name for each in layout.scores]
