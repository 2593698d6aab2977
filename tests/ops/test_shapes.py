import numpy as np
import pytest
import torch

from ssvif.ops.shapes import check_same_shape, check_shape, crop, pad_to_multiple


@pytest.mark.parametrize(
    ("shape", "layout"), [((2, 3, 4), "B C H W"), ((2, 3, 4, 5, 6), "B C H W"), ((2, 1, 4, 5), "B 3 H W")]
)
def test_a_wrong_shape_is_shown(shape, layout):
    check_shape("fused", torch.zeros(2, 3, 4, 5), "B 3 H W")
    with pytest.raises(ValueError, match="fused: expected shape") as caught:
        check_shape("fused", torch.zeros(shape), layout)
    assert f"({', '.join(layout.split())})" in str(caught.value)
    assert str(shape) in str(caught.value)


def test_shapes_that_differ_are_listed():
    check_same_shape(a=torch.zeros(2, 3), b=torch.ones(2, 3))
    check_same_shape()
    with pytest.raises(ValueError, match=r"a \(2, 3\), b \(3, 2\)"):
        check_same_shape(a=torch.zeros(2, 3), b=torch.zeros(3, 2))


@pytest.mark.parametrize(("height", "width"), [(9, 16), (13, 10), (16, 16)])
def test_padding_mirrors_without_repeating_the_edge(height, width):
    image = torch.arange(float(height * width)).view(1, 1, height, width)
    padded = pad_to_multiple(image, 8, smallest=9)
    expected = np.pad(image[0, 0].numpy(), ((0, -height % 8), (0, -width % 8)), mode="reflect")
    assert np.array_equal(padded[0, 0].numpy(), expected)
    assert (padded is image) == ((height, width) == (16, 16))


def test_images_too_small_to_pad_are_refused():
    with pytest.raises(ValueError, match="at least 9×9 pixels, got 20×8"):
        pad_to_multiple(torch.zeros(1, 1, 20, 8), 8, smallest=9)


def test_cutting_is_a_view_unless_it_is_exported():
    image = torch.rand(1, 2, 5, 6)
    assert crop(image, 4, 3).data_ptr() == image.data_ptr()
    assert crop(image, 4, 3).shape == (1, 2, 4, 3)
