"""One shape check for the whole project, written as letters."""

from __future__ import annotations

import torch


def check_shape(name: str, tensor: torch.Tensor, layout: str) -> None:
    """Check a tensor against a layout such as "B C H W" or "B 3 H W"; a number must match exactly.

    Raises:
        ValueError: naming the tensor, the layout expected and the shape that came.
    """
    expected = layout.split()
    numbers = [(int(each), axis) for axis, each in enumerate(expected) if each.isdigit()]
    if tensor.ndim != len(expected) or any(tensor.shape[axis] != number for number, axis in numbers):
        raise ValueError(f"{name}: expected shape ({', '.join(expected)}), got {tuple(tensor.shape)}")


def check_same_shape(**tensors: torch.Tensor) -> None:
    """Check that all tensors have one shape.

    Raises:
        ValueError: listing every name with its shape.
    """
    shapes = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    first = next(iter(shapes.values()), ())
    # not by a set: the sizes of a network on its way to ONNX are symbols, which have no hash
    if any(shape != first for shape in shapes.values()):
        listed = ", ".join(f"{name} {shape}" for name, shape in shapes.items())
        raise ValueError(f"expected one shape, got {listed}")


def check_smallest(image: torch.Tensor, smallest: int) -> None:
    """Check that H and W of images (…,H,W) are at least `smallest`; raises ValueError."""
    height, width = image.shape[-2:]
    if min(height, width) < smallest:
        raise ValueError(f"expected images of at least {smallest}×{smallest} pixels, got {height}×{width}")


def pad_to_multiple(image: torch.Tensor, multiple: int, smallest: int) -> torch.Tensor:
    """Pad images at the bottom and right, by reflection without repeating the edge, to multiples of a side.

    Args:
        image: (B,C,H,W).
        multiple: of the result's H and W.
        smallest: least H and W in pixels; reflection needs more rows than it adds.

    Returns:
        (B,C,⌈H/multiple⌉·multiple,⌈W/multiple⌉·multiple); `image` itself if nothing is to be added.

    Raises:
        ValueError: H or W is below `smallest`.
    """
    check_smallest(image, smallest)
    height, width = image.shape[-2:]
    # rounded up, not by a remainder: so an exporter sees that the sum is a multiple; ONNX's division differs below zero
    below, right = ((side + multiple - 1) // multiple * multiple - side for side in (height, width))
    # a network on its way to a file holds for every size: there nothing may hang on this one's
    if torch.compiler.is_compiling() or below or right:
        return torch.nn.functional.pad(image, (0, right, 0, below), mode="reflect")
    return image


def crop(image: torch.Tensor, height: int, width: int) -> torch.Tensor:
    """Return the upper left part (…,height,width) of images (…,H,W): a view, or a copy within a network's export."""
    if not torch.compiler.is_compiling():
        return image[..., :height, :width]
    # whether a view lies in one piece would hang on the size
    rows, columns = (torch.arange(side, device=image.device) for side in (height, width))
    return image.index_select(-2, rows).index_select(-1, columns)
