"""Pack a dataset's pairs into one HDF5 file, one pair in memory at a time."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from ssvif.data.boxes import read_boxes
from ssvif.data.descriptor import Descriptor, descriptor_to_json
from ssvif.data.find import FoundPair
from ssvif.data.packed import FORMAT
from ssvif.data.reading import Reading, to_arrays
from ssvif.data.sink import create_hdf5
from ssvif.data.split import SplitRow, read_splits
from ssvif.io.errors import ErrorKind, UserError, shorten
from ssvif.io.files import read_image, read_label, sha256_of, write_aside
from ssvif.io.progress import track
from ssvif.pairs.alignment import Alignment, alignment_to_json, check_size, read_alignment, warp
from ssvif.pairs.pair import Rules, to_gray


def pack_pairs(
    descriptor: Descriptor,
    root: Path,
    splits: Path,
    output: Path,
    *,
    alignment: Path | None = None,
    rules: Rules | None = None,
) -> Reading | None:
    """Write pairs.h5: every pair listed in splits.csv, checked, as 8-bit arrays.

    A group `/{split}/{pair_id}` holds `visible` (H,W,3) uint8, `infrared` (H,W) uint8 and, where the list
    names them, `label` (H,W) uint8 and `boxes` (N,5) float64; its attributes hold the SHA-256 and the
    name of each input file. The root's attributes hold the format, the descriptor, and digests of the
    inputs and of splits.csv. An image is one chunk. Equal inputs give equal bytes.

    Colour infrared becomes its luma, floor((299 R + 587 G + 114 B + 500) / 1000) (BT.601); a grey
    visible image is repeated to three channels.

    Args:
        descriptor: the dataset's descriptor.
        root: the dataset's folder, `data_root / descriptor.folder`.
        splits: the list written by `ssvif split`.
        output: the file to write; it appears whole or not at all.
        alignment: a file of `ssvif align`, by which the infrared images are brought onto the visible ones; its
            text becomes the root's attribute `alignment` and part of the digest.
        rules: how images of more than 8 bits and pairs of two sizes are taken; None refuses them. What was applied
            becomes the root's attribute `reading` and part of the digest.

    Returns:
        What `rules` came to.

    Raises:
        UserError: a listed file is missing or damaged, the sizes within a pair differ or do not fit the
            alignment, a label or box has an unknown class, or there is no space left. What `output` held
            before is kept.
    """
    rows = read_splits(splits)
    _check_files(root, splits, rows)
    aligned = read_alignment(alignment) if alignment else None
    reading = Reading(replace(rules, alignment=aligned)) if rules else None
    if reading:
        reading = reading.look_at(root, [row.pair for row in rows])
    policy = reading.describe() if reading else ""
    total = hashlib.sha256(((alignment_to_json(aligned) if aligned else "") + policy).encode())
    with write_aside(output) as aside, create_hdf5(aside) as (file, check):
        for row in track(rows, f"packing {descriptor.name}"):
            group = file.require_group(row.split).create_group(row.pair.pair_id)
            for kind, source, array in _read_pair(descriptor, root, row.pair, reading or aligned):
                digest = sha256_of(root / source)
                total.update(f"{row.split}/{row.pair.pair_id}/{kind} {digest}\n".encode())
                _store(group, kind, array)
                group.attrs[f"sha256_{kind}"] = digest
                group.attrs[f"source_{kind}"] = source
            check()
        file.attrs["format"] = FORMAT
        file.attrs["descriptor"] = descriptor_to_json(descriptor)
        file.attrs["digest"] = total.hexdigest()
        file.attrs["splits_sha256"] = sha256_of(splits)
        if aligned:
            file.attrs["alignment"] = alignment_to_json(aligned)
        if reading:
            file.attrs["reading"] = policy
    return reading


def _check_files(root: Path, splits: Path, rows: list[SplitRow]) -> None:
    files = [file for row in rows for file in vars(row.pair).values() if file != row.pair.pair_id]
    missing = [file for file in files if file and not (root / file).is_file()]
    if missing:
        raise UserError(
            f"{len(missing)} files listed in {splits} are not in {root}",
            got=f"no {shorten(missing)}",
            remedy="copy them there, set `data_root`, or run `ssvif split` again if the dataset changed",
        )


def _read_pair(
    descriptor: Descriptor, root: Path, pair: FoundPair, way: Reading | Alignment | None
) -> Iterator[tuple[str, str, NDArray[Any]]]:
    """Yield (kind, source file, array) for the parts of one pair, checked."""
    visible, infrared = to_arrays(way.make(root, pair)) if isinstance(way, Reading) else _read_strictly(root, pair, way)
    height, width = visible.shape[:2]
    yield "visible", pair.visible, visible
    yield "infrared", pair.infrared, infrared

    if pair.label:
        label = read_label(root / pair.label)
        _check_size(root / pair.label, label, root / pair.visible, height, width)
        check_ids(root / pair.label, label, descriptor)
        yield "label", pair.label, label
    if pair.boxes:
        yield "boxes", pair.boxes, read_boxes(root / pair.boxes, descriptor.detection_classes, width, height)


def _read_strictly(
    root: Path, pair: FoundPair, alignment: Alignment | None
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Return visible (H,W,3) and infrared (H,W) of 8-bit files of one size."""
    visible = _read_8_bits(root / pair.visible)
    if visible.ndim == 2:
        visible = np.repeat(visible[..., None], 3, axis=2)
    infrared = to_gray(_read_8_bits(root / pair.infrared))
    if alignment:
        check_size(alignment, "visible", visible, str(root / pair.visible))
        infrared = warp(infrared, alignment, name=str(root / pair.infrared))
    height, width = visible.shape[:2]
    resizing = "; `ssvif pack --resize infrared` resizes it"
    _check_size(root / pair.infrared, infrared, root / pair.visible, height, width, resizing)
    return visible, infrared


def _read_8_bits(path: Path) -> NDArray[np.uint8]:
    try:
        return read_image(path)
    except UserError as error:
        if error.kind != ErrorKind.DEPTH:
            raise
        raise error.replace(
            remedy="pass --infrared-range and --visible-range to `ssvif pack`, for instance --infrared-range sequence, "
            "or convert the images to 8 bits with one fixed range for the whole set",
        ) from error


def _check_size(
    path: Path, image: NDArray[np.uint8], visible: Path, height: int, width: int, resizing: str = ""
) -> None:
    if image.shape != (height, width):
        raise UserError(
            f"{path} does not have the size of its visible image {visible}",
            expected=f"{width}×{height} px",
            got=f"{image.shape[1]}×{image.shape[0]} px",
            remedy="use a registered pair of one size, align the two cameras (`ssvif align`), or remove the pair"
            + resizing,
        )


def check_ids(path: Path, label: NDArray[np.uint8], descriptor: Descriptor) -> None:
    """Check that a label map holds the descriptor's class ids only.

    Raises:
        UserError: it holds others; they are named.
    """
    known = {info.id for info in descriptor.classes} | {descriptor.ignore_index}
    unknown = [str(value) for value in np.flatnonzero(np.bincount(label.ravel())) if value not in known]
    if unknown:
        raise UserError(
            f"{path} holds label ids that {descriptor.name}'s descriptor does not have: {shorten(unknown)}",
            expected=f"ids 0 to {len(descriptor.classes) - 1}, or {descriptor.ignore_index} for no class",
            remedy="mend the label map, or add the classes to the descriptor",
        )


def _store(group: h5py.Group, kind: str, array: NDArray[Any]) -> None:
    if kind == "boxes":
        group.create_dataset(kind, data=array)
    else:
        group.create_dataset(kind, data=array, chunks=array.shape, compression="gzip", compression_opts=1)
