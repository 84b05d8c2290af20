"""Charts as SVG for inside of a page, drawn by Vega-Lite: they take the page's colours, in light, in dark and on paper.

vl-convert runs Vega-Lite without a browser and without a network. The page gets its drawing alone, and no script.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from sentscore.pages.html import escape
from sentscore.pages.report.groups import GroupCount
from sentscore.signs import clean_line

PACKAGE: Final = "vl_convert"
"""The package that draws, of the extra `report`."""

STYLE: Final = """
.chart { margin: 1rem 0; } .chart svg { display: block; width: 100%; max-width: 30rem; height: auto;
  overflow: visible; }
:root { --chart: #0072b2; --other: #d55e00; }
@media (prefers-color-scheme: dark) { :root { --chart: #56b4e9; --other: #f0a35e; } }
@media print { :root { --chart: #0072b2; --other: #d55e00; } .chart { break-inside: avoid; } }
"""
"""The style of charts. Their colours are told apart by people who see few colours, too (Okabe and Ito 2008)."""

_WIDTH: Final = 330  # pixels, axes included: on a phone the letters are as large as here, elsewhere larger
_NOW: Final = "var(--chart)"
_EARLIER: Final = "var(--other)"
_QUIET: Final = {"domainColor": "var(--line)", "tickColor": "var(--line)", "gridColor": "var(--line)"}
_CONFIG: Final = {
    "aria": False,  # the page has a label and a table for it
    "background": None,
    "font": "system-ui, sans-serif",
    "view": {"stroke": None},
    "axis": {
        **_QUIET,
        "labelColor": "var(--text)",
        "titleColor": "var(--quiet)",
        "labelFontSize": 11,
        "titleFontSize": 11,
        "titleFontWeight": "normal",
    },
    "legend": {"orient": "top", "title": None, "labelColor": "var(--text)", "labelFontSize": 11},
}
_SHORTEST_BAND: Final = 0.02  # of shares: an axis is never narrower, or chance would look like much
_LONGEST_LABEL: Final = 16  # characters of a group's name

Spec = dict[str, Any]


def draw_histogram(shares: Sequence[float], earlier: Sequence[float] | None, *, label: str) -> str:
    """Draws a histogram of scores, and with an outline that of an earlier file.

    Args:
        shares: The share of texts in each interval of like width from 0 to 1 [b].
        earlier: The same of the earlier file; None without one.
        label: What the chart shows, for who does not see it.
    """
    bars = [
        {"from": index / len(shares), "to": (index + 1) / len(shares), "share": share}
        for index, share in enumerate(shares)
    ]
    x = {
        "field": "from",
        "type": "quantitative",
        "scale": {"domain": [0, 1]},
        "axis": {"grid": False},
        "title": "score",
    }
    y = {"field": "share", "type": "quantitative", "axis": {"format": "%", "tickCount": 4}, "title": "share of texts"}
    bar: Spec = {
        "data": {"values": bars},
        "mark": {"type": "rect", "color": _NOW, "stroke": "var(--page)", "strokeWidth": 1},
        "encoding": {"x": x, "x2": {"field": "to"}, "y": y, "y2": {"datum": 0}},
    }
    layers = [bar]
    if earlier is not None:
        # Steps begin at each place; the last one has to end at 1.
        steps = [{"from": index / len(earlier), "share": share} for index, share in enumerate(earlier)]
        steps.append({"from": 1.0, "share": earlier[-1]})
        line = {"type": "line", "interpolate": "step-after", "color": _EARLIER, "strokeWidth": 2}
        layers.append({"data": {"values": steps}, "mark": line, "encoding": {"x": x, "y": y}})
    return _draw({"layer": layers, "height": 150}, label)


def draw_groups(groups: Sequence[GroupCount], intervals: Sequence[tuple[float, float]], *, label: str) -> str:
    """Draws the share of positive texts of each group, with its interval, in the order given."""
    return _draw_intervals(
        [_shorten(each.key) for each in groups], [each.share for each in groups], intervals, _SHARE_AXIS, label
    )


def draw_changes(
    names: Sequence[str | None], changes: Sequence[float], intervals: Sequence[tuple[float, float]], *, label: str
) -> str:
    """Draws the change of each group's share of positive texts, with its interval, in the order given."""
    shown = [_shorten(each) for each in names]
    spec = {"format": "+%", "title": "change of the share of positive texts", "tickCount": 5}
    return _draw_intervals(shown, changes, intervals, spec, label, zero=True)


def draw_periods(periods: Sequence[GroupCount], intervals: Sequence[tuple[float, float]], *, label: str) -> str:
    """Draws the share of positive texts over time, with its interval as a band.

    Args:
        periods: The periods, each by the date or time it begins with as ISO 8601 has it, in order.
        intervals: The interval of each.
        label: What the chart shows, for who does not see it.
    """
    values = [
        {"time": _as_utc(each.key or ""), "share": each.share, "low": low, "high": high}
        for each, (low, high) in zip(periods, intervals, strict=True)
    ]
    low, high = _find_domain(intervals)
    x = {
        "field": "time",
        "type": "temporal",
        "scale": {"type": "utc"},  # or the machine's own time zone would move them
        "axis": {"grid": False, "labelFlush": True},
        "title": f"{periods[0].key} to {periods[-1].key}",
    }
    y = {"type": "quantitative", "scale": {"domain": [low, high], "zero": False}, "axis": _SHARE_AXIS}
    band = {"mark": {"type": "area", "color": _NOW, "opacity": 0.25}}
    line = {"mark": {"type": "line", "color": _NOW, "point": {"color": _NOW, "size": 20}}}
    layers = [
        {**band, "encoding": {"x": x, "y": {**y, "field": "low"}, "y2": {"field": "high"}}},
        {**line, "encoding": {"x": x, "y": {**y, "field": "share"}}},
    ]
    return _draw({"data": {"values": values}, "layer": layers, "height": 160}, label)


def draw_agreement(grid: Sequence[Sequence[int]], names: tuple[str, str], *, label: str) -> str:
    """Draws how many texts have which scores by two models, as squares: the larger, the more texts.

    Args:
        grid: The texts by the first model's (rows) and the second's (columns) interval [b, b].
        names: The models' names.
        label: What the chart shows, for who does not see it.
    """
    bins = len(grid)
    values = [
        {"one": (row + 0.5) / bins, "other": (column + 0.5) / bins, "texts": texts}
        for row, line in enumerate(grid)
        for column, texts in enumerate(line)
        if texts
    ]
    scale = {"domain": [0, 1]}
    spec: Spec = {
        "data": {"values": values},
        "mark": {"type": "square", "color": _NOW, "opacity": 1},
        "encoding": {
            "x": {"field": "one", "type": "quantitative", "scale": scale, "title": f"score by {_shorten(names[0])}"},
            "y": {"field": "other", "type": "quantitative", "scale": scale, "title": f"score by {_shorten(names[1])}"},
            "size": {
                "field": "texts",
                "type": "quantitative",
                # Texts that are few among many are what the chart is for.
                "scale": {"type": "sqrt", "range": [4, 560]},
                "legend": None,
            },
        },
        "height": 260,
    }
    return _draw(spec, label)


_SHARE_AXIS: Final[Mapping[str, object]] = {"format": "%", "title": "share of positive texts", "tickCount": 5}


def _draw_intervals(
    names: Sequence[str],
    numbers: Sequence[float],
    intervals: Sequence[tuple[float, float]],
    axis: Mapping[str, object],
    label: str,
    *,
    zero: bool = False,
) -> str:
    # Names may be equal once they are shortened, so they are told apart by a number before them, which is not shown.
    values = [
        {"row": f"{index:03d}{name}", "number": number, "low": low, "high": high}
        for index, (name, number, (low, high)) in enumerate(zip(names, numbers, intervals, strict=True))
    ]
    low, high = _find_domain([*intervals, (0.0, 0.0)], -1) if zero else _find_domain(intervals)
    x = {"type": "quantitative", "scale": {"domain": [low, high], "zero": False}, "axis": dict(axis)}
    y = {
        "field": "row",
        "type": "ordinal",
        "title": None,
        "sort": None,
        "axis": {"labelExpr": "slice(datum.label, 3)", "ticks": False, "domain": False, "labelLimit": 130},
    }
    layers: list[Spec] = [
        {
            "mark": {"type": "rule", "color": _NOW, "strokeWidth": 2},
            "encoding": {"x": {**x, "field": "low"}, "x2": {"field": "high"}, "y": y},
        },
        {
            "mark": {"type": "point", "filled": True, "color": _NOW, "opacity": 1, "size": 50},
            "encoding": {"x": {**x, "field": "number"}, "y": y},
        },
    ]
    if zero:
        rule = {"type": "rule", "color": "var(--text)", "strokeDash": [3, 3]}
        layers.append({"mark": rule, "encoding": {"x": {"datum": 0, "type": "quantitative"}}})
    return _draw({"data": {"values": values}, "layer": layers, "height": {"step": 20}}, label)


def _as_utc(time: str) -> str:
    """Returns a time as Vega takes it for UTC; it takes a date for UTC anyway."""
    return f"{time}Z" if "T" in time else time


def _find_domain(intervals: Sequence[tuple[float, float]], least: float = 0) -> tuple[float, float]:
    """Returns what an axis shows: all intervals, and not too narrow a part of what lies between `least` and 1."""
    low, high = min(each[0] for each in intervals), max(each[1] for each in intervals)
    half = max(high - low, _SHORTEST_BAND) / 2
    middle = min(1 - half, max(least + half, (low + high) / 2))
    return middle - half, middle + half


def _shorten(name: str | None) -> str:
    shown = "(none)" if name is None else clean_line(name[: 2 * _LONGEST_LABEL])
    return shown if len(shown) <= _LONGEST_LABEL else f"{shown[: _LONGEST_LABEL - 1]}\u2026"


def _draw(spec: Spec, label: str) -> str:
    import vl_convert

    svg = vl_convert.vegalite_to_svg(
        {
            "width": _WIDTH,
            "autosize": {"type": "fit-x", "contains": "padding"},
            # Room for letters that are wider than those that vl-convert has measured.
            "padding": {"left": 10, "right": 10, "top": 2, "bottom": 2},
            "config": _CONFIG,
            **spec,
        },
        allowed_base_urls=[],
    )
    # Inside of HTML a drawing needs no namespaces, and a page without addresses has nothing that could be a link.
    svg = svg.replace(' xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"', "", 1)
    return f'<div class="chart" role="img" aria-label="{escape(label)}">{svg}</div>'
