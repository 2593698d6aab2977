import numpy as np
import pytest
from PIL import Image

from fusing.made import noise
from ssvif.data.packed import PairsFile
from ssvif.fusing.method_images import collect_images, folder_of
from ssvif.io.errors import UserError
from ssvif.io.files import read_image, write_png


@pytest.mark.parametrize(
    ("there", "found"),
    [
        ((), {"train": None, "validation": None, "test": "."}),
        (("notes",), {"train": None, "validation": None, "test": "."}),
        (("test",), {"train": None, "validation": None, "test": "test"}),
        (("train", "test"), {"train": "train", "validation": "train", "test": "test"}),
        (("train", "validation", "test"), {"train": "train", "validation": "validation", "test": "test"}),
        (("all",), {"train": "all", "validation": "all", "test": "all"}),
        (("all", "test"), {"train": "all", "validation": "all", "test": "test"}),
        (("train",), {"train": "train", "validation": "train", "test": None}),
    ],
)
def test_each_layout_is_understood(tmp_path, there, found):
    for name in there:
        (tmp_path / name).mkdir()
    assert {split: folder_of(tmp_path, split) for split in found} == {
        split: name and tmp_path / name for split, name in found.items()
    }


def write_images(pairs, folder, *splits, suffix=".png"):
    """Another method's images: the visible ones, darker."""
    source = PairsFile(pairs)
    for split in splits:
        for name in source.names(split):
            path = (folder if splits == ("test",) else folder / split) / f"{name}.png"
            write_png(path, source.visible(split, name) // 2)
            path.rename(path.with_suffix(suffix))


@pytest.fixture
def theirs(tmp_path):
    return tmp_path / "theirs"


@pytest.fixture
def collect(pairs, theirs, tmp_path, caplog):
    """A function that takes the images and returns their names below `fused`, and keeps the log."""

    def take():
        with caplog.at_level("INFO", logger="ssvif"):
            collect_images(pairs, theirs, tmp_path / "fused")
        return sorted(each.relative_to(tmp_path / "fused").as_posix() for each in (tmp_path / "fused").rglob("*.*"))

    return take


def test_another_methods_test_images_are_taken_as_they_are(pairs, theirs, collect, tmp_path):
    write_images(pairs, theirs, "test", suffix=".PNG")
    assert collect() == ["test/test0.png", "test/test1.png"]
    image = PairsFile(pairs).visible("test", "test0") // 2
    assert np.array_equal(read_image(tmp_path / "fused/test/test0.png"), image)


@pytest.mark.parametrize("moves", [{}, {"validation": "train"}, dict.fromkeys(("train", "validation", "test"), "all")])
def test_another_methods_images_may_come_by_split_or_together(pairs, theirs, collect, moves):
    """Our validation is found in the dataset's own train split, too."""
    write_images(pairs, theirs, "train", "validation", "test")
    for before, after in moves.items():
        (theirs / after).mkdir(exist_ok=True)
        for path in (theirs / before).iterdir():
            path.rename(theirs / after / path.name)
        (theirs / before).rmdir()
    source = PairsFile(pairs)
    expected = sorted(f"{split}/{name}.png" for split in source.splits() for name in source.names(split))
    assert collect() == expected
    assert len(expected) == 10


def test_everything_wrong_with_another_methods_images_is_told_at_once(pairs, theirs, collect, tmp_path):
    write_images(pairs, theirs, "train", "validation", "test")
    before = sorted(path.name for path in (theirs / "train").iterdir())
    (theirs / "test/test1.png").unlink()
    for name in before[:2]:
        write_png(theirs / "train" / name, noise(0, 30, 33))
    (theirs / "train" / before[2]).write_bytes(b"no image")
    write_png(theirs / "train/of_no_pair.png", noise(0, 30, 33))
    with pytest.raises(UserError) as caught:
        collect()
    error = caught.value
    assert error.what == f"{theirs} cannot be used: 1 missing, 1 unreadable, 2 of another size"
    assert error.expected == "an 8-bit image for each of 10 pairs, with the pair's name and size"
    assert error.got.startswith(f"missing: test/test1.png; unreadable: train/{before[2]} (")
    assert f"of another size: train/{before[0]} (33×30 instead of" in error.got
    assert "config/experiments/README.md" in error.remedy
    assert str(theirs) not in error.got, "the folder is named already"
    assert not (tmp_path / "fused").exists()


def test_many_missing_images_are_counted_and_a_few_named(pairs, theirs, collect):
    write_png(theirs / "train/other.png", noise(0, 30, 33))
    write_images(pairs, theirs / "test", "test")
    with pytest.raises(UserError, match=r"8 missing(?s:.*)and 5 more"):
        collect()


def test_a_missing_folder_and_one_without_test_images_are_refused(theirs, collect):
    with pytest.raises(UserError, match="theirs does not exist"):
        collect()
    write_png(theirs / "train/other.png", noise(0, 30, 33))
    with pytest.raises(UserError, match="theirs has no folder for the test images"):
        collect()


def test_images_of_other_names_are_told(pairs, theirs, collect):
    write_images(pairs, theirs, "test")
    for path in theirs.iterdir():
        path.rename(path.with_stem(f"{path.stem}_fused"))
    with pytest.raises(UserError) as caught:
        collect()
    assert caught.value.got.endswith("2 images without a pair of that name: test0_fused.png, test1_fused.png")
    assert caught.value.remedy.startswith("rename them, or links to them, like the pairs; ")


def test_files_without_a_pair_are_counted_once_where_splits_have_one_folder(pairs, theirs, collect):
    write_images(pairs, theirs, "train", "validation", "test")
    (theirs / "all").mkdir()
    for path in sorted(theirs.glob("*/*.png")):
        path.rename(theirs / "all" / path.name)
    for split in ("train", "validation", "test"):
        (theirs / split).rmdir()
        name = PairsFile(pairs).names(split)[0]
        (theirs / f"all/{name}.png").rename(theirs / f"all/{name}_fused.png")
    with pytest.raises(UserError, match="3 images without a pair of that name"):
        collect()


@pytest.mark.parametrize("there", ["Test", ""])
def test_a_folder_without_images_is_told(theirs, collect, there):
    (theirs / there).mkdir(parents=True)
    with pytest.raises(UserError, match="theirs holds no image") as caught:
        collect()
    assert "in a subfolder train, validation, test or all" in caught.value.expected
    assert caught.value.got == (there or "an empty folder")
    assert caught.value.remedy


def test_depths_beyond_eight_bits_are_refused_with_advice(pairs, theirs, collect):
    write_images(pairs, theirs, "test")
    height, width = PairsFile(pairs).size("test", "test1")
    Image.fromarray(np.zeros((height, width), np.uint16)).save(theirs / "test1.png")
    with pytest.raises(UserError, match=r"1 not of 8 bits(?s:.*)test1.png \(16 bits\)(?s:.*)convert them to 8 bits"):
        collect()


def test_gray_alpha_and_losses_are_told(pairs, theirs, collect, tmp_path, caplog):
    write_images(pairs, theirs, "test")
    path, other = theirs / "test0.png", theirs / "test1.png"
    image = Image.open(path)
    image.putalpha(200)
    image.save(path)
    Image.open(other).convert("L").save(other.with_suffix(".jpg"))
    other.unlink()
    collect()
    for told in (
        "gray; color metrics use them as they are",
        "an alpha channel, which is dropped",
        "JPEG, whose compression the metrics measure too",
    ):
        assert f"1 of 2 images: {told}" in caplog.text
    assert read_image(tmp_path / "fused/test/test0.png").shape[2:] == (3,)
    assert read_image(tmp_path / "fused/test/test1.png").ndim == 2
