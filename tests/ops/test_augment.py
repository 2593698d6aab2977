import pytest
import torch

from ssvif.ops.augment import draw_flips, flip, jitter

CPU = torch.device("cpu")


def test_flips_mirror_each_image_by_its_own_draw_and_undo_themselves():
    images = torch.arange(2 * 1 * 2 * 3).view(2, 1, 2, 3)
    flips = torch.tensor([[False, True], [True, True]]).view(2, 2, 1, 1, 1)
    flipped = flip(images, flips)
    assert flipped[0, 0].tolist() == [[2, 1, 0], [5, 4, 3]]
    assert flipped[1, 0].tolist() == [[11, 10, 9], [8, 7, 6]]
    assert torch.equal(flip(flipped, flips), images)


def test_flips_are_fair_and_follow_torchs_seed():
    torch.manual_seed(0)
    flips = draw_flips(1000, CPU)
    torch.manual_seed(0)
    assert torch.equal(draw_flips(1000, CPU), flips)
    assert flips.float().mean((1, 2, 3, 4)).tolist() == pytest.approx([0.5, 0.5], abs=0.05)


def test_jitter_changes_contrast_and_mean_by_factors_of_each_image():
    torch.manual_seed(0)
    images = torch.rand(50, 3, 6, 7)
    changed = jitter(images)
    for of in (torch.mean, torch.std):
        ratios = of(changed, (1, 2, 3)) / of(images, (1, 2, 3))
        assert 0.8 <= ratios.min() < 0.85
        assert 1.15 < ratios.max() <= 1.2
    assert torch.allclose(jitter(images, 0.0), images, atol=1e-6)
