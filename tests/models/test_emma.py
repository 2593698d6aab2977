from itertools import product

import torch
from torch.nn import functional

from reference.networks import draw, scatter
from ssvif.models.emma import EMMA
from ssvif.models.restormer import ChannelAttention, ChannelNorm


@torch.no_grad()
def test_maps_halve_from_one_to_the_next():
    maps = EMMA(3).backbone(*draw(3, 48, 64))
    assert [tuple(each.shape) for each in maps] == [(1, 8, 48, 64), (1, 16, 24, 32), (1, 32, 12, 16), (1, 32, 6, 8)]


def test_training_is_as_using():
    model, images = scatter(EMMA(1)), draw(1, 16, 24)
    assert torch.equal(model.train()(*images), model.eval()(*images))


def test_a_head_of_one_channel_has_no_use_for_its_query_and_key():
    model = scatter(EMMA(3)).train()
    model(*draw(3, 24, 24)).square().mean().backward()
    gradient = model.fuse[0].attention.mix.weight.grad
    assert not gradient[:16].any()
    assert gradient[16:].flatten(1).any(dim=1).all()


def test_every_map_moves_the_image():
    model = scatter(EMMA(1))
    maps = model.backbone(*draw(1, 32, 32))
    for number in range(4):
        changed = [each * (index != number) for index, each in enumerate(maps)]
        assert (model.decoder(changed) - model.decoder(maps)).abs().max() > 0.1


@torch.no_grad()
def test_the_norm_is_layer_norm_over_channels():
    norm = scatter(ChannelNorm(16))
    features = torch.randn(2, 16, 5, 6, generator=torch.Generator().manual_seed(0))
    expected = functional.layer_norm(features.permute(0, 2, 3, 1), (16,), norm.weight, norm.bias)
    assert (norm(features) - expected.permute(0, 3, 1, 2)).abs().max() <= 1e-5


@torch.no_grad()
def test_attention_is_its_sums():
    """Written out channel by channel, in double precision."""
    attention = scatter(ChannelAttention(16)).double()
    features = torch.randn(1, 16, 4, 5, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    query, key, value = attention.mix(attention.expand(features))[0].flatten(1).chunk(3)
    gathered = torch.empty_like(value)
    for head, own in product(range(8), range(2)):
        row = 2 * head + own
        scores = [
            query[row] @ key[other] / (query[row].norm() * key[other].norm()) * attention.scale[head, 0, 0]
            for other in (2 * head, 2 * head + 1)
        ]
        shares = torch.stack(scores).exp()
        gathered[row] = shares @ value[2 * head : 2 * head + 2] / shares.sum()
    expected = attention.project(gathered.view(1, 16, 4, 5))
    assert (attention(features) - expected).abs().max() <= 1e-12
