"""What many tests share: few threads, a tiny packed dataset, the real material beside the checkout."""

import logging
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import settings

from ssvif.cli import app as cli
from ssvif.data.descriptor import ClassInfo, Descriptor, Layout
from ssvif.data.pack import pack_pairs
from ssvif.data.split import split_dataset
from ssvif.io.files import write_png

settings.register_profile("any_machine", deadline=None)  # on a busy machine one example may take a second
settings.load_profile("any_machine")
SHARED = Path(__file__).parents[2] / "shared"
TINY = Descriptor(
    name="tiny",
    title="Tiny",
    folder="tiny",
    layouts=(Layout("{split}/vi/{name}", "{split}/ir/{name}", "{split}/labels/{name}"),),
    official_splits={"train": "train", "test": "test"},
    validation_fraction=0.25,
    classes=(ClassInfo(0, "ground", (0, 0, 0)), ClassInfo(1, "person", (226, 48, 60))),
)


@pytest.fixture(autouse=True, scope="session")
def _few_threads() -> None:
    torch.set_num_threads(1)  # tests run beside each other, often on two cores; more threads wait for each other


@pytest.fixture(autouse=True)
def _nothing_left_behind() -> None:
    # what ran before in this process must not decide: the command line asks for more messages, drawing moves on
    logging.getLogger("ssvif").setLevel(logging.NOTSET)
    torch.manual_seed(0)


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of specifications, parity fixtures and real pairs that lies beside the checkout."""
    if not SHARED.is_dir():
        pytest.skip("the folder `shared` is not beside this checkout")
    return SHARED


def draw_pair(seed: int, height: int, width: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return a coloured ramp with a dark person, the person's warmth, and the label of both."""
    random = np.random.default_rng(seed)
    rows, columns = np.mgrid[:height, :width]
    label = (abs(rows - height // 2) < 8) & (abs(columns - random.integers(8, width - 8)) < 4)
    ramp = np.stack([rows * 255 // height, columns * 255 // width, (rows + columns) % 256], axis=2)
    visible = np.where(label[..., None], 20, ramp) + random.integers(0, 10, (height, width, 3))
    infrared = np.where(label, 230, 60) + random.integers(0, 10, (height, width))
    return visible.clip(0, 255).astype(np.uint8), infrared.astype(np.uint8), label.astype(np.uint8)


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the raw pairs below `tiny/`, `splits.csv` and `pairs.h5`: 6, 2 and 2 pairs, two sizes."""
    folder = tmp_path_factory.mktemp("tiny")
    for split, count in (("train", 8), ("test", 2)):
        for index in range(count):
            visible, infrared, label = draw_pair(index, 40, 52 if index % 2 else 47)
            for kind, image in (("vi", visible), ("ir", infrared), ("labels", label)):
                write_png(folder / "tiny" / split / kind / f"{split}{index}.png", image)
    split_dataset(TINY, folder / "tiny", folder / "splits.csv", seed=0)
    pack_pairs(TINY, folder / "tiny", folder / "splits.csv", folder / "pairs.h5")
    return folder


@pytest.fixture(scope="session")
def pairs(tiny: Path) -> Path:
    """The tiny dataset, packed; not to be changed."""
    return tiny / "pairs.h5"


@pytest.fixture(scope="session")
def uneven(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five pairs to train on and three to validate on, packed, of which two processes cannot have equal shares."""
    folder = tmp_path_factory.mktemp("uneven")
    split_dataset(replace(TINY, validation_fraction=0.375), tiny / "tiny", folder / "splits.csv", seed=0)
    pack_pairs(TINY, tiny / "tiny", folder / "splits.csv", folder / "pairs.h5")
    return folder / "pairs.h5"


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """A Chromium without a window; tests that ask for it are skipped where there is none."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    path = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if path is None:
        pytest.skip("there is no Chromium on this machine")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    """What is logged from INFO up, as the command line shows it; `caplog` by itself has warnings and errors alone."""
    caplog.set_level(logging.INFO, logger="ssvif")
    return caplog


@pytest.fixture
def call(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, log: pytest.LogCaptureFixture
) -> Callable[..., tuple[object, str, str]]:
    """A function that calls `ssvif` as the shell does: status, output, errors; `log` undoes its level of messages."""

    def run(*arguments: object) -> tuple[object, str, str]:
        monkeypatch.setattr(sys, "argv", ["ssvif", *map(str, arguments)])
        monkeypatch.setattr("logging.basicConfig", lambda **_: None)
        with pytest.raises(SystemExit) as caught:
            cli.main()
        shown = capsys.readouterr()
        return caught.value.code, shown.out, shown.err

    return run
