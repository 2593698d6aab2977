"""The scenes on disk, in the folders of a real dataset (MSRS)."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from roadscenes.conditions import CONDITIONS
from roadscenes.render import SMALLEST, Scene, render_scene
from ssvif.io.errors import UserError
from ssvif.io.files import write_folder_aside, write_json, write_png
from ssvif.io.progress import track

FIRST_NUMBER = {"train": 0, "test": 50_000}  # so that no name occurs in both splits
MOST = 50_000
MARK = "scenes.json"  # says that a folder is ours, and how it was made


def write_scenes(folder: Path, *, train: int, test: int, height: int, width: int, seed: int) -> None:
    """Write a whole dataset; the folder appears complete or not at all, and replaces an older one.

    The folders are `{train,test}/{vi,ir,Segmentation_labels,detection_labels}`, the names five digits and the
    letter of the condition (D day, U dusk, N night, F fog), which take turns. Each scene follows from the seed
    and its own number, so that more scenes change none.

    Args:
        folder: to write.
        train: number of training pairs, 0 to 50 000.
        test: number of test pairs, 0 to 50 000.
        height: of the pictures, pixels, at least 48.
        width: of the pictures, pixels, at least 64.
        seed: of the whole dataset, not negative.

    Raises:
        UserError: a number out of its range, no space left, or `folder` holds something else than scenes.
    """
    _check(train, test, height, width, seed)
    conditions = list(CONDITIONS.values())
    jobs = [("train", i) for i in range(train)] + [("test", i) for i in range(test)]
    # a real dataset has the same folders and the same kind of names: only a mark tells ours from it
    former = ("train", "test", MARK) if (folder / MARK).is_file() else (MARK,)
    with write_folder_aside(folder, former) as aside:
        write_json(aside / MARK, {"height_px": height, "width_px": width, "seed": seed})
        for split, i in track(jobs, "drawing scenes"):
            number, condition = FIRST_NUMBER[split] + i, conditions[i % len(conditions)]
            scene = render_scene(scene_seed(seed, number), height, width, condition.name)
            _write(aside / split, f"{number:05d}{condition.letter}", scene)


def scene_seed(seed: int, number: int) -> int:
    """Return the seed of one scene of a dataset."""
    return int(np.random.SeedSequence([seed, number]).generate_state(1, np.uint64)[0])


def _check(train: int, test: int, height: int, width: int, seed: int) -> None:
    limits = {
        "train": (train, 0, MOST),
        "test": (test, 0, MOST),
        "height": (height, SMALLEST[0], 10_000),
        "width": (width, SMALLEST[1], 10_000),
        "seed": (seed, 0, 2**63 - 1),
    }
    for name, (value, least, most) in limits.items():
        if not least <= value <= most:
            raise UserError(
                f"scenes: {name} is out of range",
                expected=f"{least} to {most}",
                got=str(value),
                remedy=f"change `{name}` of the scenes in the configuration or on the command line",
            )


def _write(folder: Path, name: str, scene: Scene) -> None:
    write_png(folder / "vi" / f"{name}.png", scene.visible)
    write_png(folder / "ir" / f"{name}.png", scene.infrared)
    write_png(folder / "Segmentation_labels" / f"{name}.png", scene.label)
    lines = [f"{int(row[0])} " + " ".join(f"{share:.8f}" for share in row[1:]) for row in scene.boxes.tolist()]
    boxes = folder / "detection_labels" / f"{name}.txt"
    boxes.parent.mkdir(parents=True, exist_ok=True)
    boxes.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
