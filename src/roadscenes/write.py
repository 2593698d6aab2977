"""A dataset of scenes on disk, in the folders of a real one (MSRS)."""

from __future__ import annotations

import errno
import json
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image

from roadscenes.plan import CONDITIONS
from roadscenes.render import SMALLEST, Scene, render_scene

FIRST_NUMBER = {"train": 0, "test": 50_000}  # so that no name occurs in both splits
MARK = "scenes.json"  # says that a folder is ours, and how it was made
Job = tuple[str, int]  # split, number within it
Progress = Callable[[Sequence[Job]], Iterable[Job]]


def write_scenes(
    folder: Path, *, train: int, test: int, height: int, width: int, seed: int, progress: Progress = iter
) -> None:
    """Write a whole dataset; the folder appears complete or not at all, and replaces an older one.

    The folders are `{train,test}/{vi,ir,Segmentation_labels,detection_labels}`, the names five digits and the
    letter of the condition (D day, U dusk, N night, F fog), which take turns. Each scene follows from the seed
    and its own number, so that more scenes change none.

    Args:
        folder: to write.
        train: number of training pairs, 0 to 50 000.
        test: number of test pairs, 0 to 50 000.
        height: of the images, 48 to 10 000 pixels.
        width: of the images, 64 to 10 000 pixels.
        seed: of the whole dataset, not negative.
        progress: yields the scenes to be made one by one and may show how far they have come.

    Raises:
        ValueError: a number is out of its range.
        FileExistsError: `folder` is a file or holds other files than scenes.
        OSError: writing failed; whatever `folder` held before is kept.
    """
    counts = (("train", train, 0, 50_000), ("test", test, 0, 50_000), ("seed", seed, 0, 2**63 - 1))
    sizes = (("height", height, SMALLEST[0], 10_000), ("width", width, SMALLEST[1], 10_000))
    for name, value, least, most in (*counts, *sizes):
        if not least <= value <= most:
            raise ValueError(f"{name} is out of range: expected {least} to {most}, got {value}")
    folder, conditions = folder.resolve(), list(CONDITIONS.values())
    # a real dataset has the same folders and the same kind of names: only the mark tells ours from it
    held = {path.name for path in folder.iterdir() if not path.name.startswith(".")} if folder.is_dir() else set()
    if (folder.exists() and not folder.is_dir()) or held - ({MARK, "train", "test"} if MARK in held else set()):
        raise FileExistsError(errno.EEXIST, "holds something other than generated scenes", str(folder))
    with _replaced(folder) as made:
        mark = json.dumps({"height_px": height, "width_px": width, "seed": seed}, indent=2, sort_keys=True)
        (made / MARK).write_text(f"{mark}\n", encoding="utf-8")
        for split, i in progress([("train", i) for i in range(train)] + [("test", i) for i in range(test)]):
            number, condition = FIRST_NUMBER[split] + i, conditions[i % len(conditions)]
            rng_seed = int(np.random.SeedSequence([seed, number]).generate_state(1, np.uint64)[0])
            scene = render_scene(rng_seed, height, width, condition.name)
            write_scene(made / split, f"{number:05d}{condition.letter}", scene)


@contextmanager
def _replaced(folder: Path) -> Iterator[Path]:
    """Yield a new folder that takes the place of `folder` at the end; what a killed process left is removed first."""
    made, former = (folder.with_name(f".{folder.name}.{kind}") for kind in ("part", "former"))
    try:
        for each in (made, former):
            shutil.rmtree(each, ignore_errors=True)
        made.mkdir(parents=True)
        yield made
        if folder.exists():
            folder.rename(former)  # which, unlike deleting it, leaves no half of it
        made.rename(folder)
    finally:
        for each in (made, former):
            shutil.rmtree(each, ignore_errors=True)


def write_scene(folder: Path, name: str, scene: Scene) -> None:
    """Write the pictures, the class ids and the boxes of one scene into the subfolders of a split."""
    for kind, picture in (("vi", scene.visible), ("ir", scene.infrared), ("Segmentation_labels", scene.label)):
        (folder / kind).mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture).save(folder / kind / f"{name}.png", format="PNG", compress_level=3)
    lines = [f"{int(row[0])} " + " ".join(f"{share:.8f}" for share in row[1:]) for row in scene.boxes.tolist()]
    (folder / "detection_labels").mkdir(exist_ok=True)
    path = folder / "detection_labels" / f"{name}.txt"
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
