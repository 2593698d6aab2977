import pytest
import torch
from scipy import ndimage

from reference.windows import gaussian_2d, weighted_mean_loop
from ssvif.ops.filters import filter_separable, gaussian_window, sobel

DTYPES = {torch.float32: 1e-5, torch.float64: 1e-12}


def random_maps(dtype, shape=(2, 3, 15, 18)):
    return torch.rand(shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64).to(dtype)


@pytest.mark.parametrize(("size", "sigma"), [(11, 1.5), (17, 3.4), (3, 0.6), (1, 1.0)])
def test_window_is_the_row_of_a_normalized_gaussian(size, sigma):
    window = gaussian_window(size, sigma, torch.float64)
    expected = torch.tensor(gaussian_2d(size, sigma))
    torch.testing.assert_close(torch.outer(window, window), expected, rtol=0, atol=1e-15)
    assert gaussian_window(size, sigma).dtype == torch.float32


@pytest.mark.parametrize("dtype", DTYPES)
def test_valid_part_equals_the_loop(dtype):
    x, window = random_maps(dtype), gaussian_window(5, 1.1, dtype)
    filtered = filter_separable(x, window)
    assert filtered.dtype == dtype
    for image, result in zip(x.flatten(0, 1), filtered.flatten(0, 1), strict=True):
        expected = torch.tensor(weighted_mean_loop(image.double().numpy(), gaussian_2d(5, 1.1)))
        torch.testing.assert_close(result.double(), expected, rtol=0, atol=DTYPES[dtype])


def test_padding_is_zeros():
    x, window = random_maps(torch.float64), gaussian_window(5, 1.1, torch.float64)
    padded = filter_separable(torch.nn.functional.pad(x, (2, 2, 2, 2)), window)
    torch.testing.assert_close(filter_separable(x, window, padding=2), padded, rtol=0, atol=1e-14)


@pytest.mark.parametrize("dtype", DTYPES)
def test_sobel_equals_scipy(dtype):
    x = random_maps(dtype)
    across, down = sobel(x)
    for image, gx, gy in zip(x.flatten(0, 1), across.flatten(0, 1), down.flatten(0, 1), strict=True):
        image = image.double().numpy()
        for response, axis in ((gx, 1), (gy, 0)):
            expected = torch.tensor(ndimage.sobel(image, axis, mode="constant"))
            torch.testing.assert_close(response.double(), expected, rtol=0, atol=DTYPES[dtype])


def test_sobel_of_integers_is_exact():
    x = (255 * random_maps(torch.float64)).round()
    for exact, response in zip(sobel(x.to(torch.int16)), sobel(x), strict=True):
        assert torch.equal(exact.double(), response)


def test_gradients():
    x = random_maps(torch.float64, (1, 2, 6, 7)).requires_grad_()
    window = gaussian_window(3, 0.8, torch.float64)
    assert torch.autograd.gradcheck(lambda x: filter_separable(x, window, padding=1), x)
    assert torch.autograd.gradcheck(sobel, x)
