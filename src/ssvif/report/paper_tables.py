"""The paper's tables: what was measured here beside what the paper prints, line by line."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from ssvif.io.errors import UserError
from ssvif.report.formats import write_sheet
from ssvif.report.measured import Key, Sample, average, read_efficiency, read_samples
from ssvif.report.runs import RunLabel, read_rows, to_number
from ssvif.report.sheet import WITH_LABELS, Cell, Heading, Sheet, Table, listed
from ssvif.report.specs import SheetSpec, SheetSpecs, base_name
from ssvif.report.tables import Line, build_table, remarks
from ssvif.schema import EFFICIENCY, RUN_FILES

DECIMALS = 2  # as the paper prints
FUSION_QUALITY = ("en", "mi", "vif", "qabf", "ssim", "ms_ssim", "delta_e76")  # what needs no labels
OTHERS = "runs beside the paper's"
PUBLISHED_COLUMNS = ("dataset", "method", "metric", "class", "value")
PUBLISHED_EFFICIENCY_COLUMNS = ("method", "channels", "height_px", "width_px", "metric", "value")
Published = dict[tuple[str, str, str, str], str]  # (dataset, method, metric, class) → the number as stored


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
        datasets = (given if name in tables else specs.datasets_of(name, given)) or spec.datasets
        numbers = _read_published(published, spec.published)
        made = []
        for dataset in datasets if spec.datasets else [""]:
            collected = _collect(spec, results, dataset, runs.get(dataset, ()))
            lines = _lines(spec, collected, others=name in tables or spec.others)
            table = _table(name, spec, dataset, lines, numbers)
            title = (titles or {}).get(dataset, dataset) or spec.title
            notes = tuple(_notes(table, title, specs.test_pairs.get(dataset, 0)))
            made.append(replace(table, title=title, notes=notes))
        notes = (*spec.notes, *_legend(made))
        sheet = Sheet(f"table_{name}", spec.number, spec.title, spec.caption, tuple(made), notes)
        written.append(write_sheet(output, sheet))
    return written


def _read_published(folder: Path, names: Iterable[str]) -> Published:
    """Read the paper's numbers from {name}.csv; in those of Table IV "network channels" is the method."""
    found: Published = {}
    for name in names:
        path = folder / f"{name}.csv"
        for row in read_rows(path, PUBLISHED_EFFICIENCY_COLUMNS if name == EFFICIENCY else PUBLISHED_COLUMNS):
            to_number(row["value"], path)  # read for its error: the digits stay as they were printed
            method = f"{row['method']} {row['channels']}" if name == EFFICIENCY else row["method"]
            found[row.get("dataset", ""), method, row["metric"], row.get("class", "")] = row["value"]
    return found


def _collect(spec: SheetSpec, results: Path, dataset: str, labels: Sequence[RunLabel]) -> dict[str, Line]:
    """Return what may stand in a table on one dataset, as lines of their own, by the names that its rows ask for."""
    if EFFICIENCY in spec.sources:
        lines = {}
        for name, costs in read_efficiency(results / "efficiency.csv").items():
            network, _, channels = name.rpartition(" ")
            title = f"{network}, {channels} channel{'' if channels == '1' else 's'}"
            lines[name] = Line(title, (name,), _average([costs]), OTHERS)
        return lines
    seeds: dict[str, list[RunLabel]] = {}
    for run in labels:
        seeds.setdefault(base_name(run.name), []).append(run)
    return {
        base: Line(
            _title_without_seed(several[0], base),
            tuple(run.name for run in several),
            _average([_read_run(results / dataset / run.name, spec.sources) for run in several]),
            OTHERS,
        )
        for base, several in seeds.items()
    }


def _title_without_seed(run: RunLabel, base: str) -> str:
    title = run.label.removesuffix(f" (seed {run.name.removeprefix(f'{base}_seed')})")
    return title if title and title != run.name else base


def _read_run(folder: Path, sources: Iterable[str]) -> dict[Key, Sample]:
    found: dict[Key, Sample] = {}
    for source in sources:
        if (path := folder / RUN_FILES[source]).is_file():
            found |= read_samples(path, source)
    return found


def _average(runs: Sequence[Mapping[Key, Sample]]) -> dict[Heading, Cell]:
    keys, missing = dict.fromkeys(key for samples in runs for key in samples), Sample({"": None})
    return {Heading(*key): average([samples.get(key, missing) for samples in runs]) for key in keys}


def _lines(spec: SheetSpec, collected: Mapping[str, Line], *, others: bool) -> list[Line]:
    """Return the lines of a table: the paper's, then all others where these belong here."""
    lines, placed = [], set()
    for row in spec.rows:
        known = [base for base in row.runs if base in collected]
        chosen = next((base for base in known if collected[base].cells), known[0] if known else "")
        placed.add(chosen)
        label = row.label + (WITH_LABELS if row.with_labels else "")
        note = "; ".join(filter(None, [row.note, row.runs.get(chosen, "")]))
        line = collected.get(chosen, Line(label))
        lines.append(replace(line, label=label, group=row.group, note=note, published=row.published))
    return lines + [line for base, line in collected.items() if others and base not in placed]


def _table(name: str, spec: SheetSpec, dataset: str, lines: Sequence[Line], published: Published) -> Table:
    """Return the table of one dataset, without its title and notes."""
    found = dict.fromkeys(heading for line in lines for heading in line.cells)
    table = build_table(
        f"{name}_{dataset}" if dataset else name,
        dataset,
        lines,
        [Heading(*each) for each in spec.columns_of(dataset, found)],
        label=spec.label,
        published=published,
        decimals=DECIMALS,
        rank_in_groups=spec.rank_in_groups,
    )
    images = sorted({cell.images for cell in _cells(table) if cell.images})
    count = " to ".join(dict.fromkeys((str(images[0]), str(images[-1])))) if images else ""
    weights = sorted({each for line in lines for cell in line.cells.values() for each in cell.initial_weights})
    parts = [
        f"{count} test image{'' if count == '1' else 's'}." if count else "",
        f"Initial weights: {', '.join(weights)}." if weights else "",
    ]
    return replace(table, caption=" ".join(filter(None, parts)))


def _cells(table: Table) -> Iterator[Cell]:
    return (cell for row in table.rows for cell in row.cells)


def _notes(table: Table, title: str, test_pairs: int) -> Iterator[str]:
    labels = [row.label for row in table.rows]
    names = [f"{row.group}, {row.label}" if labels.count(row.label) > 1 else row.label for row in table.rows]
    rows = list(zip(names, table.rows, strict=True))
    if absent := [name for name, row in rows if not row.runs]:
        yield f"Not run here: {listed(absent)}."
    if lacking := [name for name, row in rows if row.runs and row.empty]:
        yield f"Run, but without these results: {listed(lacking)}."
    for name, row in rows:
        if row.note:
            yield f"{name}: {row.note}."
    yield from remarks(table, [(name, row) for name, row in rows if not row.empty])
    if table.compares and test_pairs:
        human = "" if all(heading.metric in FUSION_QUALITY for heading in table.headings) else " with human labels"
        yield f"The paper's numbers are of {test_pairs} test pairs of {title}{human}; ours compare on these alone."


def _legend(tables: Sequence[Table]) -> Iterator[str]:
    """Yield what the signs in tables mean, of those that occur."""
    cells = [cell for table in tables for cell in _cells(table)]
    if any(cell.over == "images" for cell in cells):
        yield "±: 95 % bootstrap interval of the mean over test images, its longer side; both are in the CSV."
    if any(cell.over == "seeds" for cell in cells):
        yield "Lines of several seeds: mean over seeds, ± half of Student's 95 % interval."
    if any(cell.published for cell in cells):
        yield "Small: the paper's numbers, ranked among themselves, and in brackets measured less published."
    if any(row.label.endswith(WITH_LABELS) for table in tables for row in table.rows):
        yield "† trained with segmentation or detection labels, according to the paper."
