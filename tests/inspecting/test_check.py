import shutil
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from ssvif.data.descriptor import ClassInfo, Descriptor, Layout
from ssvif.data.find import find_dataset
from ssvif.data.pack import pack_pairs
from ssvif.data.packed import PairsFile
from ssvif.data.split import read_splits
from ssvif.inspecting.check import check_pairs, near_duplicates, write_good_pairs
from ssvif.inspecting.findings import ERRORS, WARNINGS, write_findings
from ssvif.inspecting.folders import recognise_folder
from ssvif.inspecting.pair import thumbnail_of
from ssvif.io.errors import UserError
from ssvif.io.files import read_csv, read_image, write_png
from ssvif.pairs.alignment import Alignment
from ssvif.pairs.pair import Rules
from ssvif.pairs.ranges import Range

LABELLED = Descriptor(
    name="mine",
    title="Mine",
    folder="pairs",
    layouts=(Layout("vi/{name}", "ir/{name}", "labels/{name}", "boxes/{name}.txt"),),
    classes=(ClassInfo(0, "ground", (0, 0, 0)), ClassInfo(1, "person", (226, 48, 60))),
    background_id=0,
    detection_classes=("person",),
)


def check(folder, **how):
    return check_pairs(find_dataset(*recognise_folder(folder)), **how)


def found(report):
    return {(each.kind, each.side, each.pair_id) for each in report.findings}


def test_good_pairs_are_good(folder):
    report = check(folder)
    assert report.findings == []
    assert not report.failed
    assert [each.pair_id for each in report.good()["all"]] == list("012345")
    assert "6 pairs" in report.lines()[0]
    assert "128×96 px" in report.lines()[1]
    assert "0 errors, 0 warnings, 6 good pairs" in report.lines()[-1]


def deepen(path):
    Image.fromarray(read_image(path).astype(np.uint16) * 200).save(path)


def cut_off(path):
    path.write_bytes(path.read_bytes()[:-200])


def save(path, change):
    write_png(path, np.ascontiguousarray(change(read_image(path)).astype(np.uint8)))


def heat_colors(image):
    heat = image.astype(float) / 255
    return np.stack([heat.clip(0.2, 1), abs(2 * heat - 1), 1 - heat], axis=2) * 38 + image[..., None] * 0.85


def turn_by_exif(path):
    exif = Image.Exif()
    exif[274] = 3
    Image.open(path).rotate(180).save(path, exif=exif)


def copy_almost(path):
    write_png(path, read_image(path.with_name("1.png")) // 2 * 2)


NOISE = np.random.default_rng(3).integers(0, 256, (96, 128), np.uint8)
SPOILED = {
    "unmatched": ("ir/2.png", lambda path: path.unlink(), "infrared"),
    "unreadable": ("vi/2.png", cut_off, "visible"),
    "size": ("ir/2.png", lambda path: save(path, lambda image: image[:60]), "pair"),
    "other size": ("ir/2.png", lambda path: save(path, lambda image: image[::2, ::2]), "pair"),
    "constant": ("ir/2.png", lambda path: save(path, lambda image: image * 0 + 7), "infrared"),
    "duplicate": ("vi/2.png", lambda path: shutil.copy(path.with_name("1.png"), path), "visible"),
    "same name": ("vi/2.png", lambda path: shutil.copy(path, path.with_suffix(".bmp")), "visible"),
    "16 bits": ("ir/2.png", deepen, "infrared"),
    "rotated": ("vi/2.png", turn_by_exif, "visible"),
    "dark": ("vi/2.png", lambda path: save(path, lambda image: image // 30), "visible"),
    "saturated": ("vi/2.png", lambda path: save(path, lambda image: np.where(image > 70, 255, image)), "visible"),
    "flat": ("ir/2.png", lambda path: save(path, lambda image: 90 + image // 80), "infrared"),
    "color map": ("ir/2.png", lambda path: save(path, heat_colors), "infrared"),
    "near duplicate": ("vi/2.png", copy_almost, "visible"),
    "unlike": ("ir/2.png", lambda path: write_png(path, NOISE), "pair"),
}


def test_pairs_that_are_almost_the_same_are_listed_in_one_split(folder, tmp_path):
    copy_almost(folder / "vi/2.png")
    report = check(folder)
    assert report.alike == {"2": "1"}
    for seed in range(6):
        write_good_pairs(tmp_path / "good.csv", report, seed)
        split_of = {pair.pair_id: split for split, pair in read_splits(tmp_path / "good.csv")}
        assert split_of["1"] == split_of["2"]
        assert len(split_of) == 6


@pytest.mark.parametrize("kind", SPOILED)
def test_what_is_wrong_is_told_of_that_pair_alone(folder, kind):
    where, spoil, side = SPOILED[kind]
    spoil(folder / where)
    report = check(folder)
    assert (kind, side, "2") in found(report)
    assert {name for _, _, name in found(report)} == {"2"}
    assert report.failed == (kind in ERRORS)
    kept = [each.pair_id for each in report.good()["all"]]
    assert kept == [name for name in "012345" if name != "2" or kind in WARNINGS]
    (line,) = [line for line in report.lines() if f"  {kind}" in line]
    assert line.startswith("error" if kind in ERRORS else "warning")


def test_what_pack_refuses_is_an_error_when_packing_is_meant(folder):
    deepen(folder / "ir/2.png")
    save(folder / "ir/3.png", lambda image: image[::2, ::2])
    report = check(folder, for_pack=True)
    assert {("depth", "infrared", "2"), ("size", "pair", "3")} <= found(report)
    assert next(each.detail for each in report.findings if each.kind == "size").endswith("; pass --resize infrared")


def test_what_fuse_refuses_is_an_error(folder):
    for number, values in ((1, 1.0), (2, 255.0)):
        floats = np.asarray(Image.open(folder / f"vi/{number}.png")).astype(np.float32) / np.float32(255 / values)
        (folder / f"vi/{number}.png").unlink()
        tifffile.imwrite(folder / f"vi/{number}.tif", floats, photometric="rgb")
    deepen(folder / "ir/3.png")
    shutil.copy(folder / "vi/4.png", folder / "ir/4.png")
    report = check(folder, rules=Rules(infrared_range="sequence"))
    errors = {(each.kind, each.side, each.pair_id) for each in report.findings if each.level == "error"}
    assert errors == {("range", "visible", "2"), ("depths", "infrared", ""), ("copied", "pair", "4")}
    assert "depths" in {each[0] for each in found(check(folder, rules=Rules(infrared_range=Range(0, 40000))))}
    assert "depths" not in {each[0] for each in found(check(folder))}


def test_the_few_of_another_kind_are_told(folder, small_scenes):
    for number in range(6, 20):
        random = np.random.default_rng(number)
        write_png(folder / "vi" / f"{number}.png", random.integers(0, 256, (96, 128, 3), np.uint8))
        write_png(folder / "ir" / f"{number}.png", random.integers(0, 256, (96, 128), np.uint8))
    save(folder / "vi/2.png", lambda image: image[..., 0])
    report = check(folder, quick=True)
    assert [each for each in found(report) if each[0] == "mixed"] == [("mixed", "visible", "2")]


@pytest.mark.parametrize("deep", [2, 3])
def test_any_mixture_of_depths_is_told(folder, deep):
    for number in range(deep):
        deepen(folder / f"ir/{number}.png")
    told = [each[2] for each in found(check(folder)) if each[0] == "mixed"]
    assert len(told) == min(deep, 6 - deep)
    assert set(told) <= set("012345"[:deep]) or set(told) <= set("012345"[deep:])


def test_missing_pixels_are_told_and_do_not_disturb_the_shift(folder):
    """An infrared image of degrees whose fill value would be the strongest edge, in the file's tag or as a heap."""
    wanted = {each.pair.pair_id: each.shift for each in check(folder).pairs}
    for number, tag in ((0, "-9999"), (1, "")):
        celsius = np.asarray(Image.open(folder / f"ir/{number}.png")).astype(np.float32) / 8
        celsius[:, :9] = -9999
        (folder / f"ir/{number}.png").unlink()
        extra = [(42113, "s", 0, tag, True)] if tag else []
        tifffile.imwrite(folder / f"ir/{number}.tif", celsius, extratags=extra)
    empty = np.full((96, 128), np.nan, np.float32)
    (folder / "ir/2.png").unlink()
    tifffile.imwrite(folder / "ir/2.tif", empty)
    report = check(folder)
    assert {("missing", "infrared", "0"), ("missing", "infrared", "1"), ("empty", "infrared", "2")} <= found(report)
    assert {each.detail for each in report.findings if each.kind == "missing"} == {
        "7.0% of the pixels",
        "holds -9999 in 7.0% of the pixels, far from the others: these pixels count as missing and become black",
    }
    for each in report.pairs[:2]:
        assert abs(each.shift.x_px - wanted[each.pair.pair_id].x_px) < 2


def test_a_range_beside_the_values_is_told_as_when_fusing(folder):
    report = check(folder, rules=Rules(infrared_range=Range(280, 320)))
    assert [each[0] for each in found(report)] == ["black"] * 6
    assert "--infrared-range full" in report.findings[0].detail


def test_thermal_data_inside_jpegs_is_told(folder):
    for number in (1, 4):
        image = Image.open(folder / f"ir/{number}.png")
        (folder / f"ir/{number}.png").unlink()
        image.save(folder / f"ir/{number}.jpg")
        jpeg = (folder / f"ir/{number}.jpg").read_bytes()
        segment = b"FLIR\0\1\0\0" + bytes(1000) if number == 1 else b"dual spectrum"
        marked = jpeg[:2] + b"\xff\xe1" + (len(segment) + 2).to_bytes(2, "big") + segment + jpeg[2:]
        (folder / f"ir/{number}.jpg").write_bytes(marked)
    assert {each for each in found(check(folder)) if each[0] == "radiometric"} == {("radiometric", "infrared", "1")}


def test_swapped_sides_are_told(folder):
    for before, after in (("vi", "aside"), ("ir", "vi"), ("aside", "ir")):
        (folder / before).rename(folder / after)
    assert {name for kind, _, name in found(check(folder)) if kind == "swapped"} == set("012345")


def test_files_that_are_passed_over_are_told(folder):
    for name in ("a.webp", "b.webp", "notes.txt", ".hidden.raw"):
        (folder / "vi" / name).touch()
    (finding,) = check(folder).findings
    assert (finding.kind, finding.detail) == ("other files", "2 .webp")


def move(folder, right, down):
    """Move the content of the infrared images."""
    for path in (folder / "ir").iterdir():
        image = np.pad(read_image(path), 12, mode="edge")
        write_png(path, np.ascontiguousarray(image[12 - down : 12 - down + 96, 12 - right : 12 - right + 128]))


@pytest.mark.parametrize(("right", "down", "says"), [(5, -3, "right"), (-6, 4, "left")])
def test_a_shift_of_all_pairs_is_told_and_one_pair_with_another(folder, right, down, says):
    other = read_image(folder / "ir/4.png")
    move(folder, right, down)
    write_png(folder / "ir/4.png", other)
    report = check(folder)
    assert report.together is not None
    assert (report.together.x_px, report.together.y_px) == pytest.approx((right, down), abs=0.7)
    assert report.together.confidence == "high"
    assert found(report) == {("shift", "pair", ""), ("other shift", "pair", "4")}
    assert not report.failed
    assert says in report.lines()[-2]


def test_a_narrower_field_of_view_is_no_shift(folder):
    for path in (folder / "ir").iterdir():
        with Image.open(path) as image:
            image.crop((0, 0, 90, 68)).resize(image.size).save(path)
    report = check(folder)
    assert ("no shift", "pair", "") in found(report)
    assert not report.failed


def test_an_alignment_takes_the_shift_away(folder):
    move(folder, 5, -3)
    alignment = Alignment(((1, 0, 5), (0, 1, -3), (0, 0, 1)), "translation", (128, 96), (128, 96))
    report = check(folder, rules=Rules(alignment=alignment))
    assert found(report) == set()
    assert report.together is not None
    assert (report.together.x_px, report.together.y_px) == pytest.approx((0, 0), abs=0.7)
    save(folder / "ir/2.png", lambda image: image[:50])
    assert ("size", "pair", "2") in found(check(folder, rules=Rules(alignment=alignment)))


def test_noise_is_unlike_whatever_its_seed_and_no_shift_is_measured_on_it(folder):
    for path in (folder / "ir").iterdir():
        write_png(path, np.random.default_rng(int(path.stem)).integers(0, 256, (96, 128), np.uint8))
    report = check(folder)
    assert found(report) == {("unlike", "pair", name) for name in "012345"}
    assert report.together is None
    assert "not clear" in report.lines()[-2]


@pytest.fixture
def labelled(folder):
    """The six pairs with labels and boxes of all kinds of wrong."""
    label = np.zeros((96, 128), np.uint8)
    label[40:60, 50:60] = 1
    wrong = {1: label * 5, 2: label * 0, 3: label[:50], 4: label * 0 + 255}
    for number in range(6):
        write_png(folder / "labels" / f"{number}.png", wrong.get(number, label))
    lines = {0: "0 0.5 0.5 0.1 0.1", 1: "3 0.5 0.5 0.1 0.1", 2: "0 0.5 0.5 9 0.1", 3: "", 4: "0 0.5"}
    (folder / "boxes").mkdir()
    for number, line in lines.items():
        (folder / "boxes" / f"{number}.txt").write_text(line)
    return find_dataset(LABELLED, folder)


def test_labels_and_boxes_are_held_against_the_descriptor(labelled):
    report = check_pairs(labelled, for_pack=True)
    wrong = {"label": "13", "empty label": "24", "boxes": "124"}
    of_pairs = {(kind, kind.split()[-1], name) for kind, names in wrong.items() for name in names}
    assert found(report) == of_pairs | {("classes", "pair", "")}
    text = "\n".join(report.lines())
    assert "does not have: 5" in text
    assert "class 3 is not one of" in text
    assert "  labels 6 of 6, boxes 5 of 6" in text
    assert "255 is ignored and covers 25% of the labeled pixels" in text


def test_what_is_converted_in_annotations_is_a_note_and_what_is_doubtful_a_warning(labelled):
    for path in (labelled.root / "boxes").iterdir():
        path.write_text("0 0.5 0.5 0.1 0.1 0.9\n0 0.5 0.5 -0.1 0.1\n")
    report = check_pairs(labelled)
    for kind, level in (("confidence", "note"), ("turned", "warning")):
        assert [(each.level, each.side) for each in report.findings if each.kind == kind] == [(level, "boxes")] * 5
    lines = report.lines()
    assert sum("a confidence, which is not used: 5, first " in line for line in lines) == 1
    warnings = sum(each.level == "warning" for each in report.findings)
    assert f"{warnings} warnings" in lines[-1]
    assert len(report.good()["all"]) == 4


def test_all_unknown_names_of_the_dataset_are_listed_together(labelled):
    for number, line in enumerate(["people 0.5 0.5 0.1 0.1", "person? 0.5 0.5 0.1 0.1", "people 0.5 0.5 0.1 0.1"]):
        (labelled.root / "boxes" / f"{number}.txt").write_text(line)
    lines = [line for line in check_pairs(labelled).lines() if "does not have" in line and "annotations" in line]
    assert len(lines) == 1
    assert "3 ('people' 2, 'person?' 1), first " in lines[0]


def test_the_good_pairs_can_be_packed(labelled, tmp_path):
    report = check_pairs(labelled, for_pack=True)
    counts = write_good_pairs(tmp_path / "good.csv", report, seed=0)
    assert sum(counts.values()) == 2
    pack_pairs(LABELLED, labelled.root, tmp_path / "good.csv", tmp_path / "pairs.h5")
    packed = PairsFile(tmp_path / "pairs.h5")
    assert sorted(name for split in packed.splits() for name in packed.names(split)) == ["0", "5"]


def test_everything_is_kept_in_long_form(folder, tmp_path):
    cut_off(folder / "vi/2.png")
    report = check(folder)
    for name in ("a.csv", "b.csv"):
        write_findings(tmp_path / name, [*report.findings, *report.measures()])
    assert (tmp_path / "a.csv").read_bytes() == (tmp_path / "b.csv").read_bytes()
    rows = read_csv(tmp_path / "a.csv")
    (wrong,) = [row for row in rows if row["level"] == "error"]
    assert (wrong["pair_id"], wrong["side"], wrong["file"]) == ("2", "visible", "vi/2.png")
    assert "cannot be read" in wrong["detail"]
    measured = [row for row in rows if row["finding"] == "shift_x_px"]
    assert [row["pair_id"] for row in measured] == list("01345")
    assert all(abs(float(row["value"])) < 3 for row in measured)


def test_a_duplicate_across_splits_names_the_other(tmp_path, small_scenes):
    for split, numbers in (("train", (0, 1)), ("test", (2, 1))):
        for number in numbers:
            for side, image in zip(("visible", "thermal"), small_scenes[number], strict=True):
                write_png(tmp_path / split / side / f"{split}{number}.png", image)
    report = check(tmp_path)
    details = {each.detail for each in report.findings if each.kind == "duplicate"}
    assert {each.split for each in report.findings} == {"test"}
    assert details == {"the same as train1 of train"}


@pytest.mark.parametrize(
    ("spoil", "sides", "says"),
    [
        (lambda path: path.rename(path.with_name(f"thermal_{path.name}")), ["ir"], "have no name in common"),
        (Path.unlink, ["vi", "ir"], "There are no images"),
        (cut_off, ["vi"], "no good pair"),
    ],
)
def test_what_leaves_no_pair_at_all_is_told_once(folder, tmp_path, spoil, sides, says):
    for path in [path for side in sides for path in (folder / side).iterdir()]:
        spoil(path)
    with pytest.raises(UserError, match=says):
        write_good_pairs(tmp_path / "good.csv", check(folder), seed=0)


def test_the_shift_of_few_is_measured_when_it_has_to_be_quick_or_there_are_many(folder, monkeypatch):
    monkeypatch.setattr("ssvif.inspecting.check.QUICK_SHIFTS", 3)
    assert sum(each.shift is not None for each in check(folder, quick=True).pairs) == 3
    assert sum(each.shift is not None for each in check(folder).pairs) == 6
    monkeypatch.setattr("ssvif.inspecting.check.MOST_SHIFTS", 4)
    assert sum(each.shift is not None for each in check(folder).pairs) == 4


def test_the_nearest_earlier_image_is_named():
    random = np.random.default_rng(0)
    images = random.random((10, 40, 50)).astype(np.float32)
    images[7] = images[2] + 0.01 * random.random((40, 50))
    images[9] = images[2]
    thumbnails = np.stack([thumbnail_of(image) for image in images])
    for at_once in (3, 100):
        pairs = near_duplicates(thumbnails, 0.99, at_once)
        assert [(place, earlier) for place, earlier, _ in pairs] == [(7, 2), (9, 2)]


def test_ruling_out_by_components_loses_no_near_duplicate():
    random = np.random.default_rng(0)
    images = random.random((300, 30, 40)).astype(np.float32)
    for place in range(150, 300):  # correlations of 0.98 to 1
        images[place] = images[random.integers(150)] + random.random() * 0.2 * random.random((30, 40))
    thumbnails = np.stack([thumbnail_of(image) for image in images])
    likeness = np.tril(thumbnails @ thumbnails.T, -1)
    expected = [(place, int(row.argmax())) for place, row in enumerate(likeness) if row.max() >= 0.99]
    assert 20 < len(expected) < 150
    assert [(place, earlier) for place, earlier, _ in near_duplicates(thumbnails, 0.99, 64)] == expected


def test_the_thumbnail_of_the_largest_floats_is_like_no_other():
    extreme = np.full((48, 64), 3e38, np.float32)
    extreme[24:] *= -1
    thumbnails = np.stack([thumbnail_of(extreme), thumbnail_of(extreme / 2)])
    assert not thumbnails.any()
    assert near_duplicates(thumbnails, 0.99) == []


def test_images_of_another_unit_are_told(folder):
    for number in range(6):
        celsius = read_image(folder / f"ir/{number}.png").astype(np.float32) / 8
        (folder / f"ir/{number}.png").unlink()
        Image.fromarray(celsius + (0 if number == 2 else 273)).save(folder / f"ir/{number}.tif")
    assert [each for each in found(check(folder)) if each[0] == "units"] == [("units", "infrared", "2")]
