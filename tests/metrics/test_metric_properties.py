"""Identity, symmetry, invariance, degenerate and bad input."""

import math
from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from reference.images import as_tensor, natural_image, natural_triple
from ssvif.io.errors import UserError
from ssvif.metrics.collection import METRICS, evaluate
from ssvif.ops.color import luma

BEST_QABF = 0.9994 / (1 + math.exp(-7.5)) * 0.9879 / (1 + math.exp(-4.4))
IDENTITY = {
    "vif": 2.0,
    "qabf": BEST_QABF,
    "ssim": 2.0,
    "ssim255": 2.0,
    "ms_ssim": 2.0,
    "ms_ssim255": 2.0,
    "delta_e76": 0.0,
    "delta_e2000": 0.0,
    "cc": 1.0,
    "scd": 0.0,
    "psnr": math.inf,
    "fmi": 1.0,
    "nabf": 0.0,
    "viff": 1.0,
}
# of three equal constants: what depends on variation is 0, for nothing varies
CONSTANT = {**IDENTITY, "en": 0.0, "mi": 0.0, "sd": 0.0, "sf": 0.0, "ag": 0.0, "cc": 0.0}
ALL = tuple(METRICS)
RANGES = {
    "en": (0, 8), "qabf": (0, BEST_QABF + 1e-12), "ssim": (-2, 2), "ssim255": (-2, 2), "sd": (0, 127.5), "sf": (0, 361),
    "ag": (0, 255), "cc": (-1 - 1e-12, 1 + 1e-12), "scd": (-2 - 1e-12, 2 + 1e-12), "fmi": (0, 1), "nabf": (0, 1),
}  # fmt: skip
ROUNDING = 1e-9


# even and odd; with the larger ones every metric is possible
SIDES = st.one_of(st.integers(41, 64), st.integers(161, 170))
SEEDS = st.integers(0, 2**16)
TEXTURES = st.floats(0.5, 12)


@st.composite
def natural_images(draw):
    """Draw smooth shapes with edges and texture: (1,1,H,W) or (1,3,H,W)."""
    side = st.integers(41, 64)
    return as_tensor(natural_image(draw(side), draw(side), draw(SEEDS), draw(st.sampled_from([1, 3])), draw(TEXTURES)))


@st.composite
def batches(draw, least=1, most=1):
    """Draw such images that belong together: visible (B,3,H,W), infrared (B,1,H,W), fused (B,1 or 3,H,W)."""
    height, channels = draw(SIDES), draw(st.sampled_from([1, 3]))
    width = height + draw(st.integers(0, 5))
    seeds = draw(st.lists(SEEDS, min_size=least, max_size=most))
    triples = [natural_triple(height, width, seed, channels, draw(TEXTURES)) for seed in seeds]
    return [torch.cat([as_tensor(image) for image in images]) for images in zip(*triples, strict=True)]


def possible(image):
    """Return the metrics that an image is large enough for."""
    return [name for name, each in METRICS.items() if each.smallest_side <= min(image.shape[2:])]


def constant(level, side=161):
    return torch.full((1, 1, side, side), level, dtype=torch.uint8)


def test_qabf_of_equal_images_is_the_specified_number():
    assert pytest.approx(0.97479, abs=5e-6) == BEST_QABF


@settings(max_examples=10)
@given(batches(most=1), st.sampled_from(["visible", "infrared"]))
def test_identity(images, which):
    """What is its own fusion has each metric's stated best value."""
    image = images[0 if which == "visible" else 1]
    values = evaluate(image, image, image, possible(image))
    for name in IDENTITY.keys() & values.keys():
        assert values[name].item() == pytest.approx(IDENTITY[name], rel=0, abs=ROUNDING), name
    assert values["mi"].item() == pytest.approx(2 * values["en"].item(), rel=0, abs=1e-9)


@pytest.mark.parametrize("level", [0, 1, 77, 255])
def test_three_equal_constants(level):
    values = evaluate(*[constant(level)] * 3, ALL)
    expected = CONSTANT | ({} if level else {"qabf": math.nan})  # there is no edge, not even at the border
    assert values.keys() == expected.keys()
    for name, best in expected.items():
        assert values[name].item() == pytest.approx(best, rel=0, abs=ROUNDING if level else 0, nan_ok=True), name


def test_constant_fused_image_tells_nothing(batch):
    visible, infrared, _ = batch
    names = ["en", "vif", "sd", "sf", "ag", "cc", "nabf", "mi", "viff", "fmi"]
    values = evaluate(visible[:1], infrared[:1], constant(90, 176)[..., :163], names)
    assert [values[name].item() for name in names[:7]] == [0.0] * 7
    assert values["mi"].item() == pytest.approx(0, abs=1e-12)
    assert values["viff"].item() == pytest.approx(0, abs=1e-5)
    assert values["fmi"].item() < 0.02  # windows where a source is flat in the same gray level


def test_a_fused_image_equal_to_a_source(batch):
    visible, infrared, _ = batch
    assert METRICS["nabf"](visible, infrared, infrared).tolist() == [0.0] * 3
    added = infrared.double() - luma(visible)
    for i, value in enumerate(METRICS["scd"](visible, infrared, infrared)):
        both = torch.stack([added[i].flatten(), infrared[i].double().flatten()])
        assert value.item() == pytest.approx(torch.corrcoef(both)[0, 1].item(), rel=0, abs=1e-12)


@pytest.mark.parametrize("name", ["cc", "scd", "sd", "sf", "ag", "fmi", "ssim255", "vif"])
def test_brightness_matters_as_defined(name, batch):
    dark = [luma(each) // 2 for each in batch]
    brighter = METRICS[name](*(each + 100 for each in dark))
    if name == "ssim255":  # only its luminance term sees a shift of all images
        assert (brighter > METRICS[name](*dark)).all()
    else:
        torch.testing.assert_close(brighter, METRICS[name](*dark), rtol=0, atol=1e-11)


@pytest.mark.parametrize("name", ["sd", "sf", "ag"])
def test_contrast_is_proportional(name, batch):
    dark = [luma(each) // 2 for each in batch]
    doubled = METRICS[name](*(2 * each for each in dark))
    torch.testing.assert_close(doubled, 2 * METRICS[name](*dark), rtol=1e-13, atol=0)


def test_vif_of_flat_sources_counts_one_each(batch):
    fused = batch[2][:1, :, :161, :161]
    assert METRICS["vif"](constant(3), constant(200), fused).item() == 2


# VIFF takes the infrared source where both gains are equal, as where both windows are flat; ΔE is of the visible one
SYMMETRIC = tuple(name for name in METRICS if not name.startswith("delta_e") and name != "viff")


@settings(max_examples=10)
@given(batches(most=1))
def test_sources_may_be_swapped(images):
    visible, infrared, fused = images
    names = [name for name in possible(fused) if name in SYMMETRIC]
    values = evaluate(visible, infrared, fused, names)
    for name, swapped in evaluate(infrared, visible, fused, names).items():
        torch.testing.assert_close(swapped, values[name], rtol=0, atol=ROUNDING)


@pytest.mark.parametrize("name", ["ssim", "ssim255", "ms_ssim", "ms_ssim255", "delta_e76", "delta_e2000"])
def test_source_and_fused_may_be_swapped(name, batch):
    visible, _, fused = batch
    there, back = METRICS[name](visible, visible, fused), METRICS[name](fused, fused, visible)
    torch.testing.assert_close(there, back, rtol=0, atol=1e-11)


@settings(max_examples=6)
@given(batches(least=2, most=3), st.randoms(use_true_random=False))
def test_order_and_size_of_a_batch_do_not_matter(images, random):
    """Together they are equal to the last bit on the CPU, where one image is in work at a time."""
    order = random.sample(range(len(images[2])), len(images[2]))
    names = possible(images[2])
    values = evaluate(*images, names)
    permuted = evaluate(*(each[order] for each in images), names)
    alone = evaluate(*(each[-1:] for each in images), names)
    for name in names:
        assert torch.equal(permuted[name], values[name][order]), name
        assert torch.equal(alone[name], values[name][-1:]), name


def values_with_noise(source, names, seed):
    """Return what the metrics say of a source and copies of it with more and more noise, a list for each."""
    noise = torch.randn(source.shape, generator=torch.Generator().manual_seed(seed))
    noisy = [(source + strength * noise).round().clamp(0, 255).to(torch.uint8) for strength in (0, 2, 8, 32)]
    values = [evaluate(source, source, each, names) for each in noisy]
    return {name: [each[name].item() for each in values] for name in names}


@settings(max_examples=15)
@given(natural_images(), SEEDS)
def test_the_more_noise_the_lower_the_value(source, seed):
    for name, values in values_with_noise(source, ["ssim", "ssim255", "vif", "qabf"], seed).items():
        assert all(less > more for less, more in pairwise(values)), name


def test_noise_lowers_the_value(batch):
    names = ["ms_ssim", "ms_ssim255", "psnr", "cc", "fmi", "viff"]
    for name, values in values_with_noise(batch[1][:1], names, seed=0).items():
        assert all(less > more for less, more in pairwise(values)), name


@settings(max_examples=60)
@given(st.integers(11, 45), st.integers(11, 45), st.sampled_from([1, 3]), st.integers(1, 255), st.integers(0, 2**31))
def test_ranges(height, width, channels, levels, seed):
    draw = torch.Generator().manual_seed(seed)
    images = [
        torch.randint(0, levels + 1, (2, count, height, width), generator=draw, dtype=torch.int32).to(torch.uint8)
        for count in (channels, 1, channels)
    ]
    values = evaluate(*images, possible(images[0]))
    assert (values["mi"] <= 2 * values["en"] + 1e-9).all()
    for name, value in values.items():
        low, high = RANGES.get(name, (0, math.inf))
        assert ((value >= low) & (value <= high)).all(), name


@pytest.mark.parametrize(
    ("position", "change", "reason"),
    [
        (0, lambda image: image.float() / 255, "visible.*uint8.*float32"),
        (1, lambda image: image.repeat(1, 2, 1, 1), "infrared.*shape"),
        (2, lambda image: image[0], "fused.*shape"),
        (0, lambda image: image[..., 1:], r"visible.*fused.*nothing is resized"),
        (1, lambda image: image[:1], "infrared.*number"),
        (2, lambda image: image.to(torch.int64), "fused.*uint8"),
    ],
)
def test_bad_images_are_named(batch, position, change, reason):
    images = list(batch)
    images[position] = change(images[position])
    with pytest.raises(ValueError, match=reason):
        evaluate(*images, ["en"])
    with pytest.raises(ValueError, match=reason):
        METRICS["ssim"](*images)


def test_arrays_of_numpy_are_refused(batch):
    with pytest.raises(TypeError, match="visible: expected a torch tensor, got ndarray"):
        METRICS["en"](*(each.numpy() for each in batch))


def test_no_images_is_an_error(batch):
    with pytest.raises(ValueError, match="no images"):
        evaluate(*(each[:0] for each in batch))


@pytest.mark.parametrize(
    ("name", "side"),
    [("ssim", 11), ("ssim255", 11), ("vif", 41), ("viff", 41), ("ms_ssim", 161), ("ag", 2), ("nabf", 2), ("fmi", 3)],
)
def test_smallest_side(name, side, batch):
    METRICS[name](*(each[:1, :, :side, :] for each in batch))
    with pytest.raises(ValueError, match=f"smallest side is {side}"):
        METRICS[name](*(each[:1, :, : side - 1, :] for each in batch))


def test_unknown_metric_names_the_known_ones(batch):
    with pytest.raises(UserError, match=r"(?s)ms_ssim255.*bleu"):
        evaluate(*batch, ["en", "bleu"])
    with pytest.raises(UserError, match="No metric"):
        evaluate(*batch, [])
