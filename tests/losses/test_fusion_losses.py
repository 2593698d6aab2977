import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from reference import losses as reference
from ssvif.losses.fusion import (
    color_loss,
    fusion_terms,
    gradient_magnitude,
    intensity_loss,
    mean_ssim,
    visible_share,
    weighted_sum,
)

WEIGHTS = {"intensity": 20.0, "gradient": 20.0, "structural": 10.0, "color": 20.0}


def draw(channels=3, batch=2, height=9, width=12, seed=0):
    """Three random batches: smooth visible, noisy infrared, and a fused one that leaves [0,1]."""
    random = torch.Generator().manual_seed(seed)
    shape = (batch, channels, height, width)
    visible = torch.rand(shape, generator=random, dtype=torch.float64).cumsum(-1) / width
    infrared = torch.rand(shape, generator=random, dtype=torch.float64)
    fused = torch.rand(shape, generator=random, dtype=torch.float64) * 1.2 - 0.1
    return visible, infrared, fused


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("shares", ["gradient", "equal"])
def test_terms_are_the_definitions(channels, shares):
    images = draw(channels)
    terms = fusion_terms(*images, shares)
    visible, infrared, fused = (each.numpy() for each in images)
    share = reference.share_loop(visible, infrared) if shares == "gradient" else 0.5
    expected = {
        "intensity": reference.intensity_loop(visible, infrared, fused),
        "gradient": reference.gradient_loop(visible, infrared, fused),
        "structural": reference.structural_loop(visible, infrared, fused, share),
    }
    if channels == 3:
        expected["color"] = reference.color_loop(visible, fused)
    assert {name: term.item() for name, term in terms.items()} == pytest.approx(expected, abs=1e-9)
    assert all(term.ndim == 0 for term in terms.values())


def test_single_precision_is_enough():
    doubles = fusion_terms(*draw())
    singles = fusion_terms(*(each.float() for each in draw()))
    for name, double in doubles.items():
        assert singles[name].item() == pytest.approx(double.item(), abs=1e-4)


def test_the_sum_weighs_the_terms_there_are():
    terms = {"intensity": torch.tensor(0.5), "structural": torch.tensor(0.25)}
    assert weighted_sum(terms, WEIGHTS).item() == 20 * 0.5 + 10 * 0.25
    terms = fusion_terms(*draw())
    expected = sum(WEIGHTS[name] * term.item() for name, term in terms.items())
    assert weighted_sum(terms, WEIGHTS).item() == pytest.approx(expected)


@settings(max_examples=10)
@given(seed=st.integers(0, 10_000))
def test_a_perfect_image_costs_nothing(seed):
    """Both sources the same: the fused image that equals them has no loss in any term."""
    visible, _, _ = draw(seed=seed)
    for term in fusion_terms(visible, visible, visible.clone()).values():
        assert term.item() == pytest.approx(0, abs=1e-12)


@settings(max_examples=10)
@given(seed=st.integers(0, 10_000), channels=st.sampled_from((1, 3)))
def test_terms_stay_in_their_ranges(seed, channels):
    visible, infrared, fused = draw(channels, seed=seed)
    terms = fusion_terms(visible, infrared, fused)
    assert all(term >= 0 for term in terms.values())
    assert terms["structural"] <= 2
    assert 0 <= visible_share(gradient_magnitude(visible), gradient_magnitude(infrared)) <= 1
    assert mean_ssim(visible, fused) == pytest.approx(mean_ssim(fused, visible).item())


def test_a_step_edge_has_the_sobel_magnitude():
    """A vertical step of 1: 4 on both sides of it, away from the border."""
    image = torch.zeros(1, 1, 5, 8)
    image[..., 4:] = 1
    assert gradient_magnitude(image)[0, 0, 2].tolist() == [0, 0, 0, 4, 4, 0, 0, 4]


def test_shares_follow_the_gradients():
    flat, busy = torch.zeros(1, 1, 4, 4), torch.full((1, 1, 4, 4), 3.0)
    assert visible_share(busy, flat) == 1
    assert visible_share(flat, busy) == 0
    assert visible_share(busy, busy) == 0.5
    assert visible_share(flat, flat) == 0.5
    assert visible_share(busy, busy / 3).item() == pytest.approx(0.75)


def test_gradients_are_finite_where_everything_is_flat():
    black = torch.zeros(1, 3, 8, 8)
    fused = black.clone().requires_grad_()
    weighted_sum(fusion_terms(black, black, fused), WEIGHTS).backward()
    assert torch.isfinite(fused.grad).all()


@pytest.mark.parametrize("name", ["intensity", "gradient", "structural", "color"])
def test_every_term_pulls_the_fused_image(name):
    visible, infrared, fused = draw()
    fused.requires_grad_()
    fusion_terms(visible, infrared, fused)[name].backward()
    assert fused.grad.abs().mean() > 1e-6
    step = fused.detach() - 1e-4 * fused.grad / fused.grad.norm()
    assert fusion_terms(visible, infrared, step)[name] < fusion_terms(visible, infrared, fused)[name]


def test_color_ignores_luma_and_intensity_does_not():
    visible, infrared, _ = draw()
    brighter = visible + 0.1
    assert color_loss(visible, brighter).item() == pytest.approx(0, abs=1e-12)
    assert intensity_loss(visible, infrared, brighter) > 0.01
