"""What the app computes: fuse one pair of files and measure the result."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from ssvif.fusing.fuser import FuseOptions, Fuser, Image
from ssvif.fusing.tiles import fuse_batch
from ssvif.io.errors import UserError
from ssvif.io.images import read_raw
from ssvif.judging import score
from ssvif.metrics.collection import METRICS, STANDARD_SET
from ssvif.pairs.match import refuse_same_file
from ssvif.pairs.pair import Rules, make_pair
from ssvif.pairs.ranges import mark_missing, range_of, to_8_bits, to_levels
from ssvif.schema import MEASURES

MOST_MEASURED_PX = 4_000_000  # metrics of larger images take too long
DEFAULT = Rules()


@dataclass(frozen=True)
class Fused:
    """A pair and its fusion."""

    visible: Image  # (H,W,3), as it was fused
    infrared: Image  # (H,W), the same
    fused: Image  # (H,W,3)
    rows: list[tuple[str, float]]  # title of a metric with an arrow towards better values, value
    remarks: tuple[str, ...]  # what was done to the pair, and how long it took, in sentences


def fuse_files(visible: Path, infrared: Path, fuser: Fuser, rules: Rules = DEFAULT, color: str = "") -> Fused:
    """Fuse two image files as `ssvif fuse` does, and measure the result; for `color` see `FuseOptions`.

    Raises:
        UserError: a file cannot be read, or the pair cannot be fused with these settings.
    """
    refuse_same_file({visible.stem: {"visible": visible, "infrared": infrared}})
    pair = make_pair(visible.stem, read_raw(visible), read_raw(infrared), rules)
    start = time.perf_counter()
    (fused,) = fuse_batch(fuser, [pair], FuseOptions(color=color))
    elapsed_s = time.perf_counter() - start
    height, width = pair.size
    color_levels, gray_levels = map(to_levels, pair.crop(slice(height), slice(width)))
    done = f"{width}×{height} pixels in {elapsed_s:.2f} s"
    rows = measure(color_levels, gray_levels, fused)
    notes = [sentence for _, sentence in pair.notes]
    if not rows:
        notes.append(f"Images of more than {MOST_MEASURED_PX / 1e6:g} megapixels are not measured here")
    return Fused(color_levels, gray_levels, fused, rows, (done, *notes))


def preview(path: Path) -> Image | None:
    """Return an image of any depth as 8 bits, or None if the file cannot be read; fusing reports why."""
    try:
        image = read_raw(path)
    except UserError:
        return None
    pixels = mark_missing(image.pixels, image.nodata)
    return to_8_bits(pixels, range_of(pixels, "auto"))


def measure(visible: Image, infrared: Image, fused: Image) -> list[tuple[str, float]]:
    """Return the metrics defined for images of this size: visible and fused (H,W,3), infrared (H,W).

    Very large images have none.
    """
    values = score.measure(visible, infrared, fused, STANDARD_SET) if infrared.size <= MOST_MEASURED_PX else {}
    return [
        (f"{METRICS[name].title} {MEASURES[name].arrow}", round(value, 4))
        for name, value in values.items()
        if value is not None
    ]
