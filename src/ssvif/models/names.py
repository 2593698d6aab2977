"""Fusion networks by name, without importing them: a configuration is checked without torch."""

from __future__ import annotations

import re

from ssvif.io.errors import UserError
from ssvif.io.fingerprint import fingerprint
from ssvif.schema import FUSION_MODELS

OWN_PATH = re.compile(r"\w+(\.\w+)*:\w+")


def class_path(name: str) -> str:
    """Return the `package.module:Class` behind a fusion model's name; such a path is its own.

    Raises:
        UserError: the name is unknown.
    """
    if OWN_PATH.fullmatch(name):
        return name
    if name not in FUSION_MODELS:
        raise UserError(
            f"Unknown fusion model {name!r}",
            expected=" | ".join(FUSION_MODELS) + " | package.module:Class",
            remedy="correct `fusion_model` in the experiments table",
        )
    return FUSION_MODELS[name]


def name_of_class(kind: type) -> str:
    """Return the name in `FUSION_MODELS` of a network's class; "" for a network of the user's own."""
    path = f"{kind.__module__}:{kind.__qualname__}"
    return next((name for name, known in FUSION_MODELS.items() if known == path), "")


def network_fingerprint(fusion_model: str, *modules: str) -> str:
    """Return the digest of what modules do with one fusion network; networks it does not use do not count.

    Args:
        fusion_model: a name, or a path whose file counts if it can be found; empty for none at all.
        *modules: such as "ssvif.training.loop".
    """
    network = class_path(fusion_model).partition(":")[0] if fusion_model else ""
    # this module knows every network
    return fingerprint(*modules, *filter(None, [network]), without={__name__})
