import pytest
import torch

from ssvif.ops.color import luma, rgb_to_ycbcr, ycbcr_to_rgb


def test_luma_is_exact_for_every_value_it_can_take():
    levels = torch.arange(256, dtype=torch.uint8)
    red, green = torch.meshgrid(levels, levels, indexing="ij")
    for blue in range(0, 256, 3):
        image = torch.stack([red, green, torch.full_like(red, blue)])[None]
        expected = (299 * red.long() + 587 * green.long() + 114 * blue + 500) // 1000
        assert torch.equal(luma(image)[0, 0].long(), expected)


def test_luma_of_gray_is_itself():
    gray = torch.arange(256, dtype=torch.uint8).view(1, 1, 16, 16)
    assert torch.equal(luma(gray), gray)
    assert torch.equal(luma(gray.expand(1, 3, 16, 16)), gray)


@pytest.mark.parametrize("image", [torch.zeros(1, 3, 2, 2), torch.zeros(1, 2, 2, 2, dtype=torch.uint8)])
def test_luma_refuses_other_images(image):
    with pytest.raises(ValueError, match="luma: expected uint8"):
        luma(image)


def test_ycbcr_constants():
    red = torch.tensor([1.0, 0.0, 0.0], dtype=torch.float64).view(1, 3, 1, 1)
    y, blue_chroma, red_chroma = rgb_to_ycbcr(red).flatten().tolist()
    assert (y, blue_chroma, red_chroma) == pytest.approx((0.299, 0.5 - 0.564 * 0.299, 0.5 + 0.713 * 0.701))
    back = ycbcr_to_rgb(torch.tensor([0.5, 0.75, 0.25], dtype=torch.float64).view(1, 3, 1, 1)).flatten().tolist()
    assert back == pytest.approx([0.5 - 1.403 / 4, 0.5 + 0.714 / 4 - 0.344 / 4, 0.5 + 1.773 / 4])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_ycbcr_and_back(dtype):
    rgb = torch.rand((2, 3, 20, 20), generator=torch.Generator().manual_seed(0), dtype=dtype)
    ycbcr = rgb_to_ycbcr(rgb)
    assert ycbcr.dtype == dtype
    assert ycbcr.min() >= 0
    assert ycbcr.max() <= 1
    torch.testing.assert_close(ycbcr_to_rgb(ycbcr), rgb, rtol=0, atol=4e-4)


def test_ycbcr_is_differentiable():
    rgb = torch.rand((1, 3, 2, 2), generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    assert torch.autograd.gradcheck(rgb_to_ycbcr, rgb.requires_grad_())
    assert torch.autograd.gradcheck(ycbcr_to_rgb, rgb)


@pytest.mark.parametrize("convert", [rgb_to_ycbcr, ycbcr_to_rgb])
def test_ycbcr_refuses_gray(convert):
    with pytest.raises(ValueError, match="expected shape"):
        convert(torch.zeros(1, 1, 4, 4))
