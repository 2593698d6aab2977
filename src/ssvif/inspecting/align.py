"""`ssvif align`: estimate the alignment of two cameras from folders of pairs, and draw it."""

from __future__ import annotations

import logging
import math
from collections import Counter
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from ssvif.inspecting.edges import Gray, gray_of, resample, shrink, size_of
from ssvif.inspecting.estimate import NARROW_SCALES, SCALES, Estimate, estimate_transform
from ssvif.inspecting.shifts import SetShift, is_trusted, is_unlike, measure_shift, other_shifts
from ssvif.io.errors import UserError, counted, shorten
from ssvif.io.files import write_png
from ssvif.io.progress import track
from ssvif.ops.sampling import choose_evenly
from ssvif.pairs.alignment import MODELS, Alignment, Matrix, corners_of, coverage, map_points, resizing, write_alignment
from ssvif.pairs.files import read_side
from ssvif.pairs.match import BY_NAME, Matching, kind_of_all, match_sources
from ssvif.pairs.pairing import Pairing
from ssvif.pairs.paths import spelled
from ssvif.pairs.video import facts_of, paired_frames
from ssvif.schema import SIDES

KEPT_PX = 640  # longest side kept of an image: the finest level needs less
SMALLEST_PX = 32  # side below which there are no blocks to compare
# What a true camera pair reached at the least, and pairs of images that do not belong together at the most, on MSRS's
# days and nights with 1 to 10 pairs, whole or cut to an infrared lens that sees half as much: 11 blocks of 30 against 6
# of 9, 59 % of the clear blocks against 67 %, a correlation of .33 against .28, and .9 % of the diagonal against 1 %.
LEAST_INLIERS = 1 / 3  # of all blocks that both cameras see
FEWEST_INLIERS = 8
LEAST_AGREEING = 0.55  # of the blocks with a shift that is clear
LEAST_CORRELATION = 0.27
LEAST_BLOCKS = 6
MOST_REPEATABILITY = 0.01  # of the visible image's diagonal
MOST_CONTRADICTING = 1 / 3  # of the pairs with a shift that is clear
# the picture of an alignment
DRAWN_PAIRS = 3
EDGE_SHARE = 0.07  # of the pixels, the strongest, are drawn as edges
EDGE_COLOR = (255, 64, 48)
BEYOND = (32, 48, 80)  # where the infrared camera sees nothing
GAP_PX = 8
CAPTION_PX, FONT_PX = 24, 14
CAPTIONS = ("infrared resized; red: edges of visible", "infrared aligned")
log = logging.getLogger("ssvif")


@dataclass(frozen=True)
class Sides:
    """The pairs that the alignment is estimated from."""

    names: list[str]
    visible: list[Gray]  # images (H,W), at most `KEPT_PX` a side
    infrared: list[Gray]  # as many
    visible_size: tuple[int, int]  # width and height of the files' images
    infrared_size: tuple[int, int]


def align_folders(
    visible: str | Path | None,
    infrared: str | Path | None,
    output: Path,
    *,
    model: str,
    most_pairs: int = 20,
    picture: Path | None = None,
    pairing: Pairing = BY_NAME,
) -> str:
    """Estimate how an infrared camera's pixels lie on a visible camera's, and write it.

    Args:
        visible: folder or pattern of visible images, all of one size, or a video.
        infrared: the same of infrared images; see `ssvif.pairs.match.match_sources`.
        output: the JSON file to write; see `ssvif.pairs.alignment`.
        model: "translation", "similarity", "affine" or "homography".
        most_pairs: number of pairs to use, evenly chosen among all.
        picture: a PNG to write as well: the visible image's edges over the infrared one, before and after.
        pairing: which images belong together.

    Returns:
        A description of the alignment, in a few lines.

    Raises:
        UserError: there is no pair, a file cannot be read, the sizes within a side differ, or the images do not
            determine the transform clearly enough; nothing is written then.
    """
    if model not in MODELS:
        raise UserError(f"Unknown model {model!r}", expected=f"one of {', '.join(MODELS)}")
    sources = pairing.sources(visible, infrared)
    if sources and kind_of_all(sources) == "video" and not pairing.both_in_one:
        videos = [spelled(sources[side]) for side in SIDES]
        sides = _read_videos(videos[0], videos[1], pairing.offset, most_pairs)
    else:
        sides = _read_sides(match_sources(sources, pairing), pairing.both_in_one, most_pairs)
    alignment = _estimate(sides, model)
    write_alignment(output, alignment)
    if picture:
        _write_overlay(picture, sides, alignment)
    return _describe(alignment)


def _read_videos(visible: Path, infrared: Path, offset_s: float, most_pairs: int) -> Sides:
    """Read frames of two videos that are nearest in time, evenly chosen; their names are numbers, as when fused."""
    step = max(1, facts_of(visible).frames // max(1, most_pairs))
    frames = islice(enumerate(paired_frames(visible, infrared, offset_s=offset_s), start=1), 0, None, step)
    names, kept, sizes = list[str](), (list[Gray](), list[Gray]()), [(0, 0), (0, 0)]
    for number, pair in track(islice(frames, most_pairs), "reading", most_pairs):
        images = [gray_of(frame.pixels, frame.nodata) for frame in pair]
        names.append(f"{number:06d}")
        sizes = [size_of(image) for image in images]
        for side, image in zip(kept, images, strict=True):
            side.append(shrink(image, KEPT_PX))
    if not names:
        raise UserError(f"{visible} and {infrared} have no frame in common", remedy="check that both hold frames")
    return Sides(names, *kept, *sizes)


def _read_sides(matching: Matching, both_in_one: str, most_pairs: int) -> Sides:
    """Read some of the pairs; images in no pair are logged and ignored, but two images of one name are an error."""
    if shared := [fault for fault in matching.faults if fault.kind == "same_name"]:
        raise matching.refusal(shared)
    for note in matching.notes():
        log.warning("%s", note)
    if matching.faults:
        log.warning(
            "%s in no pair: %s", counted(len(matching.faults), "image"), shorten(list(map(str, matching.faults)))
        )
    names = choose_evenly(list(matching.pairs), max(1, most_pairs))
    images: dict[str, list[Gray]] = {side: [] for side in SIDES}
    sizes: dict[str, dict[Path, tuple[int, int]]] = {side: {} for side in SIDES}
    for name in track(names, "reading"):
        for side, path in matching.pairs[name].items():
            raw = read_side(path, side, both_in_one)
            image = gray_of(raw.pixels, raw.nodata)
            images[side].append(shrink(image, KEPT_PX))
            sizes[side][path] = size_of(image)
    visible_size, infrared_size = (_one_size(matching.sides[side].source, sizes[side]) for side in SIDES)
    return Sides(names, images["visible"], images["infrared"], visible_size, infrared_size)


def _one_size(source: str, sizes: dict[Path, tuple[int, int]]) -> tuple[int, int]:
    (width, height), _ = Counter(sizes.values()).most_common(1)[0]
    if len(set(sizes.values())) > 1:
        other = next(path for path, size in sizes.items() if size != (width, height))
        raise UserError(
            f"{source} holds images of {len(set(sizes.values()))} sizes: of more than one camera or setting",
            expected=f"{width}×{height} px, as most have",
            got="{}×{} px in {}".format(*sizes[other], other.name),
            remedy="make a folder, and an alignment, for each size",
        )
    if min(width, height) < SMALLEST_PX:
        raise UserError(f"The images in {source} are too small to align", expected=f"at least {SMALLEST_PX} px a side")
    return width, height


def _estimate(sides: Sides, model: str) -> Alignment:
    small = size_of(sides.visible[0]), size_of(sides.infrared[0])
    per_pixel = sides.visible_size[0] / small[0][0]
    found, reasons = None, []
    for scales in (SCALES,) if model == "translation" else (SCALES, NARROW_SCALES):
        found = estimate_transform(sides.visible, sides.infrared, model, scales)
        reasons.append(_doubt(found, math.hypot(*sides.visible_size) / per_pixel))
        if not reasons[-1]:
            break
    if found is None or reasons[-1]:
        raise UserError(
            f"The {len(sides.names)} pairs do not determine how the two cameras are aligned ({model})",
            expected="the same scenes on both sides, with edges that both cameras see, all over the image",
            got=reasons[0],
            remedy="check that the pairs belong together (`ssvif check`), add pairs by day with buildings, people "
            "or cars near the borders" + (", or try --model translation" if model != "translation" else ""),
        )
    _check_pairs(sides, found.matrix)
    matrix = resizing(small[1], sides.infrared_size) @ found.matrix @ resizing(sides.visible_size, small[0])
    matrix = matrix / matrix[2, 2]
    return Alignment(
        # the last digits depend on the machine's arithmetic and mean nothing
        matrix=tuple(tuple(float(f"{value:.9g}") for value in row) for row in matrix),
        model=model,
        visible_size=sides.visible_size,
        infrared_size=sides.infrared_size,
        pairs=len(sides.names),
        inlier_share=round(found.inliers / max(found.blocks, found.usable), 4),
        residual_px=round(found.residual_px * per_pixel, 3),
        repeatability_px=round((found.repeatability_px or 0.0) * per_pixel, 3),
        made={"by": "ssvif align", "names": sides.names, "correlation": round(found.correlation, 4)},
    )


def _doubt(found: Estimate | None, diagonal_px: float) -> str:
    """Return why an estimate cannot be trusted; "" if it can."""
    if found is None:
        return "hardly any structure that the two sides share"
    if found.blocks < LEAST_BLOCKS:
        return f"the infrared image would cover only {found.blocks} of the visible image's blocks"
    if found.inliers < max(LEAST_INLIERS * found.blocks, FEWEST_INLIERS):
        return f"only {found.inliers} of {found.blocks} blocks of the image agree on one transform"
    if found.inliers < LEAST_AGREEING * found.usable:
        return f"{found.usable - found.inliers} of {found.usable} blocks contradict the transform"
    if found.correlation < LEAST_CORRELATION:
        return f"edges match poorly: correlation {found.correlation:.2f}, at least {LEAST_CORRELATION} is needed"
    if found.repeatability_px is None or found.repeatability_px > MOST_REPEATABILITY * diagonal_px:
        return "estimates from two halves of the evidence differ too much"
    return ""


def _check_pairs(sides: Sides, matrix: Matrix) -> None:
    """Check that the pairs one by one agree with a transform (3,3) of their kept images.

    Raises:
        UserError: many do not; fewer are logged.
    """
    peaks = {}
    for name, visible, infrared in zip(sides.names, sides.visible, sides.infrared, strict=True):
        seen, inside = resample(infrared, matrix, visible.shape)
        rows, columns = (np.flatnonzero(inside.any(axis=axis)) for axis in (1, 0))
        part = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        peaks[name] = measure_shift(visible[part], seen[part])
    still = SetShift(0.0, 0.0, 0.0, sum(map(is_trusted, peaks.values())), len(peaks))
    away = other_shifts(peaks, still, max(sides.visible[0].shape))
    against = {name: f"{name} (by {distance:.0f} px)" for name, distance in away.items()}
    against |= {name: f"{name} (hardly any edge in common)" for name, peak in peaks.items() if is_unlike(peak)}
    if len(against) > MOST_CONTRADICTING * len({*against, *(name for name in peaks if is_trusted(peaks[name]))}):
        raise UserError(
            f"{len(against)} of {counted(len(peaks), 'pair')} contradict the transform that the others determine",
            expected="pairs of one position of the two cameras to each other",
            got=shorten(list(against.values())),
            remedy="align the pairs of each position by themselves, or leave out pairs that do not belong together",
        )
    if against:
        log.warning("%s not aligned as the others are: %s", counted(len(against), "pair"), shorten([*against.values()]))


def _describe(alignment: Alignment) -> str:
    """Return a description of an alignment, in a few lines."""
    corners = corners_of(alignment.visible_size)
    plain = resizing(alignment.visible_size, alignment.infrared_size)
    moved = map_points(np.linalg.inv(plain) @ alignment.array, corners) - corners
    names = ("top left", "top right", "bottom right", "bottom left")
    shifts = ", ".join(f"{name} ({x:+.1f}, {y:+.1f})" for name, (x, y) in zip(names, moved, strict=True))
    sizes = "visible {}×{} px, infrared {}×{} px".format(*alignment.visible_size, *alignment.infrared_size)
    lines = [
        f"{alignment.model} from {counted(alignment.pairs, 'pair')}, {sizes}",
        f"after a plain resize, infrared would be off by (right, down) px at the corners: {shifts}",
        f"{alignment.inlier_share:.0%} of the blocks agree, off by {alignment.residual_px:.1f} px (root mean square)",
        f"estimates from two halves of the evidence differ by {alignment.repeatability_px:.1f} px at the corners",
        f"the infrared camera sees {(coverage(alignment) == 1).mean():.0%} of the visible image",
    ]
    return "\n".join(lines)


def _write_overlay(path: Path, sides: Sides, alignment: Alignment) -> None:
    """Write a PNG of some pairs: visible edges over the infrared image, resized on the left, aligned on the right."""
    from scipy.ndimage import gaussian_gradient_magnitude

    plain = resizing(alignment.visible_size, alignment.infrared_size)
    parts: list[NDArray[np.uint8]] = []
    for place in choose_evenly(range(len(sides.names)), DRAWN_PAIRS):
        strength = gaussian_gradient_magnitude(sides.visible[place], 1.0)
        edges = strength > max(float(np.quantile(strength, 1 - EDGE_SHARE)), 1e-6)
        left, right = (_draw(edges, sides.infrared[place], alignment, each) for each in (plain, alignment.array))
        row = np.hstack([left, np.full((len(edges), GAP_PX, 3), 255, np.uint8), right])
        parts += [np.full((GAP_PX, row.shape[1], 3), 255, np.uint8), row]
    write_png(path, np.vstack([_captions(parts[0].shape[1]), *parts[1:]]))


def _captions(width: int) -> NDArray[np.uint8]:
    """Return a strip (CAPTION_PX,width,3) with a text over either half."""
    strip = Image.new("RGB", (width, CAPTION_PX), "white")
    draw, font = ImageDraw.Draw(strip), ImageFont.load_default(FONT_PX)
    for start, text in zip((0, (width + GAP_PX) // 2), CAPTIONS, strict=True):
        draw.text((start + 4, CAPTION_PX // 2), text, "black", font, anchor="lm")
    return np.asarray(strip)


def _draw(edges: NDArray[np.bool_], infrared: Gray, alignment: Alignment, matrix: Matrix) -> NDArray[np.uint8]:
    """Return an infrared image (H,W) seen through a transform of whole images, with edges (H,W) over it, (H,W,3)."""
    look = resizing(alignment.infrared_size, size_of(infrared)) @ matrix
    look = look @ resizing(size_of(edges), alignment.visible_size)
    warped, inside = resample(infrared, look, edges.shape)
    low, high = np.quantile(infrared, [0.01, 0.99])
    gray = ((warped - low) / max(high - low, 1e-6) * 255).clip(0, 255).astype(np.uint8)
    drawn = np.repeat(gray[..., None], 3, axis=2)
    drawn[inside == 0] = BEYOND
    drawn[edges] = EDGE_COLOR
    return drawn
