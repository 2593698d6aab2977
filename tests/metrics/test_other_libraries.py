"""Where definitions agree: scikit-image, Sharma's pairs, the published SeAFusion results."""

from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import stats
from skimage import color as skimage_color
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from reference.color import delta_e2000_of
from reference.images import as_tensor, natural_image
from ssvif.metrics.collection import METRICS, evaluate
from ssvif.metrics.color_difference import ciede2000, lab
from ssvif.ops.files import read_csv, read_image

SHARED = Path(__file__).parents[2].parent / "shared"
MSRS = SHARED / "data" / "MSRS"
SHARMA = SHARED / "specs" / "ciede2000_pairs.csv"


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


def random_colors(count, seed):
    return np.random.default_rng(seed).integers(0, 256, (1, count, 3), dtype=np.uint8)


def test_lab_of_scikit_image():
    """It rounds the limit of the linear part to .008856 and the matrix to six digits."""
    colors = random_colors(2000, 0)
    ours = lab(torch.tensor(colors).permute(0, 2, 1)[..., None])[0, ..., 0].T.numpy()
    np.testing.assert_allclose(ours, skimage_color.rgb2lab(colors)[0], rtol=0, atol=5e-3)


def test_differences_of_scikit_image():
    first, second = (random_colors(2000, seed) for seed in (1, 2))
    second[:, ::3] = np.clip(first[:, ::3].astype(int) + 2, 0, 255)
    labs = [lab(torch.tensor(each).permute(0, 2, 1)[..., None])[..., 0] for each in (first, second)]
    arrays = [each[0].T.numpy() for each in labs]
    theirs = skimage_color.deltaE_ciede2000(*arrays)
    np.testing.assert_allclose(ciede2000(*labs)[0].numpy(), theirs, rtol=0, atol=1e-9)
    images = [torch.tensor(each).permute(0, 2, 1)[..., None] for each in (first, second)]
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


@pytest.mark.skipif(not SHARMA.is_file(), reason="Sharma's pairs are not beside the repository")
def test_pairs_of_sharma():
    rows = [[float(value) for value in row.values()] for row in read_csv(SHARMA)]
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
