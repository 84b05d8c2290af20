"""The frame of a page: one HTML file that needs nothing else, in light and dark, on a phone and on paper."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence
from typing import Final

from sentscore._version import __version__
from sentscore.signs import clean_line

PAGE_BEGINS: Final = (
    '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">\n<meta name="generator" content="sentscore">'
)
"""How every page of ours begins, and no other."""

# Whatever a page may hold by mistake, a browser loads and runs nothing for it.
_POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"

_STYLE: Final = """
:root { color-scheme: light dark; --text: #1a1a1a; --quiet: #595959; --page: #fff; --line: #d0d0d0;
  --positive: 0 114 178; --negative: 213 94 0; }
@media (prefers-color-scheme: dark) {
  :root { --text: #ececec; --quiet: #a8a8a8; --page: #16181b; --line: #44484d; }
}
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1rem; max-width: 60rem; background: var(--page); color: var(--text);
  font: 1rem/1.6 system-ui, sans-serif; overflow-wrap: anywhere; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.2rem; margin-top: 2.5rem; } h1, h2 { line-height: 1.3; }
.quiet, caption, footer { color: var(--quiet); font-size: .9rem; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; } caption { text-align: left; padding: .3rem 0; }
th, td { padding: .2rem .8rem .2rem 0; border-bottom: 1px solid var(--line); text-align: left; vertical-align: top;
  overflow-wrap: break-word; }
.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
summary { cursor: pointer; padding: .4rem 0; }
footer { margin-top: 3rem; border-top: 1px solid var(--line); }
@media print {
  :root { --text: #000; --quiet: #444; --page: #fff; --line: #bbb; }
  * { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
}
"""


def escape(text: str) -> str:
    """Returns a text from outside as HTML that shows it as it is, on one line.

    Signs that are not seen, such as control characters and those that change the direction of writing, are shown as
    Python escapes them.
    """
    return html.escape(clean_line(text))


def make_page(title: str, body: str, *, style: str = "") -> bytes:
    """Returns a page as UTF-8.

    Args:
        title: The title, as text.
        body: What stands below it, as HTML.
        style: CSS beside that of every page.
    """
    return (
        f"{PAGE_BEGINS}\n"
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        '<link rel="icon" href="data:,">\n'  # or browsers ask for one
        f"<title>{escape(title)}</title>\n<style>{_STYLE}{style}</style></head>\n"
        f"<body><main>\n<h1>{escape(title)}</h1>\n{body}\n</main>\n"
        f"<footer><p>sentscore {escape(__version__)}</p></footer></body></html>\n"
    ).encode()


def make_table(caption: str, headings: Sequence[str], rows: Iterable[Sequence[str]], *, numbers: Iterable[int]) -> str:
    """Returns a table as HTML.

    Args:
        caption: What the table shows, as text.
        headings: The headings of the columns, as texts.
        rows: The cells of each row, as texts from outside.
        numbers: The indexes of the columns that hold numbers.
    """
    right = set(numbers)
    kinds = [' class="number"' if index in right else "" for index in range(len(headings))]
    head = "".join(f'<th scope="col"{kind}>{escape(each)}</th>' for kind, each in zip(kinds, headings, strict=True))
    lines = [
        # A word of another direction leaves the rest of its row alone.
        "".join(f"<td{kind}><bdi>{escape(cell)}</bdi></td>" for kind, cell in zip(kinds, row, strict=True))
        for row in rows
    ]
    body = "\n".join(f"<tr>{line}</tr>" for line in lines)
    return (
        # A table that is wider than the page scrolls, and has to be reached with the keyboard then.
        f'<div class="scroll" tabindex="0" role="group" aria-label="{escape(caption)}">'
        f"<table><caption>{escape(caption)}</caption>\n"
        f"<thead><tr>{head}</tr></thead>\n<tbody>{body}</tbody></table></div>"
    )
