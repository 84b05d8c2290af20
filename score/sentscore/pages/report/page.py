"""The report as a page: charts, the tables behind them, and texts with their words shaded."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sentscore.pages import explanations
from sentscore.pages.html import escape, make_page
from sentscore.pages.report import charts, sections
from sentscore.pages.report.collect import Collected
from sentscore.pages.report.drift import Drift
from sentscore.pages.report.layout import ScoreColumn, match_scores
from sentscore.pages.report.model import ShadedText
from sentscore.pages.report.text_boxes import make_text_boxes

_STYLE: Final = """
.lead { font-size: 1.15rem; } .verdict { padding: .6rem .9rem; border-left: .35rem solid var(--chart); }
.verdict.alarm { border-left-color: var(--other); font-weight: 600; }
h3 { font-size: 1.05rem; margin: 1.8rem 0 .4rem; } .text { max-height: 16rem; }
.about { margin: 1.4rem 0 .3rem; }
@media print { .text { max-height: none; overflow: visible; } .text, table { break-inside: avoid-page; } }
"""


@dataclass(frozen=True)
class ReportContent:
    """All that a page tells.

    Attributes:
        now: What was found in the scored files.
        earlier: What was found in the earlier one; None without one.
        drift: How the two differ; None without an earlier file.
        positive: The texts with the largest scores.
        negative: Those with the smallest.
        uncertain: Those with scores next to 0.5.
        apart: Those of which one model says positive and the other negative.
        notes: What a reader has to know of the shading, in whole sentences.
    """

    now: Collected
    earlier: Collected | None
    drift: Drift | None
    positive: Sequence[ShadedText]
    negative: Sequence[ShadedText]
    uncertain: Sequence[ShadedText]
    apart: Sequence[ShadedText]
    notes: Sequence[str]


def make_report_page(content: ReportContent) -> bytes:
    """Returns the page, HTML in UTF-8, which shows whatever the files hold as text."""
    now = content.now
    title = f"Scores of {Path(now.layouts[0].path).name}"
    if len(now.layouts) > 1:
        title += f" and {len(now.layouts) - 1:,} more"
    body = "\n".join(_make_body(content))
    return make_page(title, body, style=f"{charts.STYLE}{explanations.STYLE}{_STYLE}")


def _make_body(content: ReportContent) -> Iterator[str]:
    now, earlier = content.now, content.earlier
    yield from sections.make_summary(now)
    if content.drift is not None:
        kind = "verdict alarm" if content.drift.alarms else "verdict"
        yield f'<p class="{kind}">{escape(content.drift.verdict)}</p>'
    for index, column in enumerate(now.layouts[0].scores):
        yield from _make_model(index, column, now, earlier)
    if content.drift is not None and earlier is not None:
        yield from sections.make_drift(content.drift, now, earlier)
    if now.agreement is not None:
        yield from sections.make_agreement(now)
    yield from _make_texts(content)


def _make_model(index: int, column: ScoreColumn, now: Collected, earlier: Collected | None) -> Iterator[str]:
    """Yields what is told of one model's scores."""
    name = f" by {escape(column.model)}" if len(now.models) > 1 else ""
    yield f"<h2>Scores{name}</h2>"
    before = match_scores(now.layouts[0].scores, earlier.layouts[0].scores, index) if earlier is not None else None
    yield from sections.make_histogram(now, index, earlier, before)
    if now.groups is not None:
        yield f"<h3>By {escape(now.layouts[0].by or '')}{name}</h3>"
        if earlier is not None and earlier.groups is not None and before is not None:
            yield from sections.make_changes(now, index, earlier, before)
        else:
            yield from sections.make_groups(now, index)
    if now.periods is not None:
        yield f"<h3>Over time{name}</h3>"
        yield from sections.make_periods(now, index)


def _make_texts(content: ReportContent) -> Iterator[str]:
    now = content.now
    if now.layouts[0].text is None:
        yield "<h2>Texts</h2>\n<p>The file has no column of texts, so none is shown.</p>"
        return
    if not content.positive:
        return
    model = f" by {escape(now.layouts[0].scores[now.model].model)}" if len(now.models) > 1 else ""
    yield f"<h2>Texts{model}</h2>"
    if any(each.explanation is not None for each in content.positive):
        yield explanations.LEGEND
    yield "".join(f'<p class="quiet">{escape(note)}</p>\n' for note in content.notes)
    yield from make_text_boxes("The most positive", content.positive, now)
    yield from make_text_boxes("The most negative", content.negative, now)
    yield from make_text_boxes("The most uncertain", content.uncertain, now)
    yield from make_text_boxes("Those on which the models differ most", content.apart, now)
