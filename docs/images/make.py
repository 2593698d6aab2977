"""Make the pictures of README and docs again: generated scenes, the networks in the package, two reports.

Run it after the demo and after following docs/tutorials/add_a_network.md, whose reports it shows:
`.venv/bin/python docs/images/make.py`.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from playwright.sync_api import sync_playwright

from ssvif.report.figures.grid import Strip, draw_grid
from ssvif.report.figures.insets import Window
from ssvif.report.figures.style import save_figure

HERE = Path(__file__).parent
RESULTS = HERE.parent.parent / "results"
WIDTH, HEIGHT = 512, 384
# a pair and the people in it: at night, in the evening, in fog
SHOWN = {
    "50006N": Window(380, 150, 480, 280),
    "50005U": Window(410, 150, 510, 280),
    "50003F": Window(182, 140, 282, 270),
}
VIEW = {"width": 1280, "height": 800}
JPEG = {"quality": 88, "optimize": True, "progressive": True}
CAMERA_OFF_PX = (14, 9)  # right and down: how far the second camera of the example is out of register
# the tutorials' own commands make these: docs/tutorials/first_image.md, own_pairs.md
FIRST = {"50002N": Window(0, 170, 100, 280), "50005U": Window(390, 150, 490, 260)}
OWN = {"50001U": Window(10, 25, 80, 80)}
OWN_OFF_PX = (4, 6)  # down and right


def main() -> None:
    """Write every picture beside this file."""
    with tempfile.TemporaryDirectory() as text:
        folder = Path(text)
        size = ("--height", HEIGHT, "--width", WIDTH)
        _ssvif("scenes", "--output", folder, "--test", 8, "--train", 1, "--seed", 3, *size)
        visible, infrared = folder / "test/vi", folder / "test/ir"
        _draw_pairs(visible, infrared, folder)
        _draw_alignment(visible, infrared, folder)
        _draw_first_image(folder / "road")
        _draw_own_pairs(folder / "cameras")
    _shoot(RESULTS / "report", "report.jpg")
    _shoot(RESULTS / "mine/report", "tutorials/add_a_network.jpg")


def _ssvif(*words: object) -> None:
    subprocess.run([sys.executable, "-m", "ssvif", *map(str, words)], check=True)


def _read(path: Path) -> NDArray[np.uint8]:
    with Image.open(path) as image:
        return np.asarray(image)


def _keep(picture: Path, name: str, width: int) -> None:
    with Image.open(picture) as image:
        height = round(image.height * width / image.width)
        image.convert("RGB").resize((width, height), Image.Resampling.LANCZOS).save(HERE / name, **JPEG)


def _draw_pairs(visible: Path, infrared: Path, folder: Path) -> None:
    _ssvif("fuse", visible, infrared, "-o", folder / "fused")
    _draw({"Visible": visible, "Infrared": infrared, "Fused": folder / "fused"}, SHOWN, "fused.jpg", 1200)


def _draw(sides: Mapping[str, Path], shown: Mapping[str, Window], name: str, width: int) -> None:
    """Draw the pairs shown, one below the other, with a column for each folder and an enlargement in each picture."""
    strips = [
        Strip("", [_read(side / f"{pair}.png") for side in sides.values()], [window]) for pair, window in shown.items()
    ]
    with tempfile.TemporaryDirectory() as folder:
        _keep(save_figure(draw_grid(list(sides), strips), Path(folder), "pairs")[0], name, width)


def _draw_alignment(visible: Path, infrared: Path, folder: Path) -> None:
    shifted = folder / "shifted"
    shifted.mkdir()
    right, down = CAMERA_OFF_PX
    for path in sorted(infrared.glob("*.png")):
        padded = np.pad(_read(path), ((down, 0), (right, 0)), mode="edge")
        Image.fromarray(padded[:HEIGHT, :WIDTH]).save(shifted / path.name)
    picture = folder / "alignment.png"
    files = ("--output", folder / "alignment.json", "--picture", picture)
    _ssvif("align", "--visible", visible, "--infrared", shifted, "--model", "translation", *files)
    _keep(picture, "alignment.jpg", 800)


def _draw_first_image(folder: Path) -> None:
    _ssvif("scenes", "--output", folder, "--train", 1, "--test", 6, "--height", 384, "--width", 512, "--seed", 7)
    sides = {"Visible": folder / "test/vi", "Infrared": folder / "test/ir"}
    made = {"Average": "--baseline", "Fast": "--model", "Accurate": "--model"}
    for name, option in made.items():
        _ssvif("fuse", *sides.values(), "-o", folder / name, option, name.lower())
    _draw(sides | {name: folder / name for name in made}, FIRST, "tutorials/first_image.jpg", 1200)


def _draw_own_pairs(folder: Path) -> None:
    _ssvif("scenes", "--output", folder, "--train", 24, "--test", 6, "--height", 192, "--width", 256)
    for path in folder.glob("*/ir/*.png"):
        Image.fromarray(np.roll(_read(path), OWN_OFF_PX, axis=(0, 1))).save(path)
    train, test = ([folder / split / side for side in ("vi", "ir")] for split in ("train", "test"))
    _ssvif("align", "--visible", train[0], "--infrared", train[1], "--output", folder / "alignment.json")
    _ssvif("fuse", *test, "-o", folder / "as_taken")
    _ssvif("fuse", *test, "-o", folder / "aligned", "--alignment", folder / "alignment.json")
    sides = {"Visible": test[0], "Fused as taken": folder / "as_taken", "Fused with the alignment": folder / "aligned"}
    _draw(sides, OWN, "tutorials/own_pairs.jpg", 1000)


def _shoot(report: Path, name: str) -> None:
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    with sync_playwright() as driver, tempfile.TemporaryDirectory() as folder:
        browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_context(viewport=VIEW, color_scheme="light").new_page()
        page.goto(f"{report.as_uri()}/gallery_scenes.html")
        page.wait_for_timeout(1000)
        page.screenshot(path=Path(folder) / "report.png")
        browser.close()
        _keep(Path(folder) / "report.png", name, VIEW["width"])


if __name__ == "__main__":
    main()
