"""What users would hand each kind of input to."""

import os
from contextlib import suppress
from functools import partial
from pathlib import Path

import torch

from fuzzing import samples
from fuzzing.commands import attempt, ssvif
from ssvif.config.files import load_descriptor, read_yaml
from ssvif.config.options import parse_options
from ssvif.config.plan import Plan
from ssvif.data.boxes import draw_boxes, read_boxes
from ssvif.data.packed import PairsFile
from ssvif.data.training_view import TrainingView
from ssvif.io.errors import UserError
from ssvif.io.files import read_label
from ssvif.io.images import depth_of, read_raw
from ssvif.judging.options import DetectionOptions, ProbeOptions, SegmentationOptions
from ssvif.models.published import load_published
from ssvif.pairs.files import read_pair
from ssvif.pairs.pair import Rules
from ssvif.pairs.video import facts_of, frames_of
from ssvif.report.ladder.declaration import read_declaration
from ssvif.training import loop
from ssvif.training.options import TrainingOptions


def read_image(path: Path) -> None:
    """Read an image in every way, and as one of a pair."""
    good = path.parent / "good.png"
    for call in (partial(read_raw, page=1), read_label, partial(read_label, colors=True)):  # of some of them
        with suppress(UserError):
            call(path)
    attempt(
        lambda: read_raw(path, indices=True, all_channels=True),
        lambda: depth_of(path),
        lambda: read_pair("a", Rules(visible_range="percentile"), path, good).to_8_bits(),
        lambda: read_pair("a", Rules(visible_range="percentile"), good, path).to_8_bits(),
        lambda: read_pair("a", Rules(visible_range="percentile", both_in_one="rows"), path, path).to_8_bits(),
    )


def read_video(path: Path) -> None:
    """Read a video's facts and frames."""
    attempt(lambda: facts_of(path), lambda: [*frames_of(path, gray=True)], lambda: [*frames_of(path, gray=False)])


def read_packed(path: Path) -> None:
    """Read everything in a packed file."""
    file = PairsFile(path)

    def walk() -> None:
        for split in file.splits():
            for name in file.names(split):
                parts = (file.size, file.visible, file.infrared, file.label, file.boxes, file.mask, file.has_label)
                attempt(*(partial(part, split, name) for part in parts))

    try:
        attempt(lambda: file.digest, lambda: file.dataset, lambda: file.descriptor, lambda: file.validation, walk)
        attempt(lambda: TrainingView(path, "train", 16, 0)[0])
    finally:
        file.close()


def use_packed(path: Path) -> None:
    """Read a packed file, and hand it to a command."""
    output = path.parent / "fused"
    attempt(lambda: read_packed(path), lambda: ssvif("fuse", "--pairs", path, "-o", output, "--baseline", "average"))


def use_splits(path: Path) -> None:
    """Pack what a list of splits names."""
    root = path.parent
    ssvif("pack", "--dataset", root / "tiny.yaml", "--data-root", root, "--splits", path, "--output", root / "new.h5")


def use_pair_list(path: Path) -> None:
    """Fuse what a list of pairs names."""
    ssvif("fuse", "--pair-list", path, "-o", path.parent / "fused", "--baseline", "average", "--overwrite")


def use_descriptor(path: Path) -> None:
    """Split, check and pack by a descriptor."""
    root = path.parent
    where = ("--dataset", path, "--data-root", root)
    (root / "new.csv").unlink(missing_ok=True)
    attempt(
        lambda: ssvif("split", *where, "--output", root / "new.csv"),
        lambda: ssvif("pack", *where, "--splits", root / "new.csv", "--output", root / "new.h5"),
    )
    with suppress(UserError):  # the images are noise
        ssvif("check", *where, "--quick")


def use_boxes(path: Path) -> None:
    """Read boxes, draw them."""
    descriptor = load_descriptor(path.parent / "tiny.yaml")
    draw_boxes(read_boxes(path, descriptor, samples.WIDTH, samples.HEIGHT), samples.HEIGHT, samples.WIDTH)


def fuse_pair(folder: Path, *options: object) -> None:
    """Fuse the pair of a folder of images."""
    ssvif("fuse", folder / "color.png", folder / "deep.png", "-o", folder / "out.png", "--overwrite", *options)


def fuse_with(path: Path) -> None:
    """Fuse a pair with a network."""
    fuse_pair(path.parent, "--model", path, "--device", "cpu")


def read_released(path: Path) -> None:
    """Read a released checkpoint."""
    load_published("sage", path)


def train(folder: Path, stage_one: Path | None = None) -> None:
    """Train two epochs, or go on."""
    output, cpu = folder / "run", torch.device("cpu")
    loop.train(
        folder / "pairs.h5", output, folder / "state.pt", options=samples.OPTIONS, device=cpu, stage_one=stage_one
    )


def use_config(path: Path) -> None:
    """Plan a configuration, as the workflow does."""
    root = next(parent for parent in path.parents if parent.name == "config").parent
    configuration = path if path.parent.name == "config" else root / "config/config.yaml"
    os.chdir(root)
    planned = Plan.load(read_yaml(configuration), source=str(configuration))
    assert all((planned.scores, planned.fused, planned.products, planned.run_arguments(), planned.cost_code()))
    for dataset, runs in planned.shown.items():
        for run in runs:
            planned.fuse_arguments(dataset, run.name)


def use_results(path: Path) -> None:
    """Compare runs, tabulate them, and make the report where it reads the file."""
    root = next(parent for parent in path.parents if (parent / "results").is_dir())
    results, runs = root / "results", ("--run", "toy/average", "--run", "toy/ours=Ours")
    where, out = ("--results", results, *runs), root / "out"
    if path.parent.name == "published":
        ssvif("tables", *where, "--output", out / "tables", "--published", root / "published")
    elif path.parent.name in ("toy", "ours", "data", "datasets", "detection"):
        sources = ("--source", f"toy={root / 'data'}", "--datasets", root / "datasets")
        ssvif("report", *where, "--tables", out / "tables", "--output", out / "page", *sources)
    attempt(
        lambda: ssvif("compare", results / "toy/average", results / "toy/ours"),
        lambda: ssvif("tables", *where, "--output", out / "other"),
    )


def use_alignment(path: Path) -> None:
    """Fuse a pair with an alignment."""
    fuse_pair(path.parent, "--baseline", "average", "--alignment", path)


def use_record(path: Path) -> None:
    """Fuse a folder again."""
    root = path.parents[1] / "tiny/train"
    ssvif("fuse", root / "vi", root / "ir", "-o", path.parent, "--baseline", "average")


def use_settings(path: Path) -> None:
    """Read settings as a file, as a text, and one by one."""
    text = path.read_text("utf-8", "replace").replace("\0", "")
    if path.name == "ladder.json":
        read_declaration(text)
        return
    attempt(*(partial(parse_options, TrainingOptions(), given) for given in (str(path), text)))
    for kind in (TrainingOptions(), SegmentationOptions(), DetectionOptions(), ProbeOptions()):
        with suppress(UserError):
            parse_options(kind, "", [text[:60], f"epochs={text[-60:]}"])
