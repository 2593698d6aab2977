"""One shape check for the whole project, written as letters."""

from __future__ import annotations

import torch


def check_shape(name: str, tensor: torch.Tensor, letters: str) -> dict[str, int]:
    """Check a tensor against a layout such as "B C H W" or "B 3 H W" and return the letters' sizes.

    A letter that occurs twice must have one size; a number must match exactly.

    Raises:
        ValueError: naming the tensor, the layout expected and the shape that came.
    """
    expected = letters.split()
    sizes: dict[str, int] = {}
    fits = tensor.ndim == len(expected)
    for letter, size in zip(expected, tensor.shape, strict=False):
        wanted = int(letter) if letter.isdigit() else sizes.setdefault(letter, size)
        fits = fits and wanted == size
    if not fits:
        raise ValueError(f"{name}: expected shape ({', '.join(expected)}), got {tuple(tensor.shape)}")
    return sizes


def check_same_shape(**tensors: torch.Tensor) -> None:
    """Check that all tensors have one shape.

    Raises:
        ValueError: listing every name with its shape.
    """
    shapes = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    if len(set(shapes.values())) > 1:
        listed = ", ".join(f"{name} {shape}" for name, shape in shapes.items())
        raise ValueError(f"expected one shape, got {listed}")
