import json
import re
from html.parser import HTMLParser
from urllib.parse import unquote

import numpy as np
import pytest
from PIL import Image

from reference.files import digests_of
from report.made_results import (
    PAIRS,
    picture,
    write,
    write_gradients,
    write_history,
    write_iou,
    write_metrics,
    write_pseudo_labels,
)
from ssvif.io.errors import UserError
from ssvif.io.files import write_json
from ssvif.ops.sampling import choose_evenly
from ssvif.report.formats import write_sheet
from ssvif.report.page.site import find_figures, make_page
from ssvif.report.pictures import IGNORED_COLOR
from ssvif.report.runs import COLORS, RunLabel
from ssvif.report.sheet import Cell, Heading, Row, Sheet, Table
from ssvif.report.tables import make_tables
from ssvif.schema import BOX_COLUMNS, JUDGE_COLUMNS

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
def trained(results):
    """The folder of a run with everything that training leaves."""
    for write_file in (write_history, write_gradients, write_pseudo_labels):
        write_file(results / "toy/ours")
    return results / "toy/ours"


@pytest.fixture
def build(results, source, tmp_path):
    def run(output="page", runs=RUNS, tabled=None, **settings):
        make_tables(results, tmp_path / "tables", tabled or runs)
        page = make_page(results, tmp_path / "tables", tmp_path / output, runs, sources={"toy": source}, **settings)
        return Reader(page.read_text(encoding="utf-8")), page

    return run


def read(page, name):
    return Reader((page.parent / name).read_text(encoding="utf-8"))


def data_of(page, kind):
    """Return what a script of the page's data assigns."""
    text = (page.parent / f"data/{kind}_toy.js").read_text(encoding="utf-8")
    head, _, value = text.partition(' = {"')
    assert head.endswith(f'(SSVIF.{kind} ??= {{}})["toy"]')
    return json.loads('{"' + value.rstrip(";\n"))


def texts(reader):
    return " ".join(" ".join(reader.text).split())


PAGES = ("index.html", "gallery_toy.html", "runs/toy/average.html", "runs/toy/ours.html")


def test_links_resolve_ids_are_unique_pictures_described_and_nothing_comes_from_outside(build, trained):
    reader, page = build()
    assert len(reader.images) > 1
    linked = set()
    for name in PAGES:
        reader, path = read(page, name), page.parent / name
        assert len(reader.ids) == len(set(reader.ids))
        assert all(image["alt"] for image in reader.images)
        assert len(reader.links) > 8
        for link in reader.links:
            target, _, part = link.partition("#")
            if target.startswith("data:"):
                continue
            if target:
                file = (path.parent / unquote(target)).resolve()
                assert file.is_file(), link
                linked.add(file.relative_to(page.parent.resolve()).as_posix())
            elif part != "main":
                assert part in reader.ids, link
        assert not re.search(r"https?://|//cdn|@import|url\(", path.read_text())
    for path in (page.parent / "assets").iterdir():
        assert not re.search(r"fetch\(|import\(|XMLHttp|@import|url\(", path.read_text()), path.name
    present = {path.relative_to(page.parent).as_posix() for path in page.parent.rglob("*") if path.is_file()}
    assert {path for path in present - linked if not path.startswith(("pictures/", "thumbnails/"))} == set()


def test_every_picture_that_a_script_may_ask_for_is_there_and_no_other(build):
    _, page = build()
    shown = data_of(page, "pictures")
    wanted = set()
    for pair in shown["pairs"]:
        for place, source in enumerate(shown["sources"]):
            if place not in pair["absent"]:
                wanted.add(f"pictures/toy/{pair['id']}/{source['key']}{pair['suffix']}")
                wanted.add(f"thumbnails/toy/{pair['id']}/{source['key']}.jpg")
            if place in pair["segmented"]:
                wanted.add(f"pictures/toy/{pair['id']}/{source['key'].replace('run_', 'classes_')}.png")
        wanted |= {f"pictures/toy/{pair['id']}/truth.png"} if pair["truth"] else set()
    folders = [page.parent / "pictures", page.parent / "thumbnails"]
    paths = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
    assert {path.relative_to(page.parent).as_posix() for path in paths} == wanted


def test_gradients_and_pseudo_labels_are_told(build, trained):
    reader, page = build(tabled={"toy": [RunLabel("average"), RunLabel("ours")]})  # titles may change after the tables
    run = texts(read(page, "runs/toy/ours.html"))
    for text in (texts(reader), run):
        assert "+0.3 (−0.197 to +0.797)" in text
    assert "2 classes occur in these validation pairs, the largest on 75% of the pixels" in run
    assert "visible luma 20%, infrared intensity 62%, height in the image 0%, distance to the border 100%" in run
    assert "The pseudo label at the end: healthy" in run
    assert "The branches agree on 75% of the pixels" in run
    average = texts(read(page, "runs/toy/average.html"))
    assert "classes occur" not in average
    assert "at the end" not in average


def test_without_a_training_nothing_is_said_about_one(build):
    text = texts(build(assumed={"training.crop_px": "128"})[0])
    for words in ("crop_px", "pseudo label", "Settings", "α"):
        assert words not in text


def test_tables_curves_and_settings_are_on_the_page(build, results):
    write_history(results / "toy/ours")
    reader, page = build(
        title="A title",
        assumed={"training.crop_px": "128"},
        reproduce=["make demo"],
    )
    text = " ".join(reader.text)
    for words in ("A title", "Toy & Co", "Ours <b>", "MS-SSIM (L=1)", "training.crop_px", "assumed", "make demo"):
        assert words in text
    assert '<span class="measured best">7.250</span>' in page.read_text()
    assert (page.parent / "curves/toy/all_1.svg").is_file()
    assert (page.parent / "curves/toy/run_ours.svg").is_file()
    assert not (page.parent / "curves/toy/run_average.svg").exists()
    assert "No detection scores" in text
    assert "warning" not in reader.classes


def test_a_run_tells_its_settings_environment_and_what_is_assumed(build, results):
    record = {
        "settings": {"crop_px": 64, "segmenter": "b0", "weights": ""},
        "versions": {"torch": "2.15.0", "numpy": "2.4"},
        "peak_memory_mb": 976,
        "wall_time_s": 179.3,
        "collapsed": False,
    }
    write_json(results / "toy/ours/record.json", record)
    write_json(results / "toy/ours/segmentation/record.json", {"settings": {"crop_px": 3}})
    _, page = build(assumed={"crop_px": "128 (the printed number is lost)"})
    text = texts(read(page, "runs/toy/ours.html"))
    assert "crop_px assumed 64 128 (the printed number is lost)" in text
    assert "crop_px 3" in text, "a setting of another stage that only shares the name is not assumed"
    for words in (
        "numpy 2.4 · torch 2.15.0",
        "peak memory 976 MB",
        "wall time 2 min 59 s",
        "collapsed no",
        "weights –",
    ):
        assert words in text
    assert "EN ↑ 7.250 7.250 (Ours <b>)" in text
    assert "This run has no record" in texts(read(page, "runs/toy/average.html"))


def test_a_run_that_starts_from_a_network_of_the_package_says_so(build, results):
    for start, says in (("fast", True), ("scaled", False)):
        write_json(results / "toy/ours/record.json", {"settings": {"initialization": start}})
        reader, page = build()
        assert ("starts from the package's network fast" in texts(read(page, "runs/toy/ours.html"))) == says
        assert ("starts from the package's fast" in texts(reader)) == says


def test_runs_that_share_the_best_value_are_told_apart(build, results):
    runs = {"toy": [RunLabel("average", "Net, plain"), RunLabel("ours", "Net, ours"), RunLabel("third")]}
    for name, value in (("average", 7), ("ours", 7), ("third", 6)):
        write_metrics(results, name, {"vif": [value, value]})
        write_iou(results, name, 0.5)
    reader, page = build(runs=runs)
    assert "best VIF 7.000 Net, plain; Net, ours" in texts(reader)
    assert "7.000 (Net, plain; Net, ours)" in texts(read(page, "runs/toy/third.html"))


@pytest.mark.parametrize(
    ("file", "text", "says"),
    [
        ("record.json", "[1, 2", r"ours/record\.json cannot be read as a record"),
        (
            "detection/boxes.csv",
            f"{','.join(BOX_COLUMNS)}\n001,person,,8,6,16,18\n",
            r"boxes\.csv holds a value that is not",
        ),
        (
            "detection/boxes.csv",
            f"{','.join(BOX_COLUMNS)}\n001,person,0.5,inf,6,16,18\n",
            r"boxes\.csv holds a value that is not",
        ),
        ("history.csv", "epoch,stage,collapsed\nnan,joint,1\n", r"history\.csv holds a value that is not"),
    ],
)
def test_a_damaged_file_of_a_run_is_named(build, results, file, text, says):
    (results / "toy/ours" / file).write_text(text, encoding="utf-8")
    with pytest.raises(UserError, match=says):
        build()


def test_the_papers_tables_and_figures_come_along(build, tmp_path):
    cell = Cell(1.5, 1.4, 1.6, published="1.40", decimals=2, rank=1, published_rank=1)
    table = Table("1_toy", "Toy", "", "toy", (Heading("vif"),), (Row("A <1>", (cell,), ("ours",)),))
    write_sheet(tmp_path / "tables", Sheet("table_1", "I", "Quality", "A caption.", (table,), ("A note.",)))
    picture(tmp_path / "figures/fusion_toy.png", np.zeros((20, 2000, 3)))
    picture(tmp_path / "figures/fusion_toyland.png", np.zeros((20, 30, 3)))
    reader, page = build(figures=tmp_path / "figures")
    assert "Table I. Quality" in texts(reader)
    assert "A <1> 1.50 ±0.10 1.40 (+0.10)" in texts(reader)
    assert (page.parent / "tables/table_1.tex").is_file()
    with Image.open(page.parent / "figures/fusion_toy.jpg") as preview:
        assert preview.size == (1600, 16)
    assert not (page.parent / "figures/fusion_toyland.png").exists(), "of another dataset"


@pytest.mark.parametrize("value", [1.5, None])
def test_a_table_of_the_paper_is_shown_open_where_a_run_has_numbers(build, tmp_path, value):
    rows = (Row("Ours", (Cell(value),), ("ours",)), Row("Theirs", (Cell(published="1.40"),)))
    table = Table("5_toy", "Toy", "", "toy", (Heading("map50"),), rows)
    write_sheet(tmp_path / "tables", Sheet("table_5", "V", "Detection", "A caption.", (table,), ()))
    text = build()[1].read_text(encoding="utf-8")
    assert ('class="sheet" open' in text) == (value is not None)


def test_a_figure_stands_under_its_own_dataset_alone(tmp_path):
    own = {
        "cam": ["fusion_cam", "curves_cam", "curves2_cam"],
        "cam_2": ["fusion_cam_2", "curves_cam_2", "curves10_cam_2"],
    }
    for name in (*own["cam_2"], *own["cam"], "fusion_cam_b"):
        picture(tmp_path / f"{name}.png", np.zeros((20, 30, 3)))
    found = [(dataset, path.stem) for _, dataset, path in find_figures(tmp_path, own)]
    assert found == [(dataset, name) for dataset, names in own.items() for name in names]


def test_each_pair_has_sources_runs_classes_and_boxes(build):
    _, page = build()
    shown = data_of(page, "pictures")
    assert [pair["id"] for pair in shown["pairs"]] == list(PAIRS)
    assert [source["title"] for source in shown["sources"]] == ["Visible", "Infrared", "average", "Ours <b>"]
    for pair in shown["pairs"]:
        assert pair["segmented"] == [2, 3]
        assert pair["truth"] is True
        assert pair["trueBoxes"] == [[0, None, 37.5, 25.0, 25.0, 50.0]]
    assert [pair["boxes"] for pair in shown["pairs"]] == [{"3": [[0, 0.88, 25.0, 25.0, 25.0, 50.0]]}, *[{"3": []}] * 3]
    with Image.open(page.parent / "pictures/toy/001/classes_ours.png") as overlay:
        assert overlay.mode == "P"
        pixels = np.asarray(overlay.convert("RGBA"))
        indices = np.asarray(overlay)
    assert (pixels[indices == 0, 3] == 0).all()
    assert (pixels[indices == 1] == (200, 0, 0, 255)).all()


def test_what_is_not_judged_is_in_the_legend_where_a_map_holds_it(build, source):
    _, page = build()
    assert [each["name"] for each in data_of(page, "pictures")["classes"]] == ["person", "bike"]
    picture(source.root / "label/001.png", np.array([[0, 1, 255, 255]] * 2))
    _, page = build()
    shown = data_of(page, "pictures")["classes"]
    assert shown[-1] == {"name": "not judged", "color": "#00ff00"}
    with Image.open(page.parent / "pictures/toy/001/truth.png") as overlay:
        pixels = np.asarray(overlay.convert("RGBA"))[0].tolist()
    assert pixels[0][3] == 0
    assert pixels[1:] == [[200, 0, 0, 255], [*IGNORED_COLOR, 255], [*IGNORED_COLOR, 255]], "as in the figures"


def test_each_image_has_its_scores_and_a_run_one_color_everywhere(build, trained):
    _, page = build()
    scores = data_of(page, "scores")
    assert scores["runs"][1] == {"name": "ours", "title": "Ours <b>", "color": COLORS[1]}
    for name in ("all_1", "run_ours"):
        curves = (page.parent / f"curves/toy/{name}.svg").read_text(encoding="utf-8")
        assert f"stroke: {COLORS[1]}" in curves
        assert f"stroke: {COLORS[0]}" not in curves, "of the first run, which was not trained"
    assert scores["pairs"] == list(PAIRS)
    assert [metric["name"] for metric in scores["metrics"]] == ["en", "delta_e76"], "one without a value has no diagram"
    assert scores["values"]["en"] == [[6.0, 7.0, None, None], [7.0, 7.5, None, None]]


def test_a_box_of_a_class_that_the_dataset_does_not_know_keeps_its_name(build, results):
    write(results / "toy/ours/detection/boxes.csv", BOX_COLUMNS, [("002", "kite", 0.5, 0, 0, 16, 12)])
    _, page = build()
    assert data_of(page, "pictures")["pairs"][1]["boxes"] == {"3": [["kite", 0.5, 0.0, 0.0, 50.0, 50.0]]}


def test_small_pictures_keep_their_pixels_and_large_ones_become_jpeg_with_small_thumbnails(build, results, source):
    large = np.tile(np.arange(512, dtype=np.uint8) // 2, (384, 1))
    picture(source.root / "vi/001.png", large)
    picture(results / "toy/ours/fused/test/001.png", large)
    _, page = build()
    small = [page.parent / "pictures/toy/002/run_ours.png", results / "toy/ours/fused/test/002.png"]
    np.testing.assert_array_equal(*(np.asarray(Image.open(path)) for path in small))
    with Image.open(page.parent / "pictures/toy/001/run_ours.jpg") as shown:
        assert np.abs(np.asarray(shown).astype(int) - large).max() < 8
    with Image.open(page.parent / "thumbnails/toy/001/run_ours.jpg") as thumbnail:
        assert thumbnail.size == (208, 156)


def test_a_dataset_without_labels_says_so(build, results, source):
    for run in ("average", "ours"):
        write(results / f"toy/{run}/segmentation/iou.csv", JUDGE_COLUMNS, [])
        for path in (results / f"toy/{run}/segmentation/predictions").iterdir():
            path.unlink()
    (results / "toy/ours/detection/boxes.csv").unlink()
    reader, page = build()
    text = " ".join(reader.text)
    off = "is switched off, or no run was judged."
    for sentence in (
        "left out, no scores in its file",
        f"No detection scores: detection {off}",
        "No probe",
        "No curves",
    ):
        assert sentence in text
    assert "through every run, with what a segmenter finds in the fused image." in text
    assert "curves" not in reader.classes
    shown = data_of(page, "pictures")
    assert shown["classes"] == shown["boxes"] == []
    assert not any(pair["truth"] or pair["segmented"] or "trueBoxes" in pair for pair in shown["pairs"])


def test_what_is_missing_does_not_follow_from_a_datasets_name(results, source, tmp_path):
    name = "segmentation_toy"
    for run in ("average", "ours"):
        (results / "toy" / run / "segmentation/iou.csv").unlink()
    (results / "toy").rename(results / name)
    runs = {name: RUNS["toy"]}
    make_tables(results, tmp_path / "tables", runs)
    page = make_page(results, tmp_path / "tables", tmp_path / "page", runs, sources={name: source})
    text = texts(read(page, "index.html"))
    assert "No segmentation scores: segmentation is switched off" in text
    assert "each test pair through every run. Tables" in text


def test_a_collapse_is_loud(build, results):
    write_history(results / "toy/ours", collapsed=True)
    reader, page = build()
    sentence = "Ours <b>: the pseudo label collapsed into one class (2 epochs, 6 to 7)"
    for found in (reader, read(page, "runs/toy/ours.html")):
        assert "warning" in found.classes
        assert sentence in " ".join(found.text)
    assert "warning" not in read(page, "runs/toy/average.html").classes


def test_only_most_pairs_are_shown_and_a_missing_image_is_told(build, results):
    (results / "toy/ours/fused/test/001.png").unlink()
    reader, page = build(most_pairs=2)
    assert [pair["absent"] for pair in data_of(page, "pictures")["pairs"]] == [[3], []]
    assert data_of(page, "scores")["unpictured"] == [["002", "003"], ["001", "002", "003"]]
    assert sorted(path.name for path in (page.parent / "pictures/toy").iterdir()) == ["001", "004 #4"]
    assert "2 of 4 test pairs" in texts(reader)
    assert "all 4 test pairs" in texts(build()[0])


@pytest.mark.usefixtures("trained")
def test_equal_inputs_give_equal_bytes(build):
    first, second = (digests_of(build(name)[1].parent) for name in ("first", "second"))
    assert first == second
    assert len(first) > 40


def test_the_page_replaces_an_older_one_but_no_other_folder_and_a_failure_keeps_it(build, source, tmp_path):
    _, page = build()
    (page.parent / "pictures/old.png").write_text("old")
    build()
    assert not (page.parent / "pictures/old.png").exists()
    (tmp_path / "home").mkdir()
    (tmp_path / "home/thesis.tex").write_text("mine")
    with pytest.raises(UserError, match="holds other files than a former result"):
        build("home")
    assert (tmp_path / "home/thesis.tex").read_text() == "mine"
    before = page.read_bytes()
    (source.root / "vi/001.png").write_bytes(b"cut")
    with pytest.raises(UserError, match=r"vi/001\.png cannot be read"):
        build()
    assert page.read_bytes() == before


@pytest.mark.parametrize(
    ("count", "most", "chosen"), [(3, 5, [0, 1, 2]), (9, 3, [0, 4, 8]), (5, 1, [0]), (0, 4, []), (5, 0, [])]
)
def test_pairs_are_chosen_evenly(count, most, chosen):
    assert choose_evenly(range(count), most) == chosen


@pytest.mark.parametrize(("found", "shown"), [(0.009, False), (0.2, True)])
def test_a_judge_that_saw_nothing_names_no_best_run(build, results, found, shown):
    for run, score in (("average", 0.1), ("ours", 0.11)):
        rows = [("toy", run, metric, "", value, "scratch") for metric, value in
                (("miou", score), ("miou_without_background", found))]  # fmt: skip
        write(results / f"toy/{run}/segmentation/iou.csv", JUDGE_COLUMNS, rows)
    assert ("best mIoU" in texts(build()[0])) is shown
