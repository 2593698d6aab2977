"""Where the networks come from: their authors' papers, public code and checkpoints."""

from __future__ import annotations

from dataclasses import dataclass

NONE = "none found"


@dataclass(frozen=True)
class Origin:
    """A network's paper, and what its authors published in a repository on GitHub."""

    paper: str
    code: str
    licence: str  # of the code; checkpoints come without one of their own
    files: tuple[str, ...]  # the checkpoint, by the names in the authors' scripts
    where: str  # they are to be had
    key: str  # an entry of the state dictionary, to tell the right file by


ORIGINS = {
    "swinfusion": Origin(
        paper="Ma et al., IEEE/CAA Journal of Automatica Sinica 2022",
        code="Linfeng-Tang/SwinFusion",
        licence=NONE,
        files=("10000_E.pth",),
        where="linked from the README; Model/Infrared_Visible_Fusion/Infrared_Visible_Fusion/models",
        key="layers_Ex_A.0.residual_group.blocks.0.attn.qkv.weight",
    ),
    "seafusion": Origin(
        paper="Tang et al., Information Fusion 2022",
        code="Linfeng-Tang/SeAFusion",
        licence=NONE,
        files=("SeAFusion.pth",),
        where="Checkpoint/SeAFusion of the repository Linfeng-Tang/VIF-Benchmark",
        key="vis_conv.conv.weight",
    ),
    "emma": Origin(
        paper="Zhao et al., CVPR 2024",
        code="Zhaozixiang1228/MMIF-EMMA",
        licence=NONE,
        files=("EMMA.pth",),
        where="named in the README, not in the repository: ask the authors",
        key="V_en_1.embed.weight",
    ),
    "sage": Origin(
        paper="Wu et al., CVPR 2025",
        code="RollingPlain/SAGE_IVIF",
        licence="MIT",
        files=("checkpoints.pt",),
        where="checkpoints of the repository",
        key="module1.0.weight",
    ),
    "cddfuse": Origin(
        paper="Zhao et al., CVPR 2023",
        code="Zhaozixiang1228/MMIF-CDDFuse",
        licence=NONE,
        files=("CDDFuse_IVF.pth",),
        where="named in the README, not in the repository: ask the authors",
        key="DIDF_Encoder: module.patch_embed.proj.weight",
    ),
    "timfusion": Origin(
        paper="Liu et al., IEEE Transactions on Pattern Analysis and Machine Intelligence 2024",
        code="LiuZhu-CV/TIMFusion",
        licence="MIT",
        files=("weights_1_1059.pt", "weights_2_1059.pt"),
        where="linked from the README",
        key="cells.0.SKFF.conv_du.0.weight",
    ),
    "timfusion_light": Origin(
        paper="Liu et al., IEEE Transactions on Pattern Analysis and Machine Intelligence 2024",
        code="LiuZhu-CV/TIMFusion",
        licence="MIT",
        files=("weights_1_1169.pt",),
        where="linked from the README, in the folder light",
        key="cells.0._ops.1._op.se.conv.weight",
    ),
    "segmif": Origin(
        paper="Liu et al., ICCV 2023",
        code="JinyuanLiu-CV/SegMiF",
        licence=NONE,
        files=("modelfusion-final2.pth", "model-fusion_add_final2.pth"),
        where="linked from the README",
        key="conv1_ir.weight",
    ),
    "mrfs": Origin(
        paper="Zhang et al., CVPR 2024",
        code="HaoZhang1018/MRFS",
        licence="MIT",
        files=("epoch-MRFS.pth",),
        where="linked from the README, of the folder FMB; checkpoints/log_FMB_mit_b4/weights",
        key="backbone.patch_embed1.proj.weight",
    ),
}
