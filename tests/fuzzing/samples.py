"""Small valid files of every kind that the project reads, written into a folder of their own."""

import json
import shutil
from fractions import Fraction
from pathlib import Path

import numpy as np
import tifffile
import torch
import yaml
from PIL import Image

from fusing.made import write_mean
from reference.released import released_state
from report import made_results
from ssvif.config.files import load_descriptor
from ssvif.data.descriptor import descriptor_to_json
from ssvif.data.pack import pack_pairs
from ssvif.data.split import split_dataset
from ssvif.fusing.outputs import video_writer
from ssvif.models.registry import build_fusion_model, save_fusion_model
from ssvif.training.options import TrainingOptions

ROOT = Path(__file__).parents[2]
HEIGHT, WIDTH = 24, 32
OPTIONS = TrainingOptions(
    framework="fusion_only", fusion_model="lite", epochs=2, stage_one_max_epochs=1, batch_size=1, crop_px=16, channels=1
)
DESCRIPTOR = """\
name: tiny
title: Tiny
folder: tiny
layouts:
  - {visible: "{split}/vi/{name}", infrared: "{split}/ir/{name}", label: "{split}/labels/{name}",
     boxes: "{split}/boxes/{name}.xml"}
official_splits: {train: train, test: test}
validation_fraction: 0.5
classes: [{id: 0, name: ground, color: [0, 0, 0]}, {id: 1, name: person, color: [226, 48, 60], values: [1, 200]}]
background_id: 0
detection_classes: [person, car]
detection_aliases: {person: ["person?", 7]}
detection_ignored: ["*"]
"""
VOC = """\
<?xml version="1.0" encoding="UTF-8"?>
<annotation><size><width>32</width><height>24</height><depth>3</depth></size>
<object><name>person</name><bndbox><xmin>4</xmin><ymin>5</ymin><xmax>12</xmax><ymax>20</ymax></bndbox></object>
<object><name>car</name><robndbox><cx>9</cx><cy>9</cy><w>4</w><h>6</h><angle>0.5</angle></robndbox></object>
<object><name>car</name><polygon><x1>1</x1><y1>2</y1><x2>9</x2><y2>2</y2><x3>5</x3><y3>9</y3></polygon></object></annotation>
"""
YOLO = "0 0.5 0.5 0.25 0.5\n1 0.2 0.2 0.1 0.1 0.9 7\nperson 0.1 0.1 0.4 0.1 0.2 0.6\n1 .5 .5 .2 .2 .45 .45 2 .5 .5 1\n"
KAIST = "% bbGt version=3\nperson 4 5 8 10 0 0 0 0 0 0 0\nperson? 1 1 4 4 0 0 0 0 0 0 0\n"


def pixels(seed: int, channels: int = 3) -> np.ndarray:
    """Return (24,32,channels) uint8, or (24,32) for one channel."""
    return np.random.default_rng(seed).integers(0, 256, (HEIGHT, WIDTH, channels)[: 2 + (channels > 1)], np.uint8)


def write_images(folder: Path) -> list[Path]:
    """Write an image of each format and depth."""
    color, gray = pixels(0), pixels(1, 1)
    deep, floats = gray.astype(np.uint16) * 256 + 3, gray.astype(np.float32) / 9 + 270
    Image.fromarray(color).save(folder / "color.png")
    Image.fromarray(deep).save(folder / "deep.png")
    Image.fromarray(gray).quantize(16).save(folder / "palette.png", transparency=0)
    Image.fromarray(pixels(2, 4)).save(folder / "alpha.png", compress_level=0)
    exif = Image.Exif()
    exif[0x0112] = 3
    Image.fromarray(color).save(folder / "color.jpg", exif=exif)
    Image.fromarray(gray).save(folder / "gray.bmp")
    Image.fromarray(gray).quantize(16).save(folder / "palette.bmp")
    Image.fromarray(color).save(folder / "color.tif")
    Image.fromarray(gray).save(folder / "pages.tif", save_all=True, append_images=[Image.fromarray(gray)] * 2)
    Image.fromarray(gray).save(folder / "packed.tif", compression="tiff_lzw")
    tifffile.imwrite(folder / "deep.tif", deep, extratags=[(42113, "s", 0, "3", True)])
    tifffile.imwrite(folder / "floats.tif", floats, compression="zlib", extratags=[(42113, "s", 0, "-9999", True)])
    tifffile.imwrite(folder / "planes.tif", np.stack([deep] * 3), photometric="rgb", planarconfig="separate")
    return sorted(folder.iterdir())


def write_videos(folder: Path) -> list[Path]:
    """Write a short video in three containers."""
    for suffix in (".mp4", ".mkv", ".avi"):
        with video_writer(folder / f"film{suffix}", Fraction(25)) as write:
            for seed in range(4):
                write(pixels(seed))
    return sorted(folder.iterdir())


def write_dataset(folder: Path) -> None:
    """Write a descriptor, the images, labels and boxes of five pairs, splits.csv and pairs.h5."""
    (folder / "tiny.yaml").write_text(DESCRIPTOR, encoding="utf-8")
    for split, count in (("train", 3), ("test", 2)):
        for kind in ("vi", "ir", "labels", "boxes"):
            (folder / "tiny" / split / kind).mkdir(parents=True, exist_ok=True)
        for seed in range(count):
            place, name = folder / "tiny" / split, f"{split}{seed}"
            Image.fromarray(pixels(seed)).save(place / f"vi/{name}.png")
            Image.fromarray(pixels(seed, 1)).save(place / f"ir/{name}.png")
            Image.fromarray(pixels(seed, 1) % 2).save(place / f"labels/{name}.png")
            (place / f"boxes/{name}.xml").write_text(VOC, encoding="utf-8")
    descriptor = load_descriptor(folder / "tiny.yaml")
    split_dataset(descriptor, folder / "tiny", folder / "splits.csv", seed=0)
    pack_pairs(descriptor, folder / "tiny", folder / "splits.csv", folder / "pairs.h5")
    lines = [f"tiny/train/vi/train{i}.png,tiny/train/ir/train{i}.png,a{i}\n" for i in range(3)]
    (folder / "pairs.csv").write_text("".join(["visible,infrared,name\n", *lines]), "utf-8")


def write_network(path: Path) -> None:
    """Write a small network with its initial weights."""
    torch.manual_seed(0)
    save_fusion_model(build_fusion_model("lite", 1), path, name="lite", facts={"training": {"epochs": 1}})


def write_released(path: Path) -> None:
    """Write a network's weights under the names of its authors, as torch.save does."""
    torch.save({"state_dict": released_state("sage", 1)}, path)


def write_onnx(path: Path) -> None:
    """Write an ONNX file as `ssvif export` does, of a network of two operations."""
    write_mean(path)


def write_results(folder: Path) -> None:
    """Write results of two runs on four pairs, their dataset, and tables of them."""
    results = made_results.make_results(folder / "results")
    source = made_results.make_source(folder / "data", results)
    for run in ("average", "ours"):
        made_results.write_probe(results / "toy" / run, [0.5, 0.25, 0.125, 0.75], [0.5, 1.0, 0.75, 0.25])
    ours = results / "toy/ours"
    for write in (made_results.write_history, made_results.write_gradients, made_results.write_pseudo_labels):
        write(ours)
    record = {"settings": {"epochs": 2, "crop_px": 16}, "wall_time_s": 3.5, "versions": {"python": "3.11"}}
    (ours / "record.json").write_text(json.dumps(record | {"device": "cpu"}), encoding="utf-8")
    (folder / "datasets").mkdir()
    descriptor = descriptor_to_json(source.descriptor)
    (folder / "datasets/toy.yaml").write_text(yaml.safe_dump(json.loads(descriptor)), encoding="utf-8")
    (results / "toy/data").mkdir()
    shutil.copy(source.splits, results / "toy/data/splits.csv")
    shutil.copytree(ROOT / "config/published", folder / "published")
