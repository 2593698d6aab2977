import copy
import pickle

import pytest
import torch
from safetensors.torch import load_file
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from reference.networks import draw, scatter
from ssvif.models.published import load_published
from ssvif.models.swinfusion import (
    DropPath,
    SwinFusion,
    explicit_attention,
    fused_attention,
    seam_masks,
)


def test_agrees_with_the_original_while_training(shared):
    """With gradients, attention goes another way; the dropped branches are switched off."""
    stored = load_file(shared / "parity" / "swinfusion_3ch_seed0.safetensors")
    weights = {key.removeprefix("weights/"): each for key, each in stored.items() if key.startswith("weights/")}
    model = load_published("swinfusion", weights)
    size = next(key.split("/")[1] for key in stored if key.startswith("input/"))
    fused = model(stored[f"input/{size}/vis"], stored[f"input/{size}/ir"])
    assert fused.requires_grad
    assert (fused - stored[f"output/{size}/fused"]).abs().max() <= 5e-5


@pytest.mark.parametrize(("channels", "expected"), [(1, 75.9801), (3, 76.0686)])
def test_computes_what_the_paper_counts_while_training_too(channels, expected):
    with torch.device("meta"):
        model, image = SwinFusion(channels).eval(), torch.rand(1, channels, 256, 256)
    normalized = 0

    def count(_, inputs):
        nonlocal normalized
        normalized += inputs[0].numel()

    for module in model.modules():
        if isinstance(module, nn.LayerNorm):
            module.register_forward_pre_hook(count)
    with FlopCounterMode(display=False) as counter:
        model(image, image)
    assert (counter.get_total_flops() / 2 + 5 * normalized) / 1e9 == pytest.approx(expected, abs=5e-5)


def test_is_saved_without_tables_and_copied_with_them():
    filled = scatter(SwinFusion(3))
    assert filled.state_dict().keys() == dict(filled.named_parameters()).keys()
    images = draw(3, 16, 16)
    for twin in (copy.deepcopy(filled), pickle.loads(pickle.dumps(filled))):
        with torch.no_grad():
            assert torch.equal(twin(*images), filled(*images))


def test_starts_as_the_released_network():
    torch.manual_seed(0)
    model = SwinFusion(3)
    linear = [each for each in model.modules() if isinstance(each, nn.Linear)]
    assert len(linear) == 4 * 20 + 5 * 8
    assert all(torch.count_nonzero(each.bias) == 0 for each in linear)
    tables = [each for name, each in model.named_parameters() if name.endswith("bias_table")]
    for drawn in ([each.weight for each in linear], tables):
        assert torch.cat([each.flatten() for each in drawn]).std().item() == pytest.approx(0.02, rel=0.02)


def test_drop_path_rises_with_depth():
    model = SwinFusion(1)
    rates = {name: each.rate for name, each in model.named_modules() if isinstance(each, DropPath)}
    for part in ("extract_infrared", "extract_visible", "refine"):
        assert [rates[f"{part}.{i}.drop_path"] for i in range(4)] == pytest.approx([0, 0.1 / 3, 0.2 / 3, 0.1])
    for part in ("infrared.{}", "visible.{}", "cross.{}.infrared", "cross.{}.visible"):
        found = [rates[f"stages.{stage}.{part.format(i)}.drop_path"] for stage in range(2) for i in range(2)]
        assert found == pytest.approx([0, 0.1 / 3, 0.2 / 3, 0.1])


def test_drop_path_leaves_out_whole_images_and_keeps_the_mean():
    torch.manual_seed(0)
    drop, ones = DropPath(0.25), torch.ones(8000, 2, 3)
    dropped = drop(ones)
    assert torch.equal(dropped, dropped[:, :1, :1].expand_as(dropped))
    assert dropped.unique().tolist() == pytest.approx([0, 4 / 3])
    assert dropped.mean().item() == pytest.approx(1, abs=0.02)
    assert drop.eval()(ones) is ones


def test_training_drops_and_evaluation_does_not():
    model = scatter(SwinFusion(1)).train()
    images = draw(1, 8, 8, batch=4)
    torch.manual_seed(0)
    with torch.no_grad():
        first, second = model(*images), model(*images)
        assert not torch.equal(first, second)
        assert torch.equal(model.eval()(*images), model(*images))


@pytest.mark.parametrize("rows", [1, 2, 3])
@pytest.mark.parametrize("columns", [1, 3])
@pytest.mark.parametrize("masks", [None, seam_masks()])
def test_both_ways_to_attend_agree(rows, columns, masks):
    random = torch.Generator().manual_seed(rows)
    query, key, value = torch.randn(3, 2, rows, columns, 6, 64, 10, generator=random) * 3
    bias = torch.randn(6, 64, 64, generator=random)
    explicit = explicit_attention(query, key, value, bias, masks)
    assert explicit.shape == query.shape
    assert (fused_attention(query, key, value, bias, masks) - explicit).abs().max() <= 1e-4
