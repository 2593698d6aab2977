"""Every fusion metric against a plain-loop float64 reference written from the definition."""

import math

import numpy as np
import pytest
import torch

from reference.color import delta_e2000_of, delta_e_loop
from reference.edges import ag_loop, nabf_loop, qabf_loop, sf_loop
from reference.fmi import fmi_loop
from reference.images import as_tensor, natural_triple
from reference.levels import cc_loop, en_loop, mi_loop, psnr_loop, scd_loop, sd_loop
from reference.ssim import ms_ssim_loop, ssim_loop
from reference.vif import vif_loop, viff_loop
from ssvif.metrics.collection import METRICS, STANDARD_SET, evaluate

ALL = tuple(METRICS)

REFERENCES = {
    "en": en_loop,
    "mi": mi_loop,
    "vif": vif_loop,
    "qabf": qabf_loop,
    "ssim": ssim_loop,
    "ssim255": lambda *images: ssim_loop(*images, dynamic_range=255),
    "ms_ssim": ms_ssim_loop,
    "ms_ssim255": lambda *images: ms_ssim_loop(*images, dynamic_range=255),
    "delta_e76": lambda visible, infrared, fused: delta_e_loop(visible, fused, math.dist),
    "delta_e2000": lambda visible, infrared, fused: delta_e_loop(visible, fused, delta_e2000_of),
    "sd": sd_loop,
    "sf": sf_loop,
    "ag": ag_loop,
    "cc": cc_loop,
    "scd": scd_loop,
    "psnr": psnr_loop,
    "fmi": fmi_loop,
    "nabf": nabf_loop,
    "viff": viff_loop,
}
# thresholds of 1e-10 in VIF and VIFF flip on rounding
TOLERANCES = dict.fromkeys(METRICS, 1e-9) | {"vif": 1e-7, "viff": 1e-7}


def check(name, images):
    expected = REFERENCES[name](*images)
    assert METRICS[name](*map(as_tensor, images)).item() == pytest.approx(
        expected, rel=0, abs=TOLERANCES[name], nan_ok=True
    )


def test_every_metric_has_a_reference():
    assert REFERENCES.keys() == METRICS.keys()


@pytest.mark.parametrize("name", [name for name in METRICS if not name.startswith("ms_ssim")])
@pytest.mark.parametrize(("height", "width", "fused_channels"), [(60, 47, 3), (53, 66, 1), (41, 41, 3)])
def test_small_images(name, height, width, fused_channels):
    check(name, natural_triple(height, width, seed=height, fused_channels=fused_channels))


@pytest.mark.parametrize("name", ["ms_ssim", "ms_ssim255"])
def test_five_scales(name):
    check(name, natural_triple(161, 164, seed=0))


@pytest.mark.parametrize("name", [name for name in METRICS if name != "ms_ssim255"])
def test_flat_bright_and_flat_dark_parts(name):
    """Windows without any variance, where rounding decides most."""
    size = max(METRICS[name].smallest_side, 48)
    visible, infrared, fused = natural_triple(size, size, seed=5)
    for image in (visible, infrared, fused):
        image[: size // 2] = 255
        image[size // 2 : size * 3 // 4, size // 3 :] = 0
    fused[: size // 4] = 254
    check(name, (visible, infrared, fused))


TINY = [
    pytest.param(name, height, width, id=f"{name}-{height}x{width}")
    for name, each in METRICS.items()
    for height, width in ((1, 1), (1, 7), (3, 2), (3, 3), (2, 5))
    if each.smallest_side <= min(height, width)
]


@pytest.mark.parametrize(("name", "height", "width"), TINY)
def test_tiny_images(name, height, width):
    rng = np.random.default_rng(0)
    shapes = ((height, width, 3), (height, width), (height, width, 3))
    check(name, tuple(rng.integers(0, 256, shape, dtype=np.uint8) for shape in shapes))


def test_all_at_once_equal_one_by_one(batch):
    together = evaluate(*batch, ALL)
    assert list(together) == list(METRICS)
    for name, function in METRICS.items():
        assert together[name].shape == (3,)
        assert together[name].dtype == torch.float64
        torch.testing.assert_close(together[name], function(*batch), rtol=0, atol=TOLERANCES[name])


def test_gray_infrared_may_come_as_rgb(batch):
    visible, infrared, fused = batch
    repeated = evaluate(visible, infrared.expand(-1, 3, -1, -1), fused, ALL)
    for name, values in evaluate(visible, infrared, fused, ALL).items():
        assert torch.equal(repeated[name], values)


def test_descriptions_are_complete():
    for name, each in METRICS.items():
        assert each.better == ("down" if name.startswith(("delta_e", "nabf")) else "up")
        assert each.__doc__ is not None
        assert "Range" in each.__doc__
        assert "Source: " in each.__doc__
    titles = [each.title for each in METRICS.values()]
    assert len(set(titles)) == len(titles)


def test_the_usual_sets(batch):
    assert set(STANDARD_SET) < set(METRICS)
    assert tuple(evaluate(*batch)) == STANDARD_SET
