"""The fusion methods known by name. Imports nothing, so that a configuration is checked in no time."""

from __future__ import annotations

from ssvif.ops.errors import UserError
from ssvif.ops.fingerprint import fingerprint

FUSION_MODELS: dict[str, str] = {
    "seafusion": "ssvif.models.seafusion:SeAFusion",
    "emma": "ssvif.models.emma:EMMA",
    "swinfusion": "ssvif.models.swinfusion:SwinFusion",
}
INFERENCES = ("plain", "swinfusion", "seafusion", "emma")
PUBLISHED_MODELS = ("swinfusion", "seafusion", "emma")  # whose released checkpoints can be read
BASELINES = ("average", "maximum", "visible", "infrared")


def class_path(name: str) -> str:
    """Return the `package.module:Class` behind a fusion model's name; such a path is its own.

    Raises:
        UserError: the name is unknown.
    """
    if ":" in name:
        return name
    if name not in FUSION_MODELS:
        raise UserError(
            f"Unknown fusion model {name!r}",
            expected=" | ".join(FUSION_MODELS) + " | package.module:Class",
            remedy="correct `fusion_model` in the experiments table",
        )
    return FUSION_MODELS[name]


def network_fingerprint(module: str, fusion_model: str) -> str:
    """Return the digest of what a module does with one fusion network; another network's code does not count.

    Args:
        module: such as "ssvif.training.loop".
        fusion_model: a name, or a path whose file counts if it can be found; empty for none at all.
    """
    path = class_path(fusion_model) if fusion_model else ""
    others = {each for each in FUSION_MODELS.values() if each != path}
    without = {__name__, *(each.partition(":")[0] for each in others)}
    return fingerprint(*filter(None, (module, path.partition(":")[0])), without=without)
