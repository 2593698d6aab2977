import json
from collections import defaultdict

import pytest
import torch
from safetensors.torch import load_file
from torch import nn
from torch.nn import functional

from reference.networks import draw, scatter
from reference.recipe import make_state, make_weight
from ssvif.models.mit import build_mit
from ssvif.models.published import load_published
from ssvif.models.segmif import Interaction, SegMiF

SIZES = ("96x96", "77x101")


def parity_files(shared):
    return sorted((shared / "parity").glob("segmif_seed*.safetensors"))


@pytest.fixture(scope="module")
def released(shared):
    """The networks that the parity files were made with, and what the original gave, by seed."""
    specified = json.loads((shared / "specs" / "state_dict_segmif.json").read_text(encoding="utf-8"))
    shapes = [(f"{part}.{name}", shape) for part, held in specified.items() for name, shape in held]
    found = {}
    for file in parity_files(shared):
        seed = int(file.stem.partition("seed")[2])
        found[seed] = load_published("segmif", make_state(shapes, seed)), load_file(file)
    assert 0 in found
    return found


@pytest.mark.parametrize("size", SIZES)
@torch.no_grad()
def test_agrees_with_the_original(released, size):
    """Within 1e-5 in the image and 2e-5 in each map; 2.2e-6 and 4.0e-6 where this was written.

    The authors' script gives the network the red channel of the visible image, and a picture made before as guidance.
    """
    for model, stored in released.values():
        seen = defaultdict(list)
        layers = {"block": model.infrared_blocks[0], "meeting": model.interact}
        layers |= {f"guide_{i + 1}": each for i, each in enumerate(model.adapt)}
        handles = [
            layer.register_forward_hook(lambda _, given, made, kept=seen[name]: kept.append((given, made)))
            for name, layer in layers.items()
        ]
        visible, infrared, mask = (stored[f"input/{size}/{each}"] for each in ("vis", "ir", "mask"))
        fused = model.decoder(model.guided_features(visible[:, :1], infrared, mask))
        for handle in handles:
            handle.remove()
        maps = {"drdb1": seen["block"][0][1]}
        for i in (0, 1):
            maps[f"ffm_{i + 1}_ir"], maps[f"ffm_{i + 1}_vis"] = seen["meeting"][i][1]
            maps[f"guide_{i + 1}"] = seen[f"guide_{i + 1}"][0][0][0]
        assert (fused - stored[f"output/{size}/fused"]).abs().max() <= 1e-5
        for name, made in maps.items():
            step = 4 if name == "guide_2" else 2
            expected = stored[f"features_s4/{size}/{name}"]
            assert (made[:, ::step, ::4, ::4] - expected).abs().max() <= 2e-5, name


@pytest.mark.parametrize(
    ("name", "shape", "seed", "first", "total"),
    [
        ("conv1_ir.weight", (64, 1, 3, 3), 0, (-0.1133061, -0.3128199, 0.2520800), -5.64184),
        ("conv1_ir.weight", (64, 1, 3, 3), 1, (0.6023111, -0.3544889, -0.4141113), -0.89612),
        ("relu.weight", (1,), 0, (0.2412272,), 0.2412272),
        ("relu.weight", (1,), 1, (0.2484052,), 0.2484052),
        ("ffm.cross.cross_attn.kv3.weight", (128, 64), 0, (-0.0057839, -0.0001284, 0.0035051), None),
        (
            "denoise_net.encoder.patch_embed1.proj.weight",
            (64, 3, 7, 7),
            0,
            (0.1008845, -0.0813240, -0.0160516),
            None,
        ),
        (
            "denoise_net.encoder.block3.17.attn.q.weight",
            (320, 320),
            0,
            (-0.2992401, 0.2792908, 0.3638837),
            None,
        ),
        ("backbone.patch_embed1.proj.weight", (64, 3, 7, 7), 1, (-0.0321075, 0.0241378, 0.0197022), None),
        ("backbone.extra_block3.26.attn.q.weight", (320, 320), 0, (-0.0127523, -0.1645520, -0.0776828), None),
        ("backbone.PCASCs.2.CA_x1toX2.q1.weight", (320, 320), 0, (-0.1144931, -0.1474571, 0.1010970), None),
        ("aux_head.CNN_fuse.1.running_var", (16,), 0, (1.3238457, 1.0074600, 1.3772440), None),
        ("aux_head.CNN_fuse.3.weight", (3, 16, 1, 1), 0, (-0.2545730, 0.9081662, 0.2387357), None),
        ("decode_head.linear_pred.bias", (15,), 0, (0.1097366, -0.0022207, -0.0386236), None),
    ],
)
def test_the_recipe_for_weights_gives_its_check_values(name, shape, seed, first, total):
    made = make_weight(name, shape, seed)
    assert made.flatten()[: len(first)].tolist() == pytest.approx(first, abs=5e-8)
    if total is not None:
        assert made.double().sum().item() == pytest.approx(total, abs=5e-6)


def test_norms_have_the_epsilons_that_the_values_cannot_tell_apart():
    found = {"blocks and stages": set(), "others": set()}
    for name, module in SegMiF(1).named_modules():
        if isinstance(module, nn.LayerNorm):
            own = name.startswith("guidance_encoder") and "patch_embeddings" not in name and "reduction" not in name
            found["blocks and stages" if own else "others"].add(module.eps)
    assert found == {"blocks and stages": {1e-6}, "others": {1e-5}}


@torch.no_grad()
def test_meeting_is_its_sums():
    """Written out pixel by pixel and channel by channel, in double precision."""
    meet = scatter(Interaction()).double()
    random = torch.Generator().manual_seed(0)
    maps = [torch.randn(1, 64, 3, 4, generator=random, dtype=torch.float64) for _ in range(3)]
    infrared, visible, guidance = (each[0].flatten(1).T for each in maps)

    def halves(layer, tokens):
        return functional.linear(tokens, layer.weight, layer.bias).clamp(min=0).split(64, dim=1)

    def contexts(layer, tokens):
        key, value = (tokens @ layer.weight.T).split(64, dim=1)
        for head in range(0, 64, 8):
            sums = torch.zeros(8, 8, dtype=torch.float64)
            for pixel in range(len(tokens)):
                for i in range(8):
                    sums[i] += key[pixel, head + i] * value[pixel, head : head + 8]
            sums = (sums / 8**0.5).exp()
            yield head, sums / sums.sum(dim=0)

    def applied(tokens, matrices):
        return torch.cat([tokens[:, head : head + 8] @ matrix for head, matrix in matrices], dim=1)

    asked, shown = halves(meet.expand, guidance)
    for made, own, stream in zip(meet(*maps), (infrared, visible), (meet.infrared, meet.visible), strict=True):
        answer, query = halves(stream.expand, own)
        found = [applied(asked, contexts(stream.context, answer)), applied(query, contexts(meet.context, shown))]
        joined = own + stream.project(torch.cat(found, dim=1))
        expected = functional.layer_norm(joined, (64,), stream.norm.weight, stream.norm.bias)
        assert (made[0].flatten(1).T - expected).abs().max() <= 1e-12


@pytest.mark.parametrize("channels", [1, 3])
@torch.no_grad()
def test_guided_by_luma_unless_a_picture_is_given(channels):
    model, (visible, infrared) = scatter(SegMiF(channels)), draw(channels, 33, 40)
    gray = visible if channels == 1 else visible.mul(torch.tensor([0.299, 0.587, 0.114]).view(3, 1, 1)).sum(1, True)
    features = model.backbone(visible, infrared)
    assert torch.allclose(model.guided_features(visible, infrared, gray), features, atol=1e-5)
    assert (model.guided_features(visible, infrared, 1 - gray) - features).abs().max() > 0.1
    with pytest.raises(ValueError, match=r"visible \(1, 1, 33, 40\), picture \(1, 1, 33, 39\)"):
        model.guided_features(visible, infrared, gray[..., :39])


def test_training_is_as_using():
    model, images = scatter(SegMiF(1)), draw(1, 32, 40)
    assert torch.equal(model.train()(*images), model.eval()(*images))


@pytest.mark.parametrize(("size", "widths"), [("b0", (32, 64, 160, 256)), ("b3", (64, 128, 320, 512))])
@torch.no_grad()
def test_stages_of_an_encoder_halve_their_maps(size, widths):
    maps = torch.rand(2, 3, 77, 101)
    for stage, width, sides in zip(build_mit(size), widths, ((20, 26), (10, 13), (5, 7), (3, 4)), strict=True):
        maps = stage(maps)
        assert maps.shape == (2, width, *sides)
    assert sum(each.numel() for each in build_mit("b3").parameters()) == 44_072_128
