import numpy as np
import pytest
from PIL import Image

from ssvif.io.errors import NoImagesError, UserError
from ssvif.io.files import read_image
from ssvif.pairs.match import find_images


def test_an_error_tells_its_parts_and_another_remedy_keeps_the_rest():
    error = NoImagesError("a.png is deep", expected="8 bits", got="16 bits", remedy="convert it")
    assert str(error).splitlines() == [
        "a.png is deep",
        "  expected: 8 bits",
        "  got:      16 bits",
        "  remedy:   convert it",
    ]
    other = error.replace(remedy="pass --range")
    assert (type(other), other.what, other.expected, other.got) == (NoImagesError, "a.png is deep", "8 bits", "16 bits")
    assert str(other).endswith("pass --range")


def test_the_kind_of_an_error_is_told_apart_without_reading_it(tmp_path):
    Image.fromarray(np.zeros((4, 5), np.uint16)).save(tmp_path / "deep.png")
    (tmp_path / "empty").mkdir()
    for reader, path, kind in (
        (read_image, tmp_path / "gone.png", UserError),
        (read_image, tmp_path / "deep.png", UserError),
        (find_images, tmp_path / "empty", NoImagesError),
    ):
        with pytest.raises(UserError) as caught:
            reader(path)
        assert type(caught.value) is kind
