"""The ranges of `ops.ranges`, under the name by which frames know them."""

from __future__ import annotations

from ssvif.ops.ranges import RULES, Range, Rule, parse_rule, range_of, sequence_range, to_unit

__all__ = ["RULES", "Range", "Rule", "parse_rule", "range_of", "sequence_range", "to_unit"]
