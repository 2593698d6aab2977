"""Drawn road scenes, exactly registered, and folders of them."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from roadscenes.render import render_scene
from ssvif.inspecting.edges import Gray, gray_of
from ssvif.io.files import write_png

HEIGHT, WIDTH = 192, 256


@pytest.fixture(scope="session")
def scenes() -> tuple[list[Gray], list[Gray]]:
    """Four visible and four infrared images, registered."""
    drawn = [render_scene(seed, HEIGHT, WIDTH, name) for seed, name in enumerate(("day", "dusk", "night", "day"))]
    return [gray_of(scene.visible) for scene in drawn], [gray_of(scene.infrared) for scene in drawn]


@pytest.fixture(scope="session")
def small_scenes() -> list[tuple[np.ndarray, np.ndarray]]:
    """Six pairs, 96×128, as stored."""
    drawn = [render_scene(seed, 96, 128, "day") for seed in range(6)]
    return [(scene.visible, scene.infrared) for scene in drawn]


@pytest.fixture
def folder(tmp_path: Path, small_scenes: list[tuple[np.ndarray, np.ndarray]]) -> Path:
    """The six pairs in `pairs/vi` and `pairs/ir`, for a test to spoil."""
    for number, (visible, infrared) in enumerate(small_scenes):
        write_png(tmp_path / "pairs/vi" / f"{number}.png", visible)
        write_png(tmp_path / "pairs/ir" / f"{number}.png", infrared)
    return tmp_path / "pairs"


@pytest.fixture
def write_folders(tmp_path: Path) -> Callable[[list[Gray], list[Gray]], tuple[Path, Path]]:
    """A function that writes two sides as 8-bit PNGs and returns their folders."""

    def write(visible: list[Gray], infrared: list[Gray]) -> tuple[Path, Path]:
        for name, images in (("vi", visible), ("ir", infrared)):
            for number, image in enumerate(images):
                write_png(tmp_path / name / f"{number}.png", np.rint(image).clip(0, 255).astype(np.uint8))
        return tmp_path / "vi", tmp_path / "ir"

    return write
