"""The app's page: a pair, a network, a slider between what went in and what came out."""

from __future__ import annotations

import html
import tempfile
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

import gradio
import numpy as np
from PIL import Image

from ssvif.api import load_model
from ssvif.app.work import Fused, fuse_files
from ssvif.frames.fuser import BASELINES, Fuser
from ssvif.models.shipped import shipped_model
from ssvif.ops.errors import UserError

SIDES = ("visible", "infrared")
HEADERS = ["metric", "value"]
NETWORK_SUFFIXES = [".safetensors", ".onnx"]
LOADED = 4  # networks held in memory
Choices = list[tuple[str, str]]


def choices_of(model: Path | None) -> Choices:
    """Return what can fuse, as (label, path or name), the first being the default.

    Args:
        model: a network of the user's, first if given.
    """
    own: Choices = [(model.name, str(model))] if model else []
    try:
        shipped: Choices = [("SSVIF's own network", str(shipped_model()))]
    except UserError:  # an installation without one can still fuse
        shipped = []
    return [*own, *shipped, *((name, name) for name in BASELINES)]


def build_page(model: Path | None, device: str, folder: Path) -> gradio.Blocks:
    """Return the page.

    Args:
        model: a network to offer first.
        device: as of `ssvif.api.load_model`.
        folder: for the images to be downloaded.
    """
    choices = choices_of(model)
    page = gradio.Blocks(title="SSVIF", analytics_enabled=False, fill_width=True)
    with page:
        gradio.Markdown("# SSVIF\nFuse a visible and an infrared picture. Nothing leaves this computer.")
        known, last = gradio.State(choices), gradio.State(None)
        with gradio.Row():
            with gradio.Column(scale=1, min_width=300):
                visible, infrared = (_input(side) for side in SIDES)
                network = gradio.Dropdown(choices, value=choices[0][1], label="Fuse with", elem_id="network")
                more = gradio.UploadButton("Add a network's file", file_types=NETWORK_SUFFIXES, elem_id="more")
                start = gradio.Button("Fuse", variant="primary", elem_id="start")
            with gradio.Column(scale=3, min_width=480):
                slider = gradio.ImageSlider(
                    label="Before and after", format="png", interactive=False, max_height=720, elem_id="slider"
                )
                beside = gradio.Radio(list(SIDES), value="visible", label="Compare with", elem_id="beside")
                remarks = gradio.Markdown(elem_id="remarks")
            with gradio.Column(scale=1, min_width=320):
                rows = gradio.Dataframe(
                    headers=HEADERS, label="↑ higher is better, ↓ lower", interactive=False, elem_id="metrics"
                )
                saved = gradio.DownloadButton("Download the fused image", interactive=False, elem_id="saved")
        start.click(_fusing(device, folder), [visible, infrared, network, beside], [last, slider, remarks, rows, saved])
        beside.change(compare, [last, beside], slider)
        more.upload(add_network, [more, known], [known, network])
    return page


def _input(side: str) -> gradio.Image:
    """Return where an image is dropped; the file itself is handed on, in whatever depth it is."""
    return gradio.Image(
        label=side.capitalize(),
        type="filepath",
        image_mode=None,
        sources=["upload", "clipboard"],
        height=220,
        elem_id=side,
    )


def _fusing(device: str, folder: Path) -> Callable[..., tuple[Any, ...]]:
    @lru_cache(LOADED)
    def loaded(network: str) -> Fuser:
        return load_model(network, device=device)

    def run(visible: str | None, infrared: str | None, network: str, beside: str) -> tuple[Any, ...]:
        """Return what the page shows of a fused pair."""
        if not (visible and infrared):
            raise gradio.Error("Drop a visible and an infrared image first.", print_exception=False)
        try:
            fused = fuse_files(Path(visible), Path(infrared), loaded(network))
        except UserError as error:
            said = str(error)
            for uploaded in map(Path, (visible, infrared)):  # copies in a folder that nobody knows
                said = said.replace(str(uploaded), uploaded.name)
            said = html.escape(said).replace("\n", "<br>")
            raise gradio.Error(said, duration=None, print_exception=False) from error
        path = Path(tempfile.mkdtemp(dir=folder)) / f"{Path(visible).stem}_fused.png"
        Image.fromarray(fused.fused).save(path)
        remarks = "\n\n".join(map(html.escape, fused.remarks))
        button = gradio.DownloadButton(value=str(path), interactive=True)
        return fused, compare(fused, beside), remarks, [list(row) for row in fused.rows], button

    return run


def compare(last: Fused | None, beside: str) -> tuple[Any, Any] | None:
    """Return the two images between which the slider stands: visible or infrared, and fused."""
    if last is None:
        return None
    before = last.visible if beside == "visible" else np.repeat(last.infrared[..., None], 3, axis=2)
    return before, last.fused


def add_network(path: str, known: Choices) -> tuple[Choices, Any]:
    """Offer and choose a network's file that was uploaded."""
    added = [(Path(path).name, path), *(each for each in known if each[1] != path)]
    return added, gradio.Dropdown(choices=added, value=path)
