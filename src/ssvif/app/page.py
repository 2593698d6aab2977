"""The app's page: choose a pair and a network, fuse, and compare with a slider."""

from __future__ import annotations

import html
import secrets
import tempfile
from collections.abc import Callable
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import gradio
import numpy as np
from PIL import Image

from ssvif.app.work import Fused, fuse_files, preview
from ssvif.fusing.api import load_model
from ssvif.fusing.fuser import Fuser
from ssvif.io.errors import UserError
from ssvif.io.images import TIFF_SUFFIXES
from ssvif.pairs.alignment import read_alignment
from ssvif.pairs.pair import Rules
from ssvif.pairs.ranges import parse_rule
from ssvif.schema import BASELINES, PACKAGED_MODELS, RANGES, RESIZES, SIDES

HEADERS = ["metric", "value"]
NETWORK_SUFFIXES = [".safetensors", ".onnx"]
RANGE_CHOICES = [each for each in RANGES if each != "sequence"]
USUAL = {"visible": "full", "infrared": "auto"}  # `Rules`' own
COLOR_CHOICES = [("the network's", ""), ("visible's", "ycbcr")]
RESIZE_CHOICES = [("none" if each == "error" else each, each) for each in RESIZES]
LOADED = 4  # networks held in memory
Choices = list[tuple[str, str]]
Originals = dict[str, str]  # name of a preview → path of what was dropped


def choices_of(model: Path | None) -> Choices:
    """Return the networks and baselines as (label, path or name), `model` first; the first is the default."""
    own: Choices = [(model.name, str(model))] if model else []
    packaged = [(f"SSVIF's network {name}", name) for name in PACKAGED_MODELS if name != str(model)]
    return [*own, *packaged, *((name, name) for name in BASELINES)]


def build_page(model: Path | None, device: str, folder: Path, own: str = "") -> gradio.Blocks:
    """Return the page.

    `model` is a network to offer first, and `own` its class if that is the user's own; `folder` is for previews and
    images to be downloaded.
    """
    choices = choices_of(model)

    def load(path: str) -> Fuser:
        return _load(path, device=device, network=own if path == str(model) else "")

    page = gradio.Blocks(title="SSVIF", analytics_enabled=False, fill_width=True)
    with page:
        gradio.Markdown("# SSVIF\nFuse a visible and an infrared image. Nothing leaves this computer.")
        known, last, originals = gradio.State(choices), gradio.State(None), gradio.State({})
        with gradio.Row():
            with gradio.Column(scale=1, min_width=300):
                visible, infrared = (_input(side, originals, folder) for side in SIDES)
                network = gradio.Dropdown(choices, value=choices[0][1], label="Fuse with", elem_id="network")
                start = gradio.Button("Fuse", variant="primary", elem_id="start")
                more = gradio.UploadButton("Add a network's file", file_types=NETWORK_SUFFIXES, elem_id="more")
                options = _options()
            with gradio.Column(scale=3, min_width=480):
                remarks = gradio.Markdown(elem_id="remarks")
                slider = gradio.ImageSlider(
                    label="Before and after", format="png", interactive=False, max_height=720, elem_id="slider"
                )
                beside = gradio.Radio(list(SIDES), value="visible", label="Compare with", elem_id="beside")
            with gradio.Column(scale=1, min_width=320):
                rows = gradio.Dataframe(
                    headers=HEADERS, label="↑ higher is better, ↓ lower", interactive=False, elem_id="metrics"
                )
                saved = gradio.DownloadButton("Download the fused image", interactive=False, elem_id="saved")
        given = [visible, infrared, originals, network, beside, *options]
        start.click(partial(_fuse, load, folder), given, [last, slider, remarks, rows, saved])
        beside.change(compare, [last, beside], slider)
        more.upload(add_network, [more, known], [known, network])
    return page


def _input(side: str, originals: gradio.State, folder: Path) -> gradio.Image:
    """Return an image input that passes on the original file, at its full bit depth."""
    image = gradio.Image(
        label=side.capitalize(),
        type="filepath",
        image_mode=None,
        sources=["upload", "clipboard"],
        height=220,
        elem_id=side,
    )
    image.upload(partial(_show, folder), [image, originals], [image, originals])
    return image


def _options() -> list[gradio.components.Component]:
    """Return the inputs of `_rules`, then the color, in a closed accordion."""
    with gradio.Accordion("Options of the command ssvif fuse", open=False, elem_id="options"):
        ranges = [
            gradio.Dropdown(
                RANGE_CHOICES,
                value=value,
                allow_custom_value=True,
                label=f"{side.capitalize()}: what becomes black and white",
                info="or LOW:HIGH in the file's units, for instance 280:320",
                elem_id=f"{side}-range",
            )
            for side, value in USUAL.items()
        ]
        color = gradio.Radio(COLOR_CHOICES, value="", label="Colors", elem_id="color")
        resize = gradio.Radio(RESIZE_CHOICES, value="infrared", label="Which image to resize", elem_id="resize")
        alignment = gradio.File(label="Alignment: a file of ssvif align", height=150, elem_id="alignment")
    return [*ranges, resize, alignment, color]


def _rules(visible_range: str, infrared_range: str, resize: str, alignment: str | None) -> Rules:
    return Rules(
        visible_range=parse_rule("Visible: what becomes black and white:", visible_range.strip()),
        infrared_range=parse_rule("Infrared: what becomes black and white:", infrared_range.strip()),
        resize=resize,
        alignment=read_alignment(Path(alignment)) if alignment else None,
    )


def _show(folder: Path, path: str | None, originals: Originals) -> tuple[Any, Originals]:
    """Return a preview of a TIFF, which browsers cannot show, and record which file it belongs to."""
    uploaded = Path(path or "")
    shown = preview(uploaded) if uploaded.suffix.lower() in TIFF_SUFFIXES else None
    if shown is None:
        return gradio.skip(), originals
    picture = folder / f"{uploaded.stem}.{secrets.token_hex(4)}.png"
    Image.fromarray(shown).save(picture)
    return str(picture), originals | {picture.name: str(uploaded)}


_load = lru_cache(LOADED)(load_model)


def _fuse(
    load: Callable[[str], Fuser],
    folder: Path,
    visible: str | None,
    infrared: str | None,
    originals: Originals,
    network: str,
    beside: str,
    *options: Any,
) -> tuple[Any, ...]:
    """Return the outputs for a fused pair, or the reason why there is none."""
    *rules, color = options
    if not (visible and infrared):
        return _not_fused("Drop a visible and an infrared image first.")
    left, right = (Path(originals.get(Path(each).name, each)) for each in (visible, infrared))
    try:
        fused = fuse_files(left, right, load(network), _rules(*rules), color)
    except UserError as error:  # the files are copies in a temporary folder
        return _not_fused(str(error).replace(str(left), left.name).replace(str(right), right.name))
    path = Path(tempfile.mkdtemp(dir=folder)) / f"{left.stem}_fused.png"
    Image.fromarray(fused.fused).save(path)
    remarks = "\n\n".join(map(html.escape, fused.remarks))
    button = gradio.DownloadButton(value=str(path), interactive=True)
    return fused, compare(fused, beside), remarks, [list(row) for row in fused.rows], button


def _not_fused(reason: str) -> tuple[Any, ...]:
    """Return empty outputs and the reason; an old image would seem to belong to the new pair."""
    text = html.escape(reason).replace("\n", "<br>")
    return None, None, f"**Not fused.** {text}", [], gradio.DownloadButton(value=None, interactive=False)


def compare(last: Fused | None, beside: str) -> tuple[Any, Any] | None:
    """Return the two images (H,W,3) of the slider: visible or infrared, and fused."""
    if last is None:
        return None
    before = last.visible if beside == "visible" else np.repeat(last.infrared[..., None], 3, axis=2)
    return before, last.fused


def add_network(path: str, known: Choices) -> tuple[Choices, Any]:
    """Add an uploaded network to the choices and select it."""
    added = [(Path(path).name, path), *(each for each in known if each[1] != path)]
    return added, gradio.Dropdown(choices=added, value=path)
