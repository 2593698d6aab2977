import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ssvif.metrics import moments
from ssvif.metrics.moments import filter_maps
from ssvif.ops.filters import filter_separable, gaussian_window


@settings(max_examples=80, deadline=None)
@given(
    st.integers(1, 4), st.integers(1, 3), st.integers(0, 60), st.integers(0, 60), st.sampled_from([3, 5, 11, 17]),
    st.sampled_from([1, 2]),
)  # fmt: skip
def test_equals_the_plain_filter(count, batch, more_rows, more_columns, size, step):
    draw = torch.Generator().manual_seed(size)
    maps = torch.rand((count, batch, size + more_rows, size + more_columns), generator=draw, dtype=torch.float64)
    window = gaussian_window(size, size / 5, torch.float64)
    expected = filter_separable(maps, window)[..., ::step, ::step]
    filtered = filter_maps(maps.clone(), window, step)
    assert filtered.shape == expected.shape
    torch.testing.assert_close(filtered, expected, rtol=0, atol=1e-13)


@pytest.mark.parametrize("step", [1, 2])
def test_constant_stays_constant(step):
    maps = torch.full((1, 1, 40, 41), 200.0, dtype=torch.float64)
    filtered = filter_maps(maps, gaussian_window(9, 1.8, torch.float64), step)
    torch.testing.assert_close(filtered, torch.full_like(filtered, 200.0), rtol=0, atol=1e-12)


@pytest.mark.parametrize("step", [1, 2])
def test_all_maps_at_once_as_on_a_gpu(step, monkeypatch):
    maps = torch.rand((3, 2, 37, 50), generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    window = gaussian_window(9, 1.8, torch.float64)
    one_by_one = filter_maps(maps.clone(), window, step)
    monkeypatch.setattr(moments, "maps_at_once", lambda maps: maps.shape[0] * maps.shape[1])
    torch.testing.assert_close(filter_maps(maps.clone(), window, step), one_by_one, rtol=0, atol=1e-14)
