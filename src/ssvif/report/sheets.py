"""The files of a sheet: written as CSV, Markdown, LaTeX, HTML and JSON, read again from the last."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from ssvif.io.errors import UserError
from ssvif.io.files import write_aside, write_csv
from ssvif.report.layout import Cell, Heading, Row, Sheet, Table, measure_of
from ssvif.report.markup import to_latex, to_markdown
from ssvif.report.markup_html import page_of

SUFFIXES = (".csv", ".md", ".tex", ".html", ".json")
COLUMNS = (
    "table", "dataset", "group", "row", "runs", "metric", "class", "unit", "measured", "low", "high", "interval_over",
    "images", "seeds", "published", "difference", "note",
)  # fmt: skip


def write_sheet(output: Path, sheet: Sheet) -> Path:
    """Write a sheet into a folder; equal sheets give equal bytes.

    CSV and JSON hold every row, what is printed leaves blank ones out; the notes name them.

    Returns:
        the CSV: a row a value, in the shown units with full digits.
    """
    path = output / f"{sheet.name}.csv"
    write_csv(path, _long_rows(sheet), COLUMNS)
    printed = without_blanks(sheet)
    texts = (
        to_markdown(printed),
        to_latex(printed),
        page_of(printed),
        json.dumps(asdict(sheet), indent=1, ensure_ascii=False) + "\n",
    )
    for suffix, text in zip(SUFFIXES[1:], texts, strict=True):
        with write_aside(path.with_suffix(suffix)) as aside:
            aside.write_text(text, encoding="utf-8")
    return path


def without_blanks(sheet: Sheet) -> Sheet:
    """Return a sheet without rows that have no number, except in tables that have none at all."""
    return replace(sheet, tables=tuple(map(_without_blanks, sheet.tables)))


def _without_blanks(table: Table) -> Table:
    rows = tuple(row for row in table.rows if not row.blank)
    numbers = any(cell.value is not None or cell.published for row in rows for cell in row.cells)
    return replace(table, rows=rows) if numbers else table


def _long_rows(sheet: Sheet) -> Iterator[dict[str, Any]]:
    for table in sheet.tables:
        for row in table.rows:
            for heading, cell in zip(table.headings, row.cells, strict=True):
                measured, paper = cell.value, float(cell.published) if cell.published else None
                both = measured is not None and paper is not None
                yield {
                    "table": sheet.number or sheet.name.removeprefix("table_"),
                    "dataset": table.dataset,
                    "group": row.group,
                    "row": row.label,
                    "runs": " ".join(row.runs),
                    "metric": heading.metric,
                    "class": heading.class_name,
                    "unit": measure_of(heading.metric).unit,
                    "measured": measured,
                    "low": cell.low,
                    "high": cell.high,
                    "interval_over": cell.over,
                    "images": cell.images or None,
                    "seeds": cell.seeds or None,
                    "published": cell.published,
                    "difference": measured - paper if both and measured is not None and paper is not None else None,
                    "note": cell.note or ("" if row.runs else "not run here"),
                }


def read_sheets(folder: Path, names: Sequence[str] = ()) -> list[Sheet]:
    """Read the tables that `write_sheet` wrote into a folder, in the paper's order; [] if there are none.

    Args:
        folder: of the tables.
        names: which, e.g. "3" of table_3; all that are there when empty.

    Raises:
        UserError: a file is damaged.
    """
    paths = sorted(folder.glob("table_*.json"))
    return [_read_sheet(path) for path in paths if not names or path.stem.removeprefix("table_") in names]


def _read_sheet(path: Path) -> Sheet:
    try:
        values: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        tables = []
        for table in values["tables"]:
            headings = tuple(Heading(**each) for each in table["headings"])
            rows = [
                Row(**{**row, "runs": tuple(row["runs"]), "cells": tuple(Cell(**cell) for cell in row["cells"])})
                for row in table["rows"]
            ]
            tables.append(Table(**{**table, "headings": headings, "rows": tuple(rows), "notes": tuple(table["notes"])}))
        return Sheet(**{**values, "tables": tuple(tables), "notes": tuple(values["notes"])})
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(
            f"{path} cannot be read as a table",
            got=f"{type(error).__name__}: {error}",
            remedy="delete the file and run `ssvif tables` again",
        ) from error
