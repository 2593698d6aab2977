"""What the paper's tables hold, as data: config/published/tables.yaml in types. Imports nothing heavy."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from pydantic import Field
from pydantic.dataclasses import dataclass

from ssvif.schema import Score

EVERY_CLASS = "*"


@dataclass(frozen=True, kw_only=True, config={"extra": "forbid"})
class RowSpec:
    """A line of one of the paper's tables.

    Attributes:
        label: what the line is called.
        published: the method's name in the files of published numbers; "" where the paper has none.
        runs: the runs that may stand here, the first that has results does; each with a remark that is printed
            when it does. Several seeds of a run count as one. In Table IV "model channels" stands for a run.
        group: headline over lines that share it.
        with_labels: whether the method was trained with labels.
        note: a remark that is always printed.
    """

    label: str
    published: str = ""
    runs: dict[str, str] = Field(default_factory=dict)
    group: str = ""
    with_labels: bool = False
    note: str = ""


@dataclass(frozen=True, kw_only=True, config={"extra": "forbid"})
class SheetSpec:
    """One of the paper's tables.

    Attributes:
        number: as the paper numbers it, "III"; "" for one of ours.
        title: a few words.
        caption: one or two sentences.
        sources: the scores it takes its numbers from.
        columns: dataset to its columns, "metric" or "metric.class", "metric.*" for every class; "" stands for
            every other dataset.
        rows: in order.
        published: names of the files of published numbers, without suffix.
        datasets: that the paper shows; () for a table without datasets.
        label: head of the first column.
        others: whether runs that name no table of theirs stand below the paper's lines.
        rank_in_groups: whether the best is marked in each group instead of in the whole column.
        notes: printed below.
    """

    number: str = ""
    title: str
    caption: str
    sources: tuple[Score, ...]
    columns: dict[str, tuple[str, ...]]
    rows: tuple[RowSpec, ...] = ()
    published: tuple[str, ...] = ()
    datasets: tuple[str, ...] = ()
    label: str = "method"
    others: bool = False
    rank_in_groups: bool = False
    notes: tuple[str, ...] = ()

    def columns_of(self, dataset: str, found: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
        """Return (metric, class) of each column on a dataset.

        Args:
            dataset: its short name.
            found: every (metric, class) that results have; "metric.*" takes its classes from them.
        """
        columns: list[tuple[str, str]] = []
        known = list(found)
        for text in self.columns.get(dataset, self.columns.get("", ())):
            metric, _, class_name = text.partition(".")
            every = [key for key in known if key[0] == metric and key[1]]
            columns += every if class_name == EVERY_CLASS else [(metric, class_name)]
        return columns

    def names(self, run: str) -> bool:
        """Whether a line of the table asks for a run, or for a seed of it."""
        return any(base_name(run) in row.runs or run in row.runs for row in self.rows)


@dataclass(frozen=True, kw_only=True, config={"extra": "forbid"})
class SheetSpecs:
    """The paper's tables, and what is known of its datasets.

    Attributes:
        tables: number in our counting, "1" to "9", or a name, to the table.
        test_pairs: dataset to the number of its test pairs in the paper.
    """

    tables: dict[str, SheetSpec]
    test_pairs: dict[str, int] = Field(default_factory=dict)

    def datasets_of(self, table: str, configured: Sequence[str]) -> list[str]:
        """Return the datasets that a table shows: the paper's for it, and those that the paper does not know.

        Where none is left, it shows whatever is configured, so that every table comes out.

        Args:
            table: a key of `tables`.
            configured: the configuration's datasets.
        """
        spec = self.tables[table]
        if not spec.datasets:
            return []
        known = {name for each in self.tables.values() for name in each.datasets}
        return [name for name in configured if name in spec.datasets or name not in known] or list(configured)

    def tables_of(self, run: str, asked: Sequence[str]) -> list[str]:
        """Return the tables that a run stands in.

        Args:
            run: its name.
            asked: what the column `tables` of its row says; when empty, it stands below the lines of each table
                that takes others.
        """
        return [
            name
            for name, spec in self.tables.items()
            if name in asked or spec.names(run) or (not asked and spec.others)
        ]


def base_name(run: str) -> str:
    """Return a run's name without its seed: "ours_seed1" is a seed of "ours"."""
    base, _, seed = run.rpartition("_seed")
    return base if base and seed.isdigit() else run
