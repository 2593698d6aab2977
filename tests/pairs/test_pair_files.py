import numpy as np
import pytest
import tifffile
from PIL import Image

from fusing.made import noise, save
from ssvif.io.errors import UserError
from ssvif.pairs.files import read_pair, read_side
from ssvif.pairs.pair import Rules

VISIBLE, INFRARED = noise(0, 12, 16), noise(1, 12, 16, 0)
COLORED = np.repeat(INFRARED[..., None], 3, axis=2)


def make(path, form):
    """A file that holds both images as the name of the form says, without "-reversed"."""
    if form == "channels":
        return save(path / "a.png", np.dstack([VISIBLE, INFRARED]))
    if form == "pages":
        first = Image.fromarray(VISIBLE)
        first.save(path / "a.tif", save_all=True, append_images=[Image.fromarray(INFRARED)])
        return path / "a.tif"
    return save(path / "a.png", np.concatenate([VISIBLE, COLORED], axis=["rows", "columns"].index(form)))


@pytest.mark.parametrize("form", ["channels", "pages", "rows", "columns"])
def test_one_file_holds_both_images(tmp_path, form):
    path = make(tmp_path, form)
    pair = read_pair("a", Rules(both_in_one=form), path, path)
    np.testing.assert_array_equal(pair.visible, VISIBLE)
    np.testing.assert_array_equal(pair.infrared, INFRARED)
    assert not {"alpha", "pages"} & {kind.partition(" ")[2] for kind, _ in pair.notes}


@pytest.mark.parametrize("form", ["pages", "rows", "columns"])
def test_the_infrared_image_may_be_the_first(tmp_path, form):
    path = make(tmp_path, form)
    visible, infrared = (read_side(path, side, f"{form}-reversed").pixels for side in ("visible", "infrared"))
    np.testing.assert_array_equal(visible, INFRARED if form == "pages" else COLORED)
    np.testing.assert_array_equal(infrared, VISIBLE)


def test_channels_of_every_depth(tmp_path):
    deep = noise(2, 12, 16, 4, 65536, np.uint16)
    tifffile.imwrite(tmp_path / "planes.tif", deep.transpose(2, 0, 1), planarconfig="separate", photometric="rgb")
    tifffile.imwrite(tmp_path / "floats.tif", deep.astype(np.float32), photometric="rgb", extrasamples=[0])
    tifffile.imwrite(tmp_path / "deep.tif", deep, photometric="rgb", extrasamples=["unassalpha"])
    tifffile.imwrite(tmp_path / "unstated.tif", deep, photometric="rgb", extrasamples=["unspecified"])
    for name in ("planes.tif", "floats.tif", "deep.tif", "unstated.tif"):
        np.testing.assert_array_equal(read_side(tmp_path / name, "visible", "channels").pixels, deep[..., :3], name)
        np.testing.assert_array_equal(read_side(tmp_path / name, "infrared", "channels").pixels, deep[..., 3], name)
        first = read_side(tmp_path / name, "infrared", "channels-reversed").pixels
        np.testing.assert_array_equal(first, deep[..., 0], name)
    Image.fromarray(VISIBLE[..., :2], "LA").save(tmp_path / "gray.png")
    np.testing.assert_array_equal(read_side(tmp_path / "gray.png", "infrared", "channels").pixels, VISIBLE[..., 1])


def test_a_file_that_may_hold_both_images_is_told(tmp_path):
    for form, option in (("channels", "--both-in-one channels"), ("pages", "--both-in-one pages")):
        pair = read_pair("a", Rules(), make(tmp_path, form), save(tmp_path / "ir.png", INFRARED))
        assert [option in sentence for _, sentence in pair.notes] == [True]
    constant = save(tmp_path / "a.png", np.dstack([VISIBLE, np.full((12, 16), 255, np.uint8)]))
    (note,) = read_pair("a", Rules(), constant, tmp_path / "ir.png").notes
    assert "--both-in-one" not in note[1]


def test_a_third_image_is_told(tmp_path):
    pages = [Image.fromarray(each) for each in (VISIBLE, INFRARED, INFRARED)]
    pages[0].save(tmp_path / "a.tif", save_all=True, append_images=pages[1:])
    (note,) = read_pair("a", Rules(both_in_one="pages"), tmp_path / "a.tif", tmp_path / "a.tif").notes
    assert "more than two images" in note[1]


@pytest.mark.parametrize(("form", "says"), [("channels", "two channels or four"), ("pages", "page"), ("rows", "rows")])
def test_a_file_without_both_images_is_told(tmp_path, form, says):
    path = save(tmp_path / "a.png", VISIBLE[:11])
    with pytest.raises(UserError, match=rf"(?s)a\.png.*{says}"):
        read_side(path, "visible", form)
