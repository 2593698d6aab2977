"""Tables as Markdown and LaTeX: what was measured in the first line of a row, the paper's number in the second."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence

from ssvif.report.layout import MINUS, Cell, Heading, Row, Sheet, Table

LAST_KNOWN = "\u017f"  # pdfLaTeX knows the Latin letters up to here but for a few, and little beyond
KNOWN_BEYOND, UNKNOWN_BEFORE = "‘‚„‡•‰‹›€™", "ĦħĸĿŀŉŦŧſ"
OPENING_QUOTE = re.compile(r"(?<![^\s(\[{])\"")
WIDE = 7  # with more columns a table takes both columns of a page
ARROWS = {"↑": r"$\uparrow$", "↓": r"$\downarrow$", "": ""}
ESCAPES = {
    **{sign: f"\\{sign}" for sign in "&%$#_{}"},
    # after a line's end these would be an argument of it
    **{sign: f"{{{sign}}}" for sign in "[]*"},
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"$<$",
    ">": r"$>$",
    "|": r"$|$",
    "†": r"$^\dagger$",
    "↑": r"$\uparrow$",
    "↓": r"$\downarrow$",
    "→": r"$\rightarrow$",
    "–": "--",
    "—": "---",
    "−": "$-$",
    "±": r"$\pm$",
    "×": r"$\times$",
    "≤": r"$\leq$",
    "≥": r"$\geq$",
    "·": r"$\cdot$",
    "≈": r"$\approx$",
    "∞": r"$\infty$",
    "√": r"$\surd$",
    "′": r"$'$",
    "ϵ": r"$\epsilon$",
    "ο": "o",
    "ς": r"$\varsigma$",
    **{greek: f"$\\mathrm{{{latin}}}$" for greek, latin in zip("ΑΒΕΖΗΙΚΜΝΟΡΤΧ", "ABEZHIKMNOPTX", strict=True)},
    "…": r"\dots{}",
    "“": "``",
    "”": "''",
    "’": "'",
    "\u00a0": "~",
}
LATEX_MARKS = ("{}", "\\textbf{{{}}}", "\\underline{{{}}}")
MARKDOWN_MARKS = ("{}", "**{}**", "<u>{}</u>")


def grouped(table: Table) -> Iterator[tuple[str, Row]]:
    """Yield the rows, each with its group's headline if it is the first of it, otherwise with ""."""
    before = ""
    for row in table.rows:
        yield (row.group if row.group != before else ""), row
        before = row.group


def escape(text: str) -> str:
    """Return plain text for LaTeX; Greek letters, subscripts and superscripts become mathematics.

    A straight quotation mark opens where a word begins and closes elsewhere. What pdfLaTeX cannot set stays.
    """
    turned = OPENING_QUOTE.sub("“", text).replace('"', "”")
    return "".join(ESCAPES.get(sign) or _letter(sign) for sign in turned)


def _letter(sign: str) -> str:
    if "Α" <= sign <= "Ρ" or "Σ" <= sign <= "Ω" or "α" <= sign <= "ω":
        *_, case, _, letter = unicodedata.name(sign).replace("LAMDA", "LAMBDA").split()
        return f"$\\{letter.capitalize() if case == 'CAPITAL' else letter.lower()}$"
    kind, _, base = unicodedata.decomposition(sign).partition(" ")
    if kind in ("<sub>", "<super>") and " " not in base:
        raised = chr(int(base, 16)).replace(MINUS, "-")
        return f"${'_' if kind == '<sub>' else '^'}{{{raised}}}$" if raised.isascii() else sign
    return sign


def to_markdown(sheet: Sheet) -> str:
    """Return a sheet in Markdown, as GitHub shows it: best bold, second underlined, the paper's numbers small below."""
    parts = [f"**{_plain(sheet.headline)}**"]
    for table in sheet.tables:
        if len(sheet.tables) > 1 or sheet.number:
            parts.append(f"**{_plain(table.title)}** {_plain(table.caption)}".strip())
        parts.append("\n".join(_markdown_lines(table)))
        parts.append("\n".join(f"* {_plain(note)}" for note in table.notes))
    parts.append("\n".join(f"* {_plain(note)}" for note in sheet.notes))
    return "\n\n".join(part for part in parts if part) + "\n"


def _plain(text: str) -> str:
    return "".join(f"\\{sign}" if sign in "\\`*_<[|~" else sign for sign in text)


def _markdown_lines(table: Table) -> Iterator[str]:
    yield _markdown_line([_plain(table.label), *(_plain(head.shown) for head in table.headings)])
    yield "|:--|" + "--:|" * len(table.headings)
    for group, row in grouped(table):
        if group:
            yield _markdown_line([f"*{_plain(group)}*", *("" for _ in table.headings)])
        yield _markdown_line([_plain(row.label), *map(_markdown_cell, row.cells)])


def _markdown_line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _markdown_cell(cell: Cell) -> str:
    measured = f"{MARKDOWN_MARKS[cell.rank].format(cell.text)} {cell.interval}".strip()
    return f"{measured}<br><sub>{_paper(cell, MARKDOWN_MARKS, str)}</sub>" if cell.published else measured


def _paper(cell: Cell, marks: Sequence[str], written: Callable[[str], str]) -> str:
    published = marks[cell.published_rank].format(cell.published)
    return f"{published} ({written(cell.difference)})" if cell.difference else published


def to_latex(sheet: Sheet) -> str:
    """Return a sheet in LaTeX, one float for booktabs and graphicx: best bold, second underlined, notes below.

    A row takes two lines where the paper has numbers for it. A table that is wider than the page is made smaller,
    none is made larger.
    """
    wide = max(len(table.headings) for table in sheet.tables) > WIDE
    float_name = "table*" if wide else "table"
    lines = [
        f"\\begin{{{float_name}}}",
        "  \\centering",
        f"  \\caption{{{escape(sheet.caption)}}}",
        f"  \\label{{tab:{sheet.name}}}",
    ]
    for place, table in enumerate(sheet.tables):
        if len(sheet.tables) > 1 or sheet.number:
            above = "\\par\\medskip" if place else ""
            lines.append(f"  {above}{{\\small {escape(f'{table.title}. {table.caption}'.strip())}}}\\par\\smallskip")
        lines += _latex_tabular(table)
    notes = [note for table in sheet.tables for note in table.notes] + list(sheet.notes)
    if notes:
        lines.append("  \\par\\smallskip")
        lines.append("  \\begin{minipage}{\\linewidth}\\footnotesize\\raggedright")
        lines += [f"    {escape(note)}\\par" for note in dict.fromkeys(notes)]
        lines.append("  \\end{minipage}")
    return "\n".join([*_needs("".join(lines)), *lines, f"\\end{{{float_name}}}", ""])


def _needs(text: str) -> list[str]:
    """Return comments on what LaTeX needs to compile a text."""
    lines = ["% needs \\usepackage{booktabs,graphicx}"]
    if any(sign in UNKNOWN_BEFORE or (sign > LAST_KNOWN and sign not in KNOWN_BEYOND) for sign in text):
        return ["% has letters that pdfLaTeX does not know: compile it with XeLaTeX or LuaLaTeX", *lines]
    return lines if text.isascii() else [*lines, "% and \\usepackage[T1]{fontenc} for letters beyond ASCII"]


def _latex_tabular(table: Table) -> list[str]:
    heads = " & ".join([escape(table.label), *map(_latex_head, table.headings)])
    lines = [
        "  \\resizebox{\\ifdim\\width>\\linewidth\\linewidth\\else\\width\\fi}{!}{%",
        f"  \\begin{{tabular}}{{l{'r' * len(table.headings)}}}",
        "    \\toprule",
        f"    {heads} \\\\",
        "    \\midrule",
    ]
    for place, (group, row) in enumerate(grouped(table)):
        if group:
            lines += ["    \\midrule"] if place else []
            lines.append(f"    \\multicolumn{{{len(table.headings) + 1}}}{{l}}{{\\emph{{{escape(group)}}}}} \\\\")
        lines += _latex_row(row)
    return [*lines, "    \\bottomrule", "  \\end{tabular}}"]


def _latex_head(heading: Heading) -> str:
    unit = f" ({escape(heading.unit)})" if heading.unit else ""
    return f"{heading.latex or escape(heading.text)}{unit} {ARROWS[heading.arrow]}".strip()


def _latex_row(row: Row) -> list[str]:
    measured = [LATEX_MARKS[cell.rank].format(escape(cell.text)) for cell in row.cells]
    intervals = [f" {{\\scriptsize {escape(cell.interval)}}}" if cell.interval else "" for cell in row.cells]
    first = [text + interval for text, interval in zip(measured, intervals, strict=True)]
    two = any(cell.published for cell in row.cells)
    # what belongs together stands closer
    lines = ["    " + " & ".join([escape(row.label), *first]) + (r" \\[-0.6ex]" if two else r" \\")]
    if two:
        papers = [_paper(cell, LATEX_MARKS, escape) if cell.published else "" for cell in row.cells]
        below = [f"{{\\scriptsize {paper}}}" if paper else "" for paper in papers]
        lines.append("    " + " & ".join(["", *below]).lstrip() + r" \\[0.6ex]")
    return lines
