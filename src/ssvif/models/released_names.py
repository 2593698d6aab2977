"""How the names in the checkpoints that authors released become ours, for each network.

Names follow the authors' code. Some entries have no counterpart here, because the authors' network never uses them or
because ours computes them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Released:
    """How one network's released state dictionary becomes ours."""

    renames: tuple[tuple[str, str], ...]  # (pattern, replacement) of `re.sub`, applied in order to each name kept
    image_weight: str  # our name of a convolution's weight that takes or makes the image; its shape gives C
    image_axis: int = 1  # the axis of that weight with C entries: 1 takes the image, 0 makes it
    dropped: Mapping[str, str] = field(default_factory=dict)  # pattern (`re.search`) of entries left out → why
    dead_parameters: Callable[[int], int] = lambda channels: 0  # C → number of those dropped, which Table IV counts
    # a checkpoint of several dictionaries: the part that precedes their names → its file, "" if one file holds all
    parts: Mapping[str, str] = field(default_factory=dict)

    def files(self, path: Path) -> tuple[Path, ...]:
        """Return the files of a checkpoint: those in the folder `path`, or `path` itself."""
        names = [file for file in self.parts.values() if file]
        return tuple(path / file for file in names) if names and not path.is_file() else (path,)

    def why_dropped(self, name: str) -> str:
        """Return why a released name has no counterpart here, or "" if it has one."""
        return next((reason for pattern, reason in self.dropped.items() if re.search(pattern, name)), "")

    def rename(self, name: str) -> tuple[str, ...]:
        """Return our name of a released entry, or several, in the order of the equal shares that they have of its rows.

        A replacement with `{a,b}` stands for two names.
        """
        for pattern, replacement in self.renames:
            name = re.sub(pattern, replacement, name)
        before, brace, rest = name.partition("{")
        choices, _, after = rest.partition("}")
        return tuple(f"{before}{each}{after}" for each in choices.split(",")) if brace else (name,)


def _mit(theirs: str, ours: str) -> tuple[tuple[str, str], ...]:
    """Return the renames of a MiT: names that begin with the pattern `theirs` go to the stages in the list `ours`."""
    block = rf"^({ours}\.\d\.blocks\.\d+\.)"
    return (
        *((rf"^{theirs}(patch_embed|block|norm){i + 1}\.", rf"{ours}.{i}.\1.") for i in range(4)),
        (rf"^({ours}\.\d\.)norm\.", r"\1layer_norm."),
        (rf"^({ours}\.\d\.)patch_embed\.", r"\1patch_embeddings."),
        (rf"^({ours}\.\d\.patch_embeddings\.)norm\.", r"\1layer_norm."),
        (rf"^({ours}\.\d\.)block\.", r"\1blocks."),
        (block + r"norm1\.", r"\1layernorm_before."),
        (block + r"norm2\.", r"\1layernorm_after."),
        (block + r"attn\.q\.", r"\1attention.q_proj."),
        (block + r"attn\.kv\.", r"\1attention.{k_proj,v_proj}."),
        (block + r"attn\.proj\.", r"\1attention.o_proj."),
        (block + r"attn\.sr\.", r"\1attention.sequence_reduction.sequence_reduction."),
        (block + r"attn\.norm\.", r"\1attention.sequence_reduction.layer_norm."),
    )


RESTORMER = (  # the names in `ssvif.models.restormer`
    (r"\.norm1\.body\.", ".attention_norm."),
    (r"\.norm2\.body\.", ".mlp_norm."),
    (r"\.attn\.temperature$", ".attn.scale"),
    (r"\.attn\.", ".attention."),
    (r"\.ffn\.", ".mlp."),
    (r"\.(qkv1?|project_in)\.", ".expand."),
    (r"\.(qkv2|qkv_dwconv|dwconv)\.", ".mix."),
    (r"\.(proj|project_out)\.", ".project."),
)
TIMFUSION = (  # the names in `ssvif.models.timfusion_cells`
    (r"(^|\.)stem_out\.", r"\1reconstruct."),
    (r"\.conv2d\.", "."),
    (r"\.preprocess1\.op\.", ".enter."),
    (r"\._ops\.(\d)\._op\.", r".operations.\1."),
    (r"\.op\.(\d)\.(conv\.)?", r".body.\1."),
    (r"\.conv([123])\.conv\.", r".dense\1."),
    (r"\.conv1\.", ".mix."),
    (r"\.se\.(spatial\.)?conv\.", ".gate."),
    (r"\.l?relu\.", ".activation."),
)
PUBLISHED: dict[str, Released] = {
    "swinfusion": Released(
        renames=(
            (r"^conv_first1_A\.", "shallow.0."),
            (r"^conv_first2_A\.", "shallow.2."),
            (r"^patch_embed\.norm\.", "token_norm."),
            (r"^layers_Ex_A\.0\.residual_group\.blocks\.", "extract_infrared."),
            (r"^layers_Ex_B\.0\.residual_group\.blocks\.", "extract_visible."),
            (r"^norm_Ex_A\.", "extract_infrared.4."),
            (r"^norm_Ex_B\.", "extract_visible.4."),
            (r"^layers_Fusion\.([01])\.residual_group_A\.blocks\.", r"stages.\1.infrared."),
            (r"^layers_Fusion\.([01])\.residual_group_B\.blocks\.", r"stages.\1.visible."),
            (r"^layers_Fusion\.([01])\.residual_group\.blocks\.", r"stages.\1.cross."),
            (r"\.(norm1|norm2|attn|mlp)_A\.", r".infrared.\1."),
            (r"\.(norm1|norm2|attn|mlp)_B\.", r".visible.\1."),
            (r"^norm_Fusion_A\.", "norm_infrared."),
            (r"^norm_Fusion_B\.", "norm_visible."),
            (r"^conv_after_body_Fusion\.", "fuse.0."),
            (r"^layers_Re\.0\.residual_group\.blocks\.", "refine."),
            (r"^norm_Re\.", "refine.4."),
            (r"^conv_last1\.", "reconstruct.0."),
            (r"^conv_last2\.", "reconstruct.2."),
            (r"^conv_last3\.", "reconstruct.4."),
            (r"\.attn\.", ".attention."),
            (r"\.relative_position_bias_table$", ".bias_table"),
            (r"\.mlp\.fc1\.", ".mlp.0."),
            (r"\.mlp\.fc2\.", ".mlp.2."),
        ),
        image_weight="shallow.0.weight",
        dropped={
            r"^conv_first[12]_B\.": "a convolution that the network never calls",
            r"\.relative_position_index$": "a table of places that is computed here",
            r"\.attn_mask$": "a mask that is computed here",
        },
        dead_parameters=lambda channels: 8_160 + 270 * channels,
    ),
    "seafusion": Released(
        renames=(
            (r"^vis_", "visible_encoder."),
            (r"^inf_", "infrared_encoder."),
            (r"encoder\.conv\.conv\.", "encoder.0."),
            (r"encoder\.rgbd1\.", "encoder.2."),
            (r"encoder\.rgbd2\.", "encoder.3."),
            (r"\.dense\.conv([12])\.conv\.", r".dense\1."),
            (r"\.convdown\.conv\.", ".dense_out."),
            (r"\.convup\.conv\.", ".gradient_out."),
            (r"\.sobelconv\.conv([xy])\.", r".gradient.\1."),
            (r"^decode4\.conv\.", "reconstruct.0."),
            (r"^decode3\.conv\.", "reconstruct.2."),
            (r"^decode2\.conv\.", "reconstruct.4."),
            (r"^decode1\.conv\.", "reconstruct.6."),
        ),
        image_weight="visible_encoder.0.weight",
        dropped={r"^decode[1-4]\.bn\.": "a BatchNorm that the network never calls"},
        dead_parameters=lambda channels: 2 * (64 + 32 + 16 + channels),
    ),
    "emma": Released(
        renames=(
            *((rf"^V_en_{i + 1}\.", f"visible_encoder.blocks.{i}.") for i in range(4)),
            *((rf"^I_en_{i + 1}\.", f"infrared_encoder.blocks.{i}.") for i in range(4)),
            *((rf"^V_down{i + 1}\.", f"visible_encoder.downs.{i}.") for i in range(3)),
            *((rf"^I_down{i + 1}\.", f"infrared_encoder.downs.{i}.") for i in range(3)),
            *((rf"^f_{i + 1}\.", f"fuse.{i}.") for i in range(4)),
            *((rf"^de_{4 - i}\.", f"reconstruct.blocks.{i}.") for i in range(4)),
            *((rf"^up{4 - i}\.0\.", f"reconstruct.ups.{i}.") for i in range(3)),
            (r"^last\.0\.", "reconstruct.last."),
            (r"\.GlobalFeature\.", "."),
            *RESTORMER,
            (r"\.LocalFeature\.Extraction\.([01])\.conv\.0\.", r".local.\1.first."),
            (r"\.LocalFeature\.Extraction\.([01])\.conv\.2\.", r".local.\1.second."),
            (r"\.FFN\.", ".join."),
        ),
        image_weight="visible_encoder.blocks.0.embed.weight",
    ),
    "sage": Released(
        renames=(
            # a step is three of their layers; the end of the name keeps what is renamed from being renamed again
            *((rf"^(module\d|adjust_channels\d)\.{3 * i}\.(\w+)$", rf"\1.{i}.conv.\2") for i in range(3)),
            *((rf"^(module\d|adjust_channels\d)\.{3 * i + 1}\.(\w+)$", rf"\1.{i}.norm.\2") for i in range(3)),
            *((rf"^module{i + 1}\.", f"down.{i}.") for i in range(3)),
            *((rf"^adjust_channels{i + 4}\.0\.", f"squeeze.{i}.") for i in range(2)),
            *((rf"^module{i + 4}\.", f"up.{i}.") for i in range(2)),
            (r"^final_decoder\.0\.", "reconstruct."),
        ),
        image_weight="reconstruct.weight",
        image_axis=0,
    ),
    "cddfuse": Released(
        renames=(
            (r"^DIDF_Encoder\.patch_embed\.proj\.", "encoder.embed."),
            (r"^DIDF_Encoder\.encoder_level1\.", "encoder.blocks."),
            (r"^DIDF_Encoder\.baseFeature\.", "encoder.base."),
            (r"^DIDF_Encoder\.detailFeature\.net\.", "encoder.detail."),
            (r"^BaseFuseLayer\.", "fuse_base."),
            (r"^DetailFuseLayer\.net\.0\.", "fuse_detail."),
            (r"^DIDF_Decoder\.reduce_channel\.", "reduce."),
            (r"^DIDF_Decoder\.encoder_level2\.", "refine."),
            (r"^DIDF_Decoder\.output\.", "reconstruct."),
            (r"\.shffleconv\.", ".join."),
            (r"\.theta_phi\.", ".addend."),
            (r"\.theta_rho\.", ".exponent."),
            (r"\.theta_eta\.", ".offset."),
            (r"\.bottleneckBlock\.0\.", ".expand."),
            (r"\.bottleneckBlock\.3\.", ".mix."),
            (r"\.bottleneckBlock\.5\.", ".project."),
            *RESTORMER,
        ),
        image_weight="encoder.embed.weight",
        parts=dict.fromkeys(("DIDF_Encoder", "DIDF_Decoder", "BaseFuseLayer", "DetailFuseLayer"), ""),
    ),
    "timfusion": Released(
        renames=(
            (r"^weights_1\.", "first."),
            (r"^weights_2\.stem_out4\.", "reconstruct."),
            (r"^weights_2\.stem2\.", "visible_stem."),
            (r"^weights_2\.stem3\.", "infrared_stem."),
            (r"^weights_2\.cells3\.", "visible_cells."),
            (r"^weights_2\.cells2\.", "infrared_cells."),
            (r"^weights_2\.spa\.spatial\.conv\.", "mask."),
            (r"\._ops_1\.(\d)\._op\.", r".half_operations.\1."),
            (r"\._ops_2\.(\d)\._op\.", r".quarter_operations.\1."),
            (r"\.down_2\.body\.0\.", ".down_half."),
            (r"\.down_4\.body\.", ".down_quarter."),
            (r"\.upsample_2\.body\.0\.", ".up_half."),
            (r"\.upsample_4\.body\.", ".up_quarter."),
            (r"\.top\.", ".long."),
            (r"\.bot\.", ".short."),
            (r"\.SKFF\.conv_du\.", ".merge.squeeze."),
            (r"\.SKFF\.fcs\.", ".merge.expand."),
            *TIMFUSION,
        ),
        image_weight="reconstruct.2.weight",
        image_axis=0,
        dropped={
            r"^weights_2\.stem_out[23]\.": "of an image that is made besides and not needed for the fused one",
            r"\.filt$": "a fixed filter that is computed here",
        },
        dead_parameters=lambda channels: 2 * (31_177 + 25 * channels),
        parts={"weights_1": "weights_1_1059.pt", "weights_2": "weights_2_1059.pt"},
    ),
    "timfusion_light": Released(renames=TIMFUSION, image_weight="reconstruct.3.weight", image_axis=0),
    "segmif": Released(
        renames=(
            *_mit(r"seg\.denoise_net\.encoder\.", "guidance_encoder"),
            (r"^fusion\.conv1_ir\.", "infrared_shallow."),
            (r"^fusion\.conv1_vis\.", "visible_shallow."),
            *((rf"^fusion\.DRDB{2 * i + 1}\.", f"infrared_blocks.{i}.") for i in range(2)),
            *((rf"^fusion\.DRDB{2 * i + 2}\.", f"visible_blocks.{i}.") for i in range(2)),
            *((rf"blocks\.([01])\.Dcov{i + 1}\.", rf"blocks.\1.grow.{i}.") for i in range(5)),
            (r"blocks\.([01])\.conv\.", r"blocks.\1.squeeze."),
            *((rf"^fusion\.conv{i + 3}\.", f"adapt.{i}.") for i in range(2)),
            (r"^fusion\.ffm\.cross\.", "interact."),
            (r"^interact\.channel_proj", "interact.expand"),
            (r"^interact\.cross_attn2?\.kv", "interact.context"),
            (r"^interact\.end_proj", "interact.project"),
            *(
                (rf"^interact\.(\w+){i + 1}\.", rf"interact.{each}\1.")
                for i, each in enumerate(("infrared.", "visible.", ""))
            ),
            *((rf"^fusion\.{conv}\.", f"reconstruct.{i}.") for i, conv in enumerate(("conv2", "conv21", "conv22"))),
            (r"^fusion\.relu\.", "activation."),
        ),
        image_weight="infrared_shallow.weight",
        dropped={
            r"^fusion\.ffm2\.": "of a second interaction that the network never calls",
            r"^seg\.denoise_net\.encoder\.(patch_embed|block|norm)[34]\.": "of stages whose output is not used to fuse",
            r"^seg\.denoise_net\.(decoder|classifier)\.": "for segmentation alone",
        },
        dead_parameters=lambda channels: 66_304 + 30_184_000 + 10_995_712 + 528_137 + 4_608,
        parts={"fusion": "modelfusion-final2.pth", "seg": "model-fusion_add_final2.pth"},
    ),
    "mrfs": Released(
        renames=(
            *_mit(r"backbone\.", "visible_encoder"),
            *_mit(r"backbone\.extra_", "infrared_encoder"),
            (r"^backbone\.IGMAVCs\.(\d)\.", r"complete.\1."),
            (r"\.MA\.ca_gate\.mlp\.", ".channel_weights."),
            (r"\.MA\.sa_gate\.mlp\.", ".pixel_weights."),
            (r"^backbone\.PCASCs\.(\d)\.", r"semantic.\1."),
            *(
                (rf"^(semantic\.\d)\.{step}\.", rf"\1.cycle.{i}.")
                for i, step in enumerate(("SA_x1", "CA_x1toX2", "SA_x2", "CA_x2toX1"))
            ),
            (r"\.q1?\.weight$", ".query.weight"),
            (r"\.kv2?\.weight$", ".key_value.weight"),
            (r"\.sr\.", ".reduce."),
            (r"^(semantic\..*)\.proj\.", r"\1.project."),
            *((rf"^decode_head\.linear_c{i + 1}\.proj\.", f"segment.project.{i}.") for i in range(4)),
            (r"^decode_head\.linear_fuse\.0\.", "segment.mix."),
            (r"^decode_head\.linear_fuse\.1\.", "segment.norm."),
            (r"^decode_head\.linear_pred\.", "segment.classify."),
            *(
                (rf"^aux_head\.PointConv_{i + 1}_{stream}\.pconv\.", f"reconstruct.squeeze.{2 * i + j}.")
                for i in range(4)
                for j, stream in enumerate(("rgb", "ir"))
            ),
            (r"^(reconstruct\.squeeze\.\d)\.0\.", r"\1.conv."),
            (r"^(reconstruct\.squeeze\.\d)\.1\.", r"\1.norm."),
            (r"^aux_head\.CNN_fuse\.0\.", "reconstruct.mix."),
            (r"^aux_head\.CNN_fuse\.1\.", "reconstruct.norm."),
            (r"^aux_head\.CNN_fuse\.3\.", "reconstruct.last."),
        ),
        image_weight="reconstruct.last.weight",
        image_axis=0,
    ),
}
