"""The branches; SegFormer itself is the library's and takes long to import, so it is built here only."""

from typing import get_args

import pytest
import torch

from ssvif.io.errors import UserError
from ssvif.models.base import join_features
from ssvif.models.segmentation import SEGFORMER_SIZES, SegmentationHead, Segmenter
from ssvif.schema import SegFormerSize


@pytest.fixture(scope="module")
def segmenter() -> Segmenter:
    torch.manual_seed(0)
    return Segmenter("b0", 5).eval()


def test_the_head_is_two_3x3_and_a_1x1():
    head = SegmentationHead(96, 15)
    kernels = [each.kernel_size for each in head if isinstance(each, torch.nn.Conv2d)]
    assert kernels == [(3, 3), (3, 3), (1, 1)]
    assert head(torch.rand(2, 96, 9, 11)).shape == (2, 15, 9, 11)


def test_one_map_is_left_alone():
    features = torch.rand(2, 7, 8, 8)
    assert join_features(features) is features


def test_maps_are_joined_at_the_first_ones_size():
    maps = [torch.rand(2, 3, 8, 12), torch.full((2, 4, 4, 6), 0.25), torch.rand(2, 5, 1, 2, requires_grad=True)]
    joined = join_features(maps)
    assert joined.shape == (2, 12, 8, 12)
    assert torch.equal(joined[:, :3], maps[0])
    assert torch.equal(joined[:, 3:7], torch.full((2, 4, 8, 12), 0.25))
    joined.sum().backward()
    assert (maps[2].grad > 0).all()


@torch.no_grad()
@pytest.mark.parametrize("size", [(32, 32), (40, 52), (33, 47)])
def test_logits_have_the_images_size(segmenter, size):
    assert segmenter(torch.rand(2, 3, *size)).shape == (2, 5, *size)


def test_values_and_gradients_are_those_of_the_librarys_own_decoder():
    segmenter = Segmenter("b0", 5).train()
    segmenter.encoder.eval()
    segmenter.network.decode_head.dropout.p = 0.0
    image = torch.rand(2, 3, 70, 93, requires_grad=True)
    logits = segmenter.network(pixel_values=(image - segmenter.mean) / segmenter.std).logits
    expected = torch.nn.functional.interpolate(logits, (70, 93), mode="bilinear")
    found = segmenter(image)
    assert torch.allclose(found, expected, atol=1e-5)
    leaves = [image, *segmenter.parameters()]
    slopes = (torch.autograd.grad(each.square().mean(), leaves) for each in (found, expected))
    for ours, theirs in zip(*slopes, strict=True):
        assert torch.allclose(ours, theirs, rtol=1e-4, atol=1e-4 * theirs.abs().max().item() + 1e-8)


def test_the_decoder_drops_channels_and_normalizes_in_training_only(segmenter):
    head, image = segmenter.network.decode_head, torch.rand(1, 3, 64, 64)
    assert torch.equal(segmenter(image), segmenter(image))
    head.train()
    assert not torch.equal(segmenter(image), segmenter(image))
    head.batch_norm.eval()
    assert not torch.equal(segmenter(image), segmenter(image)), "dropout acts"
    head.eval()


def test_a_one_channel_image_counts_as_gray_and_gets_a_gradient(segmenter):
    gray = torch.rand(1, 1, 32, 32, requires_grad=True)
    logits = segmenter(gray)
    assert torch.equal(logits, segmenter(gray.expand(-1, 3, -1, -1)))
    logits.square().mean().backward()
    assert gray.grad.abs().max() > 0


def test_wrong_channels_are_named(segmenter):
    with pytest.raises(RuntimeError, match="expanded size"):
        segmenter(torch.rand(1, 2, 32, 32))


def test_the_encoder_is_everything_but_the_decoder(segmenter):
    encoder = {id(each) for each in segmenter.encoder.parameters()}
    rest = [name for name, each in segmenter.named_parameters() if id(each) not in encoder]
    assert encoder
    assert rest
    assert all("decode_head" in name for name in rest)


def test_an_unknown_size_is_named():
    with pytest.raises(UserError, match="Unknown SegFormer size 'b9'"):
        Segmenter("b9", 3)


def test_the_settings_know_the_same_sizes():
    assert tuple(SEGFORMER_SIZES) == get_args(SegFormerSize)


@pytest.mark.slow
def test_b3_has_the_published_size():
    """47.2 M parameters without the classifier: Xie et al. 2021, table 1."""
    parameters = sum(each.numel() for each in Segmenter("b3", 19).parameters())
    assert parameters / 1e6 == pytest.approx(47.2, abs=0.1)
