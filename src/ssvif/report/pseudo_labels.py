"""What a run's pseudo label came to: pictures beside the pairs and the cues that its classes follow."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from ssvif.report.runs import RunLabel, read_rows, to_number

CUES = {
    "visible": "visible brightness",
    "infrared": "heat",
    "row": "height in the image",
    "border": "distance to the border",
}


@dataclass(frozen=True)
class PseudoLabels:
    """A run's pseudo labels as the page shows them.

    Attributes:
        title: of the run.
        classes: how many occur in these pictures, above 0.1 % of the pixels.
        largest: the share of the largest, in percent.
        follows: sentences' ends such as "heat 62 %": how much of each cue's variance the classes explain.
        pictures: (pair, address) of each strip.
    """

    title: str
    classes: int
    largest: str
    follows: str
    pictures: list[tuple[str, str]]


def collect_pseudo_labels(results: Path, labels: Sequence[RunLabel], folder: Path) -> list[PseudoLabels]:
    """Copy the pictures of every run that has some into the page's folder and describe them.

    Args:
        results: the dataset's folder of runs.
        labels: the runs.
        folder: the page's.

    Raises:
        UserError: a file is not one of ours.
    """
    found = []
    for run in labels:
        source = results / run.name / "pseudo_labels"
        paths = sorted(source.glob("*.png")) if source.is_dir() else []
        if not paths:
            continue
        target = folder / "pictures" / results.name / "pseudo_labels" / run.name
        target.mkdir(parents=True)
        for path in paths:
            shutil.copyfile(path, target / path.name)
        shares = [
            to_number(row["share"], source / "classes.csv") for row in read_rows(source / "classes.csv", ("share",))
        ]
        cues = read_rows(source / "follows.csv", ("cue", "explained"))
        named = [f"{CUES[row['cue']]} {to_number(row['explained'], source / 'follows.csv'):.0%}" for row in cues]
        found.append(
            PseudoLabels(
                title=run.title,
                classes=sum(share > 1e-3 for share in shares),
                largest=f"{max(shares, default=0):.0%}",
                follows=", ".join(named),
                pictures=[(path.stem, quote((target / path.name).relative_to(folder).as_posix())) for path in paths],
            )
        )
    return found
