from dataclasses import replace

import numpy as np
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from ssvif.data.annotation import Notes, read_classes
from ssvif.data.descriptor import ClassInfo
from ssvif.io.errors import UserError

COLORS = [(0, 0, 0), (128, 0, 0), (0, 128, 128)]
IDS = np.array([[0, 1, 2], [2, 1, 255]], np.uint8)


def with_values(descriptor, *values, **more):
    """A descriptor whose classes are stored as these values."""
    classes = [
        ClassInfo(index, f"class {index}", COLORS[index], stored) for index, stored in enumerate(values or [()] * 3)
    ]
    return replace(descriptor, classes=tuple(classes), **more)


@pytest.fixture
def read(tmp_path):
    """A function that reads an array, saved as an image, by a descriptor: class ids and notes."""

    def read(array, descriptor, name="label.png"):
        image = array if isinstance(array, Image.Image) else Image.fromarray(np.asarray(array))
        image.save(tmp_path / name)
        notes = Notes()
        return read_classes(tmp_path / name, descriptor, notes).tolist(), notes.details()

    return read


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int32, np.float32])
def test_ids_of_any_depth_are_class_ids(read, descriptor, dtype):
    name = "label.tif" if dtype in (np.int32, np.float32) else "label.png"
    assert read(IDS.astype(dtype), descriptor, name) == (IDS.tolist(), {})


@pytest.mark.parametrize("dtype", [np.uint8, np.uint32, np.float32])
def test_a_tiff_may_mark_a_label_as_missing_and_it_stays_a_label(tmp_path, descriptor, dtype):
    missing = (42113, "s", 0, "255", True)  # the tag GDAL_NODATA
    tifffile.imwrite(tmp_path / "label.tif", IDS.astype(dtype), extratags=[missing])
    assert read_classes(tmp_path / "label.tif", descriptor).tolist() == IDS.tolist()


@pytest.mark.parametrize("channels", [3, 4])
def test_ids_in_equal_channels_are_class_ids(read, descriptor, channels):
    stacked = np.dstack([IDS] * 3 + [np.full_like(IDS, 7)] * (channels - 3))
    assert read(stacked, descriptor)[0] == IDS.tolist()


def test_binary_masks_are_read_by_declaration_whatever_the_ignored_value(read, descriptor):
    mask = np.array([[0, 255, 255]], np.uint8)
    declared = with_values(descriptor, (0,), (255,))
    assert read(mask, declared) == ([[0, 1, 1]], {})
    assert read(mask > 0, with_values(descriptor, (), (1, 255)))[0] == [[0, 1, 1]]
    two = replace(descriptor, classes=descriptor.classes[:2], ignore_index=254)
    with pytest.raises(UserError, match=r"does not have: 255(?s:.*)255 in 2 px(?s:.*)`values: \[255\]`"):
        read(mask, two)


def test_ids_are_merged_or_ignored_as_the_descriptor_says(read, descriptor):
    merged = with_values(descriptor, (0, 5), (1, 3, 300), (), ignored_values=(-1, 7))
    stored = np.array([[0, 5, 1, 3], [300, 2, 7, -1], [255, 7, 7, 7]], np.int32)
    ids, notes = read(stored, merged, "label.tif")
    assert ids == [[0, 0, 1, 1], [1, 2, 255, 255], [255] * 4]
    assert notes["ignored value"].startswith("2 ('-1' 1, '7' 1), first ")


@pytest.mark.parametrize("alpha", [(), (9,)])
def test_colors_are_classes_exactly(read, descriptor, alpha):
    colored = with_values(descriptor, (), ((128, 0, 0), (64, 0, 0)), (), color_labels=True, ignored_values=[(1, 2, 3)])
    pixels = np.array([[(0, 0, 0), (128, 0, 0), (64, 0, 0), (0, 128, 128), (1, 2, 3)]], np.uint8)
    with_alpha = np.concatenate([pixels, np.full((1, 5, len(alpha)), 9, np.uint8)], axis=2)
    assert read(with_alpha, colored)[0] == [[0, 1, 1, 2, 255]]
    palette = Image.fromarray(pixels[:, :4]).quantize(4)
    assert read(palette, colored)[0] == [[0, 1, 1, 2]]
    with pytest.raises(UserError, match=r"holds colors .* not have: \[128, 0, 1\]\n(?s:.*)\[128, 0, 1\] in 2 px"):
        read(np.array([[(128, 0, 1), (128, 0, 1), (0, 0, 0)]], np.uint8), colored)


def test_a_palette_image_without_color_labels_gives_its_indices(read, descriptor):
    palette = Image.fromarray(IDS[:, :2], "P")
    palette.putpalette([200, 0, 0, 0, 200, 0, 0, 0, 200])
    assert read(palette, descriptor)[0] == IDS[:, :2].tolist()


def test_a_palette_image_of_unknown_indices_may_want_color_labels(tmp_path, descriptor):
    image = Image.new("P", (4, 3), 99)
    image.putpalette([9] * 768)
    image.save(tmp_path / "a.png")
    with pytest.raises(UserError, match="color_labels: true"):
        read_classes(tmp_path / "a.png", descriptor)


def test_jpeg_is_told_to_be_lossy(read, descriptor):
    assert set(read(np.ones((8, 8), np.uint8), descriptor, "label.jpg")[1]) == {"lossy"}
    with pytest.raises(UserError, match=r"label\.jpeg holds label ids(?s:.*)save the label map as PNG: JPEG"):
        read(np.random.default_rng(0).choice([0, 1, 2], (64, 64)).astype(np.uint8) * 90, descriptor, "label.jpeg")


def test_an_unknown_id_is_named_with_its_number_of_pixels(read, descriptor):
    with pytest.raises(UserError) as caught:
        read(np.array([[0, 9, 9, 40]], np.uint8), descriptor)
    assert caught.value.what.endswith("does not have: 9, 40")
    assert caught.value.got == "9 in 2 px, 40 in 1 px"
    assert "0 class 0, 1 class 1" in caught.value.expected


@given(st.lists(st.integers(-(2**24) + 1, 2**24 - 1), min_size=3, max_size=9, unique=True), st.integers(0, 99))
def test_any_values_map_to_the_classes_that_list_them(tmp_path_factory, values, seed):
    from ssvif.data.descriptor import Descriptor, Layout

    parts = [tuple(values[start::3]) for start in range(3)]
    plain = Descriptor("toy", "Toy", "toy", (Layout("vi/{name}", "ir/{name}"),))
    described = with_values(plain, *parts)
    stored = np.random.default_rng(seed).choice(values, (5, 7)).astype(np.int32)
    path = tmp_path_factory.getbasetemp() / "any.tif"
    Image.fromarray(stored).save(path)
    wanted = [[values.index(value) % 3 for value in row] for row in stored.tolist()]
    assert read_classes(path, described).tolist() == wanted


@pytest.mark.parametrize(
    ("order", "noted"),
    [
        ((0, 1, 2), set()),
        ((2, 0, 1), {"palette"}),
        ((1, 1, 1), set()),  # a palette that tells nothing apart
    ],
)
def test_a_palette_that_gives_ids_the_colors_of_other_classes_is_told(read, descriptor, order, noted):
    image = Image.fromarray(IDS, "P")
    image.putpalette([channel for index in order for channel in COLORS[index]] + [0] * 759)
    colored = with_values(descriptor)
    assert read(image, colored)[0] == IDS.tolist()
    assert set(read(image, colored)[1]) == noted
