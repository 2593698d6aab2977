import json
from functools import partial

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from reference.networks import draw
from reference.recipe import make_weight, mrfs_shapes
from reference.released import NAMES
from ssvif.io.errors import UserError
from ssvif.judging.cost import count
from ssvif.models.base import FusionNetwork
from ssvif.models.inference import INFERENCES
from ssvif.models.mrfs import MRFS
from ssvif.models.names import channel_choices
from ssvif.models.published import load_published
from ssvif.models.registry import build_fusion_model, build_network
from ssvif.models.released_names import PUBLISHED
from ssvif.ops.color import to_image

SIZES = ("96x96", "77x101")
# of the fused image and of the logits that `pinned` makes of `draw(3, 45, 70)`, the latter's first and last class
PLACES = ((0, 0, 0), (1, 0, 69), (2, 44, 0), (0, 22, 35), (1, 14, 40), (2, 33, 12))
FUSED = (0.086248, 0.006032, 0.588069, 0.046672, 0.044658, 0.152273)
LOGITS = (1.24015, 1.11874, 1.28947, 1.34485, 1.74165, 1.27817)


def made(name, seed, shapes):
    return load_published(name, {key: make_weight(key, shape, seed) for key, shape in shapes})


def keep(seen, name, layer, given, found):
    seen[name] = found


@pytest.fixture(scope="module")
def released(shared):
    """What the original gave, by seed, and the shapes of its weights: a network is too large to keep several."""
    files = (shared / "parity").glob("mrfs_seed*.safetensors")
    stored = {int(file.stem.partition("seed")[2]): load_file(file) for file in files}
    assert 0 in stored
    return stored, mrfs_shapes(json.loads((shared / "specs" / "state_dict_mrfs.json").read_text(encoding="utf-8")))


@torch.no_grad()
def test_agrees_with_the_original(released):
    """Within 1e-5 in the image, 5e-5 in the logits, 1e-4 in each map; 1.9e-6, 6.1e-6, 1.2e-5 where this was written."""
    for seed, stored in released[0].items():
        model = made("mrfs", seed, released[1])
        seen = {}
        for kind, layers in (("vision", model.complete), ("semantic", model.semantic)):
            for i, layer in enumerate(layers, 1):
                layer.register_forward_hook(partial(keep, seen, f"{kind}_{i}"))
        for size in SIZES:
            visible, infrared = stored[f"input/{size}/vis"], stored[f"input/{size}/ir"].expand(-1, 3, -1, -1)
            assert (model(visible, infrared) - stored[f"output/{size}/fused"]).abs().max() <= 1e-5
            assert "semantic_1" not in seen
            logits = model.logits(visible, infrared)
            assert (logits[..., ::2, ::2] - stored[f"output_s2/{size}/logits"]).abs().max() <= 5e-5
            labels = logits.argmax(dim=1)[0]
            assert (labels == stored[f"output/{size}/labels"]).float().mean() >= 0.999
            for key in (each for each in stored if each.startswith(f"features_c2/{size}/")):
                name = key.rpartition("/")[2]
                stage, _, stream = name.rpartition("_") if name.startswith("vision") else (name, "", "")
                found = seen[stage][("rgb", "ir").index(stream)] if stream else seen[stage]
                step = found.shape[1] // stored[key].shape[1]
                assert (found[:, ::step] - stored[key]).abs().max() <= 1e-4, name
            seen.clear()


@pytest.mark.slow
@torch.no_grad()
def test_makes_the_images_that_its_script_makes(released):
    """99.9 % of the values are equal and the others one level apart: their floats differ by rounding."""
    stored, shapes = released
    visible, infrared = stored[0]["input/77x101/vis"], stored[0]["input/77x101/ir"].expand(-1, 3, -1, -1)
    found = to_image(INFERENCES["mrfs"](made("mrfs", 0, shapes), visible, infrared))
    apart = np.abs(found.astype(int) - stored[0]["output/77x101/rgb8_padded"].numpy())
    assert apart.max() <= 1
    assert (apart == 0).mean() >= 0.999


@pytest.fixture(scope="module")
def pinned():
    """A network by the recipe for weights, which needs no shared data."""
    with torch.device("meta"):
        own = MRFS().state_dict()
    shapes = {}
    for name in NAMES["mrfs"]():
        shares = [own[each].shape for each in PUBLISHED["mrfs"].rename(name)]
        shapes[name] = [len(shares) * shares[0][0], *shares[0][1:]] if len(shares) > 1 else list(shares[0])
    return made("mrfs", 5, shapes.items())


@torch.no_grad()
def test_computes_what_it_computed(pinned):
    images = draw(3, 45, 70)
    fused, logits = pinned(*images)[0], pinned.logits(*images)[0]
    assert 0 < fused.min() < fused.max() < 1
    assert logits.shape == (15, 45, 70)
    assert [fused[place].item() for place in PLACES] == pytest.approx(FUSED, abs=2e-5)
    assert [logits[-(each % 2), row, column].item() for each, row, column in PLACES] == pytest.approx(LOGITS, abs=1e-4)


@torch.no_grad()
def test_a_batch_is_its_images_and_both_matter(pinned):
    visible, infrared = draw(3, 33, 38, batch=2)
    whole = pinned(visible, infrared)
    singles = torch.cat([pinned(visible[i : i + 1], infrared[i : i + 1]) for i in range(2)])
    assert (whole - singles).abs().max() <= 1e-5
    assert (whole[0] - whole[1]).abs().max() > 1e-3
    for other in (pinned(visible * 0, infrared), pinned(visible, infrared * 0), pinned(infrared, visible)):
        assert (whole - other).abs().max() > 1e-3


def test_norms_have_the_epsilons_that_the_values_cannot_tell_apart(pinned):
    found = {"blocks and stages": set(), "others": set()}
    for name, module in pinned.named_modules():
        if isinstance(module, nn.LayerNorm | nn.BatchNorm2d):
            own = "_encoder." in name and "patch_embeddings" not in name and "reduction" not in name
            found["blocks and stages" if own else "others"].add(module.eps)
    assert found == {"blocks and stages": {1e-6}, "others": {1e-5}}


def test_wrong_images_are_named(pinned):
    with pytest.raises(ValueError, match=r"visible: expected shape \(B, 3, H, W\), got \(1, 1, 32, 32\)"):
        pinned(torch.zeros(1, 1, 32, 32), torch.zeros(1, 1, 32, 32))
    with pytest.raises(ValueError, match=r"visible \(1, 3, 32, 32\), infrared \(1, 3, 32, 33\)"):
        pinned.logits(torch.zeros(1, 3, 32, 32), torch.zeros(1, 3, 32, 33))
    with pytest.raises(ValueError, match="at least 29×29 pixels, got 28×40"):
        pinned(*draw(3, 28, 40))


class Segmenting(MRFS):
    """Counted as a network that fuses, it makes logits."""

    def forward(self, visible, infrared):
        return self.logits(visible, infrared)


def test_costs_what_the_specification_says():
    """Parts in G, as fvcore counts them; both heads share the encoders and their completion."""
    shared = 23.648 + 0.118
    with torch.device("meta"):
        whole, segmenter = MRFS().eval(), Segmenting().eval()
    parts = {name: sum(each.numel() for each in part.parameters()) for name, part in whole.named_children()}
    assert parts == {
        "visible_encoder": 60_842_688,
        "infrared_encoder": 60_842_688,
        "complete": 1_352_136,
        "semantic": 10_292_224,
        "segment": 1_584_143,
        "reconstruct": 52_547,
    }
    fused, logits = (count(model, 256, 256)[0] / 1e9 for model in (whole, segmenter))
    assert fused + logits - shared == pytest.approx(31.092, abs=1e-3)
    assert fused == pytest.approx(shared + 1.286 + 4 * 128 * 256**2 / 1e9, abs=1e-3)  # the head and its resizing


def test_it_only_fuses_and_in_color_alone():
    assert channel_choices("mrfs") == (3,)
    with pytest.raises(UserError, match="The network mrfs has 3 channels, not 1"):
        build_network("mrfs", 1)
    with pytest.raises(UserError, match=r"mrfs cannot be trained here(?s:.*)seafusion \|(?s:.*)--checkpoint"):
        build_fusion_model("mrfs")
    with torch.device("meta"):
        assert isinstance(build_network("mrfs"), FusionNetwork)
    missing = dict.fromkeys(list(NAMES["mrfs"]())[:-2], torch.zeros(1))
    with pytest.raises(UserError, match=r"1 missing: reconstruct\.last\.weight") as caught:
        load_published("mrfs", missing | {"aux_head.CNN_fuse.3.bias": torch.zeros(3)})
    assert caught.value.what == "The state dictionary does not fit mrfs"
