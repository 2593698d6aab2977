"""The lines of the paper's tables before they are laid out: what runs stand in them, what these measured."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ssvif.report.measured import Key, Mean, Sample, average, read_efficiency, read_run
from ssvif.report.runs import RunLabel, read_rows, to_number
from ssvif.report.specs import RowSpec, SheetSpec, base_name
from ssvif.schema import EFFICIENCY

OTHERS = "runs beside the paper's"
PUBLISHED_COLUMNS = ("dataset", "method", "metric", "class", "value")
Published = Mapping[tuple[str, str, str, str], str]  # (dataset, method, metric, class) → the number as stored


@dataclass(frozen=True)
class Line:
    """A row before it is laid out: what stands in it, and what was measured for it.

    Attributes:
        spec: its label, group, remark and published number.
        runs: the runs that stand in it; () where there is none.
        means: (metric, class) to what they say.
        initial_weights: of the networks behind the means.
    """

    spec: RowSpec
    runs: tuple[str, ...]
    means: Mapping[Key, Mean]
    initial_weights: frozenset[str]


def read_published(folder: Path, names: Iterable[str]) -> Published:
    """Read the paper's numbers; in those of Table IV "network channels" is the method.

    Args:
        folder: of the files.
        names: theirs, without suffix.

    Raises:
        UserError: a file is missing or cannot be read as one of ours.
    """
    found: dict[tuple[str, str, str, str], str] = {}
    for name in names:
        path = folder / f"{name}.csv"
        if name == EFFICIENCY:
            columns = ("method", "channels", "height_px", "width_px", "metric", "value")
            rows = [
                {**row, "dataset": "", "class": "", "method": f"{row['method']} {row['channels']}"}
                for row in read_rows(path, columns)
            ]
        else:
            rows = read_rows(path, PUBLISHED_COLUMNS)
        for row in rows:
            to_number(row["value"], path)  # read for its error: the digits stay as they were printed
            found[row["dataset"], row["method"], row["metric"], row["class"]] = row["value"]
    return found


def collect_lines(
    spec: SheetSpec, results: Path, dataset: str, labels: Sequence[RunLabel], *, asked: bool
) -> list[Line]:
    """Return a table's lines on one dataset: the paper's, then one for each other run, seeds together.

    Args:
        spec: what the table holds.
        results: the folder that holds {dataset}/{run}/ and efficiency.csv.
        dataset: its short name.
        labels: the dataset's runs.
        asked: whether every run belongs here, or only those that a line asks for.

    Raises:
        UserError: a file cannot be read as one of ours.
    """
    if EFFICIENCY in spec.sources:
        samples = {name: [each] for name, each in read_efficiency(results / "efficiency.csv").items()}
        names: dict[str, tuple[str, ...]] = {name: (name,) for name in samples}
        titles = {name: "{}, {} channel{}".format(*name.split(), "" if name.endswith(" 1") else "s") for name in names}
    else:
        names, titles = _bases(labels)
        folder = results / dataset
        samples = {base: [read_run(folder / run, spec.sources) for run in several] for base, several in names.items()}
    lines, placed = [], set()
    for row in spec.rows:
        candidates = [base for base in row.runs if base in names]
        chosen = next((base for base in candidates if any(samples[base])), candidates[0] if candidates else "")
        placed.add(chosen)
        remark = "; ".join(filter(None, [row.note, row.runs.get(chosen, "")]))
        lines.append(_line(replace(row, note=remark), names.get(chosen, ()), samples.get(chosen, [])))
    for base in names if asked or spec.others else ():
        if base not in placed:
            lines.append(_line(RowSpec(label=titles[base], group=OTHERS), names[base], samples[base]))
    return lines


def _bases(labels: Sequence[RunLabel]) -> tuple[dict[str, tuple[str, ...]], dict[str, str]]:
    names: dict[str, tuple[str, ...]] = {}
    titles: dict[str, str] = {}
    for label in labels:
        base = base_name(label.name)
        seed = label.name.removeprefix(f"{base}_seed")
        names[base] = (*names.get(base, ()), label.name)
        title = label.label.removesuffix(f" (seed {seed})")
        titles.setdefault(base, title if title and title != label.name else base)
    return names, titles


def _line(spec: RowSpec, runs: tuple[str, ...], samples: Sequence[Mapping[Key, Sample]]) -> Line:
    by_key: dict[Key, list[Sample]] = {}
    for sample in samples:
        for key, each in sample.items():
            by_key.setdefault(key, []).append(each)
    empty = Sample({"": None})
    means = {key: average([sample.get(key, empty) for sample in samples]) for key in by_key}
    weights = frozenset(each.initial_weights for found in by_key.values() for each in found if each.initial_weights)
    return Line(spec, runs, means, weights)
