"""The names in the checkpoints that authors released, and made files with them."""

from itertools import product

import torch

from ssvif.models.published import PUBLISHED
from ssvif.models.registry import build_fusion_model

BOTH = ("weight", "bias")


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
    statistics = (*BOTH, "running_mean", "running_var", "num_batches_tracked")
    for block in ("module1", "module2", "module3", "adjust_channels4", "module4", "adjust_channels5", "module5"):
        for i in range(1 if block.startswith("adjust") else 3):
            yield from (f"{block}.{3 * i}.{each}" for each in BOTH)
            yield from (f"{block}.{3 * i + 1}.{each}" for each in statistics)
    yield from (f"final_decoder.0.{each}" for each in BOTH)


NAMES = {"swinfusion": swinfusion_names, "seafusion": seafusion_names, "emma": emma_names, "sage": sage_names}


def draw_entry(name, shape, random):
    """An entry of a state dictionary; only the number of a norm's batches is an integer."""
    if name.endswith("num_batches_tracked"):
        return torch.randint(1, 9, shape, generator=random)
    return torch.rand(shape, generator=random)


def released_state(name, channels=1):
    """A state dictionary as the authors' code would save it, every value drawn anew."""
    released, own = PUBLISHED[name], build_fusion_model(name, channels).state_dict()
    random = torch.Generator().manual_seed(channels)
    return {
        each: torch.zeros(1)
        if released.why_dropped(each)
        else draw_entry(each, own[released.rename(each)].shape, random)
        for each in NAMES[name]()
    }
