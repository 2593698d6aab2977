"""The names in the checkpoints that authors released, and made files with them."""

from itertools import product

import torch

from ssvif.models.names import channel_choices
from ssvif.models.registry import build_network
from ssvif.models.released_names import PUBLISHED

BOTH = ("weight", "bias")
STATISTICS = (*BOTH, "running_mean", "running_var", "num_batches_tracked")


def seafusion_names():
    """The released names of SeAFusion, as its authors' code builds them."""
    for stream in ("vis", "inf"):
        yield from (f"{stream}_conv.conv.{each}" for each in BOTH)
        for block in (f"{stream}_rgbd1", f"{stream}_rgbd2"):
            for part, each in product(("dense.conv1", "dense.conv2", "convdown", "convup"), BOTH):
                yield f"{block}.{part}.conv.{each}"
            yield from (f"{block}.sobelconv.conv{axis}.weight" for axis in "xy")
    for number in range(1, 5):
        yield from (f"decode{number}.conv.{each}" for each in BOTH)
        for each in (*BOTH, "running_mean", "running_var", "num_batches_tracked"):
            yield f"decode{number}.bn.{each}"


def emma_names():
    """The released names of EMMA's U-Fuser."""
    for stage, number in product(("V_en", "I_en", "f", "de"), range(1, 5)):
        block, distant = f"{stage}_{number}", f"{stage}_{number}.GlobalFeature"
        yield from (f"{block}.embed.weight", f"{block}.FFN.weight", f"{distant}.attn.scale")
        yield from (f"{distant}.{norm}.body.{each}" for norm, each in product(("norm1", "norm2"), BOTH))
        yield from (f"{distant}.attn.{part}.weight" for part in ("qkv1", "qkv2", "proj"))
        yield from (f"{distant}.mlp.{part}.weight" for part in ("project_in", "dwconv", "project_out"))
        for i, j, each in product((0, 1), (0, 2), BOTH):
            yield f"{block}.LocalFeature.Extraction.{i}.conv.{j}.{each}"
    yield from (f"{stream}_down{number}.weight" for stream, number in product("VI", (1, 2, 3)))
    yield from (f"up{number}.0.weight" for number in (2, 3, 4))
    yield from (f"last.0.{each}" for each in BOTH)


def swinfusion_names():
    """The released names of SwinFusion, in the form for 128×128 images: masks in every second block."""
    convolutions = [f"conv_first{number}_{stream}" for number, stream in product((1, 2), "AB")]
    convolutions += ["conv_after_body_Fusion", "conv_last1", "conv_last2", "conv_last3"]
    norms = [
        "patch_embed.norm",
        "norm_Re",
        *(f"norm_{part}_{stream}" for part, stream in product(("Ex", "Fusion"), "AB")),
    ]
    yield from (f"{layer}.{each}" for layer, each in product([*convolutions, *norms], BOTH))
    alone = [f"layers_{part}.0.residual_group.blocks.{i}" for part, i in product(("Ex_A", "Ex_B", "Re"), range(4))]
    for stage, stream, i in product((0, 1), "AB", (0, 1)):
        alone.append(f"layers_Fusion.{stage}.residual_group_{stream}.blocks.{i}")
    crossed = [f"layers_Fusion.{stage}.residual_group.blocks.{i}" for stage, i in product((0, 1), (0, 1))]
    yield from (f"{block}.attn_mask" for block in (*alone, *crossed) if block[-1] in "13")
    streams = [(block, "", ("attn.qkv",)) for block in alone]
    streams += [(block, f"_{each}", (f"attn_{each}.q", f"attn_{each}.kv")) for block, each in product(crossed, "AB")]
    for block, stream, projections in streams:
        layers = [f"norm1{stream}", f"norm2{stream}", f"attn{stream}.proj", f"mlp{stream}.fc1", f"mlp{stream}.fc2"]
        yield from (f"{block}.{layer}.{each}" for layer, each in product([*layers, *projections], BOTH))
        yield from (f"{block}.attn{stream}.relative_position_{each}" for each in ("bias_table", "index"))


def sage_names():
    """The released names of SAGE's small network: activations take a number, norms keep statistics."""
    for block in ("module1", "module2", "module3", "adjust_channels4", "module4", "adjust_channels5", "module5"):
        for i in range(1 if block.startswith("adjust") else 3):
            yield from (f"{block}.{3 * i}.{each}" for each in BOTH)
            yield from (f"{block}.{3 * i + 1}.{each}" for each in STATISTICS)
    yield from (f"final_decoder.0.{each}" for each in BOTH)


def cddfuse_names():
    """The released names of CDDFuse's four parts, each with its part before it."""
    norms = [f"{norm}.body.{each}" for norm, each in product(("norm1", "norm2"), BOTH)]
    mlp = [f"{part}.weight" for part in ("project_in", "dwconv", "project_out")]
    block = [*norms, "attn.temperature", *(f"attn.{part}.weight" for part in ("qkv", "qkv_dwconv", "project_out"))]
    base = [*norms, "attn.scale", *(f"attn.{part}.weight" for part in ("qkv1", "qkv2", "proj"))]
    coupling = [f"shffleconv.{each}" for each in BOTH]
    coupling += [f"theta_{part}.bottleneckBlock.{i}.weight" for part, i in product(("phi", "rho", "eta"), (0, 3, 5))]
    for place in ("DIDF_Encoder.encoder_level1", "DIDF_Decoder.encoder_level2"):
        yield from (f"{place}.{i}.{each}" for i, each in product(range(4), [*block, *(f"ffn.{each}" for each in mlp)]))
    for place in ("DIDF_Encoder.baseFeature", "BaseFuseLayer"):
        yield from (f"{place}.{each}" for each in [*base, *(f"mlp.{each}" for each in mlp)])
    yield from (f"DIDF_Encoder.detailFeature.net.{i}.{each}" for i, each in product(range(3), coupling))
    yield from (f"DetailFuseLayer.net.0.{each}" for each in coupling)
    yield "DIDF_Encoder.patch_embed.proj.weight"
    yield from (f"DIDF_Decoder.{each}.weight" for each in ("reduce_channel", "output.0", "output.2"))


TIM_OPERATIONS = {
    "residual": (
        "op.0.conv.weight",
        "op.1.weight",
        "op.2.weight",
        *(f"op.3.{each}" for each in STATISTICS),
        "op.4.weight",
    ),
    "dilated": ("op.1.conv.weight", "op.2.weight", *(f"op.3.{each}" for each in STATISTICS)),
    "dense": (*(f"conv{i}.conv.weight" for i in (1, 2, 3)), "lrelu.weight"),
    "channels": ("conv1.weight", "se.conv.weight", "relu.weight"),
    "pixels": ("se.spatial.conv.weight",),
}


def tim_cell(*operations, lists=("_ops",)):
    """The names in a cell of TIMFusion; the multi-scale one has three lists of operations."""
    yield "preprocess1.op.1.weight"
    yield from (f"preprocess1.op.2.{each}" for each in STATISTICS)
    for where, (i, kind) in product(lists, enumerate(operations)):
        yield from (f"{where}.{i}._op.{each}" for each in TIM_OPERATIONS[kind])


def tim_convolutions(name, *places):
    """The names of convolutions that pad by reflection."""
    return [f"{name}.{i}.conv2d.{each}" for i, each in product(places, BOTH)]


def tim_first_names(*cells):
    """The released names of TIMFusion's first stage."""
    yield from tim_convolutions("stem", 0, 2)
    yield from tim_convolutions("stem_out", 0, 2, 3)
    yield from (f"{each}.weight" for each in ("stem.1", "stem.3", "stem_out.1"))
    yield from (f"cells.{i}.{each}" for i, cell in enumerate(cells) for each in cell)


def timfusion_light_names():
    """The released names of TIMFusion's light network."""
    return tim_first_names(*(tim_cell("residual", "channels") for _ in range(2)))


def timfusion_names():
    """The released names of TIMFusion's two stages, each with its part before it."""
    multi = list(tim_cell("residual", "dilated", lists=("_ops", "_ops_1", "_ops_2")))
    for down in ("down_2.body.0", "down_4.body.0", "down_4.body.1"):
        multi += [f"{down}.top.{i}.weight" for i in (0, 1, 2, 3, 5)]
        multi += [f"{down}.{each}" for each in ("top.4.filt", "bot.0.filt", "bot.1.weight")]
    for up in ("upsample_2.body.0", "upsample_4.body.0", "upsample_4.body.1"):
        multi += [f"{up}.{each}.weight" for each in (*(f"top.{i}" for i in range(5)), "bot.1")]
    multi += [f"SKFF.{each}.weight" for each in ("conv_du.0", "conv_du.1", "fcs.0", "fcs.1", "fcs.2")]
    yield from (f"weights_1.{each}" for each in tim_first_names(multi, tim_cell("dense", "dilated")))
    second = ["spa.spatial.conv.weight", *tim_convolutions("stem_out4", 0, 1, 2)]
    for i in (2, 3):
        second += tim_convolutions(f"stem{i}", 0, 2) + tim_convolutions(f"stem_out{i}", 0, 2, 3)
        second += [f"stem{i}.1.weight", f"stem{i}.4.weight", f"stem_out{i}.1.weight"]
        second += [f"stem{i}.3.{each}" for each in STATISTICS]
    for stream, i in product(("cells2", "cells3"), (0, 1)):
        cell = tim_cell("pixels", "dilated") if stream == "cells2" else tim_cell("channels", "pixels")
        second += [f"{stream}.{i}.{each}" for each in cell]
    yield from (f"weights_2.{each}" for each in second)


def mit_names(before, depths, extra=""):
    """The released names of a MiT with so many blocks in its stages; only the last stage reduces nothing."""
    for stage, depth in enumerate(depths, 1):
        layers = [f"{extra}patch_embed{stage}.proj", f"{extra}patch_embed{stage}.norm", f"{extra}norm{stage}"]
        parts = ["norm1", "norm2", "attn.q", "attn.kv", "attn.proj", "mlp.fc1", "mlp.fc2", "mlp.dwconv.dwconv"]
        parts += ["attn.sr", "attn.norm"] if stage < 4 else []
        layers += [f"{extra}block{stage}.{i}.{part}" for i, part in product(range(depth), parts)]
        yield from (f"{before}{layer}.{each}" for layer, each in product(layers, BOTH))


def segmif_names():
    """The released names of SegMiF's two files, each with its part before it."""
    layers = ["conv1_ir", "conv1_vis", "conv2", "conv21", "conv22", "conv3", "conv4"]
    blocks = [*(f"Dcov{i}" for i in range(1, 6)), "conv"]
    layers += [f"DRDB{i}.{each}" for i, each in product(range(1, 5), blocks)]
    yield from (f"fusion.{layer}.{each}" for layer, each in product(layers, BOTH))
    yield "fusion.relu.weight"
    inner = [*(f"channel_proj{i}" for i in (1, 2, 3)), *(f"{part}{i}" for part in ("end_proj", "norm") for i in (1, 2))]
    for block in ("fusion.ffm.cross", "fusion.ffm2.cross"):
        yield from (f"{block}.{layer}.{each}" for layer, each in product(inner, BOTH))
        yield from (f"{block}.{each}.weight" for each in ("cross_attn.kv3", "cross_attn2.kv1", "cross_attn2.kv2"))
    yield from mit_names("seg.denoise_net.encoder.", (3, 4, 18, 3))
    head = [*(f"linear_c{i}.proj" for i in range(1, 5)), "linear_pred"]
    yield from (f"seg.denoise_net.decoder.{layer}.{each}" for layer, each in product(head, BOTH))
    yield "seg.denoise_net.decoder.linear_fuse.conv.weight"
    yield from (f"seg.denoise_net.decoder.linear_fuse.bn.{each}" for each in STATISTICS)
    yield "seg.denoise_net.classifier.weight"


def mrfs_names():
    """The released names of MRFS."""
    for extra in ("", "extra_"):
        yield from mit_names("backbone.", (3, 8, 27, 3), extra)
    for stage in range(4):
        gates = ["MA.ca_gate.mlp.0", "MA.ca_gate.mlp.2", "MA.sa_gate.mlp.0", "MA.sa_gate.mlp.2", "gate.0", "gate.2"]
        yield from (f"backbone.IGMAVCs.{stage}.{gate}.{each}" for gate, each in product(gates, BOTH))
        block = f"backbone.PCASCs.{stage}"
        layers = ["proj"] if stage == 3 else ["proj", "sr", "norm"]
        for step, number in (("SA_x1", ""), ("CA_x1toX2", 1), ("SA_x2", ""), ("CA_x2toX1", 1)):
            yield from (f"{block}.{step}.{layer}.{each}" for layer, each in product(layers, BOTH))
            yield from (f"{block}.{step}.q{number}.weight", f"{block}.{step}.kv{2 if number else ''}.weight")
        yield from (f"{block}.proj.{each}" for each in BOTH)
    head = [*(f"linear_c{i}.proj" for i in range(1, 5)), "linear_fuse.0", "linear_pred"]
    yield from (f"decode_head.{layer}.{each}" for layer, each in product(head, BOTH))
    yield from (f"decode_head.linear_fuse.1.{each}" for each in STATISTICS)
    for layer in [f"PointConv_{i}_{stream}.pconv" for i, stream in product(range(1, 5), ("rgb", "ir"))] + ["CNN_fuse"]:
        yield from (f"aux_head.{layer}.0.{each}" for each in BOTH)
        yield from (f"aux_head.{layer}.1.{each}" for each in STATISTICS)
    yield from (f"aux_head.CNN_fuse.3.{each}" for each in BOTH)


NAMES = {
    "swinfusion": swinfusion_names,
    "seafusion": seafusion_names,
    "emma": emma_names,
    "sage": sage_names,
    "cddfuse": cddfuse_names,
    "timfusion": timfusion_names,
    "timfusion_light": timfusion_light_names,
    "segmif": segmif_names,
    "mrfs": mrfs_names,
}


def draw_entry(name, shape, random):
    """An entry of a state dictionary; only the number of a norm's batches is an integer."""
    if name.endswith("num_batches_tracked"):
        return torch.randint(1, 9, shape, generator=random)
    return torch.rand(shape, generator=random)


def released_state(name, channels=0):
    """A state dictionary as the authors' code would save it, every value drawn anew; as released by default."""
    channels = channels or channel_choices(name)[0]
    with torch.device("meta"):
        released, own = PUBLISHED[name], build_network(name, channels).state_dict()
    random = torch.Generator().manual_seed(channels)

    def shape_of(name):
        shares = [own[each] for each in released.rename(name)]
        return torch.cat(shares).shape if len(shares) > 1 else shares[0].shape

    return {
        each: torch.zeros(1) if released.why_dropped(each) else draw_entry(each, shape_of(each), random)
        for each in NAMES[name]()
    }
