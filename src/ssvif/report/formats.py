"""A sheet as files: CSV, Markdown, LaTeX, HTML and JSON; the JSON is read again for the report."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from pydantic import TypeAdapter, ValidationError

from ssvif.io.errors import UserError
from ssvif.io.files import write_aside, write_csv
from ssvif.report.sheet import MINUS, Sheet, Table, measure_of

SUFFIXES = (".csv", ".md", ".tex", ".html", ".json")
COLUMNS = (
    "table", "dataset", "group", "row", "runs", "metric", "class", "unit", "measured", "low", "high", "interval_over",
    "images", "seeds", "published", "difference", "note",
)  # fmt: skip
TEMPLATES = Path(__file__).parent / "templates/tables"
WIDE = 7  # with more columns a table takes both columns of a page
Signs = tuple[str, str, str, str, str, str]  # that begin and end blocks, variables and comments of a template
SIGNS: Signs = ("{%", "%}", "{{", "}}", "{#", "#}")
LATEX_SIGNS: Signs = ("<%", "%>", "<<", ">>", "<#", "#>")  # LaTeX has too many braces of its own
LAST_KNOWN = "\u017f"  # pdfLaTeX knows the Latin letters up to here but for a few, and little beyond
KNOWN_BEYOND, UNKNOWN_BEFORE = "‘‚„‡•‰‹›€™", "ĦħĸĿŀŉŦŧſ"
OPENING_QUOTE = re.compile(r"(?<![^\s(\[{])\"")
# pylatexenc knows more letters than pdfLaTeX; titles of runs hold these
ESCAPES = {
    **{sign: f"\\{sign}" for sign in "&%$#_{}"},
    **{sign: f"{{{sign}}}" for sign in "[]*"},  # after a line's end these would be an argument of it
    **{sign: f"${sign}$" for sign in "<>|"},
    **{"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "\u00a0": "~"},
    **{"–": "--", "—": "---", "…": r"\dots{}", "“": "``", "”": "''", "’": "'", "ο": "o", "′": "$'$", MINUS: "$-$"},
    **{"†": r"$^\dagger$", "↑": r"$\uparrow$", "↓": r"$\downarrow$", "→": r"$\rightarrow$", "·": r"$\cdot$"},
    **{"±": r"$\pm$", "×": r"$\times$", "≤": r"$\leq$", "≥": r"$\geq$", "≈": r"$\approx$", "∞": r"$\infty$"},
    **{"√": r"$\surd$", "ϵ": r"$\epsilon$", "ς": r"$\varsigma$"},
    **{greek: f"$\\mathrm{{{latin}}}$" for greek, latin in zip("ΑΒΕΖΗΙΚΜΝΟΡΤΧ", "ABEZHIKMNOPTX", strict=True)},
}


def write_sheet(output: Path, sheet: Sheet) -> Path:
    """Write a sheet into a folder in every format, and return the CSV; equal sheets give equal bytes.

    CSV (a row a value, in the shown units with full digits) and JSON hold every row; what is printed leaves blank ones
    out, and the notes name them.
    """
    path = output / f"{sheet.name}.csv"
    write_csv(path, _long_rows(sheet), COLUMNS)
    write_texts(output, without_blanks(sheet), (".md", ".tex", ".html"))
    with write_aside(output / f"{sheet.name}.json") as aside:
        aside.write_text(json.dumps(asdict(sheet), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return path


def write_texts(output: Path, sheet: Sheet, suffixes: Sequence[str]) -> None:
    """Write a sheet into a folder as it is, in some of the formats .md, .tex and .html."""
    writers = {".md": to_markdown, ".tex": to_latex, ".html": page_of}
    for suffix in suffixes:
        with write_aside(output / f"{sheet.name}{suffix}") as aside:
            aside.write_text(writers[suffix](sheet), encoding="utf-8")


def without_blanks(sheet: Sheet) -> Sheet:
    """Return a sheet without rows that have no number, except in tables that have none at all."""
    tables = []
    for table in sheet.tables:
        rows = tuple(row for row in table.rows if not row.blank)
        numbers = table.compares or not all(row.empty for row in rows)
        tables.append(replace(table, rows=rows) if numbers else table)
    return replace(sheet, tables=tuple(tables))


def _long_rows(sheet: Sheet) -> Iterator[dict[str, Any]]:
    for table in sheet.tables:
        for row in table.rows:
            for heading, cell in zip(table.headings, row.cells, strict=True):
                paper = float(cell.published) if cell.published else None
                yield {
                    "table": sheet.number or sheet.name.removeprefix("table_"),
                    "dataset": table.dataset,
                    "group": row.group,
                    "row": row.label,
                    "runs": " ".join(row.runs),
                    "metric": heading.metric,
                    "class": heading.class_name,
                    "unit": measure_of(heading.metric).unit,
                    "measured": cell.value,
                    "low": cell.low,
                    "high": cell.high,
                    "interval_over": cell.over,
                    "images": cell.images or None,
                    "seeds": cell.seeds or None,
                    "published": cell.published,
                    "difference": None if cell.value is None or paper is None else cell.value - paper,
                    "note": cell.note or ("" if row.runs else "not run here"),
                }


def read_sheets(folder: Path, names: Sequence[str] = ()) -> list[Sheet]:
    """Read the tables that `write_sheet` wrote into a folder, in the paper's order; with `names` only those, as ["3"].

    Raises:
        UserError: a file is damaged.
    """
    paths = sorted(folder.glob("table_*.json"))
    return [_read_sheet(path) for path in paths if not names or path.stem.removeprefix("table_") in names]


def _read_sheet(path: Path) -> Sheet:
    try:
        return TypeAdapter(Sheet).validate_json(path.read_bytes())
    except ValidationError as error:
        raise UserError(
            f"{path} cannot be read as a table",
            expected="a JSON file of `ssvif tables`",
            got=str(error).partition("\n")[0],
            remedy="delete the file and run `ssvif tables` again",
        ) from error


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


def escape_markdown(text: str) -> str:
    """Return plain text for Markdown."""
    return re.sub(r"[\\`*_<\[|~]", r"\\\g<0>", text)


def to_markdown(sheet: Sheet) -> str:
    """Return a sheet in Markdown, as GitHub shows it: best bold, second underlined, the paper's numbers small below."""
    return _render("sheet.md.j2", sheet=sheet)


def to_latex(sheet: Sheet) -> str:
    """Return a sheet in LaTeX, one float for booktabs and graphicx: best bold, second underlined, notes below.

    A row takes two lines where numbers were measured and the paper has some too. A table that is wider than the page
    is made smaller, none is made larger. Comments above say what LaTeX needs to compile it.
    """
    text = _render(
        "sheet.tex.j2",
        sheet=sheet,
        wide=max(len(table.headings) for table in sheet.tables) > WIDE,
        notes=list(dict.fromkeys([*(note for table in sheet.tables for note in table.notes), *sheet.notes])),
    )
    needs = "% needs \\usepackage{booktabs,graphicx}\n"
    if any(sign in UNKNOWN_BEFORE or (sign > LAST_KNOWN and sign not in KNOWN_BEYOND) for sign in text):
        needs = "% has letters that pdfLaTeX does not know: compile it with XeLaTeX or LuaLaTeX\n" + needs
    elif not text.isascii():
        needs += "% and \\usepackage[T1]{fontenc} for letters beyond ASCII\n"
    return needs + text


def to_html(table: Table) -> str:
    """Return a table as one `<table class="scores">`; equal tables give equal text.

    Each value's cell has `data-value`, the measured number with full digits, and `data-published`, by which a
    script can sort; both are left out where there is none. Rows without a run have the class `missing`.
    """
    return _render("table.html.j2", table=table)


def page_of(sheet: Sheet) -> str:
    """Return a sheet as an HTML page that needs no other file, light or dark as the reader likes it."""
    return _render("sheet.html.j2", sheet=sheet)


def _render(template: str, **values: Any) -> str:
    return _environment(latex=".tex" in template).get_template(template).render(**values)


@cache
def _environment(*, latex: bool) -> Environment:
    environment = open_templates(TEMPLATES, keep_trailing_newline=True, signs=LATEX_SIGNS if latex else SIGNS)
    environment.filters["latex"] = escape
    return environment


def open_templates(folder: Path, *, keep_trailing_newline: bool = False, signs: Signs = SIGNS) -> Environment:
    """Return jinja's environment for the templates in a folder: what is not defined is an error, HTML is escaped.

    The filter `plain` takes text for Markdown.
    """
    environment = Environment(
        *signs,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=keep_trailing_newline,
        undefined=StrictUndefined,
        autoescape=select_autoescape(["html.j2"]),
        loader=FileSystemLoader(folder),
    )
    environment.filters["plain"] = escape_markdown
    return environment
