"""The sections of a report as HTML: each has a chart, and the same figures in a table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from sentscore.columns import POSITIVE_FROM
from sentscore.jobs.counts import HISTOGRAM_BINS
from sentscore.pages.explanations import shorten_word
from sentscore.pages.html import escape, make_table
from sentscore.pages.report import charts
from sentscore.pages.report.collect import AGREEMENT_BINS, Collected
from sentscore.pages.report.distributions import difference_interval, interval
from sentscore.pages.report.drift import Drift
from sentscore.pages.report.groups import GroupCount

_MOST_SHOWN: Final = 20  # groups, and files


def make_summary(now: Collected) -> Iterator[str]:
    """Yields what was scored by what, in sentences and tables."""
    empty = now.rows - now.scored
    columns = now.layouts[0].scores
    counts = now.models[now.model]
    parts = [_count(now.rows, "row"), f"{_count(empty, 'row')} without a score"]
    if now.scored:
        low, high = interval(counts.positive, now.scored)
        share = counts.positive / now.scored
        parts.append(f"{_percent(share)} of the texts are positive (95 % interval {_percent(low)} to {_percent(high)})")
    yield f'<p class="lead">{escape("; ".join(parts))}.</p>'
    rows = []
    for column, each in zip(columns, now.models, strict=True):
        size = each.scores.size
        low, high = interval(each.positive, size)
        shown = f"{_percent(each.positive / size)} ({_percent(low)} to {_percent(high)})" if size else "no scores"
        mean = f"{each.scores.mean:.4f}" if size else ""
        rows.append([column.model, column.precision, column.digest[:12], f"{size:,}", shown, mean])
    headings = ["model", "precision", "digest", "scored", "positive (95 % interval)", "mean score"]
    yield make_table(
        f"Models; a text is positive from a score of {POSITIVE_FROM} on", headings, rows, numbers=[3, 4, 5]
    )
    if len({tuple((each.digest, each.precision) for each in layout.scores) for layout in now.layouts}) > 1:
        yield "<p>The files were not all scored by the same model in the same precision; the table tells the first.</p>"
    if len(now.layouts) > 1:
        yield _make_details("Files", ["file"], [[each.path] for each in now.layouts], numbers=[])


def make_histogram(now: Collected, index: int, earlier: Collected | None, before: int | None) -> Iterator[str]:
    """Yields the histogram of a model's scores, beside that of the earlier file if there is one.

    Args:
        now: What was found.
        index: The index of the model.
        earlier: What was found in the earlier file.
        before: The index of the model there.
    """
    scores = now.models[index].scores
    if not scores.size:
        yield "<p>There are no scores.</p>"
        return
    bars = scores.to_bars(HISTOGRAM_BINS)
    headings = ["score", "texts", "share"]
    rows = [
        [
            f"{number / HISTOGRAM_BINS:.2f} to {(number + 1) / HISTOGRAM_BINS:.2f}",
            f"{bar:,}",
            _percent(bar / scores.size),
        ]
        for number, bar in enumerate(bars)
    ]
    shares = None
    label = f"Histogram of {scores.size:,} scores, mean {scores.mean:.2f}"
    old = earlier.models[before].scores if earlier is not None and before is not None else None
    if old is not None and old.size:
        shares = [bar / old.size for bar in old.to_bars(HISTOGRAM_BINS)]
        headings.append("share earlier")
        rows = [[*row, _percent(share)] for row, share in zip(rows, shares, strict=True)]
        label += f"; a line shows the {old.size:,} of the earlier file, mean {old.mean:.2f}"
        yield '<p class="quiet">Bars: these scores. Line: those of the earlier file.</p>'
    yield charts.draw_histogram([bar / scores.size for bar in bars], shares, label=label)
    yield _make_details("Histogram of the scores", headings, rows, numbers=range(1, len(headings)))


def make_groups(now: Collected, index: int) -> Iterator[str]:
    """Yields a model's share of positive texts of the largest groups, the largest share first."""
    if now.groups is None:
        return
    groups = sorted(now.groups.largest(index, _MOST_SHOWN), key=lambda each: -each.share)
    if not groups:
        yield "<p>There are no scores.</p>"
        return
    yield _describe_groups(now)
    intervals = [interval(each.positive, each.size) for each in groups]
    label = f"Share of positive texts of {_count(len(groups), 'group')}, with 95 % intervals; the table has the figures"
    yield charts.draw_groups(groups, intervals, label=label)
    rows = [_make_row(each, bounds) for each, bounds in zip(groups, intervals, strict=True)]
    headings = [now.layouts[0].by or "", "texts", "positive", "95 % interval"]
    yield _make_details("Share of positive texts by group", headings, rows, numbers=[1, 2, 3])


def make_changes(now: Collected, index: int, earlier: Collected, before: int) -> Iterator[str]:
    """Yields how a model's share of positive texts has changed in the largest groups, the largest change first.

    Groups that are new have no change, and come last.
    """
    if now.groups is None or earlier.groups is None:
        return
    pairs = [(each, earlier.groups.count(before, each.key)) for each in now.groups.largest(index, _MOST_SHOWN)]
    both = sorted((pair for pair in pairs if pair[1].size), key=lambda pair: -abs(pair[0].share - pair[1].share))
    new = [each for each, old in pairs if not old.size]
    if not both:
        yield "<p>None of the largest groups is in the earlier file.</p>"
        yield from make_groups(now, index)
        return
    yield _describe_groups(now)
    changes = [each.share - old.share for each, old in both]
    bounds = [difference_interval(each.positive, each.size, old.positive, old.size) for each, old in both]
    label = f"Change of the share of positive texts of {_count(len(both), 'group')}, with 95 % intervals, largest first"
    yield charts.draw_changes([each.key for each, _ in both], changes, bounds, label=label)
    rows = [
        [*_make_row(each, interval(each.positive, each.size)), _percent(old.share), _points(change), _range(pair)]
        for (each, old), change, pair in zip(both, changes, bounds, strict=True)
    ]
    rows += [[*_make_row(each, interval(each.positive, each.size)), "new", "", ""] for each in new]
    headings = [now.layouts[0].by or "", "texts", "positive", "95 % interval", "earlier", "change, points"]
    headings.append("95 % interval of the change")
    yield _make_details("Share of positive texts by group, and its change", headings, rows, numbers=range(1, 7))


def make_periods(now: Collected, index: int) -> Iterator[str]:
    """Yields a model's share of positive texts over time."""
    if now.periods is None:
        return
    unit = now.periods.finish()
    periods = now.periods.periods(index)
    if now.periods.without:
        yield f'<p class="quiet">{escape(_count(now.periods.without, "scored row"))} without a time.</p>'
    if not periods:
        yield "<p>No row with a score has a time.</p>"
        return
    intervals = [interval(each.positive, each.size) for each in periods]
    label = f"Share of positive texts by {unit}, from {periods[0].key} to {periods[-1].key}, with 95 % intervals"
    yield charts.draw_periods(periods, intervals, label=label)
    rows = [_make_row(each, bounds) for each, bounds in zip(periods, intervals, strict=True)]
    headings = [f"{unit} from", "texts", "positive", "95 % interval"]
    yield _make_details(f"Share of positive texts by {unit}", headings, rows, numbers=[1, 2, 3])


def make_agreement(now: Collected) -> Iterator[str]:
    """Yields where the first two models agree and where they do not."""
    agreement = now.agreement
    if agreement is None:
        return
    one, other = (each.model for each in now.layouts[0].scores[:2])
    yield f"<h2>{escape(one)} and {escape(other)}</h2>"
    if not agreement.size:
        yield "<p>No text has scores of both.</p>"
        return
    low, high = interval(agreement.apart, agreement.size)
    share = f"{_percent(agreement.apart / agreement.size)}, 95 % interval {_percent(low)} to {_percent(high)}"
    sentence = (
        f"On {agreement.apart:,} of {_count(agreement.size, 'text')} ({share}) one model says positive and the other "
        f"negative. Their scores are {agreement.difference / agreement.size:.3f} apart on average."
    )
    yield f"<p>{escape(sentence)}</p>"
    label = f"Scores by {one} against scores by {other}: the larger a square, the more texts"
    yield charts.draw_agreement(agreement.grid.tolist(), (one, other), label=label)
    sentiments = agreement.sentiments.tolist()
    rows = [
        [kind, *(f"{each:,}" for each in line)] for kind, line in zip(("negative", "positive"), sentiments, strict=True)
    ]
    caption = f"Texts by the sentiments of {one} (rows) and {other} (columns)"
    yield make_table(caption, [one, f"{other}: negative", f"{other}: positive"], rows, numbers=[1, 2])
    steps = [f"{place / AGREEMENT_BINS:.1f}" for place in range(AGREEMENT_BINS)]
    lines = [[step, *(f"{each:,}" for each in line)] for step, line in zip(steps, agreement.grid.tolist(), strict=True)]
    yield _make_details(
        f"Texts by the scores of {one} (rows) and {other} (columns), each from a tenth on",
        [one, *steps],
        lines,
        numbers=range(1, AGREEMENT_BINS + 1),
    )


def make_drift(drift: Drift, now: Collected, earlier: Collected) -> Iterator[str]:
    """Yields how the scores and texts differ from those of the earlier file."""
    yield "<h2>Drift</h2>"
    yield f'<p class="quiet">{escape(_describe_earlier(now, earlier))}</p>'
    rows = [
        [
            each.name,
            _show(each.mean),
            _show(each.earlier_mean),
            f"{each.psi:.3f}",
            f"{each.chance:.3f}",
            "alarm" if each.psi >= drift.limit else "no alarm",
            f"{each.distance:.3f}",
            "< 0.001" if each.p_value < 0.001 else f"{each.p_value:.3f}",
        ]
        for each in drift.measures
    ]
    headings = [
        "measure",
        "mean",
        "mean earlier",
        "stability index",
        "by chance",
        "verdict",
        "KS distance",
        "KS p-value",
    ]
    yield make_table("What has changed since the earlier file", headings, rows, numbers=[1, 2, 3, 4, 6, 7])
    sentences = [
        f"The verdict goes by the population stability index: from {drift.limit:g} on there is an alarm. By chance "
        "alone, without any change, it is on average what the column behind it says. The distance is that of "
        "Kolmogorov and Smirnov. Its p-value decides nothing, for on millions of rows the smallest change is no "
        "chance. Lengths are in characters.",
        *drift.left_out,
    ]
    yield "".join(f'<p class="quiet">{escape(each)}</p>\n' for each in sentences)


def _describe_earlier(now: Collected, earlier: Collected) -> str:
    """Returns which file is compared, and whether its scores are of the same model."""
    column = now.layouts[0].scores[now.model]
    old = earlier.layouts[0].scores[earlier.model]
    said = f"Compared with {earlier.layouts[0].path} ({_count(earlier.rows, 'row')})."
    if column.digest and old.digest:
        if (column.digest, column.precision) == (old.digest, old.precision):
            return f"{said} Both were scored by the same model."
        return f"{said} It was scored by another model or in another precision, so scores may differ for that alone."
    return f"{said} The files do not both say which model scored them, so scores may differ for that alone."


def _describe_groups(now: Collected) -> str:
    if now.groups is None:
        return ""
    said = f"{_count(len(now.groups), 'group')}; the {_MOST_SHOWN} with the most texts are shown."
    if not now.groups.is_exact:
        said = "There are too many groups to count all of them, so small groups may have more texts than are shown."
    elif len(now.groups) <= _MOST_SHOWN:
        said = f"{_count(len(now.groups), 'group')}."
    return f'<p class="quiet">{escape(said)}</p>'


def _make_row(group: GroupCount, bounds: tuple[float, float]) -> list[str]:
    name = "(none)" if group.key is None else shorten_word(group.key)
    return [name, f"{group.size:,}", _percent(group.share), f"{_percent(bounds[0])} to {_percent(bounds[1])}"]


def _make_details(
    caption: str, headings: Sequence[str], rows: Sequence[Sequence[str]], *, numbers: Sequence[int]
) -> str:
    """Returns a table that is opened by its caption."""
    table = make_table(caption, headings, rows, numbers=numbers)
    return f"<details><summary>{escape(caption)}, as a table</summary>\n{table}</details>"


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def _percent(share: float) -> str:
    return f"{100 * share:.1f}\u00a0%"


def _points(change: float) -> str:
    return f"{100 * change:+.1f}"


def _range(bounds: tuple[float, float]) -> str:
    return f"{_points(bounds[0])} to {_points(bounds[1])}"


def _show(mean: float) -> str:
    return f"{mean:,.1f}" if mean > 10 else f"{mean:.4f}"
