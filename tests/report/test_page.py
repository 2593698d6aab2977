from __future__ import annotations

import re
import subprocess
import sys
from html.parser import HTMLParser
from urllib.parse import unquote

import numpy as np
import pytest
from PIL import Image

from report.made_results import IOU, PAIRS, picture, write, write_gradients, write_history, write_pseudo_labels
from ssvif.ops.choose import choose_evenly
from ssvif.ops.errors import UserError
from ssvif.report.page import make_page
from ssvif.report.runs import RunLabel
from ssvif.report.tables import make_tables

RUNS = {"toy": [RunLabel("average"), RunLabel("ours", "Ours <b>")]}
VOID = {"meta", "img", "input", "br", "link", "hr"}


class Reader(HTMLParser):
    """Collects links, texts and ids, and fails on tags that do not close."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links, self.ids, self.images, self.classes, self.open, self.text = [], [], [], [], [], []
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attributes):
        found = dict(attributes)
        self.links += [found[name] for name in ("href", "src") if name in found]
        self.ids += [found["id"]] if "id" in found else []
        self.images += [found] if tag == "img" else []
        self.classes += (found.get("class") or "").split()
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


@pytest.fixture
def build(results, source, tmp_path):
    def run(output="page", **settings):
        make_tables(results, tmp_path / "tables", RUNS)
        page = make_page(results, tmp_path / "tables", tmp_path / output, RUNS, sources={"toy": source}, **settings)
        return Reader(page.read_text(encoding="utf-8")), page

    return run


def test_every_link_resolves_and_nothing_comes_from_outside(build, results):
    write_history(results / "toy/ours")
    write_gradients(results / "toy/ours")
    write_pseudo_labels(results / "toy/ours")
    reader, page = build()
    assert len(reader.links) > 20
    for link in reader.links:
        if link.startswith("#"):
            assert link[1:] in reader.ids
        else:
            assert (page.parent / unquote(link)).is_file(), link
    assert not re.search(r"https?://|//cdn|@import|url\(", page.read_text())
    linked = {unquote(link) for link in reader.links}
    present = {path.relative_to(page.parent).as_posix() for path in page.parent.rglob("*") if path.is_file()}
    assert present - {"index.html"} <= linked


def test_gradients_and_pseudo_labels_are_told(build, results):
    write_gradients(results / "toy/ours")
    write_pseudo_labels(results / "toy/ours")
    text = " ".join(" ".join(build()[0].text).split())
    assert "+0.3 (-0.197 to +0.797)" in text
    assert "2 classes occur in these validation pairs, the largest on 75% of the pixels" in text
    assert "visible brightness 20%, heat 62%, height in the image 0%, distance to the border 100%" in text


def test_ids_are_unique_and_pictures_are_described_and_lazy(build):
    reader, _ = build()
    assert len(reader.ids) == len(set(reader.ids))
    assert all("alt" in image for image in reader.images)
    described = [image for image in reader.images if image.get("class") not in ("overlay", "curves")]
    assert described
    assert all(image["alt"] and image["loading"] == "lazy" for image in described)


def test_tables_curves_and_settings_are_on_the_page(build, results):
    write_history(results / "toy/ours")
    reader, page = build(
        title="A title",
        assumed={"training.crop_px": "128"},
        facts={"seed": "7"},
        reproduce=["make demo"],
    )
    text = " ".join(reader.text)
    for words in ("A title", "Toy & Co", "Ours <b>", "MS-SSIM (L=1)", "training.crop_px", "assumed", "make demo"):
        assert words in text
    assert "<strong>7.250</strong>" in page.read_text()
    assert (page.parent / "figures/curves_toy.svg").is_file()
    assert "No detection scores" in text
    assert "warning" not in reader.classes


def test_each_pair_shows_sources_runs_classes_and_boxes(build):
    reader, page = build()
    assert reader.classes.count("pair") == len(PAIRS)
    assert reader.classes.count("column") == len(PAIRS) * 4
    assert reader.classes.count("overlay") == len(PAIRS) * 4
    text = page.read_text()
    assert "left:25.0%;top:25.0%;width:25.0%;height:50.0%" in text
    assert "person 0.88" in text
    assert reader.classes.count("box") == len(PAIRS) * 2 + 1, "labelled on both sources, one found box"
    assert "no predicted boxes" in text, "the average never went through the detector"
    with Image.open(page.parent / "pictures/toy/001/classes_ours.png") as overlay:
        assert overlay.mode == "P"
        pixels = np.asarray(overlay.convert("RGBA"))
        indices = np.asarray(overlay)
    assert (pixels[indices == 0, 3] == 0).all()
    assert (pixels[indices == 1] == (200, 0, 0, 255)).all()


def test_pictures_keep_their_pixels(build, results):
    _, page = build()
    shown = page.parent / "pictures/toy/001/run_ours.png"
    fused = results / "toy/ours/fused/test/001.png"
    assert (np.asarray(Image.open(shown)) == np.asarray(Image.open(fused))).all()


def test_large_pictures_become_jpeg(build, results):
    large = np.tile(np.arange(512, dtype=np.uint8) // 2, (384, 1))
    picture(results / "toy/ours/fused/test/001.png", large)
    _, page = build()
    with Image.open(page.parent / "pictures/toy/001/run_ours.jpg") as shown:
        assert np.abs(np.asarray(shown).astype(int) - large).max() < 8


def test_a_dataset_without_labels_says_so(build, results, source):
    for run in ("average", "ours"):
        write(results / f"toy/{run}/segmentation/iou.csv", IOU, [])
        for path in (results / f"toy/{run}/segmentation/predictions").iterdir():
            path.unlink()
    (results / "toy/ours/detection/boxes.csv").unlink()
    reader, _ = build()
    text = " ".join(reader.text)
    for sentence in ("No segmentation scores", "No detection scores", "No curves"):
        assert sentence in text
    assert not {"overlay", "box", "curves", "segmentation", "detection"} & set(reader.classes)


def test_a_missing_fused_image_is_told(build, results):
    (results / "toy/ours/fused/test/002.png").unlink()
    reader, _ = build()
    assert " ".join(reader.text).count("no fused image") == 1


def test_a_collapse_is_loud(build, results):
    write_history(results / "toy/ours", collapsed=True)
    reader, _ = build()
    assert "warning" in reader.classes
    assert "Ours <b>: the pseudo label collapsed into one class (2 epochs, 6 to 7)" in " ".join(reader.text)


def test_only_most_pairs_are_shown(build):
    reader, page = build(most_pairs=2)
    assert reader.classes.count("pair") == 2
    assert sorted(path.name for path in (page.parent / "pictures/toy").iterdir()) == ["001", "004 #4"]
    assert "2 of 4 test pairs" in " ".join(reader.text)


def test_equal_inputs_give_equal_bytes(build, results):
    write_history(results / "toy/ours")
    _, first = build("first")
    _, second = build("second")
    for path in (path for path in first.parent.rglob("*") if path.is_file()):
        assert path.read_bytes() == (second.parent / path.relative_to(first.parent)).read_bytes()


def test_the_page_replaces_an_older_one_but_no_other_folder(build, tmp_path):
    _, page = build()
    (page.parent / "pictures/old.png").write_text("old")
    build()
    assert not (page.parent / "pictures/old.png").exists()
    (tmp_path / "home").mkdir()
    (tmp_path / "home/thesis.tex").write_text("mine")
    with pytest.raises(UserError, match="holds other files than a former result"):
        build("home")
    assert (tmp_path / "home/thesis.tex").read_text() == "mine"


def test_a_failure_keeps_the_older_page(build, source):
    _, page = build()
    before = page.read_bytes()
    (source.root / "vi/001.png").write_bytes(b"cut")
    with pytest.raises(UserError, match=r"vi/001\.png cannot be read"):
        build()
    assert page.read_bytes() == before


def test_a_dataset_without_its_source_is_named(results, tmp_path):
    with pytest.raises(UserError, match="no source for toy"):
        make_page(results, tmp_path / "tables", tmp_path / "page", RUNS, sources={})


def test_bad_boxes_are_named(build, results):
    columns = ("pair_id", "class", "confidence", "x_min_px", "y_min_px", "x_max_px", "y_max_px")
    write(results / "toy/ours/detection/boxes.csv", columns, [("001", "person", "", 8, 6, 16, 18)])
    with pytest.raises(UserError, match=r"boxes\.csv holds a value that is not a number"):
        build()


@pytest.mark.parametrize(
    ("count", "most", "chosen"), [(3, 5, [0, 1, 2]), (9, 3, [0, 4, 8]), (5, 1, [0]), (0, 4, []), (5, 0, [])]
)
def test_pairs_are_chosen_evenly(count, most, chosen):
    assert choose_evenly(range(count), most) == chosen


def test_the_report_imports_neither_torch_nor_models():
    code = "import sys, ssvif.report.page; print(sorted({'torch', 'h5py', 'pandas', 'scipy'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
