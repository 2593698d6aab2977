import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ssvif.metrics.moments import filter_images, window_moments
from ssvif.metrics.ssim import means_by_loops, means_by_maps
from ssvif.metrics.vif import log_sums_by_loops, log_sums_by_maps
from ssvif.ops.filters import filter_separable, gaussian_window


def draw(*shape):
    return torch.rand(shape, generator=torch.Generator().manual_seed(len(shape) + sum(shape)), dtype=torch.float64)


def draw_levels(*shape):
    """Whole numbers about 0 with a flat part, as the metrics have them, the third image like the others."""
    levels = (draw(*shape) * 200 - 100).round()
    levels[:, 2] = (levels[:, :2].mean(dim=1) + 20 * draw(shape[0], *shape[2:])).round()
    levels[..., : shape[2] // 2, : shape[3] // 3] = 7.0
    return levels


@settings(max_examples=80)
@given(
    st.integers(1, 4), st.integers(1, 3), st.integers(0, 80), st.integers(0, 60), st.sampled_from([3, 5, 11, 17]),
    st.sampled_from([1, 2]),
)  # fmt: skip
def test_equals_the_plain_filter(batch, channels, more_rows, more_columns, size, step):
    values = draw(batch, channels, size + more_rows, size + more_columns)
    window = gaussian_window(size, size / 5, torch.float64)
    expected = filter_separable(values, window)[..., ::step, ::step]
    filtered = filter_images(values, window, step)
    assert filtered.shape == expected.shape
    torch.testing.assert_close(filtered, expected, rtol=0, atol=1e-13)


@settings(max_examples=30)
@given(st.integers(1, 2), st.integers(0, 40), st.integers(0, 40), st.sampled_from([3, 11, 17]))
def test_moments_are_those_of_weighted_pixels(batch, more_rows, more_columns, size):
    values = draw_levels(batch, 3, size + more_rows, size + more_columns)
    window = gaussian_window(size, 2, torch.float64)
    moments = window_moments(values, window)
    assert moments.variances.shape == (batch, 3, more_rows + 1, more_columns + 1)
    weights = window[:, None] * window
    last = values[..., more_rows:, more_columns:]
    means = (last * weights).sum(dim=(2, 3))
    torch.testing.assert_close(moments.means[..., -1, -1], means, rtol=0, atol=1e-11)
    apart = last - means[..., None, None]
    variances = (apart.square() * weights).sum(dim=(2, 3))
    torch.testing.assert_close(moments.variances[..., -1, -1], variances, rtol=0, atol=1e-9)
    covariances = (apart[:, :2] * apart[:, 2:] * weights).sum(dim=(2, 3))
    torch.testing.assert_close(moments.covariances[..., -1, -1], covariances, rtol=0, atol=1e-9)


@settings(max_examples=40)
@given(st.integers(1, 3), st.integers(0, 60), st.integers(0, 40), st.sampled_from([3, 5, 9, 17]))
def test_vif_on_a_gpu_and_by_loops(batch, more_rows, more_columns, size):
    values = draw_levels(batch, 3, size + more_rows, size + more_columns)
    window = gaussian_window(size, size / 5, torch.float64)
    loops, maps = (each(values, window) for each in (log_sums_by_loops, log_sums_by_maps))
    # a variance next to the threshold of 1e-10 may fall on either side
    torch.testing.assert_close(loops, maps, rtol=1e-12, atol=1e-8)


@settings(max_examples=40)
@given(st.integers(1, 3), st.integers(0, 60), st.integers(0, 40))
def test_ssim_on_a_gpu_and_by_loops(batch, more_rows, more_columns):
    values = draw_levels(batch, 3, 11 + more_rows, 11 + more_columns)
    offsets = (draw(batch, 3, 1, 1) * 100).round() + 100
    loops, maps = (each(values, offsets) for each in (means_by_loops, means_by_maps))
    assert loops.shape == (batch, 2, 2, 2)
    torch.testing.assert_close(loops, maps, rtol=0, atol=1e-9)
