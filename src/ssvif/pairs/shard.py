"""Parts of a set of pairs, for several processes or machines."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple, TypeVar

from ssvif.io.errors import UserError, counted

Item = TypeVar("Item")


class Shard(NamedTuple):
    """One of `total` parts, counted from 1."""

    place: int = 1
    total: int = 1

    @classmethod
    def parse(cls, text: str) -> Shard:
        """Return the shard of a text such as "2/4".

        Raises:
            UserError: the text has another form, or there is no such shard.
        """
        found = re.fullmatch(r"(\d{1,6})/(\d{1,6})", text, re.ASCII)
        shard = cls(*map(int, found.groups())) if found else cls(0, 0)
        if not 1 <= shard.place <= shard.total:
            raise UserError(f"--shard {text!r} is no part of a whole", expected="I/N with I from 1 to N, such as 2/4")
        return shard

    def take(self, items: Sequence[Item]) -> Sequence[Item]:
        """Return its part of the items; all parts in order are the whole, and differ by one item at most.

        Raises:
            UserError: there are fewer items than shards.
        """
        if 0 < len(items) < self.total:
            raise UserError(f"There are {counted(len(items), 'pair')}, too few for {self.total} shards")
        return items[len(items) * (self.place - 1) // self.total : len(items) * self.place // self.total]

    def __str__(self) -> str:
        return f"{self.place}-of-{self.total}"


WHOLE = Shard()
