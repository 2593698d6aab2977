"""How a folder of another method's fused images may be laid out."""

from __future__ import annotations

from pathlib import Path

# a method's images come in the dataset's own splits, of which our validation is cut off train, or all in one folder
FOLDERS = {
    "train": ("train", "all"),
    "validation": ("validation", "train", "all"),
    "test": ("test", "all"),
}


def folder_of(images: Path, split: str) -> Path | None:
    """Return the folder that holds another method's images of a split, or None if there is none.

    A folder without any of the subfolders `train`, `validation`, `test` and `all` is that of the test images.

    Args:
        images: the method's folder.
        split: train, validation or test.
    """
    named = next((images / name for name in FOLDERS[split] if (images / name).is_dir()), None)
    alone = split == "test" and not any((images / name).is_dir() for names in FOLDERS.values() for name in names)
    return images if alone else named
