"""The checkpoints that authors released, read under our names.

A released file is a state dictionary whose names follow the authors' code. `PUBLISHED` says for each
network how those names become ours and which entries have no counterpart here, because the authors'
network never uses them or because ours computes them.
"""

from __future__ import annotations

import logging
import re
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch
from safetensors.torch import load_file

from ssvif.io.checkpoints import load_torch
from ssvif.io.errors import UserError, shorten
from ssvif.models.base import FusionModel
from ssvif.models.registry import build_fusion_model

log = logging.getLogger("ssvif")

WRAPPERS = ("params", "params_ema", "state_dict", "model")  # keys a training script may put a state dictionary under
PARALLEL = "module."  # what torch.nn.DataParallel puts before every name
ALIKE = 0.5  # of two networks none shares names, so any share would do
REMEDY = "give the checkpoint its authors released, or train the run instead"


@dataclass(frozen=True)
class Released:
    """How one network's released state dictionary becomes ours."""

    renames: tuple[tuple[str, str], ...]  # (pattern, replacement) of `re.sub`, applied in order to each name kept
    image_weight: str  # our name of a convolution's weight that takes or makes the image; its shape gives C
    image_axis: int = 1  # the axis of that weight with C entries: 1 takes the image, 0 makes it
    dropped: Mapping[str, str] = field(default_factory=dict)  # pattern (`re.search`) of entries left out → why
    dead_parameters: Callable[[int], int] = lambda channels: 0  # C → number of those dropped, which Table IV counts

    def why_dropped(self, name: str) -> str:
        """Return why a released name has no counterpart here, or "" if it has one."""
        return next((reason for pattern, reason in self.dropped.items() if re.search(pattern, name)), "")

    def rename(self, name: str) -> str:
        """Return our name of a released one."""
        for pattern, replacement in self.renames:
            name = re.sub(pattern, replacement, name)
        return name


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
            (r"\.GlobalFeature\.norm1\.body\.", ".attention_norm."),
            (r"\.GlobalFeature\.norm2\.body\.", ".mlp_norm."),
            (r"\.GlobalFeature\.attn\.", ".attention."),
            (r"\.qkv1\.", ".expand."),
            (r"\.qkv2\.", ".mix."),
            (r"\.proj\.", ".project."),
            (r"\.GlobalFeature\.mlp\.", ".mlp."),
            (r"\.project_in\.", ".expand."),
            (r"\.dwconv\.", ".mix."),
            (r"\.project_out\.", ".project."),
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
}


def load_published(name: str, source: Path | str | Mapping[str, torch.Tensor]) -> FusionModel:
    """Return a fusion network with its authors' released weights, in evaluation mode.

    Args:
        name: a key of `PUBLISHED`.
        source: a file of `torch.save` or safetensors, or its state dictionary; C is read off the weights.

    Raises:
        UserError: the name is unknown; the file is missing, damaged or no state dictionary; it is another
            network's; it has another number of channels, or entries are missing, unexpected or of another shape.
    """
    released = _released(name)
    where = "The state dictionary" if isinstance(source, Mapping) else str(source)
    state = _unwrap(source if isinstance(source, Mapping) else _read(Path(source)), where)
    kept = {released.rename(each): value for each, value in state.items() if not released.why_dropped(each)}
    original = {released.rename(each): each for each in state}
    if _likeness(name, state) <= ALIKE:
        raise _another_network(name, where, state)
    model = build_fusion_model(name, _channels(released, kept, original, where))
    _compare(name, where, kept, model.state_dict(), original)
    model.load_state_dict(kept)
    reasons = Counter(filter(None, map(released.why_dropped, state)))
    for reason, count in reasons.items():
        log.info("%s: %d entries left out, each %s", where, count, reason)
    return model.eval()


def dead_parameters(name: str, channels: int) -> int:
    """Return how many parameters a network of `PUBLISHED` has as released and never uses; ours is smaller by as many.

    Raises:
        UserError: the name is unknown.
    """
    return _released(name).dead_parameters(channels)


def _released(name: str) -> Released:
    if name not in PUBLISHED:
        raise UserError(f"No released checkpoint of {name!r} is known", expected=" | ".join(PUBLISHED))
    return PUBLISHED[name]


def _read(path: Path) -> object:
    if not path.is_file():
        what = "is a folder, not a file" if path.is_dir() else "does not exist"
        raise UserError(f"{path} {what}", remedy="download the released checkpoint or correct `checkpoint`")
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        return load_torch(path)
    except Exception as error:  # on damaged bytes torch's unpickler may raise anything
        raise UserError(
            f"{path} cannot be read as a checkpoint",
            expected="a state dictionary written by torch.save, or safetensors; never other pickled objects",
            got=f"{type(error).__name__}{f': {error}' if isinstance(error, ValueError) else ''}",
            remedy="download the file again, or convert it to a plain state dictionary",
        ) from error


def _unwrap(content: object, where: str, depth: int = 0) -> dict[str, torch.Tensor]:
    if not isinstance(content, Mapping):
        raise _no_state_dictionary(where, type(content).__name__)
    for key in WRAPPERS:
        if isinstance(inner := content.get(key), Mapping):
            if depth == len(WRAPPERS):
                raise _no_state_dictionary(where, "dictionaries within dictionaries")
            return _unwrap(inner, where, depth + 1)
    is_entry = {key: isinstance(key, str) and isinstance(value, torch.Tensor) for key, value in content.items()}
    if not is_entry or not all(is_entry.values()):
        # of another key only the type: a text of nested tuples may have no end
        names = {key: repr(key) if isinstance(key, str | int) else type(key).__name__ for key in is_entry}
        others = [f"{names[key]}: {type(content[key]).__name__}" for key, fits in is_entry.items() if not fits]
        raise _no_state_dictionary(where, shorten(others) or "nothing")
    parallel = all(key.startswith(PARALLEL) for key in content)
    return {key.removeprefix(PARALLEL) if parallel else key: value for key, value in content.items()}


def _no_state_dictionary(where: str, got: str) -> UserError:
    return UserError(f"{where} is not a state dictionary", expected="names with a tensor each", got=got, remedy=REMEDY)


def _channels(released: Released, kept: Mapping[str, torch.Tensor], original: Mapping[str, str], where: str) -> int:
    if released.image_weight not in kept:
        return 1  # a missing entry is reported with all others
    weight = kept[released.image_weight]
    channels = weight.shape[released.image_axis] if weight.ndim == 4 else 0
    if channels not in (1, 3):
        raise UserError(
            f"{where} is of a network for other images",
            expected="1 or 3 channels",
            got=f"{original[released.image_weight]} of shape {tuple(weight.shape)}",
            remedy=REMEDY,
        )
    return channels


def _another_network(name: str, where: str, state: Mapping[str, torch.Tensor]) -> UserError:
    found = next((each for each in PUBLISHED if _likeness(each, state) > ALIKE), "")
    return UserError(
        f"{where} is not a checkpoint of {name}",
        expected=f"the state dictionary of {name} as released",
        got=f"it looks like {found or 'no network known here'}; it begins with {shorten(sorted(state), most=3)}",
        remedy=f"name {found} as its network (`fusion_model`, --network)" if found else REMEDY,
    )


def _likeness(name: str, state: Mapping[str, torch.Tensor]) -> float:
    """Return the share of a network's entries that a state dictionary has under their released names."""
    own = build_fusion_model(name, 1).state_dict().keys()
    renamed = {PUBLISHED[name].rename(each) for each in state}
    return len((own & renamed) - state.keys()) / len(own)


def _compare(
    name: str,
    where: str,
    kept: Mapping[str, torch.Tensor],
    own: Mapping[str, torch.Tensor],
    original: Mapping[str, str],
) -> None:
    both = sorted(own.keys() & kept.keys())
    problems = {
        "missing": sorted(own.keys() - kept.keys()),
        "unexpected": sorted(original[each] for each in kept.keys() - own.keys()),
        "of another shape": [
            f"{original[each]} {tuple(kept[each].shape)} instead of {tuple(own[each].shape)}"
            for each in both
            if kept[each].shape != own[each].shape
        ],
    }
    if any(problems.values()):
        raise UserError(
            f"{where} does not fit {name}",
            expected=f"the {len(own)} entries of {name} as released",
            got="; ".join(f"{len(each)} {kind}: {shorten(each, 3)}" for kind, each in problems.items() if each),
            remedy=REMEDY,
        )
