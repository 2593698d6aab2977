import pytest
import torch

from reference.networks import draw, load_parity, scatter, watched
from reference.released import released_state
from ssvif.models.cddfuse import CDDFuse, Coupling
from ssvif.models.published import load_published

PARTS = ("DIDF_Encoder", "DIDF_Decoder", "BaseFuseLayer", "DetailFuseLayer")


@pytest.mark.parametrize("size", ["96x96", "75x101"])
@torch.no_grad()
def test_agrees_with_the_original_all_the_way(shared, size):
    """Within 1e-4 in each map, whose values go to eleven; 1e-5 where this was written. The image: test_networks.py."""
    model, stored = load_parity(shared, "cddfuse_seed0", "cddfuse")
    layers = {"trunk": model.encoder.blocks, "base": model.encoder.base, "detail": model.encoder.detail}
    layers |= {"fused_base": model.fuse_base, "fused_detail": model.fuse_detail, "decoder_reduced": model.reduce}
    visible = stored[f"input/{size}/vis"]
    with watched(layers) as made:
        features = model.backbone(visible, stored[f"input/{size}/ir"])
        model.decoder(features)
    made = {
        f"{stream}{name}": each
        for name, both in made.items()
        for stream, each in zip(("vis_", "ir_") if len(both) == 2 else ("",), both, strict=True)
    }
    places = f"features_s4/{size}/"
    kept = {key.removeprefix(places): each for key, each in stored.items() if key.startswith(places)}
    assert len(kept) == 8
    assert kept.keys() <= made.keys()
    off = {name: (made[name][..., ::4, ::4] - each).abs().max().item() for name, each in kept.items()}
    assert {name: each for name, each in off.items() if each > 1e-4} == {}
    assert torch.equal(features[0], torch.cat([made["fused_base"], made["fused_detail"]], dim=1))
    assert features[1] is visible


def test_a_file_as_released_comes_in(tmp_path):
    state = released_state("cddfuse")
    parts = {
        part: {f"module{key[len(part) :]}": each for key, each in state.items() if key.startswith(f"{part}.")}
        for part in PARTS
    }
    torch.save(parts, tmp_path / "CDDFuse_IVF.pth")
    whole, flat = load_published("cddfuse", tmp_path / "CDDFuse_IVF.pth").state_dict(), load_published("cddfuse", state)
    assert all(torch.equal(whole[name], each) for name, each in flat.state_dict().items())


@torch.no_grad()
def test_a_coupling_can_be_undone():
    """Each half is changed by what the other holds afterwards, so the last change can be taken back first."""
    coupling = scatter(Coupling()).double()
    features = torch.randn(1, 64, 6, 7, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    first, second = coupling(features).chunk(2, dim=1)
    first = (first - coupling.offset(second)) * (-coupling.exponent(second)).exp()
    second = second - coupling.addend(first)
    assert (torch.cat([first, second], dim=1) - coupling.join(features)).abs().max() <= 1e-10


@torch.no_grad()
def test_the_visible_image_is_added_before_the_sigmoid():
    model, images = scatter(CDDFuse(3)), draw(3, 12, 16)
    fused, visible = model.backbone(*images)
    with_image, without = (model.decoder([fused, each]).logit() for each in (visible, visible * 0))
    assert (with_image - without - visible).abs().max() <= 1e-4


@torch.no_grad()
def test_base_and_detail_of_both_images_are_summed():
    """The backbone is symmetric, so only what the decoder adds tells the images apart."""
    model = scatter(CDDFuse(1))
    visible, infrared = draw(1, 12, 16)
    features, exchanged = model.backbone(visible, infrared)[0], model.backbone(infrared, visible)[0]
    assert (features - exchanged).abs().max() <= 1e-5
    assert (model.backbone(visible, visible)[0] - features).abs().max() > 0.1
