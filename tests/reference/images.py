"""Made images with a natural spectrum: smooth noise, edges, flat parts, saturation."""

import struct
import zlib

import numpy as np
import torch

from ssvif.io.files import write_png


def natural_image(height, width, seed, channels=1, texture=3):
    """Return (H,W) or (H,W,3) uint8; texture is the deviation of the noise in gray levels."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[:height, :width] / max(height, width)
    image = np.zeros((height, width, 3))
    for octave in range(6):
        frequency, angle = 3 * 2**octave, rng.uniform(0, 2 * np.pi, (2, 3))
        waves = np.sin(
            frequency * (np.cos(angle[0]) * rows[..., None] + np.sin(angle[0]) * columns[..., None]) + angle[1]
        )
        image += waves / 2**octave
    image = 110 + 45 * image + rng.normal(0, texture, image.shape)
    for _ in range(4):
        top, left = rng.integers(0, height), rng.integers(0, width)
        image[top : top + height // 3, left : left + width // 4] = rng.uniform(0, 255, 3)
    image = np.clip(np.round(image), 0, 255).astype(np.uint8)
    return image if channels == 3 else image[..., 0]


def natural_triple(height, width, seed, fused_channels=3, texture=3):
    """Return visible (H,W,3), infrared (H,W) and a noisy fusion of them, all uint8."""
    visible, infrared = (
        natural_image(height, width, start, channels, texture) for start, channels in ((seed, 3), (seed + 1000, 1))
    )
    noise = np.random.default_rng(seed).normal(0, 2, visible.shape)
    mixed = 0.6 * visible + 0.4 * infrared[..., None] + noise
    fused = np.clip(np.round(mixed), 0, 255).astype(np.uint8)
    return visible, infrared, fused if fused_channels == 3 else fused[..., 0]


def as_tensor(image):
    """Return (1,C,H,W) of an (H,W) or (H,W,3) array."""
    planes = image[None] if image.ndim == 2 else image.transpose(2, 0, 1)
    return torch.tensor(planes.copy())[None]


def write_png_of(path, width, height, bits, color_type, rows):
    """Write a PNG of a kind that Pillow does not write, of the bytes of its filtered rows."""
    header = struct.pack(">IIBBBBB", width, height, bits, color_type, 0, 0, 0)
    content = b"\x89PNG\r\n\x1a\n"
    for name, body in ((b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")):
        content += struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
    path.write_bytes(content)


def write_triples(root, triples):
    """Write name → (visible, infrared, fused) as PNGs; return the three folders, in this order."""
    folders = tuple(root / each for each in ("visible", "infrared", "fused"))
    for name, images in triples.items():
        for folder, image in zip(folders, images, strict=True):
            write_png(folder / f"{name}.png", image)
    return folders
