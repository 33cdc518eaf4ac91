"""Shows tables and texts as HTML that reads well on light, dark and narrow pages."""

from collections.abc import Iterable, Mapping, Sequence
from html import escape

from skhyperband._tables import Cell, format_cell

# It sets no colours, so that it suits light and dark pages. The selectors are more specific than a
# notebook's own rules for tables and paragraphs.
_STYLE = """\
.skhyperband { color: inherit; margin: 0.5em 0; max-width: 100%; }
.skhyperband p { margin: 0.5em 0; max-width: 60em; padding: 0 0.6em; overflow-wrap: break-word; }
.skhyperband .skhyperband-scroll { overflow-x: auto; max-width: 100%; }
.skhyperband table { border: none; border-collapse: collapse; margin: 0; width: auto;
  font-variant-numeric: tabular-nums; }
.skhyperband table tr th, .skhyperband table tr td { border: none; padding: 0.15em 0.6em;
  text-align: right; vertical-align: bottom; }
.skhyperband table tr th { font-weight: 600; }
.skhyperband table tr.skhyperband-first > * { border-top: 1px solid rgba(128, 128, 128, 0.5); }
.skhyperband table.skhyperband-facts tr > * { text-align: left; vertical-align: top; }
.skhyperband table.skhyperband-facts tr th { white-space: nowrap; }
.skhyperband table.skhyperband-facts tr td { overflow-wrap: anywhere; }
.skhyperband details { margin: 0.5em 0; }
.skhyperband details > summary { cursor: pointer; font-weight: 600; padding: 0 0.6em; }
"""


def document(*parts: str) -> str:
    """Return the parts one below the other, as an element that brings its own style."""
    return f'<div class="skhyperband"><style>{_STYLE}</style>{"".join(parts)}</div>'


def rung_table(
    columns: Sequence[str], rows: Sequence[Sequence[Cell]], texts: Iterable[str]
) -> str:
    """Return a table of rungs, with a line above each bracket, and the texts below it."""
    position = columns.index("iter")
    headings = "".join(f"<th>{_breakable(column)}</th>" for column in columns)
    body = "".join(_rung(row, is_first=row[position] == 0) for row in rows)
    table = f"<table><thead><tr>{headings}</tr></thead><tbody>{body}</tbody></table>"
    paragraphs = "".join(f"<p>{escape(text)}</p>" for text in texts)
    return document(f'<div class="skhyperband-scroll">{table}</div>', paragraphs)


def _rung(row: Sequence[Cell], is_first: bool) -> str:
    opening = '<tr class="skhyperband-first">' if is_first else "<tr>"
    cells = "".join(f"<td>{escape(format_cell(cell))}</td>" for cell in row)
    return f"{opening}{cells}</tr>"


def _breakable(name: str) -> str:
    """Return a name that may be broken after its underscores where the page is narrow."""
    return escape(name).replace("_", "_<wbr>")


def facts(values: Mapping[str, Sequence[str]]) -> str:
    """Return a table of facts, each with a line for each of its texts."""
    rows = "".join(
        f'<tr><th scope="row">{escape(name)}</th><td>{"<br>".join(map(escape, texts))}</td></tr>'
        for name, texts in values.items()
    )
    return f'<table class="skhyperband-facts"><tbody>{rows}</tbody></table>'


def folded(title: str, content: str, *, is_open: bool = False) -> str:
    """Return content under a title that shows and hides it."""
    opening = "<details open>" if is_open else "<details>"
    return f"{opening}<summary>{escape(title)}</summary>{content}</details>"
