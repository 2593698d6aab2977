"""Weights for the parity files of SegMiF and MRFS, which store none: each follows from its released name and a seed."""

import zlib

import numpy as np
import torch

GAINS = {
    "cross_attn.kv3.weight": 0.04,  # a softmax neither flat nor one-hot
    "cross_attn2.kv1.weight": 0.04,
    "cross_attn2.kv2.weight": 0.04,
    "attn.q.weight": 3,
    "aux_head.CNN_fuse.3.weight": 4,
}


def gain_of(name):
    if "PCASCs" in name and name.endswith((".q.weight", ".q1.weight")):
        return 2
    return next((gain for end, gain in GAINS.items() if name.endswith(end)), 1)


def make_weight(name, shape, seed):
    """The tensor of a released name, without the part of a checkpoint before it."""
    generator = np.random.default_rng([seed, zlib.crc32(name.encode())])
    last = name.rpartition(".")[2]
    if last == "num_batches_tracked":
        return torch.tensor(7)
    if last == "running_var":
        return torch.from_numpy(np.float32(1) + np.float32(0.5) * generator.random(shape, np.float32))
    drawn = generator.standard_normal(shape, np.float32)
    if last in ("running_mean", "bias"):
        offset = np.float32(0.3 if name == "conv22.bias" else 0)
        return torch.from_numpy(np.float32(0.1) * drawn + offset)
    if len(shape) == 1:
        center, spread = (0.25, 0.05) if shape[0] == 1 else (1, 0.1)
        return torch.from_numpy(np.float32(center) + np.float32(spread) * drawn)
    made = drawn * np.float32(gain_of(name) / np.sqrt(np.prod(shape[1:])))
    if name.endswith("patch_embed1.proj.weight"):
        made -= made.mean(axis=(1, 2, 3), dtype=np.float64, keepdims=True).astype(np.float32)
    return torch.from_numpy(made)


def make_state(shapes, seed):
    """A released checkpoint of (name, shape) pairs; `parts` of it stand before the names."""
    return {name: make_weight(name.removeprefix("fusion.").removeprefix("seg."), shape, seed) for name, shape in shapes}


def mrfs_shapes(specified):
    """The (name, shape) pairs of MRFS's checkpoint, whose specification has patterns for two encoders and a rest."""
    mit = specified["mit"]
    shapes = []
    for before in ("", "extra_"):
        layers = [(name, held) for kind in ("patch_embed", "norm") for name, held in mit[kind].items()]
        for pattern, held in mit["block"].items():
            layers += [(pattern.replace("{i}", str(i)), held["tensors"]) for i in range(held["depth"])]
        shapes += [(f"{name.replace('{p}', before)}.{each}", shape) for name, held in layers for each, shape in held]
    return [*shapes, *specified["rest"]]
