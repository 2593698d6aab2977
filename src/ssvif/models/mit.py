"""MiT, the Mix Transformer encoder of SegFormer, stage by stage.

Source: Xie et al.: SegFormer: simple and efficient design for semantic segmentation with transformers, NeurIPS 2021;
layers by the transformers library, whose attention takes PyTorch's fused kernels. Nothing is downloaded: weights are
random until a checkpoint is read.
"""

from __future__ import annotations

import os
import re

from torch import nn

from ssvif.models.segmentation import SEGFORMER_SIZES

HEADS = (1, 2, 5, 8)
REDUCTIONS = (8, 4, 2, 1)  # of the keys' rows and columns; those left over are dropped
SMALLEST = 29  # pixels: at stride 4 eight are left, the least that the first reduction works on
NORM_EPS = 1e-6
OWN_EPS = re.compile(r"\d\.(layer_norm|blocks\.\d+\.layernorm_(before|after))")  # the norms that have it


def build_mit(size: str, count: int = 4) -> nn.ModuleList:
    """Return the first `count` stages of MiT "b0" to "b5".

    Stage s maps (B,C,H,W), at first images of three channels, to (B,C_s,⌈H/4⌉,⌈W/4⌉), later ones to (B,C_s,⌈H/2⌉,⌈W/2⌉)
    with the widths C_s of `SEGFORMER_SIZES`. No branch is dropped at random in training.
    """
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    from transformers import SegformerConfig, SegformerModel

    depths, widths, _ = SEGFORMER_SIZES[size]
    config = SegformerConfig(
        num_encoder_blocks=count,
        depths=depths[:count],
        hidden_sizes=widths[:count],
        num_attention_heads=HEADS[:count],
        sr_ratios=REDUCTIONS[:count],
        patch_sizes=(7, 3, 3, 3)[:count],
        strides=(4, 2, 2, 2)[:count],
        mlp_ratios=(4,) * count,
        drop_path_rate=0.0,
    )
    stages: nn.ModuleList = SegformerModel(config).stages
    for name, norm in stages.named_modules():
        if OWN_EPS.fullmatch(name):
            norm.eps = NORM_EPS  # the library gives all norms the 1e-5 that the authors' others have
    return stages
