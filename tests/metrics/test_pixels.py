"""Color differences and edges, pixel by pixel: what a GPU computes of whole maps is what loops compute."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from reference.color import delta_e2000_of
from ssvif.metrics import color_difference, edges
from ssvif.metrics.color_difference import ciede2000
from ssvif.ops.filters import sobel


def draw_levels(seed, *shape):
    """Return 8-bit images with parts that are gray, black and equal."""
    levels = torch.randint(0, 256, shape, generator=torch.Generator().manual_seed(seed), dtype=torch.uint8)
    levels[..., : shape[-2] // 3, :] = 0
    levels[..., -(shape[-2] // 3) :, : shape[-1] // 2] = 77
    return levels


SIDES = st.integers(1, 40)


@settings(max_examples=40)
@given(st.integers(1, 3), SIDES, SIDES, st.sampled_from([1, 3]), st.sampled_from([1, 3]), st.booleans())
def test_color_on_a_gpu_and_by_loops(batch, height, width, channels, fused_channels, newer):
    images = draw_levels(0, batch, channels, height, width), draw_levels(1, batch, fused_channels, height, width)
    loops, maps = (each(*images, newer) for each in (color_difference.means_by_loops, color_difference.means_by_maps))
    assert loops.shape == (batch,)
    torch.testing.assert_close(loops, maps, rtol=0, atol=1e-9)


@settings(max_examples=40)
@given(st.integers(1, 3), SIDES, SIDES)
def test_edges_on_a_gpu_and_by_loops(batch, height, width):
    responses = sobel(draw_levels(0, 3, batch, height, width).to(torch.int16))
    loops, maps = (each(*responses) for each in (edges.quality_by_loops, edges.quality_by_maps))
    assert loops.shape == (batch,)
    torch.testing.assert_close(loops, maps, rtol=0, atol=1e-12, equal_nan=True)


def test_images_need_not_be_contiguous():
    visible, fused = (draw_levels(seed, 1, 3, 20, 30).transpose(2, 3) for seed in (0, 1))
    value = color_difference.delta_e76(visible, visible, fused)
    assert torch.equal(value, color_difference.delta_e76(*(each.contiguous() for each in (visible, visible, fused))))


@pytest.mark.parametrize("turn", [0.0, 1e-9, 1.0, 89.999, 90.0, 90.001, 179.999, 180.001, 270.0, 359.999])
def test_ciede2000_of_hues_that_are_near_and_far(turn):
    """Hues are compared as directions: every angle between them, from every direction, as in the definition."""
    hues = torch.arange(0.5, 360, 7.3, dtype=torch.float64)
    others = hues + turn
    first, second = (
        torch.stack([torch.full_like(hues, level), chroma * angle.deg2rad().cos(), chroma * angle.deg2rad().sin()])
        for level, chroma, angle in ((50.0, 30.0, hues), (52.0, 41.0, others))
    )
    expected = [delta_e2000_of(*map(tuple, pair)) for pair in zip(first.T.tolist(), second.T.tolist(), strict=True)]
    found = ciede2000(first[None], second[None])[0]
    torch.testing.assert_close(found, torch.tensor(expected, dtype=torch.float64), rtol=1e-11, atol=0)
