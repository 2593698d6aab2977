"""The paper's tables: what was measured here beside what the paper prints, line by line."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from ssvif.io.errors import UserError
from ssvif.report.layout import (
    WITH_LABELS,
    Cell,
    Row,
    Sheet,
    Table,
    heading_of,
    listed,
    measure_of,
    rank,
    show,
    show_difference,
    show_published,
)
from ssvif.report.measured import Key, Mean
from ssvif.report.paper_lines import Line, Published, collect_lines, read_published
from ssvif.report.runs import RunLabel
from ssvif.report.sheets import write_sheet
from ssvif.report.specs import SheetSpec, SheetSpecs

DECIMALS = 2  # as the paper prints
FUSION_QUALITY = ("en", "mi", "vif", "qabf", "ssim", "ms_ssim", "delta_e76")  # what needs no labels


def make_sheets(
    results: Path,
    output: Path,
    runs: Mapping[str, Sequence[RunLabel]],
    *,
    specs: SheetSpecs,
    published: Path,
    tables: Sequence[str] = (),
    titles: Mapping[str, str] | None = None,
) -> list[Path]:
    """Write tables of the paper as CSV (long, full digits), Markdown, LaTeX, HTML and JSON.

    A line without a run, or whose run has no such results, stays empty and is named below; so does a whole table.

    Args:
        results: the folder that holds {dataset}/{run}/ and efficiency.csv.
        output: folder of the tables; other files in it are left alone.
        runs: dataset to its runs. Those that no line of a table asks for stand below its lines, if the table is
            asked for by name or takes others.
        specs: what the tables hold.
        published: folder of the files with the paper's numbers.
        tables: which to make; the paper's own nine when empty.
        titles: dataset to the name that people know; a dataset that stands here is shown even without a run.

    Returns:
        the CSV files that were written.

    Raises:
        UserError: an unknown table, or a file that cannot be read as one of ours.
    """
    if unknown := sorted(set(tables) - set(specs.tables)):
        raise UserError(f"There is no table {unknown[0]!r}", expected=" | ".join(specs.tables))
    written = []
    given = list(dict.fromkeys([*(titles or {}), *runs]))
    for name in tables or [name for name, spec in specs.tables.items() if spec.number]:
        spec = specs.tables[name]
        numbers = read_published(published, spec.published)
        made = []
        for dataset in _datasets(specs, name, given, asked=name in tables):
            lines = collect_lines(spec, results, dataset, runs.get(dataset, ()), asked=name in tables)
            title = (titles or {}).get(dataset, dataset) or spec.title
            made.append(_with_words(_table(name, spec, dataset, lines, numbers), title, specs.test_pairs))
        written.append(write_sheet(output, _sheet(name, spec, made)))
    return written


def _datasets(specs: SheetSpecs, name: str, given: Sequence[str], *, asked: bool) -> Sequence[str]:
    """Return what to show: all datasets that were given to a table asked for, otherwise those that it takes."""
    spec = specs.tables[name]
    if not spec.datasets:
        return [""]
    return (given if asked else specs.datasets_of(name, given)) or spec.datasets


def _table(name: str, spec: SheetSpec, dataset: str, lines: Sequence[Line], published: Published) -> Table:
    found = dict.fromkeys(key for line in lines for key in line.means)
    keys = spec.columns_of(dataset, found)
    columns = [_column(key, spec, dataset, lines, published) for key in keys]
    rows = [
        Row(
            label=line.spec.label + (WITH_LABELS if line.spec.with_labels else ""),
            cells=cells,
            runs=line.runs,
            group=line.spec.group,
            note=line.spec.note,
        )
        for line, cells in zip(lines, zip(*columns, strict=True), strict=True)
    ]
    weights = sorted(frozenset().union(*(line.initial_weights for line in lines)))
    return Table(
        name=f"{name}_{dataset}" if dataset else name,
        title=dataset,
        caption=f"Initial weights: {', '.join(weights)}." if weights else "",
        dataset=dataset,
        headings=tuple(heading_of(*key) for key in keys),
        rows=tuple(rows),
        label=spec.label,
    )


def _column(key: Key, spec: SheetSpec, dataset: str, lines: Sequence[Line], published: Published) -> list[Cell]:
    cells = [
        _cell(key[0], line.means.get(key, Mean()), published.get((dataset, line.spec.published, *key), ""))
        for line in lines
    ]
    arrow = measure_of(key[0]).arrow
    groups = [line.spec.group if spec.rank_in_groups else "" for line in lines]
    for group in dict.fromkeys(groups):
        places = [place for place, each in enumerate(groups) if each == group]
        ranks = rank([cells[place].text for place in places], arrow)
        of_paper = rank([cells[place].published for place in places], arrow)
        for place, measured, paper in zip(places, ranks, of_paper, strict=True):
            cells[place] = replace(cells[place], rank=measured, published_rank=paper)
    return cells


def _cell(metric: str, mean: Mean, published: str) -> Cell:
    scale = measure_of(metric).scale
    value, low, high = (each * scale if each is not None else None for each in (mean.value, mean.low, mean.high))
    text, printed = show(value, metric, DECIMALS), show_published(published, metric)
    half = max(high - value, value - low) if value is not None and low is not None and high is not None else None
    return Cell(
        text=text,
        value=value,
        interval=f"±{show(half, metric, DECIMALS)}" if half is not None else "",
        published=printed,
        difference=show_difference(text, value, printed),
        low=low,
        high=high,
        over=mean.over,
        images=mean.images,
        seeds=mean.seeds,
        note=mean.note,
    )


def _with_words(table: Table, title: str, test_pairs: Mapping[str, int]) -> Table:
    """Return a table with its title, what it is over in the caption, and its notes."""
    images = sorted({cell.images for row in table.rows for cell in row.cells if cell.images})
    count = " to ".join(dict.fromkeys((str(images[0]), str(images[-1])))) if images else ""
    measured = f"{count} test image{'' if count == '1' else 's'}." if count else ""
    return replace(
        table,
        title=title,
        caption=" ".join(filter(None, [measured, table.caption])),
        notes=tuple(_notes(table, title, test_pairs.get(table.dataset, 0))),
    )


def _notes(table: Table, title: str, test_pairs: int) -> Iterator[str]:
    labels = [row.label for row in table.rows]
    names = [f"{row.group}, {row.label}" if labels.count(row.label) > 1 else row.label for row in table.rows]
    rows = list(zip(names, table.rows, strict=True))
    if absent := [name for name, row in rows if not row.runs]:
        yield f"Not run here: {listed(absent)}."
    if lacking := [name for name, row in rows if row.runs and _is_empty(row)]:
        yield f"Run, but without these results: {listed(lacking)}."
    for name, row in rows:
        if row.note:
            yield f"{name}: {row.note}."
    yield from _remarks(table, [(name, row) for name, row in rows if not _is_empty(row)])
    if table.compares and test_pairs:
        human = "" if all(heading.metric in FUSION_QUALITY for heading in table.headings) else " with human labels"
        yield f"The paper's numbers are of {test_pairs} test pairs of {title}{human}; ours compare on these alone."


def _is_empty(row: Row) -> bool:
    return all(cell.value is None for cell in row.cells)


def _remarks(table: Table, rows: Sequence[tuple[str, Row]]) -> Iterator[str]:
    """Yield what is to be said about values, those with the same remark together."""
    found: dict[str, tuple[dict[str, None], dict[str, None]]] = {}
    for name, row in rows:
        for heading, cell in zip(table.headings, row.cells, strict=True):
            if cell.note:
                columns, names = found.setdefault(cell.note, ({}, {}))
                columns[heading.text] = None
                names[name] = None
    for note, (columns, names) in found.items():
        yield f"{listed(list(columns))} of {listed(list(names))}: {note}."


def _sheet(name: str, spec: SheetSpec, tables: Sequence[Table]) -> Sheet:
    cells = [cell for table in tables for row in table.rows for cell in row.cells]
    notes = list(spec.notes)
    if any(cell.over == "images" for cell in cells):
        notes.append("±: 95 % bootstrap interval of the mean over test images, its longer side; both are in the CSV.")
    if any(cell.over == "seeds" for cell in cells):
        notes.append("Lines of several seeds: mean over seeds, ± half of Student's 95 % interval.")
    if any(cell.published for cell in cells):
        notes.append("Small: the paper's numbers, ranked among themselves, and in brackets measured less published.")
    if any(row.label.endswith(WITH_LABELS) for table in tables for row in table.rows):
        notes.append("† trained with segmentation or detection labels, according to the paper.")
    return Sheet(f"table_{name}", spec.number, spec.title, spec.caption, tuple(tables), tuple(notes))
