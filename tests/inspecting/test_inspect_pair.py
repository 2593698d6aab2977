from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from ssvif.data.descriptor import ClassInfo
from ssvif.data.find import FoundPair
from ssvif.inspecting.folders import recognise_folder
from ssvif.inspecting.pair import Inspector, digest_of, thumbnail_of
from ssvif.io.images import read_raw


@pytest.mark.parametrize(
    ("image", "name", "kind"),
    [
        (np.zeros((5, 7), np.uint8), "a.png", "8-bit gray"),
        (np.zeros((5, 7, 3), np.uint8), "a.bmp", "8-bit color"),
        (np.zeros((5, 7, 4), np.uint8), "a.png", "8-bit color"),
        (np.zeros((5, 7), np.uint16), "a.png", "16-bit gray"),
        (np.zeros((5, 7), np.uint16), "a.tif", "16-bit gray"),
        (np.zeros((5, 7), np.float32), "a.tif", "float gray"),
        (np.zeros((1, 1), bool), "a.png", "8-bit gray"),
    ],
)
def test_the_kind_and_size_of_every_image_are_named(folder, image, name, kind):
    Image.fromarray(image).save(folder / "ir" / name)
    pair = FoundPair("a", "vi/0.png", f"ir/{name}")
    seen = Inspector(*recognise_folder(folder)).inspect("all", pair, with_shift=False)
    assert (seen.sides["infrared"].kind, seen.sides["infrared"].size) == (kind, image.shape[1::-1])


def test_equal_pixels_are_recognised_whatever_the_file(tmp_path, small_scenes):
    image = small_scenes[0][0]
    for name in ("a.png", "b.bmp"):
        Image.fromarray(image).save(tmp_path / name)
    one, two = (read_raw(tmp_path / name).pixels for name in ("a.png", "b.bmp"))
    assert digest_of(one) == digest_of(two)
    assert digest_of(one) != digest_of(one[:-1])
    assert digest_of(np.zeros((2, 3), np.uint8)) != digest_of(np.zeros((3, 2), np.uint8))


def test_the_remedy_of_an_error_is_named(folder):
    Image.fromarray(np.full((5, 7, 3), (9, 0, 0), np.uint8)).save(folder / "color.png")
    descriptor, root = recognise_folder(folder)[:2]
    labeled = replace(descriptor, classes=(ClassInfo(0, "ground", (9, 0, 0)),))
    seen = Inspector(labeled, root).inspect(
        "all", FoundPair("0", "vi/0.png", "ir/0.png", "color.png"), with_shift=False
    )
    (detail,) = [each.detail for each in seen.findings if each.kind == "label"]
    assert "color_labels: true" in detail


def test_a_hot_spot_does_not_make_deep_images_alike():
    random = np.random.default_rng(0)
    images = [7000 + 200 * random.random((96, 128), np.float32) for _ in range(2)]
    for image in images:
        image[40:43, 60:63] = 65000
    first, second = (thumbnail_of(image, deep=True) for image in images)
    assert first @ second < 0.5
    assert first @ thumbnail_of(images[0] + 5, deep=True) > 0.99
