"""Files of torch.save: tensors and plain values only, and no more of them than the file holds."""

from __future__ import annotations

import zipfile
from pathlib import Path

import torch

SLACK = 1 << 20  # bytes


def load_torch(path: Path) -> object:
    """Return what a file of `torch.save` holds, on the CPU; nothing in it is run.

    Raises:
        OSError: it cannot be read.
        Exception: whatever torch's unpickler raises on other objects and on damaged bytes; a ValueError where the file
            claims to unpack to more than it holds.
    """
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            claimed = sum(each.file_size for each in archive.infolist())
        held = path.stat().st_size
        if claimed > held + SLACK:  # torch.save does not compress
            raise ValueError(f"{claimed / 1e6:.1f} MB unpacked, of {held / 1e6:.1f} MB")
    found: object = torch.load(path, map_location="cpu", weights_only=True)
    return found
