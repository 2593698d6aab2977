"""The experiments table: a row a run, or as many runs as the row has seeds."""

from __future__ import annotations

import csv
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from ssvif.config.options import override
from ssvif.io.errors import UserError
from ssvif.models.names import check_initialization, check_own_class, check_trainable
from ssvif.models.released_names import PUBLISHED
from ssvif.schema import BASELINES, INFERENCE_NAMES, LADDER_ROLES, PUBLISHED_MODELS, RUN_KINDS, add_seed
from ssvif.training.options import TrainingOptions

TRAINING = tuple(field.name for field in fields(TrainingOptions))
COMMON = ("run", "kind", "title", "tables", "note", "role")
USED_BY: dict[str, tuple[str, ...]] = {  # kind of run to its columns besides `COMMON`
    "trained": ("seeds", "inference", "train_on", *TRAINING),
    "published": ("fusion_model", "checkpoint", "inference"),
    "baseline": ("fusion_model",),
    "images": ("images",),
}
NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]*")  # what names a folder and stands in patterns and commands
NAME_RULE = "letters, digits, - and _; not 'data', 'ladder' or 'stage_one'"
SEED = re.compile("0|[1-9][0-9]*")  # which a run's name ends with
SAVE_WITH_TABS = "put a tab between two cells; editors may type spaces for it, spreadsheets save commas unless told"
NOT_RUNS = ("data", "ladder", "stage_one")  # names of other folders of a dataset
# in braces in `images` and `checkpoint`: the dataset's name, its folder, and the folder that holds that folder
PLACES = ("dataset", "folder", "data_root")
BRACED = re.compile(r"\{(\w*)\}")


@dataclass(frozen=True, kw_only=True)
class Run:
    """One run of an experiments table."""

    name: str  # of its folder
    kind: str  # one of `RUN_KINDS`
    title: str  # in tables; the name when the cell is empty
    fusion_model: str = ""  # the network, or the baseline; empty for images
    images: str = ""  # folder of another method's images; may hold `PLACES` in braces
    checkpoint: str = ""  # file, or folder of files, that a network's authors released; likewise
    inference: str = "plain"  # one of `INFERENCE_NAMES`: how the network's output becomes an image
    train_on: str = ""  # dataset whose training pairs train the run; empty for the one that it is judged on
    training: Mapping[str, str]  # options that differ from the configuration's
    tables: tuple[str, ...] = ()  # the paper's tables it belongs to
    note: str = ""
    role: str = ""  # one of `LADDER_ROLES`, or "" for a run that is no part of a ladder

    @property
    def source(self) -> str:
        """The folder or file that the run is made of and that nothing here makes; empty for the other kinds."""
        return self.checkpoint or self.images

    @property
    def files(self) -> tuple[Path, ...]:
        """The files of the released checkpoint, or the folder of images; none where the run has neither."""
        if self.checkpoint:
            return PUBLISHED[self.fusion_model].files(Path(self.checkpoint))
        return (Path(self.images),) if self.images else ()

    @property
    def absent(self) -> str:
        """The first of `files` that is not there; empty where nothing is missing."""
        return next((str(each) for each in self.files if not each.exists()), "")

    def located(self, **places: str | Path) -> Run:
        """Return the run for one dataset, its paths written out, given a value for each of `PLACES`."""
        images, checkpoint = (
            BRACED.sub(lambda match: str(places[match[1]]), text) for text in (self.images, self.checkpoint)
        )
        return replace(self, images=images, checkpoint=checkpoint)


def load_runs(path: Path, defaults: TrainingOptions) -> list[Run]:
    """Read an experiments table: a row a run, an empty cell takes the configuration's value.

    The file is tab-separated with a header line; lines that begin with # are skipped. Columns are those of
    `COMMON` and `USED_BY`; a row's settings of the training are laid over `defaults`, the configuration's, and
    checked. A row with `seeds` ("0 1 2") is as many runs, each named with its seed.

    Raises:
        UserError: an unknown column, kind, model or value, a name twice; naming the file and the run.
    """
    if not path.is_file():
        raise UserError(f"The experiments table {path} does not exist", remedy="correct `experiments`")
    columns, rows = _read_table(path)
    if len(columns) == 1 and re.search("[ ,;]", columns[0]):
        raise UserError(
            f"{path} has no tabs", expected="cells separated by tabs", got=columns[0], remedy=SAVE_WITH_TABS
        )
    known = {*COMMON, *(column for used in USED_BY.values() for column in used)}
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


def checkpoints_of(path: Path, data_root: Path) -> dict[str, Path]:
    """Return where a table looks for each network's released checkpoint.

    Raises:
        UserError: the table cannot be read.
    """
    runs = load_runs(path, TrainingOptions())
    found = (run for run in runs if run.kind == "published")
    return {
        run.fusion_model: Path(run.located(dataset="DATASET", folder="FOLDER", data_root=data_root).checkpoint)
        for run in found
    }


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
    cells = defaultdict(str, {key: (value or "").strip() for key, value in row.items() if key is not None})
    kind = cells["kind"] or "trained"
    training = {key: value for key, value in cells.items() if value and key in TRAINING}
    run = Run(
        name=cells["run"],
        kind=kind,
        title=cells["title"] or cells["run"],
        fusion_model=cells["fusion_model"],
        images=cells["images"],
        checkpoint=cells["checkpoint"],
        # a released checkpoint is used as its authors do
        inference=cells["inference"] or (cells["fusion_model"] if kind == "published" else "plain"),
        train_on=cells["train_on"],
        training={},
        tables=tuple(_words(cells["tables"])),
        note=cells["note"],
        role=cells["role"],
    )
    where = f"{path}, run {run.name!r}"
    _check_run(where, run, cells)
    return _with_seeds(where, run, training, cells["seeds"], defaults) if kind == "trained" else [run]


def _check_run(where: str, run: Run, cells: Mapping[str, str]) -> None:
    """Raise a `UserError` for what a row lacks, and for a filled cell that its kind of run would ignore."""
    kind, network = run.kind, run.fusion_model or "an empty cell"

    def wrong(message: str, choices: Sequence[str] = (), remedy: str = "") -> UserError:
        return UserError(f"{where}: {message}", expected=" | ".join(choices), remedy=remedy)

    if not NAME.fullmatch(run.name) or run.name in NOT_RUNS:
        raise wrong("not a name for a run", [NAME_RULE])
    if kind not in RUN_KINDS:
        raise wrong(f"unknown kind {kind!r}", RUN_KINDS)
    if run.role and run.role not in LADDER_ROLES:
        raise wrong(f"unknown role {run.role!r}", LADDER_ROLES)
    if unused := [name for name, cell in cells.items() if cell and name not in (*COMMON, *USED_BY[kind])]:
        raise wrong(f"a run of kind {kind!r} does not use {', '.join(unused)}", remedy="leave these cells empty")
    if unknown := sorted(set(BRACED.findall(run.source)) - set(PLACES)):
        places = [f"{{{each}}}" for each in PLACES]
        raise wrong(f"{run.source} holds {{{unknown[0]}}}, which stands for nothing", places)
    if kind == "images" and not run.images:
        raise wrong("a run of kind 'images' needs the column `images`, a folder")
    if kind == "baseline" and network not in BASELINES:
        raise wrong(f"unknown baseline {network!r}", BASELINES)
    if kind == "published" and network not in PUBLISHED_MODELS:
        raise wrong(f"no released checkpoint of {network!r} is known", PUBLISHED_MODELS)
    if kind == "published" and not run.checkpoint:
        raise wrong("a run of kind 'published' needs the column `checkpoint`, a file or a folder of files")
    if run.train_on and not NAME.fullmatch(run.train_on):
        raise wrong(f"`train_on` names no dataset: {run.train_on!r}", ["the name of a file in config/datasets"])
    if run.inference not in INFERENCE_NAMES:
        raise wrong(f"unknown inference {run.inference!r}", INFERENCE_NAMES)


def _with_seeds(where: str, run: Run, training: Mapping[str, str], seeds: str, defaults: TrainingOptions) -> list[Run]:
    numbers = _words(seeds)
    if numbers and "seed" in training:
        raise UserError(f"{where} has both `seed` and `seeds`", remedy="leave one of them empty")
    if wrong := [number for number in numbers if not SEED.fullmatch(number)]:
        raise UserError(f"{where} has seeds that are no numbers: {wrong}", expected="0 or more, such as 0 1 2")
    if twice := _twice(numbers):
        raise UserError(f"{where} has seeds twice: {twice}")
    runs = [
        replace(
            run,
            # one seed is named too: a second one added later must not rename what is trained already
            name=add_seed(run.name, "", number)[0] if number else run.name,
            title=add_seed("", run.title, number)[1] if len(numbers) > 1 else run.title,
            training={**training, **({"seed": number} if number else {})},
        )
        for number in numbers or [""]
    ]
    for each in runs:
        try:
            options = override(defaults, each.training)
            check_trainable(options.fusion_model)
            if ":" in options.fusion_model:
                check_own_class(options.fusion_model)
            check_initialization(options.initialization, options.fusion_model, options.channels)
        except UserError as error:
            raise error.replace(what=f"{where}: {error.what}") from error
    return runs
