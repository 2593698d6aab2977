"""What the paper's tables hold, as data: config/published/tables.yaml in types. Imports nothing heavy."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from pydantic import Field
from pydantic.dataclasses import dataclass

from ssvif.schema import ScoreKind, drop_seed


@dataclass(frozen=True, kw_only=True, config={"extra": "forbid"})
class RowSpec:
    """A row of one of the paper's tables.

    `runs` are those that may stand here: the first that has results does, and the remark behind it is printed then.
    Several seeds of a run count as one. In Table IV "model channels" stands for a run.
    """

    label: str
    published: str = ""  # the method's name in the files of published numbers; "" where the paper has none
    runs: dict[str, str] = Field(default_factory=dict)
    group: str = ""  # headline over rows that share it
    with_labels: bool = False  # whether the method was trained with labels
    note: str = ""  # a remark that is always printed


@dataclass(frozen=True, kw_only=True, config={"extra": "forbid"})
class SheetSpec:
    """One of the paper's tables.

    `columns` are "metric" or "metric.class", "metric.*" for every class, by dataset; "" stands for every other dataset.
    """

    number: str = ""  # as the paper numbers it, "III"; "" for one of ours
    title: str  # a few words
    caption: str  # one or two sentences
    sources: tuple[ScoreKind, ...]  # the scores it takes its numbers from
    columns: dict[str, tuple[str, ...]]
    rows: tuple[RowSpec, ...] = ()
    published: tuple[str, ...] = ()  # names of the files of published numbers, without suffix
    datasets: tuple[str, ...] = ()  # that the paper shows; () for a table without datasets
    label: str = "method"  # head of the first column
    others: bool = False  # whether runs that name no table of theirs stand below the paper's rows
    rank_in_groups: bool = False  # whether the best is marked in each group instead of in the whole column
    notes: tuple[str, ...] = ()  # printed below

    def columns_of(self, dataset: str, found: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
        """Return (metric, class) of each column on a dataset; "metric.*" takes its classes from those `found`."""
        columns: list[tuple[str, str]] = []
        known = list(found)
        for text in self.columns.get(dataset, self.columns.get("", ())):
            metric, _, class_name = text.partition(".")
            every = [key for key in known if key[0] == metric and key[1]]
            columns += every if class_name == "*" else [(metric, class_name)]
        return columns


@dataclass(frozen=True, kw_only=True, config={"extra": "forbid"})
class SheetSpecs:
    """The paper's tables, and what is known of its datasets."""

    tables: dict[str, SheetSpec]  # by the number in our counting, "1" to "9", or by a name
    test_pairs: dict[str, int] = Field(default_factory=dict)  # dataset to the number of its test pairs in the paper

    def datasets_of(self, table: str, configured: Sequence[str]) -> list[str]:
        """Return the configured datasets that a table shows: the paper's for it, and any that the paper does not know.

        Where none is left, it shows all that are configured, so that every table comes out.
        """
        spec = self.tables[table]
        if not spec.datasets:
            return []
        known = {name for each in self.tables.values() for name in each.datasets}
        return [name for name in configured if name in spec.datasets or name not in known] or list(configured)

    def tables_of(self, run: str, asked: Sequence[str]) -> list[str]:
        """Return the tables that a run stands in: those with a row for it or for its seeds together, and those `asked`.

        A run for which none is asked stands below the rows of each table that takes others, too.
        """
        names = {run, drop_seed(run)[0]}
        return [
            name
            for name, spec in self.tables.items()
            if name in asked or any(names & row.runs.keys() for row in spec.rows) or (not asked and spec.others)
        ]
