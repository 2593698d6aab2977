import pytest
import torch
from torch import nn

from reference.networks import draw, load_parity, scatter, watched
from reference.released import released_state
from ssvif.io.errors import UserError
from ssvif.models.published import load_published
from ssvif.models.timfusion import Blur, TIMFusion
from ssvif.models.timfusion_cells import DenseBlock

# name of a stored feature → the layer that gives it
FULL = {
    "fused_1": "first",
    "stage1_stem": "first.stem",
    "stage1_down2": "first.cells.0.down_half",
    "stage1_down4": "first.cells.0.down_quarter",
    "stage1_up4": "first.cells.0.up_quarter",
    "stage1_skff": "first.cells.0.merge",
    "stage1_cell0": "first.cells.0",
    "stage1_cell1": "first.cells.1",
    "stage2_vis_stem": "visible_stem",
    "stage2_ir_stem": "infrared_stem",
    "stage2_ir_cells": "infrared_cells",
    "stage2_vis_cells": "visible_cells",
    "mask": "mask",
}
LIGHT = {"stem": "stem", "cell0": "cells.0", "cell1": "cells.1"}


def compare(stored, made, size):
    """Return by how much each stored feature differs."""
    off = {}
    for name, (each,) in made.items():
        whole, part = (stored.get(f"features{kind}/{size}/{name}") for kind in ("", "_s4"))
        expected, found = (whole, each) if part is None else (part, each[..., ::4, ::4])
        off[name] = (found - expected).abs().max().item()
    return off


@pytest.mark.parametrize("size", ["96x96", "92x116"])
@torch.no_grad()
def test_the_full_network_agrees_with_the_original(shared, size):
    """With the script's statistics and with the stored ones; in float32, processors differ by up to 1.3e-5."""
    model, stored = load_parity(shared, "timfusion_seed0", "timfusion")
    before = {name: each.clone() for name, each in model.state_dict().items()}
    images = stored[f"input/{size}/vis"], stored[f"input/{size}/ir"]
    assert (model(*images) - stored[f"output/{size}/fused_bn_running"]).abs().max() <= 1e-4
    with model.batch_statistics(), watched({name: model.get_submodule(each) for name, each in FULL.items()}) as made:
        assert (model(*images) - stored[f"output/{size}/fused"]).abs().max() <= 1e-4
    made["mask"] = [each.sigmoid() for each in made["mask"]]
    assert {name: each for name, each in compare(stored, made, size).items() if each > 1e-4} == {}
    assert (model(*images) - stored[f"output/{size}/fused_bn_running"]).abs().max() <= 1e-4
    assert all(torch.equal(each, before[name]) for name, each in model.state_dict().items())


@pytest.mark.parametrize("size", ["96x96", "75x101"])
@torch.no_grad()
def test_the_light_network_agrees_with_the_original(shared, size):
    """Not a bit apart where this was written."""
    model, stored = load_parity(shared, "timfusion_light_seed0", "timfusion_light")
    with watched({name: model.get_submodule(each) for name, each in LIGHT.items()}) as made:
        fused = model(stored[f"input/{size}/vis"], stored[f"input/{size}/ir"])
    assert (fused - stored[f"output/{size}/fused"]).abs().max() <= 1e-4
    assert {name: each for name, each in compare(stored, made, size).items() if each > 1e-4} == {}


@torch.no_grad()
def test_the_scripts_statistics_are_those_of_each_image_alone():
    """As training mode gives them for one image; the first stage, and what is stored, stay as they are."""
    model = scatter(TIMFusion(1))
    for number, norm in enumerate(each for each in model.modules() if isinstance(each, nn.BatchNorm2d)):
        norm.running_mean.fill_(0.02 * number)
        norm.running_var.fill_(1 + 0.1 * number)
    images = draw(1, 20, 24, batch=2)
    stored = model(*images)
    with model.batch_statistics():
        whole = model(*images)
    assert torch.equal(model(*images), stored)
    assert (whole - stored).abs().max() > 1e-3
    model.train().first.eval()
    with model.batch_statistics():
        for i in range(2):
            alone = model(*(each[i : i + 1] for each in images))
            assert (alone[0] - whole[i]).abs().max() <= 1e-4


def test_the_statistics_come_back_after_an_error():
    model, images = scatter(TIMFusion(1)), draw(1, 12, 12)
    stored = model(*images)
    with pytest.raises(RuntimeError), model.batch_statistics():
        raise RuntimeError
    assert torch.equal(model(*images), stored)


def test_two_files_in_a_folder_come_in_or_are_named(tmp_path):
    state = released_state("timfusion")
    files = {"weights_1.": "weights_1_1059.pt", "weights_2.": "weights_2_1059.pt"}
    for part, file in files.items():
        with pytest.raises(UserError) as caught:
            load_published("timfusion", tmp_path)
        assert caught.value.what == f"{tmp_path / file} does not exist"
        held = {key.removeprefix(part): each for key, each in state.items() if key.startswith(part)}
        torch.save(held, tmp_path / file)
        with pytest.raises(UserError) as caught:
            load_published("timfusion", tmp_path / file)
        assert caught.value.got.startswith(f"it looks like {part.rstrip('.')} of timfusion; it begins with ")
        whole = "a folder with weights_1_1059.pt and weights_2_1059.pt of timfusion as released"
        assert (caught.value.expected, caught.value.remedy) == (whole, f"name {whole}")
    own = load_published("timfusion", tmp_path).state_dict()
    assert all(torch.equal(own[name], each) for name, each in load_published("timfusion", state).state_dict().items())


@torch.no_grad()
def test_the_filter_blurs_and_is_no_weight():
    """A line of one pixel becomes quarters and a half, at every second pixel; plain areas stay, at the border too."""
    blur = Blur()
    assert not blur.state_dict()
    image = torch.zeros(1, 2, 7, 9)
    image[:, 1] = 1
    image[:, 0, :, 4] = 1
    image[:, 0, :, 7] = 1
    expected = torch.tensor([[0, 0, 0.5, 0.25, 0.5], [1, 1, 1, 1, 1]]).view(1, 2, 1, 5).expand(1, 2, 4, 5)
    assert torch.equal(blur(image), expected)


@torch.no_grad()
def test_dense_groups_are_not_interleaved():
    """In the second convolution the lower half of the channels sees the input alone, the upper one the first output."""
    block = DenseBlock(4)
    for conv in (block.dense1, block.dense2, block.dense3):
        conv.weight.zero_()
        conv.weight[:, :, 1, 1] = 1.0
    block.activation.weight.fill_(1.0)
    image = torch.tensor([1.0, 2.0, 4.0, 8.0]).view(1, 4, 1, 1)
    first = image.flatten()
    joined = torch.cat([first, first])
    second = torch.stack([joined[2 * i : 2 * i + 2].sum() for i in range(4)])
    third = torch.stack([torch.cat([joined, second])[3 * i : 3 * i + 3].sum() for i in range(4)])
    assert torch.allclose(block(image).flatten(), 0.333 * third + first)


@pytest.mark.parametrize(("sign", "stream"), [(1, "visible_cells"), (-1, "infrared_cells")])
@torch.no_grad()
def test_the_mask_chooses_between_the_streams(sign, stream):
    """It reads the visible stream, whose greatest value a pixel is above zero here, and is its share."""
    model, images = scatter(TIMFusion(3)), draw(3, 16, 20)
    with watched({"visible_cells": model.visible_cells, "infrared_cells": model.infrared_cells}) as made:
        features = model.backbone(*images)
    assert all((features - each).abs().max() > 0.1 for (each,) in made.values())
    assert made["visible_cells"][0].amax(dim=1).min() > 1e-3
    model.mask.weight[:, :2] = sign * 1e6
    assert (model.backbone(*images) - made[stream][0]).abs().max() <= 1e-6
