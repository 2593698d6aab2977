"""Files of tensors: those of torch.save, of which only plain values are read, and safetensors with a header."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save

from ssvif.io.files import write_aside

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


def save_tensors(path: Path, tensors: Mapping[str, torch.Tensor], header: Mapping[str, Any]) -> None:
    """Write tensors as safetensors with JSON values in its metadata, under "ssvif"; equal ones give equal bytes."""
    content = {name: value.detach().cpu().contiguous() for name, value in tensors.items()}
    # one metadata entry: safetensors writes several in an order that differs between processes
    metadata = {"ssvif": json.dumps(header, sort_keys=True)}
    with write_aside(path) as aside:
        aside.write_bytes(save(content, metadata=metadata))  # not save_file, whose files only their owner may read
