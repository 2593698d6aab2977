"""A GPU gives what the CPU gives."""

import pytest
import torch

from reference.images import as_tensor, natural_triple
from ssvif.metrics.collection import METRICS, evaluate

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="PyTorch finds no GPU")
ALL = tuple(METRICS)
AGREEMENT = {"rel": 1e-5, "abs": 1e-5}  # the larger of both counts
SIZES = [(161, 161), (176, 162), (163, 176), (162, 171)]  # large enough for every metric, all kinds of parity


def batch_of(height, width, fused_channels=3):
    """Return a batch of two triples on the CPU."""
    triples = [natural_triple(height, width, seed, fused_channels) for seed in range(2)]
    return [torch.cat([as_tensor(image) for image in images]) for images in zip(*triples, strict=True)]


def on_gpu(images):
    return [each.to("cuda") for each in images]


@pytest.mark.parametrize("fused_channels", [1, 3])
@pytest.mark.parametrize("size", [*SIZES, (41, 41), (60, 47)])
def test_all_together(size, fused_channels):
    images = batch_of(*size, fused_channels)
    names = [name for name in ALL if METRICS[name].smallest_side <= min(size)]
    values, expected = evaluate(*on_gpu(images), names), evaluate(*images, names)
    assert list(values) == names
    for name, value in values.items():
        assert (value.device.type, value.dtype, value.shape) == ("cuda", torch.float64, (2,))
        assert value.tolist() == pytest.approx(expected[name].tolist(), **AGREEMENT), name


@pytest.mark.parametrize("level", [0, 77, 255])
def test_what_has_no_variation(level):
    """Qabf is no number and PSNR infinite on either device."""
    images = [torch.full((2, 1, 161, 162), level, dtype=torch.uint8)] * 3
    values, expected = evaluate(*on_gpu(images), ALL), evaluate(*images, ALL)
    for name in ALL:
        assert values[name].tolist() == pytest.approx(expected[name].tolist(), nan_ok=True, **AGREEMENT), name


def test_one_by_one_and_as_a_batch():
    images = on_gpu(batch_of(163, 176))
    together = evaluate(*images, ALL)
    for i in range(2):
        alone = evaluate(*(each[i : i + 1] for each in images), ALL)
        for name in ALL:
            assert alone[name].item() == pytest.approx(together[name][i].item(), **AGREEMENT), name
