"""What the patterns of a descriptor find, and what is said where they find nothing."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ssvif.data.descriptor import ClassInfo, Descriptor, Layout
from ssvif.data.find import count_annotations, find_dataset, find_pairs
from ssvif.data.pack import pack_pairs
from ssvif.data.split import split_dataset
from ssvif.io.errors import UserError
from ssvif.io.files import write_png

NAMES = ("a1", "a2", "a10")


def describe(label="labels/{name}", boxes="boxes/{name}.txt", splits=()):
    """A descriptor; with splits every pattern has the split's folder in front."""
    before = "{split}/" if splits else ""
    patterns = [f"{before}{each}" if each else "" for each in ("vi/{name}", "ir/{name}", label, boxes)]
    return Descriptor(
        name="toy",
        title="Toy",
        folder="toy",
        layouts=(Layout(*patterns),),
        official_splits={split: split for split in splits},
        classes=(ClassInfo(0, "ground", (0, 0, 0)), ClassInfo(1, "car", (9, 9, 9))),
        detection_classes=("car",),
    )


def fill(root: Path, labels="", boxes="", names=NAMES, folders=("vi", "ir")):
    """Write pairs and, at the places given with `{name}`, labels and boxes."""
    image = np.zeros((8, 8), np.uint8)
    for name in names:
        for folder in folders:
            write_png(root / folder / f"{name}.png", image)
        for place in filter(None, (labels, boxes)):
            path = root / place.format(name=name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("") if place == boxes else write_png(path, image)
    return root


def test_annotations_of_all_splits_may_lie_in_one_folder(tmp_path):
    """As in LLVIP: visible/{train,test}, infrared/{train,test}, Annotations."""
    layout = Layout("visible/{split}/{name}", "infrared/{split}/{name}", "masks/{name}", "Annotations/{name}.xml")
    llvip = replace(describe(), layouts=(layout,), official_splits={"train": "train", "test": "test"})
    for split, names in (("train", ("a", "b")), ("test", ("c",))):
        folders = (f"visible/{split}", f"infrared/{split}")
        fill(tmp_path, "masks/{name}.png", "Annotations/{name}.xml", names, folders)
    found = find_pairs(llvip, tmp_path)
    assert [(pair.label, pair.boxes) for pair in found["test"]] == [("masks/c.png", "Annotations/c.xml")]
    assert {split: len(pairs) for split, pairs in found.items()} == {"train": 2, "test": 1}
    assert find_dataset(llvip, tmp_path).notices() == []
    fill(tmp_path, "masks/{name}.png", names=("a",), folders=("visible/test", "infrared/test"))
    with pytest.raises(UserError, match=r"masks/a\.png would belong to a pair of train and to one of test"):
        find_pairs(llvip, tmp_path)


def notices(descriptor, root):
    return [(each.kind, each.side, each.text.partition(": ")[2]) for each in find_dataset(descriptor, root).notices()]


@pytest.mark.parametrize(
    ("place", "near"),
    [
        ("Labels/{name}.png", "Labels/{name}"),
        ("label/{name}.png", "label/{name}"),
        ("masks/{name}.png", "masks/{name}"),
        ("labels/{name}_label.png", "labels/{name}_label"),
        ("labels/gt_{name}.png", "labels/gt_{name}"),
        ("annotations/labels/{name}.png", "annotations/labels/{name}"),
    ],
)
def test_the_near_miss_of_label_maps_is_named(tmp_path, place, near):
    found = notices(describe(boxes=""), fill(tmp_path, place))
    assert found[0][:2] == ("not found", "label")
    assert found[0][2].startswith(f"did you mean {near}? That is 3 files, such as ")
    assert found[0][2].removesuffix("?").rpartition(" ")[2] in {place.format(name=name) for name in NAMES}


@pytest.mark.parametrize(
    ("declared", "place"),
    [
        ("boxes/{name}.txt", "boxes/{name}.xml"),
        ("boxes/{name}.xml", "Annotations/{name}.xml"),
        ("boxes/{name}.txt", "box/{name}.txt"),
        ("boxes/{name}.xml", "boxes/{name}_gt.XML"),
    ],
)
def test_the_near_miss_of_boxes_is_named(tmp_path, declared, place):
    found = notices(describe(label="", boxes=declared), fill(tmp_path, boxes=place))
    assert found[0][2].startswith(f"did you mean {place}? That is 3 files")


def test_what_is_not_read_and_what_is_nowhere_is_said(tmp_path):
    fill(tmp_path, boxes="boxes/{name}.json")
    (tmp_path / "labels").mkdir()
    labels, boxes = notices(describe(), tmp_path)
    assert labels[2] == f"{tmp_path / 'labels'} holds nothing"
    assert boxes[2].startswith("boxes/{name}.json would be 3 files, such as boxes/a1.json, but this format is not read")
    (tmp_path / "labels").rmdir()
    assert notices(describe(boxes=""), tmp_path)[0][2].startswith(f"there is no folder {tmp_path / 'labels'}; ")


def test_a_number_within_other_names_is_no_near_miss(tmp_path):
    fill(tmp_path, names=[str(number) for number in range(1, 10)])
    (tmp_path / "notes").mkdir()
    write_png(tmp_path / "notes/figure_12.png", np.zeros((8, 8), np.uint8))
    assert "did you mean" not in notices(describe(boxes=""), tmp_path)[0][2]


@pytest.mark.parametrize("suffix", [".TXT", ".Txt"])
def test_box_files_whose_suffix_differs_in_case_are_read(tmp_path, suffix):
    fill(tmp_path, "labels/{name}.PNG", f"boxes/{{name}}{suffix}")
    (tmp_path / "boxes/a2.txt").write_text("")
    found = find_pairs(describe(), tmp_path)["all"]
    assert {pair.pair_id: pair.boxes for pair in found} == {
        "a1": f"boxes/a1{suffix}",
        "a2": "boxes/a2.txt",  # the very name that is declared comes first
        "a10": f"boxes/a10{suffix}",
    }
    assert not notices(describe(), tmp_path)


def test_voc_files_of_an_upper_case_suffix_are_packed(tmp_path, log):
    root = fill(tmp_path, "labels/{name}.png", "boxes/{name}.XML")
    for path in (root / "boxes").iterdir():
        path.write_text("<annotation/>")
    descriptor = describe(boxes="boxes/{name}.xml")
    split_dataset(descriptor, root, tmp_path / "splits.csv", seed=0)
    pack_pairs(descriptor, root, tmp_path / "splits.csv", tmp_path / "pairs.h5")
    assert log.text.count("Toy: labels 3 of 3, boxes 3 of 3") == 2


def test_annotations_without_a_pair_are_counted(tmp_path):
    fill(tmp_path, "labels/{name}.png", "boxes/{name}.txt")
    for name in ("z1", "z2"):
        (tmp_path / f"boxes/{name}.txt").write_text("")
    (tmp_path / "boxes/classes.txt").write_text("car\n")
    write_png(tmp_path / "labels/z1.png", np.zeros((8, 8), np.uint8))
    found = [each.text for each in find_dataset(describe(), tmp_path).notices()]
    assert found == ["1 label map without a pair, ignored: z1", "2 box files without a pair, ignored: z1, z2"]


@pytest.mark.parametrize("labeled", ["train", "test"])
def test_labels_in_one_split_only_are_counted_and_no_fault(tmp_path, labeled, log):
    descriptor = describe(boxes="", splits=("train", "test"))
    for split in ("train", "test"):
        fill(tmp_path / split, "labels/{name}.png" if split == labeled else "")
    assert not notices(descriptor, tmp_path)
    found = find_pairs(descriptor, tmp_path)
    counts = {"train": "train 3 of 3, test 0 of 3", "test": "train 0 of 3, test 3 of 3"}[labeled]
    assert count_annotations(descriptor, found) == f"labels 3 of 6 ({counts})"
    split_dataset(descriptor, tmp_path, tmp_path / "splits.csv", seed=0)
    assert "labels 3 of 6 (train " in log.text


def test_the_near_miss_of_one_split_alone_is_named(tmp_path):
    descriptor = describe(boxes="", splits=("train", "test"))
    fill(tmp_path / "train", "labels/{name}.png")
    fill(tmp_path / "test", "label/{name}.png")
    (notice,) = find_dataset(descriptor, tmp_path).notices()
    assert notice.split == "test"
    assert "did you mean test/label/{name}?" in notice.text


def test_an_official_split_without_images_is_told_and_the_others_are_taken(tmp_path, log):
    descriptor = describe(label="", boxes="", splits=("train", "test"))
    fill(tmp_path / "train")
    (tmp_path / "Test").mkdir()
    assert split_dataset(descriptor, tmp_path, tmp_path / "splits.csv", seed=0) == {"train": 2, "validation": 1}
    assert f"{tmp_path}/test/vi/{{name}} finds no visible image: there is no folder" in log.text
    assert "holds Test, " in log.text


def test_an_infrared_pattern_that_finds_nothing_names_the_near_miss(tmp_path, log):
    fill(tmp_path, folders=("vi", "IR"))
    with pytest.raises(UserError, match="3 visible images have no infrared image"):
        find_pairs(describe(label="", boxes=""), tmp_path)
    assert "did you mean IR/{name}?" in log.text


def test_a_list_of_before_the_labels_is_told_when_it_is_packed(tmp_path, log):
    root = fill(tmp_path, "labels/{name}.png", "Boxes/{name}.txt")
    bare = replace(describe(), layouts=(Layout("vi/{name}", "ir/{name}"),))
    split_dataset(bare, root, tmp_path / "splits.csv", seed=0)
    assert not log.text
    pack_pairs(describe(), root, tmp_path / "splits.csv", tmp_path / "pairs.h5")
    assert "Toy: labels 0 of 3, boxes 0 of 3" in log.text
    assert "splits.csv lists no labels, but there are some: run `ssvif split` again" in log.text
    assert "did you mean Boxes/{name}.txt?" in log.text


@pytest.mark.parametrize("suffix", [".png", ".PNG"])
def test_a_pattern_with_an_image_suffix_takes_that_suffix_alone(tmp_path, suffix):
    patterns = (f"vi/{{name}}{suffix}", "ir/{name}", "labels/{name}.png")
    toy = replace(describe(), layouts=(Layout(*patterns),))
    fill(tmp_path, "labels/{name}.png")
    (tmp_path / "vi" / "a1.jpg").touch()  # a preview
    found = find_pairs(toy, tmp_path)["all"]
    assert (found[0].pair_id, found[0].visible, found[0].label) == ("a1", "vi/a1.png", "labels/a1.png")
    assert len(found) == len(NAMES)


def test_a_pattern_of_another_suffix_is_named_beside_what_is_there(tmp_path):
    toy = replace(describe(), layouts=(Layout("vi/{name}.tif", "ir/{name}.tif"),))
    with pytest.raises(UserError, match=r"got: +for vi/\{name\}\.tif, .*vi holds a1\.png, "):
        find_pairs(toy, fill(tmp_path))


def test_an_image_suffix_may_be_a_part_of_the_names(tmp_path):
    toy = replace(describe(), layouts=(Layout("vi/{name}.jpg", "ir/{name}.jpg"),))
    root = fill(tmp_path, names=("a1.jpg",))  # files are called a1.jpg.png
    assert [pair.pair_id for pair in find_pairs(toy, root)["all"]] == ["a1"]


@pytest.mark.parametrize(
    ("place", "listed", "told"),
    [
        ("boxes/classes.txt", "van\ncar\n", True),
        ("obj.names", "van\r\ncar\r\n", True),
        ("boxes/classes.txt", "dog\ncar\nvan\n", True),
        ("boxes/classes.txt", "Car\n\nVan\n", False),
        ("boxes/classes.txt", "auto\nvan\nlorry\n", False),  # other names alone tell nothing
        ("boxes/classes.txt", "", False),
    ],
)
def test_a_list_of_classes_in_another_order_is_told_wherever_boxes_are_read(tmp_path, log, place, listed, told):
    root = fill(tmp_path / "data", "labels/{name}.png", "boxes/{name}.txt")
    (root / place).write_bytes(listed.encode())
    toy = replace(describe(), detection_classes=("car", "van"))
    assert [each.kind for each in find_dataset(toy, root).notices()] == ["class list"] * told
    split_dataset(toy, root, tmp_path / "splits.csv", seed=0)
    pack_pairs(toy, root, tmp_path / "splits.csv", tmp_path / "pairs.h5")
    message = f"{root / place} lists {', '.join(listed.split())}, but the descriptor's detection_classes are car, van"
    assert log.text.count(message) == 2 * told
