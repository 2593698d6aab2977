"""The paper's tables: what was measured here beside the numbers that the paper prints."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from ssvif.io.errors import UserError
from ssvif.report.formats import write_sheet
from ssvif.report.runs import RunLabel, read_rows, to_number
from ssvif.report.scores import Key, Sample, average, read_efficiency, read_left_out, read_samples
from ssvif.report.sheet import WITH_LABELS, Cell, Heading, Sheet, Table, listed
from ssvif.report.specs import SheetSpec, SheetSpecs
from ssvif.report.tables import UNMARKED, MeasuredRow, fill_table, remarks
from ssvif.schema import DETECTION, EFFICIENCY, RUN_FILES, SEGMENTATION, drop_seed

DECIMALS = 2  # as the paper prints
OTHERS = "runs beside the paper's"
PUBLISHED_COLUMNS = ("dataset", "method", "metric", "class", "value")
PUBLISHED_EFFICIENCY_COLUMNS = ("method", "channels", "height_px", "width_px", "metric", "value")
Published = dict[tuple[str, str], dict[Heading, str]]  # dataset and method to the method's numbers as stored


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
    """Write tables of the paper as CSV (long, full digits), Markdown, LaTeX, HTML and JSON, and return the CSV files.

    A row without a run, or whose run lacks these scores, stays empty and is named in the notes.

    Args:
        results: the folder that holds {dataset}/{run}/ and efficiency.csv.
        output: other files in this folder are left alone.
        runs: dataset to its runs. Those that no row of a table names are added below its rows if the table is named
            in `tables` or takes others.
        specs: what the tables hold.
        published: folder of the files with the paper's numbers.
        tables: which to make; the paper's own nine when empty.
        titles: dataset to its title in the tables; a dataset given here is shown even without a run. In Table IV,
            "network/channels" to the network's.

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
            known = _measure(spec, results, dataset, runs.get(dataset, ()), titles or {})
            rows = _rows_of_paper(spec, dataset, known, numbers)
            if name in tables or spec.others:
                placed = {row.runs for row in rows}
                rows += [row for row in known.values() if row.runs not in placed]
            found = dict.fromkeys(heading for row in rows for heading in row.cells)
            headings = tuple(Heading(*each) for each in spec.columns_of(dataset, found))
            title = (titles or {}).get(dataset, dataset) or spec.title
            unique = f"{name}_{dataset}" if dataset else name
            empty = Table(unique, title, "", dataset, headings, (), label=spec.label)
            table = fill_table(empty, rows, decimals=DECIMALS, rank_in_groups=spec.rank_in_groups)
            notes = tuple(_notes(table, spec.sources, specs.test_pairs.get(dataset, 0)))
            made.append(replace(table, caption=_caption(table), notes=notes))
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
            numbers = found.setdefault((row.get("dataset", ""), method), {})
            numbers[Heading(row["metric"], row.get("class", ""))] = row["value"]
    return found


def _measure(
    spec: SheetSpec, results: Path, dataset: str, labels: Sequence[RunLabel], titles: Mapping[str, str]
) -> dict[str, MeasuredRow]:
    """Return a row for each run, seeds together, or network that a table may show, by the names that a spec uses."""
    if EFFICIENCY in spec.sources:
        networks = {}
        for name, costs in read_efficiency(results / "efficiency.csv").items():
            network, _, channels = name.rpartition(" ")
            shown = titles.get(f"{network}/{channels}", network)
            title = f"{shown}, {channels} channel{'' if channels == '1' else 's'}"
            networks[name] = MeasuredRow(title, (name,), _average([costs]), OTHERS)
        return networks
    seeds: dict[str, list[RunLabel]] = {}
    for run in labels:
        seeds.setdefault(drop_seed(run.name)[0], []).append(run)
    return {
        base: MeasuredRow(
            _title_without_seed(several[0]),
            tuple(run.name for run in several),
            _average([_read_run(results / dataset / run.name, spec.sources) for run in several]),
            OTHERS,
            _left_out([results / dataset / run.name for run in several], spec.sources),
        )
        for base, several in seeds.items()
    }


def _title_without_seed(run: RunLabel) -> str:
    base, title = drop_seed(run.name, run.label)
    return title if title and title != run.name else base


def _read_run(folder: Path, sources: Iterable[str]) -> dict[Key, Sample]:
    found: dict[Key, Sample] = {}
    for source in sources:
        if (path := folder / RUN_FILES[source]).is_file():
            found |= read_samples(path, source)
    return found


def _left_out(folders: Iterable[Path], sources: Iterable[str]) -> str:
    """Return why scores of some runs were left out."""
    files = [(source, folder / RUN_FILES[source]) for source in sources for folder in folders]
    reasons = [(source, read_left_out(path)) for source, path in files if path.is_file()]
    return "; ".join(dict.fromkeys(f"{source} left out, {reason}" for source, reason in reasons if reason))


def _average(runs: Sequence[Mapping[Key, Sample]]) -> dict[Heading, Cell]:
    keys, missing = dict.fromkeys(key for samples in runs for key in samples), Sample({"": None})
    return {Heading(*key): average([samples.get(key, missing) for samples in runs]) for key in keys}


def _rows_of_paper(
    spec: SheetSpec, dataset: str, known: Mapping[str, MeasuredRow], published: Published
) -> list[MeasuredRow]:
    """Return a row for each of the paper's, with the first of its runs that has scores, or else the first of them."""
    rows = []
    for row in spec.rows:
        present = [name for name in row.runs if name in known]
        chosen = next((name for name in present if known[name].cells), present[0] if present else "")
        label = row.label + (WITH_LABELS if row.with_labels else "")
        measured = known.get(chosen, MeasuredRow(label))
        note = "; ".join(filter(None, [row.note, row.runs.get(chosen, ""), measured.note]))
        numbers = published.get((dataset, row.published), {})
        rows.append(replace(measured, label=label, group=row.group, note=note, published=numbers))
    return rows


def _caption(table: Table) -> str:
    images = sorted({cell.images for cell in table.cells if cell.images})
    count = " to ".join(dict.fromkeys((str(images[0]), str(images[-1])))) if images else ""
    parts = [
        f"{count} test image{'' if count == '1' else 's'}{UNMARKED if len(images) > 1 else ''}." if count else "",
        f"Initial weights: {', '.join(table.weights)}." if table.weights else "",
    ]
    return " ".join(filter(None, parts))


def _notes(table: Table, sources: Iterable[str], test_pairs: int) -> Iterator[str]:
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
        human = " with human labels" if {SEGMENTATION, DETECTION} & set(sources) else ""
        pairs = f"{test_pairs} test pairs of {table.title}{human}"
        yield f"The paper's numbers are of {pairs}; compare them only with ours of the same pairs."


def _legend(tables: Sequence[Table]) -> Iterator[str]:
    """Yield what the signs in tables mean, of those that occur."""
    cells = [cell for table in tables for cell in table.cells]
    if any(cell.over == "images" for cell in cells):
        yield "±: 95 % bootstrap interval of the mean over test images, its longer side; both are in the CSV."
    if any(cell.over == "seeds" for cell in cells):
        yield "Lines of several seeds: mean over seeds, ± half of Student's 95 % interval."
    if any(cell.published for cell in cells):
        yield "Small: the paper's numbers, ranked among themselves, and in brackets measured minus published."
    if any(row.label.endswith(WITH_LABELS) for table in tables for row in table.rows):
        yield "† trained with segmentation or detection labels, according to the paper."
