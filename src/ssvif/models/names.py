"""Fusion networks by name, without importing torch, and the network inside the package."""

from __future__ import annotations

import re
from pathlib import Path

from ssvif.io.errors import UserError
from ssvif.io.fingerprint import fingerprint
from ssvif.schema import FUSION_MODELS

WEIGHTS = Path(__file__).parent / "weights"
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
            remedy="correct `fusion_model`",
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


def shipped_model() -> Path:
    """Return the file of the network inside the package, the default of `ssvif fuse`: the only one in `WEIGHTS`.

    Raises:
        UserError: there is none.
    """
    found = sorted(WEIGHTS.glob("*.safetensors"))
    if len(found) != 1:
        raise UserError(
            "This installation of ssvif holds no network of its own",
            expected=f"one .safetensors file in {WEIGHTS}",
            got=", ".join(path.name for path in found) or "none",
            remedy="pass --model FILE, --checkpoint FILE --network NAME, or --baseline average",
        )
    return found[0]
