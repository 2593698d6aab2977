"""The fusion methods known by name. Imports nothing, so that a configuration is checked in no time."""

from __future__ import annotations

from ssvif.ops.errors import UserError

FUSION_MODELS: dict[str, str] = {
    "seafusion": "ssvif.models.seafusion:SeAFusion",
}
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
