"""Tables as plain text, for a terminal or a log."""

from __future__ import annotations

import io
import re
import sys
from collections.abc import Sequence
from shutil import get_terminal_size

UNLIMITED = 10_000  # characters: lines of a log or a file are not wrapped
NUMBER = re.compile(
    r"[<+−-]?\d[\d.,]*(e[+-]?\d+)?( ?[±–…] ?[+−-]?\d[\d.,]*)?( ?%)?|[+−-]?(nan|inf)|[–—-]?", re.IGNORECASE
)


def screen_width() -> int:
    """Return the terminal's width in characters, or `UNLIMITED` where the output is no terminal."""
    return get_terminal_size().columns if sys.stdout.isatty() else UNLIMITED


def render_table(
    columns: Sequence[str], rows: Sequence[Sequence[str]], *, title: str = "", width: int | None = None
) -> str:
    """Return a table as text without color codes, with a line under the header.

    A column whose cells are numbers (or empty, "–") is right-aligned, any other left-aligned. Markup of rich in the
    text is printed literally. Lines longer than `width` characters are wrapped; None takes `screen_width`.
    """
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table

    table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    for place, header in enumerate(columns):
        cells = [row[place] for row in rows]
        numbers = any(cells) and all(NUMBER.fullmatch(cell) for cell in cells)
        table.add_column(header, justify="right" if numbers else "left", overflow="fold")
    for row in rows:
        table.add_row(*row)
    text = io.StringIO()
    console = Console(
        file=text, width=width or screen_width(), color_system=None, markup=False, emoji=False, highlight=False
    )
    console.print(table)
    lines = [line.rstrip() for line in text.getvalue().splitlines()]
    return "\n".join([title, *lines] if title else lines)
