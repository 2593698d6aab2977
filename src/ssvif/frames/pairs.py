"""The pairs of `ops.raw_pairs`, under the name by which frames know them."""

from __future__ import annotations

from ssvif.ops.raw_pairs import RESIZES, Pair, Rules, looks_colored, make_pair, resized, to_gray

__all__ = ["RESIZES", "Pair", "Rules", "looks_colored", "make_pair", "resized", "to_gray"]
