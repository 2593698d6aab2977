"""Randomness that depends on named parts, so that a resumed job draws what an undisturbed one draws."""

from __future__ import annotations

import hashlib
import os

import torch


def derive_seed(*parts: int | str) -> int:
    """Return a 63-bit seed of the parts, e.g. (run seed, "epoch", 7): equal parts, equal seed."""
    digest = hashlib.sha256("/".join(map(str, parts)).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def seed_torch(*parts: int | str) -> None:
    """Seed torch's generators, on every device, from the parts."""
    torch.manual_seed(derive_seed(*parts))


def generator(*parts: int | str) -> torch.Generator:
    """Return a CPU generator of its own, seeded from the parts."""
    return torch.Generator().manual_seed(derive_seed(*parts))


def make_deterministic(device: torch.device) -> None:
    """Ask for deterministic GPU kernels; an operation without one warns instead of failing.

    The CPU's kernels that we use are deterministic as they are, and the switch would make torch import
    its compiler.
    """
    if device.type == "cuda":
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.use_deterministic_algorithms(True, warn_only=True)
        torch.backends.cudnn.benchmark = False
