"""Count what the labels and boxes of a dataset hold, and say what is strange about it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ssvif.data.descriptor import Descriptor
from ssvif.data.find import ANNOTATIONS
from ssvif.io.errors import shorten

MUCH = 0.2  # share of the labeled pixels from which an ignored value is told


def count_classes(kind: str, array: NDArray[Any]) -> Counter[int]:
    """Return class id → pixels of a label map (H,W), or boxes of an array (N,5), for the kind "label" or "boxes"."""
    counts = np.bincount(array.ravel() if kind == "label" else array[:, 0].astype(np.int64))
    return Counter({int(each): int(counts[each]) for each in np.flatnonzero(counts)})


class AnnotationTally:
    """How many pixels and boxes there are of each class, by split."""

    def __init__(self, descriptor: Descriptor) -> None:
        self._ignored = {"label": {descriptor.ignore_index}, "boxes": set[int]()}
        masks = {info.id: info.name for info in sorted(descriptor.classes, key=lambda info: info.id)}
        self._names = {"label": masks, "boxes": dict(enumerate(descriptor.detection_classes))}
        self._counts: dict[str, dict[str, Counter[int]]] = {kind: {} for kind in ANNOTATIONS}
        self._varied = 0  # label maps of two classes or more

    def add(self, split: str, kind: str, counts: Counter[int]) -> None:
        """Add what `count_classes` found in the label map or the boxes of one pair."""
        self._counts[kind].setdefault(split, Counter()).update(counts)
        self._varied += kind == "label" and len(counts.keys() - self._ignored[kind]) > 1

    def alone(self, kind: str, split: str) -> str:
        """Return "labels of background alone in train" where a split has one class or none to learn; else ""."""
        present = [self._names[kind][each] for each in self._present(kind, [split])]
        noun = ANNOTATIONS[kind]
        if len(present) > 1 or split not in self._counts[kind]:
            return ""
        return f"{noun} of {present[0]} alone in {split}" if present else f"no class in the {noun} of {split}"

    def summary(self) -> Iterator[str]:
        """Yield what each class holds: "labels: ground 81.2 %, car 18.8 %", of the pixels that are not ignored."""
        for kind, noun in ANNOTATIONS.items():
            total = self._total(kind)
            pixels = sum(total[each] for each in self._names[kind])
            shares = [
                f"{name} {total[each] / max(pixels, 1):.1%}" if kind == "label" else f"{name} {total[each]}"
                for each, name in self._names[kind].items()
            ]
            if self._counts[kind]:
                yield f"{noun}: {', '.join(shares)}"

    def warnings(self) -> Iterator[str]:
        """Yield what is strange: classes that never occur, or not in train, one value alone, much that is ignored."""
        for kind, noun in ANNOTATIONS.items():
            names, total, present = self._names[kind], self._total(kind), self._present(kind, self._counts[kind])
            absent = [name for each, name in names.items() if each not in present]
            if absent and self._counts[kind]:
                alone = f"hold {names[present[0]]} alone and" if len(present) == 1 else "hold"
                yield f"the {noun} {alone} no {shorten(absent)}" if present else f"the {noun} hold no class"
            if "train" in self._counts[kind]:
                learned = self._present(kind, ["train"])
                if untaught := [names[each] for each in present if each not in learned]:
                    yield f"the {noun} of train hold no {shorten(untaught)}, which other splits have"
            for ignored in self._ignored[kind]:
                if total[ignored] >= MUCH * max(sum(total.values()), 1):
                    share = total[ignored] / sum(total.values())
                    yield f"{ignored} is ignored and covers {share:.0%} of the labeled pixels"
            if kind == "label" and len(present) > 1 and not self._varied:
                yield "each label map is of one class alone"

    def _total(self, kind: str) -> Counter[int]:
        return sum(self._counts[kind].values(), Counter())

    def _present(self, kind: str, splits: Iterable[str]) -> list[int]:
        """Return the ids of the descriptor's classes that some splits have."""
        counts = self._counts[kind]
        return [each for each in self._names[kind] if any(counts.get(split, Counter())[each] for split in splits)]
