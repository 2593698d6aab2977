"""A run's pseudo labels for the report: pictures beside the pairs, and the image cues that the classes follow."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from ssvif.report.runs import read_rows, to_number

CUES = {
    "visible": "visible brightness",
    "infrared": "heat",
    "row": "height in the image",
    "border": "distance to the border",
}


@dataclass(frozen=True)
class PseudoLabels:
    """A run's pseudo labels as the page shows them."""

    classes: int  # how many cover more than 0.1 % of the pixels of these pictures
    largest: str  # the share of the largest, in percent
    follows: str  # how much of each cue's variance the classes explain, "heat 62 %, height in the image 3 %"
    pictures: list[tuple[str, str]]  # pair and address of each strip


def collect_pseudo_labels(run: Path, folder: Path) -> PseudoLabels | None:
    """Copy a run's pictures of pseudo labels into the report and describe them; None where there are none.

    Args:
        run: results/{dataset}/{run}.
        folder: the report's.

    Raises:
        UserError: a file is not one of ours.
    """
    source = run / "pseudo_labels"
    paths = sorted(source.glob("*.png"))
    if not paths:
        return None
    target = folder / "pictures" / run.parent.name / "pseudo_labels" / run.name
    target.mkdir(parents=True)
    for path in paths:
        shutil.copyfile(path, target / path.name)
    classes, follows = source / "classes.csv", source / "follows.csv"
    shares = [to_number(row["share"], classes) for row in read_rows(classes, ("share",))]
    cues = read_rows(follows, ("cue", "explained"))
    return PseudoLabels(
        classes=sum(share > 1e-3 for share in shares),
        largest=f"{max(shares, default=0):.0%}",
        follows=", ".join(f"{CUES[row['cue']]} {to_number(row['explained'], follows):.0%}" for row in cues),
        pictures=[(path.stem, quote((target / path.name).relative_to(folder).as_posix())) for path in paths],
    )
