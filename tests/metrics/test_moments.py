import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ssvif.metrics import moments
from ssvif.metrics.moments import filter_images, window_moments
from ssvif.ops.filters import filter_separable, gaussian_window


def draw(*shape):
    return torch.rand(shape, generator=torch.Generator().manual_seed(len(shape) + sum(shape)), dtype=torch.float64)


@settings(max_examples=80, deadline=None)
@given(
    st.integers(1, 4), st.integers(1, 3), st.integers(0, 80), st.integers(0, 60), st.sampled_from([3, 5, 11, 17]),
    st.sampled_from([1, 2]),
)  # fmt: skip
def test_equals_the_plain_filter(count, batch, more_rows, more_columns, size, step):
    values = draw(count, batch, size + more_rows, size + more_columns)
    window = gaussian_window(size, size / 5, torch.float64)
    expected = filter_separable(values, window)[..., ::step, ::step]
    filtered = filter_images(values, window, step)
    assert filtered.shape == expected.shape
    torch.testing.assert_close(filtered, expected, rtol=0, atol=1e-13)


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 3), st.integers(0, 90), st.integers(0, 60), st.sampled_from([3, 11, 17]))
def test_every_window_comes_once(batch, more_rows, more_columns, size):
    values = draw(2, batch, size + more_rows, size + more_columns)
    window = gaussian_window(size, size / 5, torch.float64)
    parts = window_moments(values, window, lambda rows: torch.cat([rows, rows * rows]))
    found = torch.cat([each.flatten(2) for each in parts], dim=2)
    expected = filter_separable(torch.cat([values, values * values]), window).flatten(2)
    assert found.shape == expected.shape
    # the order of windows is free but the same for all maps: sorted by the first one they agree
    for i in range(batch):
        ordered, wanted = (each[:, i, each[0, i].argsort()] for each in (found, expected))
        torch.testing.assert_close(ordered, wanted, rtol=0, atol=1e-13)


@pytest.mark.parametrize("step", [1, 2])
def test_constant_stays_constant(step):
    values = torch.full((1, 1, 40, 41), 200, dtype=torch.int16)
    filtered = filter_images(values, gaussian_window(9, 1.8, torch.float64), step)
    torch.testing.assert_close(filtered, torch.full_like(filtered, 200.0), rtol=0, atol=1e-12)


@pytest.mark.parametrize("step", [1, 2])
def test_whole_images_at_once_as_on_a_gpu(step, monkeypatch):
    values, window = draw(3, 2, 137, 50), gaussian_window(9, 1.8, torch.float64)
    strips = filter_images(values, window, step)
    monkeypatch.setattr(moments, "blocks_at_once", lambda device: (16, 2**30))
    torch.testing.assert_close(filter_images(values, window, step), strips, rtol=0, atol=1e-14)
