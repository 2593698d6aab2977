"""What the phases of gpu.py share: the device, made images, and tables that grow by a row."""

from __future__ import annotations

import csv
import json
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from machine import describe_machine

from ssvif.io.device import device_name

TRIED = ("seafusion", "lite")  # the networks of `--tiny`


def device_and_facts(output: Path) -> tuple[torch.device, dict[str, Any]]:
    """Return the CUDA device, or the CPU where there is none, and what machine.json says of it."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    facts = {"device": device_name(device), "cuda": torch.version.cuda, "threads": torch.get_num_threads()}
    facts |= describe_machine()
    (output / "machine.json").write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
    return device, facts


def made_images(seed: int, count: int, channels: int, height: int, width: int) -> torch.Tensor:
    """Return smooth images with a little noise, (count,channels,height,width) in [0,1]."""
    random = torch.Generator().manual_seed(seed)
    coarse = torch.rand(count, channels, height // 16 + 2, width // 16 + 2, generator=random)
    smooth = torch.nn.functional.interpolate(coarse, (height, width), mode="bicubic")
    return (smooth + 0.05 * torch.randn(smooth.shape, generator=random)).clamp(0, 1)


def tell(message: str, *values: object) -> None:
    """Print a line with the time, at once, for the phase's log."""
    print(time.strftime("%H:%M:%S"), message % values, flush=True)


class GrowingTable:
    """A CSV file that gains a row as soon as it is measured; rows that are there are not measured again.

    Args:
        path: of the file.
        keys: the columns that name a row.
        values: the columns that are measured; `error` is added.
    """

    def __init__(self, path: Path, keys: Sequence[str], values: Sequence[str]) -> None:
        self.path, self._keys, self._columns = path, keys, (*keys, *values, "error")
        self.failed = 0
        there: list[dict[str, str]] = []
        if path.is_file():
            with path.open(encoding="utf-8", newline="") as stream:
                there = list(csv.DictReader(stream))
        self._done = {tuple(row[key] for key in keys) for row in there}

    def add(self, measure: Callable[[], Mapping[str, object]], **key: object) -> None:
        """Measure and append a row, unless it is there; a failure is a row too, with its message."""
        name = tuple(str(key[each]) for each in self._keys)
        if name in self._done:
            return
        try:
            row = {**key, **measure()}
        except (RuntimeError, ValueError) as error:  # torch's own, out of memory among them
            row = {**key, "error": f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0]:.200}"}
            self.failed += 1
        new = not self.path.is_file()
        with self.path.open("a", encoding="utf-8", newline="") as stream:
            writer = csv.DictWriter(stream, self._columns, lineterminator="\n")
            if new:
                writer.writeheader()
            writer.writerow(row)
        self._done.add(name)
        tell("%s: %s", " ".join(name), {each: row[each] for each in row if each not in key})
        sys.stdout.flush()
