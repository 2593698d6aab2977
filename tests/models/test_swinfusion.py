import copy
import gc
import pickle

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from reference.networks import draw, load_parity, scatter
from ssvif.models.swinfusion import DropPath, SelfBlock, SwinFusion
from ssvif.models.window_attention import CompiledAttention, explicit_attention, seam_masks
from ssvif.ops.strips import Memory, map_strips

FORGETFUL = Memory(keep=False)


def compiled_attention(*inputs):
    return CompiledAttention.apply(*inputs, FORGETFUL)


def test_agrees_with_the_original_while_training(shared):
    """With gradients, attention goes another way; the dropped branches are switched off."""
    model, stored = load_parity(shared, "swinfusion_3ch_seed0", "swinfusion")
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
    drop, tokens = DropPath(0.25), torch.empty(8000, 2, 3, 1)
    factors = drop(tokens)
    assert factors.shape == (8000, 1, 1, 1)
    assert factors.unique().tolist() == pytest.approx([0, 4 / 3])
    assert factors.mean().item() == pytest.approx(1, abs=0.02)
    assert drop.eval()(tokens).unique().tolist() == [1]


def test_training_drops_and_evaluation_does_not():
    model = scatter(SwinFusion(1)).train()
    images = draw(1, 8, 8, batch=4)
    torch.manual_seed(0)
    with torch.no_grad():
        first, second = model(*images), model(*images)
        assert not torch.equal(first, second)
        assert torch.equal(model.eval()(*images), model(*images))


@pytest.mark.parametrize("columns", [1, 3])
@pytest.mark.parametrize(("masks", "shift"), [(torch.zeros(1, 1, 64, 64), 0), (seam_masks(), 4)])
def test_both_ways_to_attend_agree(columns, masks, shift):
    random = torch.Generator().manual_seed(columns)
    tokens = (torch.randn(3, 4, 8, 8 * columns, 60, generator=random) * 3).requires_grad_()
    bias = (torch.randn(6, 64, 64, generator=random) + masks).requires_grad_()
    weights = torch.randn(4, 8, 8 * columns, 60, generator=random)
    last = torch.tensor([False, True, False, True])
    results = []
    for attend in (explicit_attention, compiled_attention):
        found = attend(*tokens, bias, last, shift)
        results.append((found, *torch.autograd.grad((found * weights).sum(), (tokens, bias))))
    for explicit, compiled in zip(*results, strict=True):
        assert (explicit - compiled).abs().max() <= 1e-5 * explicit.abs().max()


def test_attention_hides_no_nan():
    tokens = torch.ones(3, 1, 8, 16, 60)
    tokens[1, 0, 3, 2, 5] = torch.nan  # a key of the first window
    found = compiled_attention(*tokens, torch.zeros(1, 6, 64, 64), torch.tensor([True]), 0)
    assert found[0, :, :8, :10].isnan().all()
    assert not found[0, :, 8:].isnan().any()


def test_attention_has_large_scores():
    tokens = torch.full((3, 1, 8, 8, 60), 1e4)
    found = compiled_attention(*tokens, torch.zeros(1, 6, 64, 64), torch.tensor([True]), 0)
    assert torch.allclose(found, tokens[2])


def gradients_of(model, images):
    found = torch.autograd.grad((model(*images) * images[0]).sum(), list(model.parameters()), retain_graph=True)
    return torch.cat([each.flatten() for each in found])


def test_strips_and_threads_change_nothing(monkeypatch):
    model, images = scatter(SwinFusion(1)), draw(1, 40, 24, batch=2)
    threads, results = torch.get_num_threads(), {}
    try:
        for at_once, count in ((1, 1), (6, 1), (6, 3), (1000, 1)):
            torch.set_num_threads(count)
            monkeypatch.setattr("ssvif.models.swinfusion.WINDOWS_AT_ONCE", at_once)
            with torch.no_grad():
                fused = model(*images)
            results[at_once, count] = fused, gradients_of(model, images)
    finally:
        torch.set_num_threads(threads)
    whole, expected = results[1000, 1]
    for fused, gradients in results.values():
        assert (fused - whole).abs().max() <= 1e-6
        assert (gradients - expected).norm() <= 1e-5 * expected.norm()


def test_a_block_is_the_same_with_any_number_of_threads():
    block, threads, found = scatter(SelfBlock(shifted=True, drop=0)), torch.get_num_threads(), []
    tokens = torch.randn(9, 16, 64, 60).requires_grad_()
    try:
        for count in (1, 2, 5):
            torch.set_num_threads(count)
            made = block(tokens)
            found.append((made, *torch.autograd.grad(made.square().sum(), [tokens, *block.parameters()])))
    finally:
        torch.set_num_threads(threads)
    assert all(torch.equal(*each) for other in found[1:] for each in zip(found[0], other, strict=True))


def test_gradients_are_those_without_strips(monkeypatch):
    """Of every parameter, beside the plain graph that PyTorch makes of the same blocks."""
    model, images = scatter(SwinFusion(1)), draw(1, 24, 16)
    found = gradients_of(model, images)
    monkeypatch.setattr("ssvif.models.swinfusion.map_strips", lambda function, maps, *_: function(*maps, FORGETFUL))
    monkeypatch.setattr(
        "ssvif.models.window_attention.CompiledAttention.apply", lambda *inputs: explicit_attention(*inputs[:-1])
    )
    expected = gradients_of(model, images)
    assert (found - expected).norm() <= 1e-5 * expected.norm()


def test_both_tasks_get_gradients_from_one_pass():
    model, images = scatter(SwinFusion(1)), draw(1, 16, 16)
    fused = model(*images)
    parameters = list(model.parameters())
    first = torch.autograd.grad(fused.sum(), parameters, retain_graph=True)
    second = torch.autograd.grad(fused.square().sum(), parameters)
    assert all(torch.isfinite(each).all() for each in (*first, *second))
    assert any(not torch.equal(*each) for each in zip(first, second, strict=True))


def test_autocast_reaches_the_strips_and_leaves_attention_in_compiled_loops(monkeypatch):
    monkeypatch.setattr("ssvif.models.window_attention.explicit_attention", None)
    model, images = scatter(SwinFusion(1)), draw(1, 32, 32)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        narrow = model(*images)
    with torch.no_grad():
        difference = (narrow - model(*images)).abs().max()
    assert 1e-4 < difference < 0.2


def test_a_network_of_narrow_weights_fuses():
    model, images = scatter(SwinFusion(1)), draw(1, 16, 16)
    with torch.no_grad():
        difference = (model.bfloat16()(*(each.bfloat16() for each in images)) - model.float()(*images)).abs().max()
    assert difference < 0.2


def test_a_backward_pass_frees_what_attention_kept():
    block, tokens = scatter(SelfBlock(shifted=False, drop=0)), torch.randn(1, 16, 24, 60)

    def count_norms():
        return sum(type(each) is torch.Tensor and each.shape == (2, 3, 6, 2, 64) for each in gc.get_objects())

    loss = block(tokens).sum()
    loss.backward()
    assert count_norms() == 0
    assert loss.grad_fn is not None  # the graph is still there


def test_a_strip_keeps_what_a_function_raises():
    def fail(strip, memory):
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        map_strips(fail, (torch.ones(4, 2),), nn.Identity(), 1)


def test_a_network_frozen_in_part_trains_the_rest():
    model, images = scatter(SwinFusion(1)).requires_grad_(False), draw(1, 16, 16)
    part = model.stages[1].cross[0].visible.mlp.requires_grad_(True)
    model(*images).square().sum().backward()
    assert all(each.grad.abs().max() > 0 for each in part.parameters())


def test_autocast_of_the_backward_pass_alone_changes_nothing():
    block, tokens = scatter(SelfBlock(shifted=False, drop=0)), torch.randn(1, 8, 8, 60)
    found = []
    for narrow in (False, True):
        made = block(tokens).square().sum()
        with torch.autocast("cpu", torch.bfloat16, enabled=narrow):
            found.append(torch.autograd.grad(made, list(block.parameters())))
    assert all(torch.equal(*each) for each in zip(*found, strict=True))
