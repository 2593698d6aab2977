"""The pictures of README and docs, made anew: generated scenes, the network in the package, the demo's report.

Run it after the demo: `make demo && .venv/bin/python docs/images/make.py`.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from playwright.sync_api import sync_playwright

from ssvif.report.figures.grid import Strip, draw_grid
from ssvif.report.figures.insets import Window
from ssvif.report.figures.style import save_figure

HERE = Path(__file__).parent
REPORT = HERE.parent.parent / "results/report"
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


def main() -> None:
    """Write every picture beside this file."""
    with tempfile.TemporaryDirectory() as text:
        folder = Path(text)
        size = ("--height", HEIGHT, "--width", WIDTH)
        _ssvif("scenes", "--output", folder, "--test", 8, "--train", 1, "--seed", 3, *size)
        visible, infrared = folder / "test/vi", folder / "test/ir"
        _draw_pairs(visible, infrared, folder)
        _draw_alignment(visible, infrared, folder)
    _shoot_report()


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
    sides = {"Visible": visible, "Infrared": infrared, "Fused": folder / "fused"}
    strips = [
        Strip("", [_read(side / f"{name}.png") for side in sides.values()], [window]) for name, window in SHOWN.items()
    ]
    drawn = save_figure(draw_grid(list(sides), strips), folder, "pairs")[0]
    _keep(drawn, "fused.jpg", 1200)


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


def _shoot_report() -> None:
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_context(viewport=VIEW, color_scheme="light").new_page()
        page.goto(f"{REPORT.as_uri()}/gallery_scenes.html")
        page.wait_for_timeout(1000)
        with tempfile.TemporaryDirectory() as folder:
            shot = Path(folder) / "report.png"
            page.screenshot(path=shot)
            _keep(shot, "report.jpg", VIEW["width"])
        browser.close()


if __name__ == "__main__":
    main()
