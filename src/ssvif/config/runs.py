"""The experiments table: a row a run, or as many runs as the row has seeds."""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from ssvif.config.options import override
from ssvif.io.errors import UserError
from ssvif.models.names import class_path
from ssvif.schema import BASELINES, INFERENCES, PUBLISHED_MODELS, RUN_KINDS
from ssvif.training.options import TrainingOptions

NOT_TRAINING = ("run", "kind", "title", "images", "checkpoint", "inference", "seeds", "tables", "note")
NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]*")  # what names a folder and stands in patterns and commands
RESERVED = ("data",)  # a folder beside those of the runs
BY_KIND = {"images": "images", "checkpoint": "published", "seeds": "trained"}  # columns that only one kind has
PLACES = ("dataset", "folder", "data_root")  # what may stand in braces in `images` and `checkpoint`
BRACED = re.compile(r"\{(\w*)\}")


@dataclass(frozen=True, kw_only=True)
class Run:
    """One run of an experiments table.

    Attributes:
        name: of the run's folder.
        kind: "trained", "published" (a checkpoint its authors released), "baseline" or "images".
        title: how tables call it; the name when the cell is empty.
        fusion_model: the network, or the baseline; empty for images.
        images: folder of another method's images, for images; may hold `PLACES` in braces, see `located`.
        checkpoint: the released file, for published; likewise.
        inference: of `ssvif.models.names.INFERENCES`: how the network's output becomes an image.
        training: options that differ from the configuration's, for a trained run.
        tables: the paper's tables it belongs to.
        note: free text.
    """

    name: str
    kind: str
    title: str
    fusion_model: str = ""
    images: str = ""
    checkpoint: str = ""
    inference: str = "plain"
    training: Mapping[str, str]
    tables: tuple[str, ...] = ()
    note: str = ""

    @property
    def source(self) -> str:
        """The folder or file that the run is made of and that nothing here makes; empty for the other kinds."""
        return self.checkpoint or self.images

    def located(self, **places: str | Path) -> Run:
        """Return the run for one dataset, its paths written out.

        Args:
            **places: a value for each of `PLACES`: the dataset's name, its folder, and the folder that holds that.
        """
        images, checkpoint = (
            BRACED.sub(lambda match: str(places[match[1]]), text) for text in (self.images, self.checkpoint)
        )
        return replace(self, images=images, checkpoint=checkpoint)


def load_runs(path: Path, defaults: TrainingOptions) -> list[Run]:
    """Read an experiments table: a row a run, an empty cell takes the configuration's value.

    Columns are those of `NOT_TRAINING` and any setting of the training. A row with `seeds` ("0 1 2") is
    as many runs, each named with its seed.

    Args:
        path: tab-separated, with a header line; lines that begin with # are skipped.
        defaults: the configuration's training options, against which every row is checked.

    Raises:
        UserError: an unknown column, kind, model or value, a name twice; naming the file and the run.
    """
    if not path.is_file():
        raise UserError(f"The experiments table {path} does not exist", remedy="correct `experiments`")
    columns, rows = _read_table(path)
    known = {*NOT_TRAINING, *(field.name for field in fields(TrainingOptions))}
    if longer := [row.get("run") for row in rows if None in row]:
        raise UserError(f"{path} has more cells than columns in the runs {longer}", expected="a cell a column")
    if unknown := [column for column in columns if column not in known]:
        raise UserError(f"{path} has unknown columns: {unknown}", expected=" | ".join(sorted(known)))
    if twice := _twice(columns):
        raise UserError(f"{path} has columns twice: {twice}", remedy="keep one of each")
    runs = [run for row in rows for run in _load_row(path, row, defaults)]
    if twice := _twice([run.name for run in runs]):
        raise UserError(f"{path} names runs twice: {twice}")
    if twice := _twice([run.title for run in runs]):
        raise UserError(f"{path} gives a title twice: {twice}", remedy="tables and curves tell runs apart by it")
    if not runs:
        raise UserError(f"{path} has no runs", expected="a header line and one line a run")
    return runs


def _read_table(path: Path) -> tuple[Sequence[str], list[dict[str | None, Any]]]:
    try:
        text = path.read_text(encoding="utf-8-sig")  # spreadsheets put a mark at the start
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is not UTF-8 text", got=str(error), remedy="save it as UTF-8") from error
    lines = [line for line in text.split("\n") if line.strip() and not line.startswith("#")]
    try:
        reader = csv.DictReader(lines, delimiter="\t", strict=True)
        return reader.fieldnames or [], list(reader)
    except csv.Error as error:  # e.g. a quote that is never closed, which would swallow the runs after it
        raise UserError(f"{path} is not a tab-separated table", got=str(error)) from error


def _twice(texts: Sequence[str]) -> list[str]:
    return sorted({text for text in texts if texts.count(text) > 1})


def _words(cell: str) -> list[str]:
    return re.findall(r"[^\s,]+", cell)


def _load_row(path: Path, row: Mapping[str | None, Any], defaults: TrainingOptions) -> list[Run]:
    cells = {key: (value or "").strip() for key, value in row.items() if key is not None}
    name, kind = cells.get("run", ""), cells.get("kind") or "trained"
    where = f"{path}, run {name!r}"
    if not NAME.fullmatch(name) or name in RESERVED:
        raise UserError(f"{where}: not a name for a run", expected="letters, digits, - and _; not 'data'")
    if kind not in RUN_KINDS:
        raise UserError(f"{where}: unknown kind {kind!r}", expected=" | ".join(RUN_KINDS))
    for column, only in BY_KIND.items():
        if cells.get(column) and kind != only:
            raise UserError(f"{where}: the column `{column}` is for runs of kind {only!r}, this one is {kind!r}")
    run = Run(
        name=name,
        kind=kind,
        title=cells.get("title") or name,
        fusion_model=cells.get("fusion_model", ""),
        images=cells.get("images", ""),
        checkpoint=cells.get("checkpoint", ""),
        inference=cells.get("inference", "") or "plain",
        training={},
        tables=tuple(_words(cells.get("tables", ""))),
        note=cells.get("note", ""),
    )
    _check_places(where, run)
    if kind != "trained":
        _refuse_unused(where, kind, cells)
        return [_check_given(where, run, inference=cells.get("inference", ""))]
    _check_inference(where, run)
    training = {key: value for key, value in cells.items() if value and key not in NOT_TRAINING}
    return _with_seeds(where, run, training, cells.get("seeds", ""), defaults)


def _check_places(where: str, run: Run) -> None:
    if unknown := sorted(set(BRACED.findall(run.source)) - set(PLACES)):
        raise UserError(
            f"{where}: {run.source} holds {{{unknown[0]}}}, which stands for nothing",
            expected=" | ".join(f"{{{place}}}" for place in PLACES),
        )


def _refuse_unused(where: str, kind: str, cells: Mapping[str, str]) -> None:
    """Refuse a filled cell that this kind of run would ignore."""
    network = () if kind == "images" else ("fusion_model",)
    known = (*NOT_TRAINING, *network)
    unused = [name for name, cell in cells.items() if cell and name not in known]
    if kind != "published" and cells.get("inference"):
        unused.append("inference")
    if unused:
        raise UserError(
            f"{where}: a run of kind {kind!r} does not use {', '.join(unused)}", remedy="leave these cells empty"
        )


def _check_given(where: str, run: Run, inference: str) -> Run:
    """Return a run that is not trained here, checked; a released checkpoint is used as its authors do."""
    if run.kind == "images" and not run.images:
        raise UserError(f"{where}: a run of kind 'images' needs the column `images`, a folder")
    if run.kind == "baseline" and run.fusion_model not in BASELINES:
        got = run.fusion_model or "an empty cell"
        raise UserError(f"{where}: unknown baseline", expected=" | ".join(BASELINES), got=got)
    if run.kind != "published":
        return run
    if run.fusion_model not in PUBLISHED_MODELS:
        raise UserError(
            f"{where}: no released checkpoint of {run.fusion_model or 'an empty cell'!r} is known",
            expected=" | ".join(PUBLISHED_MODELS),
        )
    if not run.checkpoint:
        raise UserError(f"{where}: a run of kind 'published' needs the column `checkpoint`, a file")
    run = replace(run, inference=inference or run.fusion_model)
    _check_inference(where, run)
    return run


def _check_inference(where: str, run: Run) -> None:
    if run.inference not in INFERENCES:
        raise UserError(f"{where}: unknown inference {run.inference!r}", expected=" | ".join(INFERENCES))


def _with_seeds(where: str, run: Run, training: Mapping[str, str], seeds: str, defaults: TrainingOptions) -> list[Run]:
    numbers = _words(seeds)
    if numbers and "seed" in training:
        raise UserError(f"{where} has both `seed` and `seeds`", remedy="leave one of them empty")
    if twice := _twice([number.lstrip("0") or "0" for number in numbers]):
        raise UserError(f"{where} has seeds twice: {twice}")
    runs = [
        replace(
            run,
            # one seed is named too: a second one added later must not rename what is trained already
            name=f"{run.name}_seed{number}" if number else run.name,
            title=f"{run.title} (seed {number})" if len(numbers) > 1 else run.title,
            training={**training, **({"seed": number} if number else {})},
        )
        for number in numbers or [""]
    ]
    for each in runs:
        try:
            class_path(override(defaults, each.training).fusion_model)
        except UserError as error:
            raise error.replace(what=f"{where}: {error.what}") from error
    return runs
