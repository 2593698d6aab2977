import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file
from torch import nn

from fusing.made import noise
from reference.networks import draw
from ssvif.io.files import read_image
from ssvif.models.base import FusionModel
from ssvif.models.inference import INFERENCES
from ssvif.models.published import load_published
from ssvif.models.registry import build_fusion_model
from ssvif.ops.color import luma, rgb_to_ycbcr, to_image, to_tensor


class Watched(FusionModel):
    """The average of both images, or what `rule` says; keeps what it was given."""

    feature_channels = 1

    def __init__(self, channels=1, rule=lambda visible, infrared: (visible + infrared) / 2):
        super().__init__()
        self.channels, self.rule, self.given = channels, rule, []
        self.nothing = nn.Identity()

    def backbone(self, visible, infrared):
        self.given.append((visible, infrared))
        return self.rule(visible, infrared)

    def decoder(self, features):
        return features


def pair(height, width, gray=False):
    return to_tensor(noise(0, height, width, 0 if gray else 3)), to_tensor(noise(1, height, width, 0))


def gray_levels(image):
    """8-bit luma of an image in [0,1], as floats 0 to 255."""
    return luma((image * 255).round().to(torch.uint8)).double()


def levels(fused):
    return torch.tensor(to_image(fused)).permute(2, 0, 1)[None].double()


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", INFERENCES)
@settings(max_examples=8)
@given(height=st.integers(1, 70), width=st.integers(1, 70))
def test_any_size_comes_back(name, channels, height, width):
    visible, infrared = pair(height, width)
    fused = INFERENCES[name](Watched(channels), visible, infrared)
    assert fused.shape == visible.shape
    assert 0 <= fused.min() <= fused.max() <= 1


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", INFERENCES)
def test_a_uniform_image_stays_finite(name, channels):
    image = torch.full((1, 3, 9, 9), 0.5)
    # half a level from rounding, and the 0.9 by which SAGE's script tints grays
    assert INFERENCES[name](Watched(channels), image, image).sub(0.5).abs().max() <= 1.5 / 255


def test_plain_takes_luma_and_keeps_chroma():
    visible, infrared = draw(3, 20, 24)
    visible, infrared = visible / 4 + 0.4, infrared / 4 + 0.4
    model = Watched()
    fused = INFERENCES["plain"](model, visible, infrared)
    before, after = rgb_to_ycbcr(visible), rgb_to_ycbcr(fused)
    assert torch.equal(model.given[0][0], before[:, :1])
    assert torch.equal(model.given[0][1], infrared[:, :1])
    assert (after[:, :1] - (before[:, :1] + infrared[:, :1]) / 2).abs().max() <= 1e-3
    assert (after[:, 1:] - before[:, 1:]).abs().max() <= 1e-3


@pytest.mark.parametrize("name", INFERENCES)
def test_three_channels_go_in_whole_and_get_no_color_step(name):
    images = pair(40, 40)
    model = Watched(3, lambda visible, infrared: infrared)
    fused = INFERENCES[name](model, *images)
    assert torch.equal(fused[:, 0], fused[:, 2])
    top, left = (280, 380) if name == "mrfs" else (0, 0)  # within 600×800
    for image, got in zip(images, model.given[0], strict=True):
        assert torch.equal(got[..., top : top + 32, left : left + 32], image[..., :32, :32])  # EMMA's first tile


@pytest.mark.parametrize("channels", [1, 3])
def test_seafusion_stretches_all_colors_at_once_and_cuts_off(channels):
    visible, infrared = pair(20, 24)
    plain = INFERENCES["plain"](Watched(channels), visible / 2, infrared / 2)
    fused = INFERENCES["seafusion"](Watched(channels), visible / 2, infrared / 2)
    expected = ((plain - plain.min()) / (plain.max() - plain.min()) * 255).to(torch.uint8)
    assert torch.equal(levels(fused), expected.double())


def test_swinfusion_widens_by_the_edge_even_at_multiples_of_8():
    for height, width in ((16, 24), (13, 23), (3, 5)):
        visible, infrared = pair(height, width)
        model = Watched()
        INFERENCES["swinfusion"](model, visible, infrared)
        wide = ((0, 8 - height % 8), (0, 8 - width % 8))
        for image, got in zip((visible, infrared), model.given[0], strict=True):
            expected = np.pad(gray_levels(image)[0, 0].numpy(), wide, mode="symmetric")
            assert (got[0, 0] * 255 - torch.tensor(expected)).abs().max() <= 1e-4


def test_swinfusion_cuts_clamps_and_rounds():
    visible, infrared = pair(16, 21, gray=True)
    fused = INFERENCES["swinfusion"](Watched(1, lambda visible, infrared: visible * 1.63 - 0.2137), visible, infrared)
    exact = gray_levels(visible) * 1.63 - 0.2137 * 255  # never half a level
    assert torch.equal(levels(fused)[:, :1], exact.round().clamp(0, 255))


def emma_by_hand(image, rule, tile_of=32):
    """The released script's walk over an image (H,W): corners one after the other, strips of the remainder."""
    height, width = image.shape
    rows, columns = height - height % tile_of, width - width % tile_of
    fused = np.zeros_like(image)
    fused[:rows, :columns] = rule(image[:rows, :columns])
    if width > columns:
        fused[:rows, columns:] = rule(image[:rows, -columns:])[:, columns - width :]
    if height > rows:
        fused[rows:, :columns] = rule(image[-rows:, :columns])[rows - height :]
    if height > rows and width > columns:
        fused[rows:, columns:] = rule(image[-rows:, -columns:])[rows - height :, columns - width :]
    fused = (fused - fused.min()) / (fused.max() - fused.min()) * 255
    return np.floor(fused + 0.499999999)


def shade(image):
    """A rule that depends on where in its tile a pixel lies."""
    rows, columns = np.mgrid[: image.shape[-2], : image.shape[-1]]
    return image * (1 + rows / 100 + columns / 77)


@pytest.mark.parametrize(("height", "width"), [(64, 32), (64, 75), (50, 96), (69, 83)])
def test_emma_walks_over_the_corners(height, width):
    visible, infrared = pair(height, width, gray=True)
    model = Watched(1, lambda visible, infrared: torch.tensor(shade(visible.double().numpy())))
    fused = INFERENCES["emma"](model, visible.double(), infrared.double())
    expected = emma_by_hand(gray_levels(visible)[0, 0].numpy() / 255, shade)
    assert np.array_equal(to_image(fused)[..., 0], expected)
    assert len(model.given) == (1 + (height % 32 > 0)) * (1 + (width % 32 > 0))
    assert all(each.shape[-1] % 32 == 0 for each, _ in model.given)


@pytest.mark.parametrize("name", ["swinfusion", "emma"])
def test_gray_results_get_the_visible_chroma(name):
    visible, infrared = draw(3, 32, 32)
    visible = visible / 4 + 0.4
    fused = INFERENCES[name](Watched(1, lambda visible, infrared: visible), visible, infrared)
    inside = ((fused > 0) & (fused < 1)).all(dim=1, keepdim=True).expand(-1, 2, -1, -1)
    assert inside.any()
    difference = (rgb_to_ycbcr(fused) - rgb_to_ycbcr(visible))[:, 1:]
    assert difference[inside].abs().max() <= 1e-3


@pytest.mark.parametrize("name", ["swinfusion", "seafusion", "emma"])
def test_levels_survive_being_saved(name):
    """What a script cuts or rounds to 8 bits, rounding half up leaves alone."""
    visible, infrared = pair(48, 56, gray=True)
    fused = INFERENCES[name](Watched(3), visible, infrared)
    assert (fused * 255 - levels(fused)).abs().max() <= 1e-4


def test_cddfuse_reads_rounded_luma_and_stretches_gray():
    visible, infrared = pair(20, 24)
    model = Watched(1, lambda visible, infrared: visible / 3 + 0.2)
    fused = INFERENCES["cddfuse"](model, visible, infrared)
    red, green, blue = (visible * 255).round().unbind(dim=1)
    levels_in = (0.299 * red + 0.587 * green + 0.114 * blue).numpy().round()  # halves to even
    assert torch.equal(model.given[0][0][:, 0] * 255, torch.tensor(levels_in))
    gray = (levels_in - levels_in.min()) / (levels_in.max() - levels_in.min()) * 255
    expected = torch.tensor(np.floor(gray + 0.499999999))
    assert (rgb_to_ycbcr(fused)[:, 0] * 255 - expected).abs()[
        inside_of(fused)
    ].max() <= 0.2  # of converting colors twice


def inside_of(fused):
    """Where no color was clamped, so that luma and chroma come back, (B,H,W)."""
    return ((fused > 0) & (fused < 1)).all(dim=1)


def test_timfusion_reads_blue_and_rounds_half_up():
    visible, infrared = pair(20, 24)
    model = Watched(1, lambda visible, infrared: visible * 1.2 - 0.1)
    fused = INFERENCES["timfusion_stored"](model, visible, infrared)
    assert torch.equal(model.given[0][0], visible[:, 2:])
    expected = ((visible[:, 2] * 1.2 - 0.1).clamp(0, 1) * 255 + 0.5).floor()
    assert (rgb_to_ycbcr(fused)[:, 0] * 255 - expected).abs()[
        inside_of(fused)
    ].max() <= 0.2  # of converting colors twice


@torch.no_grad()
def test_timfusions_script_normalizes_by_the_images_own_statistics():
    model = build_fusion_model("timfusion", 1).eval()
    visible, infrared = draw(3, 16, 20)
    own, stored = (INFERENCES[name](model, visible, infrared) for name in ("timfusion", "timfusion_stored"))
    assert (own - stored).abs().max() > 0.02
    both = INFERENCES["timfusion"](model, *(torch.cat([each, each.flip(3)]) for each in (visible, infrared)))
    assert (both[:1] - own).abs().max() <= 1.5 / 255  # each image has its own
    assert torch.equal(INFERENCES["timfusion_stored"](model, visible, infrared), stored)


def test_segmif_cuts_before_it_stretches(shared):
    """The last steps of the authors' script alone, on what it was given."""
    for file in sorted((shared / "parity").glob("segmif_seed*.safetensors")):
        stored = load_file(file)
        if (fused := stored.get("chain/fused")) is not None:
            model, visible = Watched(1, lambda *_, made=fused: made), stored["chain/vis"]
            made = INFERENCES["segmif"](model, visible, visible)
            assert np.array_equal(to_image(made), stored["chain/rgb8"].numpy())


@pytest.mark.parametrize(
    "name", ["timfusion", "timfusion_stored", "timfusion_light", "cddfuse", "segmif", "mrfs", "emma"]
)
def test_a_script_of_a_network_that_sees_everything_takes_whole_images(name):
    assert not INFERENCES[name].tileable


@torch.no_grad()
def test_segmifs_guide_sees_gray_whatever_is_fused():
    model = build_fusion_model("segmif", 1).eval()
    seen = []
    model.guided_features = lambda visible, infrared, picture: (
        seen.append((visible, picture)) or visible.repeat(1, 128, 1, 1)
    )
    visible, infrared = pair(32, 32)
    INFERENCES["segmif"](model, visible, infrared)
    assert torch.equal(seen[0][0], visible[:, :1])
    assert (seen[0][1] * 255 - gray_levels(visible)).abs().max() <= 1e-3


def test_segmif_is_given_red():
    visible, infrared = pair(9, 9)
    for name, expected in (("segmif", visible[:, :1]), ("segmif_luma", rgb_to_ycbcr(visible)[:, :1])):
        model = Watched()
        INFERENCES[name](model, visible, infrared)
        assert torch.equal(model.given[0][0], expected)


def test_light_timfusion_reads_opencvs_gray():
    model = Watched()
    image = torch.zeros(1, 3, 2, 2)
    image[:, 1] = 1
    INFERENCES["timfusion_light"](model, image, image)
    assert [each.mul(255).unique().tolist() for each in model.given[0]] == [[150], [150]]  # 0.587 of 255


def sage_by_hand(red, green, blue, infrared):
    """One pixel of SAGE's script with the mean of both images as network: 8-bit levels in, 8-bit levels out."""
    gray = math.floor((4899 * red + 9617 * green + 1868 * blue + 8192) / 16384)
    red_chroma = math.floor((11682 * (red - gray) + 128 * 16384 + 8192) / 16384)
    blue_chroma = math.floor((9241 * (blue - gray) + 128 * 16384 + 8192) / 16384)
    red_chroma, blue_chroma = (min(max(each, 0), 255) / 255 - 0.5 for each in (red_chroma, blue_chroma))
    fused = (gray + infrared) / 2 / 255
    colors = (
        fused + 1.403 * red_chroma,
        fused - 0.714 * red_chroma - 0.344 * blue_chroma,
        fused + 1.773 * blue_chroma,
    )
    return [255 * min(max(each, 0), 1) for each in colors]


def test_sage_takes_colors_apart_in_8_bits():
    visible, infrared = noise(2, 12, 15), noise(3, 12, 15, 0)
    visible[0, :3] = (255, 0, 0), (0, 0, 255), (0, 255, 0)  # whose chroma leaves or meets the ends of 8 bits
    fused = INFERENCES["sage"](Watched(), to_tensor(visible), to_tensor(infrared))
    expected = [[sage_by_hand(*map(int, visible[i, j]), int(infrared[i, j])) for j in range(15)] for i in range(12)]
    assert (fused[0].permute(1, 2, 0).double() * 255 - torch.tensor(expected)).abs().max() <= 1e-3


def test_sage_takes_a_colored_infrared_image_as_its_gray():
    infrared = torch.zeros(1, 3, 2, 2)
    infrared[:, 0] = 1
    model = Watched()
    INFERENCES["sage"](model, infrared, infrared)
    assert model.given[0][1].mul(255).unique().tolist() == [76]  # 0.299 of 255


@pytest.mark.parametrize("most", [2, pytest.param(21, marks=pytest.mark.slow)])
@torch.no_grad()
def test_seafusions_published_images_come_out_again(shared, most):
    """99.9906 % of the pixels where this was written; which of the others differ depends on the convolutions' order."""
    folder = shared / "data" / "MSRS"
    model = load_published("seafusion", shared / "checkpoints" / "seafusion_published.pth")
    differences = []
    for path in sorted((folder / "published" / "SeAFusion").glob("*.png"))[:most]:
        visible, infrared = (to_tensor(read_image(folder / "test" / kind / path.name)) for kind in ("vi", "ir"))
        fused = to_image(INFERENCES["seafusion"](model, visible, infrared))
        differences.append(np.abs(fused.astype(int) - read_image(path)))
    assert len(differences) == most
    stacked = np.stack(differences)
    assert (stacked.max(axis=-1) == 0).mean() >= 0.9999
    assert stacked.max() <= 1
