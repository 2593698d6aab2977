"""Tables as HTML: a table to put on a page, and a page of its own that needs nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

from ssvif.report.layout import Cell, Heading, Row, Sheet, Table
from ssvif.report.markup import grouped

RANKS = ("", " best", " second")
STYLE = """\
:root { color-scheme: light dark; --ink: #23272f; --soft: #5d6470; --rule: #23272f; --ground: #fff; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e4e7ec; --soft: #a3abb8; --rule: #8a93a3; --ground: #15181e; }
}
body { margin: 2rem auto; max-width: 72rem; padding: 0 1rem; color: var(--ink); background: var(--ground);
  font: 16px/1.45 system-ui, -apple-system, "Segoe UI", sans-serif; }
h1 { font-size: 1.2rem; } h2 { font-size: 1rem; margin: 1.6rem 0 0.4rem; }
p, li { max-width: 60rem; }
.scroll { overflow-x: auto; }
table.scores { border-collapse: collapse; border-block: 2px solid var(--rule); font-variant-numeric: tabular-nums; }
table.scores th, table.scores td { padding: 0.25rem 0.7rem; text-align: right; vertical-align: top;
  white-space: nowrap; }
table.scores thead th { border-bottom: 1px solid var(--rule); font-weight: 600; }
table.scores tr > :first-child { text-align: left; font-weight: 400; }
table.scores tr.group th { font-style: italic; padding-top: 0.7rem; }
table.scores .best { font-weight: 700; } table.scores .second { text-decoration: underline; }
table.scores .interval, table.scores .paper { font-size: 0.8em; color: var(--soft); }
table.scores .paper { display: block; }
table.scores tr.missing > * { color: var(--soft); }
.notes { font-size: 0.875rem; padding-left: 1.2rem; }
"""


def to_html(table: Table) -> str:
    """Return a table as one `<table class="scores">`; equal tables give equal text.

    Each value's cell has `data-value`, the measured number with full digits, and `data-published`, by which a
    script can sort; both are left out where there is none. Rows without a run have the class `missing`.
    """
    return "\n".join(_lines(table)) + "\n"


def _lines(table: Table) -> Iterator[str]:
    yield '<table class="scores">'
    heads = "".join(map(_head, table.headings))
    yield f'<thead><tr><th scope="col">{escape(table.label)}</th>{heads}</tr></thead>'
    yield "<tbody>"
    for group, row in grouped(table):
        if group:
            columns = len(table.headings) + 1
            yield f'<tr class="group"><th scope="rowgroup" colspan="{columns}">{escape(group)}</th></tr>'
        yield _row(row)
    yield "</tbody>"
    yield "</table>"


def _head(heading: Heading) -> str:
    return f'<th scope="col" data-arrow="{heading.arrow}">{escape(heading.shown)}</th>'


def _row(row: Row) -> str:
    kind = "" if row.runs else ' class="missing"'
    title = f' title="{escape(", ".join(row.runs))}"' if row.runs else ""
    return f'<tr{kind}><th scope="row"{title}>{escape(row.label)}</th>{"".join(map(_cell, row.cells))}</tr>'


def _cell(cell: Cell) -> str:
    value = f' data-value="{cell.value:.10g}"' if cell.value is not None else ""
    paper = f' data-published="{cell.published}"' if cell.published else ""
    inner = f'<span class="measured{RANKS[cell.rank]}">{cell.text}</span>'
    if cell.interval:
        inner += f' <span class="interval">{cell.interval}</span>'
    if cell.published:
        inner += f' <span class="paper"><span class="published{RANKS[cell.published_rank]}">{cell.published}</span>'
        inner += f' <span class="difference">({cell.difference})</span></span>' if cell.difference else "</span>"
    return f"<td{value}{paper}>{inner}</td>"


def page_of(sheet: Sheet) -> str:
    """Return a sheet as a page of its own, light or dark as the reader likes it."""
    heading = escape(sheet.headline)
    lines = [
        "<!DOCTYPE html>",
        '<html lang="en">',
        "<head>",
        '<meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{escape(sheet.title)}</title>",
        f"<style>\n{STYLE}</style>",
        "</head>",
        "<body>",
        "<main>",
        f"<h1>{heading}</h1>",
    ]
    for table in sheet.tables:
        lines.append(f'<h2 id="{escape(table.name)}">{escape(table.title)}</h2>')
        lines += [f"<p>{escape(table.caption)}</p>"] if table.caption else []
        lines.append(f'<div class="scroll" tabindex="0" role="region" aria-labelledby="{escape(table.name)}">')
        lines += [to_html(table).rstrip(), "</div>", *_notes(table.notes)]
    return "\n".join([*lines, *_notes(sheet.notes), "</main>", "</body>", "</html>", ""])


def _notes(notes: tuple[str, ...]) -> list[str]:
    items = [f"<li>{escape(note)}</li>" for note in notes]
    return ['<ul class="notes">', *items, "</ul>"] if items else []
