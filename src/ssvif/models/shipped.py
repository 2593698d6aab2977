"""The network that comes with the package, trained with SSVIF's own workflow. Imports nothing heavy."""

from __future__ import annotations

from pathlib import Path

from ssvif.io.errors import UserError

WEIGHTS = Path(__file__).parent / "weights"


def shipped_model() -> Path:
    """Return the file of the network that `ssvif fuse` takes when told of no other.

    It is the only .safetensors file in `WEIGHTS`.

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
