"""Where definitions agree: scikit-image, scipy, piq, pytorch-msssim, Sharma's pairs, published SeAFusion results."""

from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import stats
from skimage import color as skimage_color
from skimage.measure import shannon_entropy
from skimage.metrics import normalized_mutual_information, peak_signal_noise_ratio, structural_similarity

from reference.color import delta_e2000_of
from reference.images import as_tensor, natural_image, natural_triple
from ssvif.io.files import read_csv, read_image
from ssvif.metrics.collection import METRICS, evaluate
from ssvif.metrics.color_difference import ciede2000, lab
from ssvif.ops.color import luma

MSRS = Path(__file__).parents[3] / "shared/data/MSRS"
SIZES = [(60, 47), (64, 82), (75, 75)]  # both kinds of parity


def triple_of(height, width, fused_channels=3):
    """Return our three images, and their lumas as (1,1,H,W) float64, in which the others compute as well."""
    tensors = [as_tensor(each) for each in natural_triple(height, width, seed=1, fused_channels=fused_channels)]
    return tensors, [luma(each).double() for each in tensors]


def summed(function, lumas):
    return sum(float(function(source, lumas[2])) for source in lumas[:2])


@pytest.mark.parametrize("fused_channels", [1, 3])
@pytest.mark.parametrize("size", SIZES)
def test_entropies_of_scipy_and_scikit_image(size, fused_channels):
    tensors, lumas = triple_of(*size, fused_channels)
    grays = [each.flatten().numpy() for each in lumas]

    def entropy(*images):
        counts = np.histogramdd(images, bins=256, range=[(0, 256)] * len(images))[0]
        return stats.entropy(counts.ravel(), base=2)

    def information(source, fused):
        return entropy(source) + entropy(fused) - entropy(source, fused)

    values = {name: each.item() for name, each in evaluate(*tensors, ["en", "mi"]).items()}
    assert values["en"] == pytest.approx(entropy(grays[2]), rel=0, abs=1e-9)
    assert values["en"] == pytest.approx(shannon_entropy(grays[2]), rel=0, abs=1e-9)
    assert values["mi"] == pytest.approx(summed(information, grays), rel=0, abs=1e-9)


def test_mutual_information_of_scikit_image():
    """It stretches its bins from the least to the greatest value: of 256, one a level if 0 and 255 are there."""
    images = natural_triple(64, 82, seed=1, fused_channels=1)
    for image in images:
        image[0, :2] = [[0] * 3, [255] * 3] if image.ndim == 3 else [0, 255]
    tensors = [as_tensor(each) for each in images]
    lumas = [luma(each)[0, 0].numpy() for each in tensors]

    def information(source, fused):  # (H(s) + H(f)) / H(s, f) = 1 + MI / H(s, f)
        both = shannon_entropy(256 * source.astype(int) + fused)
        return (normalized_mutual_information(source, fused, bins=256) - 1) * both

    assert METRICS["mi"](*tensors).item() == pytest.approx(summed(information, lumas), rel=0, abs=1e-9)


@pytest.mark.parametrize("fused_channels", [1, 3])
@pytest.mark.parametrize("size", [*SIZES, (176, 163), (161, 177)])
def test_vif_and_ssim_of_piq(size, fused_channels):
    piq = pytest.importorskip("piq")
    tensors, lumas = triple_of(*size, fused_channels)
    values = {name: each.item() for name, each in evaluate(*tensors, ["vif", "ssim255"]).items()}
    # it takes the judged image first; its smallest variance is 1e-8 and ours 1e-10, so windows next to flat differ
    fidelity = summed(lambda source, fused: piq.vif_p(fused, source, data_range=255.0), lumas)
    assert values["vif"] == pytest.approx(fidelity, rel=0, abs=1e-6)
    similarity = summed(lambda *pair: piq.ssim(*pair, data_range=255.0, downsample=False), lumas)
    assert values["ssim255"] == pytest.approx(similarity, rel=0, abs=1e-9)


@pytest.mark.parametrize("fused_channels", [1, 3])
@pytest.mark.parametrize("size", [(161, 161), (161, 177), (176, 192)])
def test_ms_ssim_of_piq(size, fused_channels):
    """It repeats the first row and column where we repeat the last, and both where one is odd: so turned, and both odd
    or both even at every scale.
    """
    piq = pytest.importorskip("piq")
    tensors, lumas = triple_of(*size, fused_channels)
    turned = [each.flip(2, 3) for each in lumas]
    expected = summed(lambda *pair: piq.multi_scale_ssim(*pair, data_range=255.0), turned)
    assert METRICS["ms_ssim255"](*tensors).item() == pytest.approx(expected, rel=0, abs=1e-6)


def test_both_ssim_of_pytorch_msssim():
    """At odd sizes it fills up with zeros instead."""
    pytorch_msssim = pytest.importorskip("pytorch_msssim")
    tensors, lumas = triple_of(176, 192)
    for name in ("ssim", "ms_ssim"):
        expected = summed(lambda *pair, name=name: getattr(pytorch_msssim, name)(*pair, data_range=255.0), lumas)
        # its window is made in float32, each weight off by up to 6e-8 of its value, and so are means of 0..255 squared
        assert METRICS[f"{name}255"](*tensors).item() == pytest.approx(expected, rel=0, abs=1e-5)


@pytest.mark.parametrize(("name", "dynamic_range"), [("ssim", 1), ("ssim255", 255)])
def test_ssim_of_scikit_image(name, dynamic_range):
    source, fused = natural_image(70, 81, 1), natural_image(70, 81, 2)
    fused = (0.8 * source + 0.2 * fused).astype(np.uint8)
    _, similarity = structural_similarity(
        source.astype(float),
        fused.astype(float),
        data_range=dynamic_range,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
        full=True,
    )
    tensors = [torch.tensor(each)[None, None] for each in (source, source, fused)]
    assert METRICS[name](*tensors).item() == pytest.approx(2 * similarity[5:-5, 5:-5].mean(), rel=0, abs=1e-9)


def test_lab_and_differences_of_scikit_image():
    first, second = np.random.default_rng(1).integers(0, 256, (2, 1, 2000, 3), dtype=np.uint8)
    second[:, ::3] = np.clip(first[:, ::3].astype(int) + 2, 0, 255)
    images = [as_tensor(each) for each in (first, second)]
    labs = [lab(each)[:, :, 0] for each in images]
    arrays = [each[0].T.numpy() for each in labs]
    # it rounds the limit of the linear part to .008856 and the matrix to six digits
    np.testing.assert_allclose(arrays[0], skimage_color.rgb2lab(first)[0], rtol=0, atol=5e-3)
    theirs = skimage_color.deltaE_ciede2000(*arrays)
    np.testing.assert_allclose(ciede2000(*labs)[0].numpy(), theirs, rtol=0, atol=1e-9)
    mean = skimage_color.deltaE_cie76(*arrays).mean()
    assert METRICS["delta_e76"](images[0], images[0], images[1]).item() == pytest.approx(mean, abs=1e-10)


def test_moments_of_numpy_and_scipy():
    visible, infrared, fused = (natural_image(70, 81, seed) for seed in (1, 2, 3))
    tensors = [torch.tensor(each)[None, None] for each in (visible, infrared, fused)]
    values = {name: each.item() for name, each in evaluate(*tensors, ["sd", "cc", "scd", "ag"]).items()}
    visible, infrared, fused = (each.astype(float) for each in (visible, infrared, fused))

    def correlation(first, second):
        return stats.pearsonr(first.ravel(), second.ravel()).statistic

    assert values["sd"] == pytest.approx(fused.std(), rel=0, abs=1e-11)
    assert values["cc"] == pytest.approx((correlation(visible, fused) + correlation(infrared, fused)) / 2, abs=1e-12)
    expected = correlation(fused - infrared, visible) + correlation(fused - visible, infrared)
    assert values["scd"] == pytest.approx(expected, rel=0, abs=1e-12)
    gradient = np.hypot(np.diff(fused, axis=1)[:-1], np.diff(fused, axis=0)[:, :-1]).mean() / np.sqrt(2)
    assert values["ag"] == pytest.approx(gradient, rel=0, abs=1e-11)


def test_psnr_of_scikit_image():
    """With the same image as both sources the mean of two errors is the error."""
    source, fused = natural_image(70, 81, 1), natural_image(70, 81, 2)
    tensors = [torch.tensor(each)[None, None] for each in (source, source, fused)]
    expected = peak_signal_noise_ratio(source, fused, data_range=255)
    assert METRICS["psnr"](*tensors).item() == pytest.approx(expected, rel=0, abs=1e-11)


def test_pairs_of_sharma(shared):
    rows = [[float(value) for value in row.values()] for row in read_csv(shared / "specs/ciede2000_pairs.csv")]
    assert len(rows) == 34
    table = torch.tensor(rows, dtype=torch.float64)
    for first, second in ((table[:, :3], table[:, 3:6]), (table[:, 3:6], table[:, :3])):
        torch.testing.assert_close(ciede2000(first, second), table[:, 6], rtol=0, atol=5e-5)
    for row in rows:
        assert delta_e2000_of(row[:3], row[3:6]) == pytest.approx(row[6], abs=5e-5)


@pytest.mark.skipif(not MSRS.is_dir(), reason="the MSRS sample is not beside the repository")
@pytest.mark.parametrize("pair_id", sorted(each.stem for each in (MSRS / "published/SeAFusion").glob("*.png")))
def test_published_results_of_seafusion(pair_id):
    stored = {row["pair_id"]: row for row in read_csv(Path(__file__).parent / "seafusion_msrs.csv")}
    images = [
        as_tensor(read_image(MSRS / folder / f"{pair_id}.png"))
        for folder in ("test/vi", "test/ir", "published/SeAFusion")
    ]
    for name, value in evaluate(*images, tuple(METRICS)).items():
        # stored with ten digits
        tolerance = {"rel": 0, "abs": 1e-7} if name in ("vif", "viff", "qabf") else {"rel": 1e-9, "abs": 0}
        assert value.item() == pytest.approx(float(stored[pair_id][name]), **tolerance), name
